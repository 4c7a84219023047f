"""`parbench runs`, `show` and `workloads`: what was kept, for people and as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import sys

import pytest

from parbench_lab.cli.output import write_atomically
from parbench_lab.cli.stored import scoreboard_from_json
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.ports import EventRecord, RunSummary
from parbench_lab.core.standing import Trust
from parbench_lab.errors import UsageError
from parbench_lab.racing.result import jsonable
from tests.cli.doubles import FINAL, ListStore, ScriptedBench, Visitors, board, measured
from tests.workloads.played import LIBRARIES


def run(run_id="20260102-abcd", status="decided", *, finished=True, name="moving_average"):
    return RunSummary(
        id=run_id,
        kind="race",
        name=name,
        started_utc="2026-01-02T03:04:05+00:00",
        status=status,
        result=ScriptedBench().result().to_dict() if finished else None,
    )


EVENTS = [
    EventRecord(seq=0, at_s=0.5, kind="WorkerJoined", payload={}),
    EventRecord(seq=1, at_s=2.0, kind="Eliminated", payload={"candidate": "a", "reason": "wrong"}),
    EventRecord(seq=2, at_s=3.0, kind="Eliminated", payload={"candidate": "b", "reason": "slow"}),
    EventRecord(seq=3, at_s=4.0, kind="Returned", payload={"candidate": "b", "reason": "fast"}),
]


@pytest.fixture
def visitors():
    runs = [run(), run("20260103-ef01", "running", finished=False)]
    return Visitors(store=ListStore(runs, EVENTS))


def test_runs_as_json_are_a_list_oldest_first_each_with_its_id(shell):
    documents = json.loads(shell("runs", "--json").stdout)

    assert [document["id"] for document in documents] == ["20260102-abcd", "20260103-ef01"]
    assert documents[0]["winner"] == "quick"
    assert documents[1]["winner"] is None


def test_runs_as_a_table_say_that_an_unfinished_one_may_still_run(shell):
    lines = shell("runs").stdout.splitlines()

    assert lines[0].split()[0] == "id"
    assert "decided" in lines[1]
    assert "running or interrupted" in lines[2]


def test_an_empty_store_says_what_makes_a_run(shell, visitors):
    visitors.store = ListStore()

    assert shell("runs").stdout == "no runs yet; parbench race makes one\n"
    assert json.loads(shell("runs", "--json").stdout) == []


def test_show_prints_the_table_and_ends_with_the_sentence(shell):
    result = shell("show", "20260102")

    assert result.exit_code == 0
    assert "quick" in result.stdout
    assert "shown at least 50 % slower" in result.stdout
    assert result.stdout.splitlines()[-1] == "quick wins (decided)."


def test_show_without_a_run_is_the_latest_and_tells_how_far_it_came(shell):
    text = shell("show").stdout

    assert "20260103-ef01" in text
    assert "0 measurements in 4 s, 4 events" in text
    assert "a: wrong" in text
    assert "b: slow" not in text
    assert "parbench race --resume 20260103-ef01" in text


@pytest.mark.parametrize("payload", [{}, {"candidate": []}, {"candidate": "c"}])
def test_show_passes_over_what_a_journal_from_elsewhere_does_not_tell(shell, visitors, payload):
    odd = [EventRecord(seq=4 + n, at_s=5.0, kind=kind, payload=payload)
           for n, kind in enumerate(["Eliminated", "Returned", "Eliminated"])]  # fmt: skip
    visitors.store = ListStore([run(status="running", finished=False)], [*EVENTS, *odd])

    progress = json.loads(shell("show", "--json").stdout)["progress"]

    assert progress["events"] == 7
    assert progress["eliminated"]["a"] == "wrong"
    assert shell("show").exit_code == 0


def test_show_tells_how_an_interrupted_run_goes_on(shell, visitors):
    visitors.store = ListStore([run(status="interrupted")])

    lines = shell("show").stdout.splitlines()

    assert "interrupted" in lines[0]
    assert lines[-1] == "parbench race --resume 20260102-abcd goes on with it"


def test_show_as_json_has_the_header_and_the_result(shell, tmp_path):
    document = json.loads(shell("show", "20260102", "--json", "--output", "run.json").stdout)

    assert document["header"] == {"seed": 7, "workload": "nothing"}
    assert document["result"]["winner"] == "quick"
    assert json.loads((tmp_path / "run.json").read_text()) == document


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("scoreboard",), 5),
        (("scoreboard", "measured_on"), None),
        (("scoreboard", "standings", 0, "verdict"), "splendid"),
        (("scoreboard", "standings", 0, "values"), "x"),
        (("scoreboard", "standings", 0, "throughput"), {"a": 1}),
        (("scoreboard", "standings", 0, "candidate"), None),
        (("settings",), ...),
        (("sentence",), {"a": 1}),
    ],
)
@pytest.mark.parametrize("picture", [(), ("--svg", "x.svg")])
def test_a_result_that_cannot_be_read_is_told_as_damaged(shell, visitors, place, value, picture):
    damaged = run()
    holder = json.loads(json.dumps(damaged.result))
    result = holder
    for key in place[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    visitors.store = ListStore([dataclasses.replace(damaged, result=result)], EVENTS)

    told = shell("show", *picture).stderr

    assert told.count("\n") == 1
    assert "the result of run 20260102-abcd is damaged in the store" in told
    assert "parbench show 20260102-abcd --json prints it as it is" in told
    assert json.loads(shell("show", "--json").stdout)["result"] == result


def test_an_unknown_run_is_one_line_that_says_where_to_look(shell):
    result = shell("show", "nothing")

    assert result.exit_code == 2
    assert result.stderr == "parbench: no run 'nothing'; parbench runs lists them\n"


def test_a_stored_name_cannot_steer_the_terminal(shell, visitors):
    visitors.store = ListStore([run(name="\x1b[2J[red]x")])

    for command in ("runs", "show"):
        text = shell(command).stdout
        assert "\x1b" not in text
        assert "?[2J[red]x" in text


def test_a_scoreboard_comes_back_from_json_as_it_was():
    full = board(
        measured("a", 1, "leader", outcome=Outcome.OK, values={"abs_error": 1e-9}),
        measured("b", 2, "eliminated", outcome=Outcome.WRONG, failures=1, reason="wrong"),
        time_left_s=3.0,
        trust=Trust(
            interference=Estimate(point=0.1, low=0.0, high=0.2, confidence=0.95, n=9),
            worker_residuals={"cpu-0": 0.01},
            warnings=("look",),
        ),
    )

    assert scoreboard_from_json(json.loads(json.dumps(jsonable(full)))) == full


def test_infinite_evidence_survives_json():
    endless = dataclasses.replace(
        FINAL, standings=(measured("a", 1, "leader", evidence=math.inf),)
    )

    found = scoreboard_from_json(jsonable(endless))

    assert found.standings[0].evidence == math.inf


def test_fields_of_a_later_version_are_passed_over():
    document = {**jsonable(FINAL), "colour": "red"}
    document["standings"][0]["mood"] = "good"

    assert scoreboard_from_json(document) == FINAL


def test_workloads_are_listed_with_their_candidates(shell):
    documents = {d["name"]: d for d in json.loads(shell("workloads", "--json").stdout)}

    assert len(documents["moving_average"]["candidates"]) >= 6
    assert documents["numeric_integration"]["objectives"] == ["wall_time_s", "abs_error"]
    assert all(document["summary"] for document in documents.values())
    assert "moving_average" in shell("workloads").stdout


def test_candidates_whose_library_is_missing_are_named_with_it(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "orjson", None)

    documents = {d["name"]: d for d in json.loads(shell("workloads", "--json").stdout)}

    assert documents["json_parsing"]["missing"] == {"orjson_loads": "orjson"}
    assert "orjson_loads (orjson)" in shell("workloads").stdout


def test_candidates_that_need_a_gpu_where_there_is_none_are_named_apart(shell, monkeypatch):
    monkeypatch.setenv("PARBENCH_NVML", "parbench_lab.testing.recorded_gpus:no_driver")
    monkeypatch.syspath_prepend(LIBRARIES)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", None)

    documents = {d["name"]: d for d in json.loads(shell("workloads", "--json").stdout)}
    listed = shell("workloads").stdout

    assert documents["row_norms"]["elsewhere"] == ["torch_cuda_norm", "torch_cuda_norm_resident"]
    assert "torch_norm" in documents["row_norms"]["candidates"]
    assert "need a GPU, none is visible: torch_cuda_norm, torch_cuda_norm_resident\n" in listed
    assert "not installed, too large for an extra: cupy_norm (cupy), cupy_norm_r" in listed


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    write_atomically(path, "new")

    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["result.json"]


def test_a_file_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()

    with pytest.raises(UsageError, match="cannot write"):
        write_atomically(tmp_path / "folder", "text")

    assert [found.name for found in tmp_path.iterdir()] == ["folder"]


def test_a_picture_of_a_run_shows_its_names_and_loads_nothing_from_anywhere(shell, tmp_path):
    picture = tmp_path / "race.svg"

    shown = shell("show", "20260102", "--svg", str(picture))

    assert shown.exit_code == 0
    text = picture.read_text()
    assert FINAL.standings[0].candidate in text
    assert 'url("' not in text


def test_a_run_without_a_result_has_no_picture(shell, tmp_path):
    refused = shell("show", "--svg", str(tmp_path / "race.svg"))

    assert refused.exit_code == 2
    assert not (tmp_path / "race.svg").exists()
