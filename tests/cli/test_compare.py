"""`parbench compare`, `profile`, `matrix` and `fill`, over a store and a scripted race."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from array import array
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from parbench_lab.analysis.comparison.pairing import compare_figures
from parbench_lab.analysis.comparison.samples import Sample
from parbench_lab.cli.compare import comparison_table, print_comparison
from parbench_lab.core.metric import Metric
from parbench_lab.core.series import Mode
from parbench_lab.reports.compared import comparison_text
from parbench_lab.store import open_store
from tests.analysis.comparison.figures import HERE, ROOFS, THERE, run, sample
from tests.cli.doubles import ScriptedBench, board, measured
from tests.lab.test_comparing import KERNELS, keep, row, stored, stored_in_stages

HURTFUL = "<b>|`x`\x1b[31m"


class _Shared:
    """A store that several commands open; only the test closes it."""

    def __init__(self, inner):
        self.inner = inner

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.fixture
def store(visitors):
    with contextlib.closing(open_store(":memory:")) as opened:
        visitors.store = _Shared(opened)
        yield opened


@pytest.fixture
def two_runs(store):
    stored(store, "first-run", {"quick": 1e-3, "merge": 2e-3})
    stored(store, "second-run", {"quick": 1e-3, "merge": 3e-3}, day=2)


def test_a_comparison_is_a_table_with_notes_and_opportunities(shell, two_runs):
    result = shell("compare", "first", "latest")

    assert result.exit_code == 0
    assert "1 equal, 1 slower of 2 pairs" in result.stdout
    assert "1.5" in result.stdout
    assert "parbench watch" in result.stdout
    assert "find what made merge slower since the baseline: 33 % less time" in result.stdout


def test_the_document_has_everything_the_table_has_not_room_for(shell, two_runs):
    result = shell("compare", "first", "second", "--json", "--output", "c.json")

    document = json.loads(result.stdout)
    merge = next(pair for pair in document["pairs"] if pair["candidate"] == "merge")
    assert (merge["verdict"], merge["worse"]) == ("slower", True)
    assert merge["judgement"]["ratio"]["confidence"] == 0.95
    assert merge["judgement"]["q"] < 1e-6
    assert merge["bottleneck"]["limit"] == "not shown"
    assert document["same_machine"] is True


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 0),
        (("--check",), 1),
        (("--check", "--tolerance", "0.6"), 0),
        (("--tolerance", "-1"), 2),
        (("--metric", "speed"), 2),
    ],
    ids=["said", "checked", "tolerated", "no tolerance", "no metric"],
)
def test_the_exit_code_tells_only_what_was_asked(shell, two_runs, words, code):
    assert shell("compare", "first", "second", *words).exit_code == code


def quarantine_of(series, *, until="2999-12-31"):
    Path("noisy.toml").write_text(
        f'[[quarantine]]\nseries = "{series}"\nreason = "shared disk"\nuntil = {until}\n'
    )
    return ("--quarantine", "noisy.toml")


@pytest.mark.parametrize(
    ("series", "until", "code"),
    [
        pytest.param("sorting/merge", "2999-12-31", 0, id="the slower one"),
        pytest.param("sorting/*/wall_time_s", "2999-12-31", 0, id="a pattern with the metric"),
        pytest.param("sorting/quick", "2999-12-31", 1, id="another one"),
        pytest.param("sorting/merge/score", "2999-12-31", 1, id="another metric"),
        pytest.param("sorting/merge", "2001-12-31", 1, id="until long ago"),
    ],
)
def test_a_candidate_in_quarantine_does_not_fail_the_check(shell, two_runs, series, until, code):
    words = quarantine_of(series, until=until)

    assert shell("compare", "first", "second", "--check", *words).exit_code == code


def test_a_candidate_in_quarantine_is_shown_with_its_verdict_and_the_reason(shell, two_runs):
    files = ("--markdown", "c.md", "--junit", "c.xml", "--output", "c.json")

    done = shell("compare", "first", "second", *quarantine_of("sorting/merge"), *files)

    assert "in quarantine: merge, shared disk (until 2999-12-31)" in done.stdout
    assert "1 slower" in done.stdout
    merge = next(p for p in json.loads(Path("c.json").read_text())["pairs"] if p["worse"])
    assert (merge["outcome"], merge["quarantined"]) == (
        "skipped",
        "shared disk (until 2999-12-31)",
    )
    assert "| ⚠️ | `merge at 1000` | slower |" in Path("c.md").read_text()
    suite = ET.parse("c.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert "in quarantine: shared disk" in suite.find(".//skipped").get("message")


def test_who_newly_fails_in_quarantine_does_not_fail_the_check(shell, store):
    tried_once(store, purpose="scout", warm_up=False, outcome="wrong", out=["merge"])

    done = shell("compare", "first", "second", "--check", *quarantine_of("sorting/merge"))

    assert done.exit_code == 0
    assert "in quarantine: merge" in done.stdout


def test_a_quarantine_list_that_cannot_be_read_is_refused_before_anything_is_compared(shell):
    done = shell("compare", "none", "such", "--quarantine", "none.toml")

    assert done.exit_code == 2
    assert "none.toml: cannot read the quarantine list" in done.stderr


def tried_once(store, *, purpose, warm_up, outcome, out):
    """Store a run in which nothing but one such run was made of a candidate."""
    stored(store, "first-run", {"quick": 1e-3, "merge": 2e-3})
    rng = np.random.default_rng(2)
    quick = [row(rng, "quick", 1e-3, block=block, size=1000) for block in range(100)]
    tried = row(rng, "merge", 2e-3, block=900, size=1000)
    tried = replace(tried, outcome=outcome, warm_up=warm_up, values={})
    sent = [{"number": 900, "purpose": purpose}]
    keep(store, "second-run", (*quick, tried), HERE, day=2, sent=sent, out=out)


@pytest.mark.parametrize(
    ("purpose", "warm_up", "outcome"),
    [("scout", False, "wrong"), ("scout", False, "timed_out"), ("race", True, "failed")],
    ids=["wrong first run", "first run out of time", "failed warm-up"],
)
def test_who_fails_before_anything_is_judged_newly_fails(shell, store, purpose, warm_up, outcome):
    tried_once(store, purpose=purpose, warm_up=warm_up, outcome=outcome, out=["merge"])

    checked = shell("compare", "first", "second", "--check", "--markdown", "c.md")

    assert checked.exit_code == 1
    told = Path("c.md").read_text()
    assert "| `merge at 1000` | newly fails |" in told
    assert f"faults: 1 {outcome.replace('_', ' ')}" in told
    assert shell("compare", "second", "first", "--check").exit_code == 0


@pytest.mark.parametrize("outcome", ["timed_out", "out_of_memory", "failed"])
def test_a_first_run_that_would_have_been_tried_again_is_no_fault(shell, store, outcome):
    tried_once(store, purpose="scout", warm_up=False, outcome=outcome, out=())

    checked = shell("compare", "first", "second", "--check")

    assert checked.exit_code == 0
    assert "newly fails" not in checked.stdout


def test_differences_are_told_as_differences(capsys):
    sides = [
        run(name, {"quick": Sample(values={"score": array("d", scores)})})
        for name, scores in (("a", [0.5, 0.51] * 50), ("b", [0.7, 0.71] * 50))
    ]
    metric = Metric(name="score", unit="1", scale="interval")

    found = compare_figures(*sides, metric=metric)

    print_comparison(found, sys.stdout)
    told = [capsys.readouterr().out, comparison_text(found)]
    assert all("cost difference" in text and "+0.2" in text for text in told)
    assert all("tolerance 0.02)" in text for text in told)
    assert comparison_table(found).heading == "difference from the cost of a"
    assert "cost difference +0.2" in comparison_table(found).rows[0].message


@pytest.mark.parametrize(("cause", "code"), [("fault", 1), ("hand", 0)])
def test_who_is_put_out_for_a_fault_without_a_measurement_newly_fails(shell, store, cause, code):
    stored(store, "first-run", {"quick": 1e-3, "merge": 2e-3})
    rng = np.random.default_rng(2)
    quick = tuple(row(rng, "quick", 1e-3, block=block, size=1000) for block in range(100))
    keep(store, "second-run", quick, HERE, day=2, out=["merge"], cause=cause)

    checked = shell("compare", "first", "second", "--check", "--markdown", "c.md")

    assert checked.exit_code == code
    assert ("faults: 1 put out" in Path("c.md").read_text()) is (cause == "fault")


def test_the_tables_for_continuous_integration_hold_no_markup_of_names(shell, store):
    stored(store, "first", {HURTFUL: 1e-3})
    stored(store, "second", {HURTFUL: 2e-3}, day=2)

    result = shell("compare", "first", "second", "--markdown", "c.md", "--junit", "c.xml")

    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\\|" in Path("c.md").read_text()
    assert "<failure" in Path("c.xml").read_text()


def on_two_machines(store, seconds, *, calibrated=True):
    """Keep a run here and one on a machine that takes half the time for everything."""
    stored(store, "first", {"quick": 1e-3})
    stored(store, "second", {"quick": seconds}, THERE, day=2)
    for day, machine, factor in ((3, HERE, 1.0), (4, THERE, 0.5)) if calibrated else ():
        times = {name: factor * seconds for name, seconds in KERNELS.items()}
        stored(store, f"c-{day}", times, machine, name="calibration", mode="micro", day=day)


def ci_row(shell, code, *words):
    """Return the Markdown row and the JUnit case of the only candidate, and what was said."""
    files = ("--markdown", "c.md", "--junit", "c.xml")
    result = shell("compare", "first", "second", "--check", *files, *words)
    assert result.exit_code == code
    (row,) = [line for line in Path("c.md").read_text().splitlines() if "`quick at" in line]
    (case,) = ET.parse("c.xml").getroot().iter("testcase")
    return row, case, result.stdout


def test_two_machines_show_a_column_less_the_calibration(shell, store):
    on_two_machines(store, 5e-4)

    result = shell("compare", "first", "second")

    assert "relative" in result.stdout
    assert "the machines differ in cpu_model: Abacus 3 and Abacus 4" in result.stdout
    assert "1 equal of 1 pair" in result.stdout


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(8e-4, "slower"), (5e-4, "equal"), (3e-4, "faster")]
)
def test_across_machines_the_files_show_the_verdict_and_the_ratio_that_decide(
    shell, store, seconds, verdict
):
    on_two_machines(store, seconds)
    failed = verdict == "slower"

    row, case, said = ci_row(shell, 1 if failed else 0)

    message = case.find("failure" if failed else "system-out").text
    assert row.startswith(f"| {'❌' if failed else '✅'} | `quick at 1000` | {verdict} | ")
    assert float(row.split(" | ")[3].split()[0]) == pytest.approx(seconds / 5e-4, rel=0.02)
    assert f"quick at 1000: {verdict}, ratio" in message
    assert "less the calibration" in message
    assert f"1 {verdict} of 1 pair" in said


@pytest.mark.parametrize("seconds", [2e-3, 5e-4], ids=["slower", "faster"])
def test_across_machines_without_a_calibration_the_check_is_undecided(shell, store, seconds):
    on_two_machines(store, seconds, calibrated=False)

    row, case, said = ci_row(shell, 0)

    assert row == "| ❔ | `quick at 1000` | undecided | \\- |"
    assert Path("c.md").read_text().startswith("### ❔ ")
    assert "there is no calibration of both" in case.find("system-out").text
    assert "1 undecided of 1 pair" in said


def test_who_is_equal_and_newly_fails_is_said_to_fail():
    broken = {"quick": sample(1e-3, faults={"wrong": 3})}

    table = comparison_table(compare_figures(run("a", {"quick": 1e-3}), run("b", broken)))

    (row,) = table.rows
    assert (row.outcome, row.verdict) == ("failed", "newly fails")
    assert row.message.endswith("faults: 3 wrong")


def test_candidates_that_only_one_run_has_are_in_the_files_as_undecided(shell, store):
    stored(store, "first", {"quick": 1e-3, "merge": 2e-3})
    stored(store, "second", {"quick": 1e-3, "heap": 2e-3}, day=2)

    result = shell(
        "compare", "first", "second", "--check", "--markdown", "c.md", "--junit", "c.xml"
    )

    table = Path("c.md").read_text()
    cases = {case.get("name"): case for case in ET.parse("c.xml").getroot().iter("testcase")}
    assert result.exit_code == 0
    assert "1 only in the baseline; 1 only in the new run" in result.stdout
    assert "| ❔ | `merge at 1000` | only in the baseline |" in table
    assert "| ❔ | `heap at 1000` | only in the new run |" in table
    assert table.startswith("### ❔ ")
    assert "not compared" in cases["merge at 1000"].find("system-out").text


def test_runs_with_nothing_in_common_are_undecided_and_no_pass(shell, store):
    stored(store, "first", {"quick": 1e-3})
    stored(store, "second", {"quick": 1e-3}, day=2, size=2000)

    result = shell("compare", "first", "second", "--check", "--markdown", "c.md")

    assert result.exit_code == 0
    said = "undecided, the runs have no batch size in common (baseline 1000, new 2000): race one"
    assert f"sorting: {said} at the other's" in result.stdout
    assert "✅" not in Path("c.md").read_text()


@pytest.fixture
def came_back(store):
    """Keep two runs at 1000 items; the second came back to them after 2000, and was slower."""
    stored(store, "first", {"quick": 1e-3})
    stages = [(1000, 1e-3), (2000, 2e-3), (1000, 1.5e-3)]
    stored_in_stages(store, "second", "quick", stages, day=2)


def test_each_return_to_a_batch_size_has_its_own_row_in_every_form(shell, came_back):
    files = ("--markdown", "c.md", "--junit", "c.xml")

    result = shell("compare", "first", "second", "--check", *files)
    document = json.loads(shell("compare", "first", "second", "--json").stdout)

    labels = ["quick at 1000 (epochs 0 and 0)", "quick at 1000 (epochs 0 and 2)"]
    cases = [case.get("name") for case in ET.parse("c.xml").getroot().iter("testcase")]
    told = {pair["epochs"]: (pair["verdict"], pair["worse"]) for pair in document["pairs"]}
    assert result.exit_code == 1
    assert told == {"0 and 0": ("equal", False), "0 and 2": ("slower", True)}
    assert cases[:2] == labels
    assert all(f"`{label}`" in Path("c.md").read_text() for label in labels)
    assert "1 equal, 1 slower of 2 pairs of candidate, batch size and epoch" in result.stdout
    (row,) = [line for line in result.stdout.splitlines() if "0 and 2  " in line]
    assert row.split()[:2] == ["quick", "1000"]


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(8e-4, "slower"), (5e-4, "equal"), (3e-4, "faster")]
)
def test_across_machines_the_document_claims_what_the_calibration_allows(
    shell, store, seconds, verdict
):
    on_two_machines(store, seconds)

    (pair,) = json.loads(shell("compare", "first", "second", "--json").stdout)["pairs"]

    assert (pair["verdict"], pair["basis"]) == (verdict, "the ratio less the calibration")
    assert pair["verdict_of_machine_and_code"] == "faster"
    assert "verdict" not in pair["judgement"]


def test_across_machines_without_a_calibration_the_document_claims_nothing(shell, store):
    on_two_machines(store, 5e-4, calibrated=False)

    said = shell("compare", "first", "second").stdout
    (pair,) = json.loads(shell("compare", "first", "second", "--json").stdout)["pairs"]

    assert pair["verdict"] == "undecided"
    assert pair["basis"] == "two machines, and no calibration of both"
    (row,) = [line for line in said.splitlines() if line.startswith("quick ")]
    assert "undecided" in row
    assert "faster" not in row


# ---------------------------------------------------------------- profile


def test_a_profile_shows_quantiles_throughput_and_runs(shell, two_runs):
    result = shell("profile", "sorting")
    document = json.loads(shell("profile", "sorting", "--candidate", "quick", "--json").stdout)

    assert result.exit_code == 0
    assert "p95" in result.stdout
    assert "1.00 M" in result.stdout
    (row,) = document
    assert (row["runs"], row["mode"], row["machine"]) == (2, "batch", HERE.fingerprint)
    assert row["p99"] is not None


def test_a_profile_by_commit_names_the_changes_of_a_tree(shell, store):
    for day, dirty in ((1, False), (2, True)):
        git = {"commit": "c0ffee", "dirty": dirty}
        stored(store, f"run-{day}", {"quick": 1e-3}, day=day, git=git)

    clean, changed = shell("profile", "sorting", "--by", "commit").stdout.splitlines()[1:]

    assert " c0ffee + changes " in changed
    assert " c0ffee " in clean
    assert "changes" not in clean


@pytest.mark.parametrize("name", ["mymodule.py", "mymodule:Doubling", "mymodule.py/quick"])
def test_a_profile_of_a_file_is_of_the_workload_in_it(shell, store, name):
    stored(store, "first-run", {"quick": 1e-3}, name="mymodule:Doubling")

    (row,) = json.loads(shell("profile", name, "--json").stdout)

    assert (row["workload"], row["candidate"]) == ("mymodule:Doubling", "quick")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "there are sorting; parbench race nothing makes some"),
        (("sorting", "--size", "5"), "ask for less"),
    ],
    ids=["unknown", "too much"],
)
def test_a_profile_of_nothing_is_refused_with_what_there_is(shell, two_runs, words, said):
    result = shell("profile", *words)

    assert result.exit_code == 2
    assert said in result.stderr


def test_a_profile_is_of_the_machine_whose_fingerprint_begins_so(shell, store):
    stored(store, "first-run", {"quick": 1e-3})
    stored(store, "second-run", {"quick": 2e-3}, THERE, day=2)

    words = ("--machine", THERE.fingerprint[:6], "--json")
    (row,) = json.loads(shell("profile", "sorting", *words).stdout)

    assert row["machine"] == THERE.fingerprint


def test_a_beginning_of_several_fingerprints_is_refused_with_them(shell, store):
    for day, name in enumerate(("aab1", "aac2", "aa"), start=1):
        stored(store, f"run-{day}", {"quick": 1e-3}, {"fingerprint": name}, day=day)

    many = shell("profile", "sorting", "--machine", "a")
    (whole,) = json.loads(shell("profile", "sorting", "--machine", "aa", "--json").stdout)

    assert many.exit_code == 2
    assert "--machine a: may be aa or aab1 or aac2; give more of it" in many.stderr
    assert whole["machine"] == "aa"


def test_a_profile_by_commit_has_a_row_of_each_candidate_for_each(shell, store):
    for day, commit in enumerate(("aaa111", "bbb222"), start=1):
        git = {"commit": commit, "dirty": False}
        stored(store, f"run-{day}", {"quick": 1e-3, "merge": 2e-3}, day=day, git=git)

    rows = json.loads(shell("profile", "sorting", "--by", "commit", "--json").stdout)
    said = shell("profile", "sorting", "--by", "commit").stdout

    assert [(row["commit"], row["candidate"], row["runs"]) for row in rows] == [
        ("aaa111", "merge", 1),
        ("aaa111", "quick", 1),
        ("bbb222", "merge", 1),
        ("bbb222", "quick", 1),
    ]
    assert said.count("aaa111") == said.count("bbb222") == 2


# ---------------------------------------------------------------- matrix and fill


@pytest.fixture
def reach(visitors):
    visitors.modes = {"sorting": Mode.BATCH, "nothing": Mode.BATCH}


def test_the_matrix_shows_percent_and_what_is_missing(shell, two_runs, reach):
    result = shell("matrix")
    document = json.loads(shell("matrix", "--json").stdout)

    assert "covered: 50 % (target 90 %, not reached)" in result.stdout
    assert "parbench fill" in result.stdout
    assert [cell["workload"] for cell in document["missing"]] == ["nothing"]


@pytest.mark.parametrize(
    ("n_raced", "said"),
    [
        pytest.param(179, "covered: 89 % (target 90 %, not reached)", id="just below"),
        pytest.param(180, "covered: 90 % (target 90 %, reached)", id="on the target"),
    ],
)
def test_what_misses_the_target_is_not_shown_as_it(shell, visitors, store, n_raced, said):
    names = [f"job_{number:03d}" for number in range(200)]
    visitors.modes = dict.fromkeys(names, Mode.BATCH)
    for name in names[:n_raced]:
        stored(store, name, {"quick": 1e-3}, name=name)

    assert said in shell("matrix").stdout


def test_another_machine_of_the_matrix_is_named_with_its_difference(shell, store, reach):
    newer = replace(HERE, libraries={"numpy": "2.4.7"})
    stored(store, "elsewhere", {"quick": 1e-3}, newer)

    result = shell("matrix")
    document = json.loads(shell("matrix", "--json").stdout)

    words = "Abacus 3, as here but for numpy 2.4.7 (here: not there)"
    assert f"{newer.fingerprint}: {words}" in result.stdout
    assert document["machines"][newer.fingerprint] == words


def test_a_run_with_a_library_of_its_workload_is_of_this_machine(shell, store, reach):
    stored(store, "with-library", {"quick": 1e-3}, replace(HERE, libraries={"orjson": "3.11"}))

    document = json.loads(shell("matrix", "--json").stdout)

    assert [cell["workload"] for cell in document["missing"]] == ["nothing"]
    assert list(document["machines"]) == [HERE.fingerprint]


def test_fill_says_what_it_would_do(shell, visitors, two_runs, reach):
    result = shell("fill", "--dry-run")

    assert result.exit_code == 0
    assert "missing here: nothing (batch)" in result.stdout
    assert not visitors.new


def test_fill_races_what_is_missing_for_a_short_time(shell, visitors, two_runs, reach):
    result = shell("fill", "--seconds", "2", "--json")

    document = json.loads(result.stdout)
    ((_, workload), options) = visitors.new[0]
    assert (workload, options["mode"]) == ("nothing", "batch")
    assert ("limit", (2.0, None, False)) in visitors.bench.calls
    assert document["results"][0]["error"] == ""
    assert result.exit_code == 0


def test_a_race_that_measures_nothing_is_an_error_of_its_own(shell, visitors, store, reach):
    empty = board(measured("quick", 1, "leader"), measurements=0)
    visitors.bench = ScriptedBench(boards=[empty], status="undecided")

    result = shell("fill")

    assert result.exit_code == 1
    assert result.stdout.count("give more --seconds") == 2


class InterruptedBench(ScriptedBench):
    """A race during which the user types Ctrl-C; what it measured until then is stored."""

    def wait(self, what="finished", timeout_s=None):
        signal.raise_signal(signal.SIGINT)
        return False

    def stop(self, reason="stopped by the user"):
        stored(self.store, self.run_id, {"quick": 1e-3}, name="nothing")
        return super().stop(reason)


def test_ctrl_c_ends_a_filling_after_the_race_that_runs_and_keeps_what_was_measured(
    shell, visitors, store, reach
):
    visitors.bench = InterruptedBench()
    visitors.bench.store = store

    result = shell("fill", "--json")

    document = json.loads(result.stdout)
    assert [cell["workload"] for cell in document["plan"]] == ["nothing", "sorting"]
    (raced,) = document["results"]
    assert (raced["workload"], raced["run"], raced["error"]) == ("nothing", "20260102-abcd", "")
    assert len(visitors.new) == 1
    assert [cell["workload"] for cell in document["matrix"]["missing"]] == ["sorting"]
    assert [run.name for run in store.runs()] == ["nothing"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seconds", "0"), "must be positive"),
        (("--seconds", "inf", "--dry-run"), "must be positive and finite but got inf"),
        (("--seconds", "nan", "--dry-run"), "must be positive and finite but got nan"),
        (("--workers", "0", "--dry-run"), "0 is not in the range x>=1"),
        (("--workload", "sortin"), "known are nothing, sorting"),
    ],
    ids=["no time", "all time", "no number", "no workers", "unknown"],
)
def test_fill_refuses_what_it_cannot_do(shell, store, reach, words, said):
    result = shell("fill", *words)

    assert result.exit_code == 2
    assert said in result.stderr


# ---------------------------------------------------------------- roofs


def test_the_doctor_keeps_the_roofs_in_the_store(shell, visitors, store):
    visitors.bench = ScriptedBench(boards=[board(measured("copy 1", 1, "leader"))])

    result = shell("doctor", "--json")

    (run,) = store.runs(kind="roofline")
    document = json.loads(result.stdout)
    assert run.machine == HERE.fingerprint
    assert document["roofline"]["cores"] == ROOFS.cores
    assert "from memory" in shell("doctor").stdout


def test_a_doctor_whose_store_cannot_be_written_says_so_and_goes_on(shell, visitors):
    result = shell("doctor")

    assert "the roofs are not kept" in result.stdout
    assert "identical code" in result.stdout
