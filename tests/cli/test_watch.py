from __future__ import annotations

import datetime as dt
import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.analysis.regression.bisection import Trial
from parbench_lab.analysis.regression.changes import ChangeHint
from parbench_lab.analysis.regression.outlook import Outlook
from parbench_lab.analysis.regression.report import SeriesReport, WatchReport
from parbench_lab.analysis.regression.series import WatchVerdict
from parbench_lab.cli import parbench
from parbench_lab.cli.doors import Doors
from parbench_lab.cli.tables_for_ci import (
    CheckRow,
    CheckTable,
    code,
    interval_picture,
    junit_xml,
    markdown,
    race_table,
)
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.errors import RaceError, UsageError
from parbench_lab.lab.bisect import BisectReport
from parbench_lab.lab.change_hints import HintReport, hint_sentence
from parbench_lab.lab.commit_races import CommitTrial
from tests.cli.doubles import ScriptedBench, board, standing
from tests.execution.builds.repos import BENCH, IDENTITY, spinning

RATIO = Estimate(point=1.1, low=1.05, high=1.15, confidence=0.95, n=20)
DIFFERENCE = Estimate(point=0.012, low=-0.001, high=0.025, confidence=0.95, n=20)
NASTY = '<img src=x>|`@me` "q" & \x1b[31m [l](https://x) \nnext'


def report_of(verdict="regression", *, candidate="a", run_id="20260101-000000-aaaaaaa", **fields):
    series = SeriesReport(
        workload="job",
        candidate=candidate,
        metric="wall_time_s",
        verdict=WatchVerdict(verdict),
        ratio=RATIO,
        evidence=1e5,
        needed=2e4,
        **fields,
    )
    return WatchReport(
        run_id=run_id,
        workload="job",
        new="the working tree",
        baseline="v1 (c0ffee)",
        tolerance=0.02,
        series=(series,),
        notes=("b: only in the baseline, not compared",),
    )


class ScriptedWatch:
    """Gives its reports one after the other, and remembers what it was asked for."""

    def __init__(self, *reports):
        self.reports = list(reports)
        self.asked = []

    def __call__(self, target, **options):
        self.asked.append((target, options))
        found = self.reports[min(len(self.asked), len(self.reports)) - 1]
        if isinstance(found, Exception):
            raise found
        options["progress"](1, 1, found)
        return found


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARBENCH_STORE", raising=False)

    def run(*words, **doors):
        return CliRunner().invoke(parbench, list(words), obj=Doors(**doors))

    return run


# ---------------------------------------------------------------- what comes out


def test_a_regression_is_told_and_ends_with_1(shell):
    done = shell("watch", "job", watch=ScriptedWatch(report_of()))

    assert done.exit_code == 1
    assert "a (wall_time_s): regression, 1.10 (1.05-1.15) times the baseline's cost" in done.output
    assert "note: b: only in the baseline" in done.output
    assert "FAILED" in done.output


@pytest.mark.parametrize("verdict", ["undecided", "equal", "improvement"])
def test_anything_else_ends_with_0_and_is_said_plainly(shell, verdict):
    done = shell("watch", "job", watch=ScriptedWatch(report_of(verdict)))

    assert done.exit_code == 0
    assert f"1 {verdict}" in done.output


@pytest.mark.parametrize("seconds", ["nan", "inf", "0"])
def test_a_night_of_no_length_or_without_an_end_is_refused_before_anything_is_planned(
    shell, seconds
):
    result = shell("watch", "sorting", "--seconds", seconds, "--dry-run")

    assert result.exit_code == 2
    assert "--seconds must be positive and finite but got" in result.stderr


def test_dry_run_says_what_a_night_would_measure_and_measures_nothing(shell):
    never = ScriptedWatch(report_of())

    done = shell("watch", "sorting", "-a", "list_sort", "--seconds", "90", "--every", "1d",
                 "--dry-run", watch=never)  # fmt: skip
    refused = shell("watch", "--history", "--dry-run", watch=never)

    assert done.exit_code == 0
    assert "candidates 1: list_sort\n" in done.output
    assert "baseline   the commit this branch began at\n" in done.output
    assert "at most 300 of " in done.output
    assert "takes      at most 90 s" in done.output
    assert refused.exit_code == 2
    assert "--dry-run: --history measures nothing" in refused.output
    assert never.asked == []


def test_a_series_in_quarantine_is_shown_and_does_not_block(shell):
    quiet = report_of(quarantined="shared disk (until 2026-12-31)")

    done = shell("watch", "job", watch=ScriptedWatch(quiet))

    assert done.exit_code == 0
    assert "in quarantine: shared disk" in done.output


def test_json_goes_to_stdout_and_files_are_written(shell, tmp_path):
    words = ("--json", "--output", "w.json", "--junit", "w.xml", "--markdown", "w.md")

    done = shell("watch", "job", *words, watch=ScriptedWatch(report_of()))

    document = json.loads(done.stdout)
    assert document["series"][0]["verdict"] == "regression"
    assert document["series"][0]["blocking"]
    assert not document["passed"]
    assert json.loads((tmp_path / "w.json").read_text()) == document
    assert ET.parse(tmp_path / "w.xml").getroot().find(".//failure") is not None
    assert "❌" in (tmp_path / "w.md").read_text()


def test_what_was_asked_for_arrives_and_what_was_not_stays_out(shell):
    scripted = ScriptedWatch(report_of("equal"))
    words = ("--baseline", "v1.2", "-a", "x", "--blocks", "50", "--metric", "peak_rss_bytes")

    shell("watch", "bench.py", *words, watch=scripted)

    ((target, options),) = scripted.asked
    assert target == "bench.py"
    assert (options["baseline"], options["algorithms"]) == ("v1.2", ["x"])
    assert (options["blocks"], options["metrics"]) == (50, ("peak_rss_bytes",))
    assert "seconds" not in options


@pytest.mark.parametrize("words", [("job",), ("--history",)], ids=["a night", "hints"])
def test_the_store_is_the_one_that_the_project_names(shell, tmp_path, words):
    (tmp_path / "pyproject.toml").write_text("[tool.parbench]\nstore = 'x.db'\n")
    stores = []

    def hints(_workload, *, store, **_asked):
        stores.append(store)
        return HintReport(hints=(), n_series=0, n_short=0, q=0.05)

    scripted = ScriptedWatch(report_of("equal"))
    done = shell("watch", *words, watch=scripted, change_hints=hints)

    stores += [options["store"] for _, options in scripted.asked]
    assert done.exit_code == 0
    assert stores == [str(tmp_path / "x.db")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param([], "say what to watch", id="nothing to watch"),
        pytest.param(["job", "--every", "daily"], "like 1d", id="no period"),
        pytest.param(
            ["job", "--every", "1d", "--store", ":memory:"],
            "needs a store that lasts",
            id="a schedule that forgets",
        ),
        pytest.param(["job", "--nights", "3"], "give --every", id="nights without a period"),
        pytest.param(
            ["--history", "--every", "1d"],
            "--every: --history measures nothing",
            id="hints nightly",
        ),
        pytest.param(["job", "--q", "0.05"], "--q: the hints of --history", id="q without hints"),
        pytest.param(
            ["job", "--every", "daily", "--dry-run"], "like 1d", id="no period, nothing measured"
        ),
        pytest.param(["job", "--blocks", "0", "--dry-run"], "blocks must be", id="no block"),
        pytest.param(
            ["job", "--baseline", "job==1.2", "--python", "python3", "--dry-run"],
            "python 'python3' would do nothing",
            id="a python beside a version",
        ),
        pytest.param(["job", "--junit", "no/such/w.xml"], "--junit", id="no folder"),
        pytest.param(["job", "--build", "other"], "--build", id="no such build"),
        pytest.param(["job", "--history", "-a", "x", "-a", "y"], "one -a", id="two of one"),
    ],
)
def test_wrong_use_ends_with_2_in_one_line(shell, words, told):
    scripted = ScriptedWatch(report_of())

    done = shell("watch", *words, watch=scripted)

    assert done.exit_code == 2
    assert told in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not scripted.asked


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--baseline", "v1"), ("--build", "auto"), ("--python", "python3"),
        ("--quarantine", "noisy.toml"), ("--blocks", "10"), ("--seconds", "9"),
        ("--batch-size", "9"), ("--timeout-s", "9"), ("--seed", "1"),
    ],
)  # fmt: skip
def test_hints_refuse_what_only_a_measurement_takes(shell, flag, value):
    done = shell("watch", "--history", flag, value)

    assert done.exit_code == 2
    assert f"{flag}: --history measures nothing; leave it out" in done.output


def test_help_shows_examples(shell):
    for command in ("watch", "bisect"):
        done = shell(command, "--help")

        assert done.exit_code == 0
        assert "Example:" in done.output


# ---------------------------------------------------------------- on a schedule


def test_nights_come_one_after_the_other_and_one_that_breaks_does_not_end_them(shell):
    broken = RaceError("v1 does not come up")
    scripted = ScriptedWatch(report_of("equal"), broken, report_of("equal"))

    done = shell("watch", "job", "--every", "1s", "--nights", "3", watch=scripted)

    assert len(scripted.asked) == 3
    assert "this night was not measured: v1 does not come up" in done.output
    assert "the next one begins in" in done.output


@pytest.mark.parametrize(
    ("nights", "code", "told"),
    [
        (("regression", "equal"), 1, "1 of 2 nights failed"),
        (("equal", None), 1, "1 of 2 nights failed"),
        (("undecided", "equal"), 0, "1 equal"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_the_exit_code_is_that_of_the_worst_night(shell, nights, code, told):
    broken = RaceError("v1 does not come up")
    scripted = ScriptedWatch(*(report_of(night) if night else broken for night in nights))

    done = shell("watch", "job", "--every", "1s", "--nights", "2", watch=scripted)

    assert len(scripted.asked) == 2
    assert done.exit_code == code
    assert told in done.output


def test_a_first_night_that_cannot_be_measured_ends_it(shell):
    scripted = ScriptedWatch(UsageError("another watch is running"))

    done = shell("watch", "job", "--every", "1s", "--nights", "3", watch=scripted)

    assert done.exit_code == 2
    assert len(scripted.asked) == 1


def test_a_file_tells_of_the_last_night_and_every_night_has_its_own_beside_it(shell, tmp_path):
    nights = {
        "20260101-030000-aaaaaaa": "regression",
        "20260102-030000-bbbbbbb": "undecided",
        "20260103-030000-ccccccc": "equal",
    }
    scripted = ScriptedWatch(*(report_of(word, run_id=run_id) for run_id, word in nights.items()))
    words = ("--junit", "w.xml", "--markdown", "w.md", "--output", "w.json")

    done = shell("watch", "job", "--every", "1s", "--nights", "3", *words, watch=scripted)

    last = list(nights)[-1]
    for name in ("w.xml", "w.md", "w.json"):
        stem, dot = name.split(".")
        own = {run_id: (tmp_path / f"{stem}-{run_id}.{dot}").read_text() for run_id in nights}
        assert (tmp_path / name).read_text() == own[last]
        assert all(word in own[run_id] for run_id, word in nights.items())
        assert f"{stem}-{last}.{dot}" in done.output
    assert len(list(tmp_path.iterdir())) == 3 * (1 + len(nights))


def test_a_night_that_was_not_measured_leaves_the_files_of_the_one_before(shell, tmp_path):
    scripted = ScriptedWatch(report_of("equal"), RaceError("v1 does not come up"))

    shell("watch", "job", "--every", "1s", "--nights", "2", "--junit", "w.xml", watch=scripted)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "w-20260101-000000-aaaaaaa.xml",
        "w.xml",
    ]


def test_a_night_whose_file_cannot_be_written_is_said_to_be_in_the_store(shell, tmp_path):
    def watched(target, **options):
        nights.append(target)
        if len(nights) == 2:
            # in the way of the file, from after it was checked
            (tmp_path / "w.xml").unlink()
            (tmp_path / "w.xml").mkdir()
        return report_of("equal")

    nights = []
    words = ("--every", "1s", "--nights", "2", "--junit", "w.xml")

    done = shell("watch", "job", *words, watch=watched)

    assert done.exit_code == 1
    assert "this night is in the store as 20260101-000000-aaaaaaa" in done.output
    assert "not measured" not in done.output


def test_one_night_without_a_schedule_has_its_files_under_their_names_only(shell, tmp_path):
    shell("watch", "job", "--junit", "w.xml", watch=ScriptedWatch(report_of("equal")))

    assert [path.name for path in tmp_path.iterdir()] == ["w.xml"]


# ---------------------------------------------------------------- hints


def hint():
    key = SeriesKey(workload="job", candidate="a", size=10, machine="m")
    first, second = (
        SeriesPoint(
            run_id=f"r{day}",
            started=dt.datetime(2026, 1, day, tzinfo=dt.UTC),
            key=key,
            median=Estimate(point=1, low=1, high=1, confidence=0.95, n=9),
            commit=f"commit{day}",
        )
        for day in (1, 2)
    )
    return ChangeHint(
        key=key, before=first, after=second, ratio=RATIO, p_value=0.001, q_value=0.003, worse=True
    )


def test_stored_figures_give_hints_with_their_q_and_end_with_0(shell):
    found = HintReport(hints=(hint(),), n_series=3, n_short=1, q=0.05)

    done = shell("watch", "job", "--history", "--json", change_hints=lambda *_, **__: found)

    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert document["hints"][0]["q_value"] == 0.003
    assert "worse from commit2 (2026-01-02) on, 1.10 (1.05-1.15)" in done.stderr
    assert "hints, because runs of different days are not paired" in done.stderr


def test_without_metric_hints_are_asked_for_of_the_objectives(shell):
    asked = []

    def found(*_, metric, **__):
        asked.append(metric)
        return HintReport(hints=(), n_series=1, n_short=0, q=0.05)

    shell("watch", "job", "--history", change_hints=found)
    shell("watch", "job", "--history", "--metric", "score", change_hints=found)

    assert asked == [None, "score"]


def test_hints_of_a_name_that_nothing_is_stored_of_are_refused(shell):
    done = shell("watch", "sortin", "--history")

    assert done.exit_code == 2
    assert "nothing is stored of 'sortin'" in done.stderr


def test_a_hint_of_a_difference_tells_no_times():
    found = replace(hint(), ratio=DIFFERENCE, scale="interval")

    assert "on, +0.0120 (-0.00100 to +0.0250) from the cost before, p" in hint_sentence(found)


def test_an_empty_store_has_no_hints(shell):
    done = shell("watch", "--history")

    assert done.exit_code == 0
    assert "no change point" in done.output


@pytest.mark.parametrize(
    ("found", "row"),
    [
        pytest.param(
            (hint(),), "| ❔ | `job/a at 10 (batch) on m` | hint: worse | 1.10", id="one"
        ),
        pytest.param((), "| ❔ | `3 series` | no change point |", id="none"),
    ],
)
def test_hints_are_in_the_files_as_undecided_and_never_fail(shell, tmp_path, found, row):
    report = HintReport(hints=found, n_series=3, n_short=1, q=0.05)
    words = ("--junit", "h.xml", "--markdown", "h.md")

    done = shell("watch", "--history", *words, change_hints=lambda *_, **__: report)

    table = (tmp_path / "h.md").read_text()
    suite = ET.parse(tmp_path / "h.xml").getroot().find("testsuite")
    assert done.exit_code == 0
    assert table.startswith("### ❔ stored figures of all workloads")
    assert row in table
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")


# ---------------------------------------------------------------- bisect


def test_a_bisection_of_differences_tells_no_times():
    trial = CommitTrial(
        commit="b" * 40, subject="s", trial=Trial.BAD, ratio=DIFFERENCE, scale="interval"
    )

    assert "bad: +0.0120 (-0.00100 to +0.0250) from the good one's cost" in trial.sentence


def bisected(commit):
    trial = CommitTrial(commit="b" * 40, subject="slow it down", trial=Trial.BAD, ratio=RATIO)
    return BisectReport(
        good="a" * 40,
        bad="b" * 40,
        workload="job",
        candidate="x",
        metric="wall_time_s",
        commit=commit,
        subject="slow it down" if commit else "",
        suspects=("b" * 40, "c" * 40),
        trials=(trial,),
        seconds=1.0,
    )


def test_bisect_names_the_candidates_that_it_could_not_judge(shell):
    left_out = f"{NASTY}: the good commit itself fails: failed: not then"

    def scripted(_target, **_asked):
        return replace(bisected("b" * 40), left_out=(left_out,))

    done = shell("bisect", "v1", "HEAD", "bench.py", bisect=scripted)
    as_json = shell("bisect", "v1", "HEAD", "bench.py", "--json", bisect=scripted)

    (line,) = [line for line in done.output.splitlines() if line.startswith("left out: ")]
    assert line.endswith(": the good commit itself fails: failed: not then")
    assert "\x1b" not in line
    assert json.loads(as_json.stdout)["left_out"] == [left_out]


def test_a_dry_bisection_says_how_many_commits_are_raced_at_most(shell, tmp_path):
    for words in (
        ("init", "-q"),
        *(("commit", "-q", "--allow-empty", "-m", f"change {n}") for n in range(9)),
    ):
        subprocess.run(["git", *IDENTITY, *words], cwd=tmp_path, check=True)

    done = shell("bisect", "HEAD~8", "HEAD", "bench.py", "--rounds", "10", "--dry-run",
                 bisect=refuses_to_run)  # fmt: skip

    assert done.exit_code == 0, done.output
    assert "change 0" in done.output
    assert "races      4 commits of 8 beside the good one, at most\n" in done.output
    assert "takes      at most 200 blocks, and 80 starts of a process" in done.output


def test_a_dry_bisection_refuses_what_the_bisection_would(shell):
    done = shell("bisect", "HEAD~1", "HEAD", "bench.py", "--seed", "-1", "--dry-run")

    assert done.exit_code == 2
    assert "seed must be a whole number from 0 up but got -1" in done.output


def refuses_to_run(*_args, **_options):
    raise AssertionError("a dry run runs nothing")


@pytest.mark.parametrize(
    ("commit", "code", "words"),
    [("b" * 40, 0, "x became worse with bbbbbbbbbb: slow it down"), ("", 1, "undecided between")],
)
def test_bisect_names_the_commit_or_says_that_it_is_undecided(shell, commit, code, words):
    def scripted(_target, *, progress, **_asked):
        report = bisected(commit)
        progress(report.trials[0])
        return report

    done = shell("bisect", "v1", "HEAD", "bench.py", bisect=scripted)

    assert done.exit_code == code
    assert "bbbbbbbbbb bad: 1.10 (1.05-1.15) times the good one's cost" in done.output
    assert words in done.output


# ---------------------------------------------------------------- tables


def nasty_table():
    row = CheckRow(name=NASTY, verdict="regression", outcome="failed", ratio=RATIO, message=NASTY)
    return CheckTable(title=NASTY, sentence=NASTY, rows=(row,))


def test_names_and_messages_are_escaped_in_xml():
    root = ET.fromstring(junit_xml(nasty_table()))

    (case,) = root.iter("testcase")
    assert case.get("name").startswith('<img src=x>|`@me` "q" & ?[31m')
    assert case.find("failure").text.startswith("<img")


def test_names_and_messages_are_escaped_in_markdown():
    outside, _picture, below = markdown(nasty_table()).split("````")

    for text in (outside.replace(code(NASTY), ""), below):
        assert "<img" not in text
        assert "@me" not in text
        assert "[l](" not in text
        assert "\x1b" not in text


@given(st.text())
def test_any_name_makes_well_formed_xml_and_one_line_of_the_table(name):
    table = CheckTable(
        title="t", sentence=name, rows=(CheckRow(name=name, verdict="equal", message=name),)
    )

    root = ET.fromstring(junit_xml(table))
    text = markdown(table)

    assert len(list(root.iter("testcase"))) == 1
    assert sum(line.startswith("| ✅") for line in text.splitlines()) == 1


def test_what_is_undecided_has_a_sign_of_its_own_and_says_how_much_is_missing(shell, tmp_path):
    short = report_of("undecided", blocks=60, outlook=Outlook(finding="regression", blocks=110))
    words = ("--junit", "w.xml", "--markdown", "w.md")

    done = shell("watch", "job", *words, watch=ScriptedWatch(short))

    table, missing = (tmp_path / "w.md").read_text(), "about 110 more blocks"
    (case,) = ET.parse(tmp_path / "w.xml").getroot().iter("testcase")
    assert done.exit_code == 0
    assert "no regression shown, but undecided in 1 of 1 series" in done.output
    assert "✅" not in table
    assert table.startswith("### ❔ watch of job")
    assert all(missing in text for text in (done.output, table, case.find("system-out").text))


@pytest.mark.parametrize(
    ("outcomes", "sign"),
    [
        (("passed", "skipped"), "✅"),
        (("passed", "undecided"), "❔"),
        (("undecided", "failed"), "❌"),
    ],
)
def test_the_head_of_a_table_has_the_sign_of_the_worst_row(outcomes, sign):
    rows = tuple(CheckRow(name=one, verdict="equal", outcome=one) for one in outcomes)

    assert markdown(CheckTable(title="t", sentence="s", rows=rows)).startswith(f"### {sign} t")


def test_a_race_writes_its_tables_too(tmp_path, monkeypatch):
    from tests.cli.doubles import Visitors

    monkeypatch.chdir(tmp_path)
    words = ["race", "nothing", "--junit", "r.xml", "--markdown", "r.md"]

    done = CliRunner().invoke(parbench, words, obj=Visitors().doors())

    assert done.exit_code == 0
    suite = ET.parse(tmp_path / "r.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")
    assert "`quick`" in (tmp_path / "r.md").read_text()


# ---------------------------------------------------------------- a users project, for real


def test_ctrl_c_ends_a_night_with_its_verdicts_so_far(tmp_path):
    repo = spinning(tmp_path / "repo")
    command = [sys.executable, "-m", "parbench_lab", "watch", "bench.py", "--baseline", "HEAD"]
    running = subprocess.Popen(
        [*command, "--json", "--blocks", "5000"],
        cwd=repo.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        running.stderr.readline()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)

    assert running.returncode == 0, err
    assert json.loads(out)["status"] == "stopped"
    assert not (repo.folder / ".parbench" / "watch.lock").exists()
    assert len(repo.git("worktree", "list").splitlines()) == 1


def test_a_wrong_result_in_a_users_project_ends_with_1(tmp_path, monkeypatch):
    repo = spinning(tmp_path / "repo")
    monkeypatch.chdir(repo.folder)
    right, wrong = "        pass\n    return case + 1", "        pass\n    return case + 2"
    repo.write(bench__py=BENCH.replace(right, wrong))

    done = CliRunner().invoke(parbench, ["watch", "bench.py"], obj=Doors())

    assert done.exit_code == 1
    assert "failed: wrong: " in done.output


@pytest.mark.parametrize(
    ("scales", "heading", "drawn"),
    [
        (("ratio",), "times x", 1),
        (("ratio", "interval"), "times, or difference from x", 2),
        (("interval",), "difference from x", 1),
    ],
    ids=["ratios", "both", "differences"],
)
def test_differences_stand_beside_ratios_with_their_signs_and_off_their_axis(
    scales, heading, drawn
):
    positive = replace(DIFFERENCE, low=0.001)
    rows = tuple(
        CheckRow(name=scale, verdict="equal", ratio=positive, scale=scale) for scale in scales
    )

    told = markdown(CheckTable(title="t", sentence="s", rows=rows, compared="x"))

    assert f"| {heading} |" in told
    assert ("+0.0120" in told) is ("interval" in scales)
    assert told.count("●") == told.count("; | is ") == drawn


def test_where_nothing_can_be_drawn_the_comment_says_so():
    rows = (CheckRow(name="loop", verdict="undecided", outcome="undecided"),)

    told = markdown(CheckTable(title="t", sentence="s", rows=rows))

    assert "No picture: nothing here was measured" in told


def test_differences_alone_are_drawn_on_a_linear_axis_with_a_mark_at_0():
    ends = {"worse": (0.02, 0.04, 0.06), "leader": (0.0, 0.0, 0.0), "lost": (0.01, 0.02, math.inf)}
    rows = tuple(
        CheckRow(name=name, verdict="equal", ratio=estimate(*three), scale="interval")
        for name, three in ends.items()
    )

    head, worse, leader, lost = interval_picture(CheckTable(title="t", sentence="s", rows=rows))

    assert head.endswith("0 to 0.06 from the baseline's cost; | is 0")
    assert worse.index("|") == leader.index("●")
    third = (worse.index("┤") - worse.index("|")) / 3
    assert worse.index("├") - worse.index("|") == pytest.approx(third, abs=1)
    assert worse.index("┤") - worse.index("●") == pytest.approx(third, abs=1)
    assert lost.rstrip().endswith("┤")


def test_rows_of_one_name_are_all_drawn():
    rows = tuple(
        CheckRow(name="loop", verdict="slower", ratio=estimate(point - 0.1, point, point + 0.1))
        for point in (1.5, 2.5)
    )

    assert len(interval_picture(CheckTable(title="t", sentence="s", rows=rows))) == 1 + len(rows)


def test_a_race_about_a_score_is_told_in_differences():
    leader, second = standing("a", 1, "leader"), standing("b", 2, "eliminated", ratio=DIFFERENCE)
    found = replace(ScriptedBench().result(), scoreboard=board(leader, second, scale="interval"))

    told = markdown(race_table(found))

    assert "| difference from the leader's cost |" in told
    assert "+0.0120 (-0.00100 to +0.0250)" in told
    assert "| is 0" in told


def estimate(low, point, high):
    return Estimate(low=low, point=point, high=high, confidence=0.95, n=20)
