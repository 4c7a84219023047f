from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import os
import subprocess
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import psutil
import pytest

import parbench_lab as pb
from parbench_lab.analysis.regression.detector import Detector
from parbench_lab.analysis.regression.series import Memory, WatchVerdict
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.metric import PEAK_RSS_BYTES, WALL_TIME_S
from parbench_lab.core.ports import EventRecord, RunHeader
from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.errors import StoreError, UnknownNameError, UsageError
from parbench_lab.execution.builds import environments
from parbench_lab.lab.record import load_record
from parbench_lab.lab.watch import watch
from parbench_lab.lab.watching import baselines
from parbench_lab.lab.watching.journal import KIND, Earlier, WatchJournal, WatchKey, earlier
from parbench_lab.lab.watching.lock import lock_file, only_one
from parbench_lab.lab.watching.night import Night
from parbench_lab.lab.watching.schedule import next_start_s, on_schedule, parse_every
from parbench_lab.lab.watching.settings import WatchSettings
from parbench_lab.store import open_store
from tests.execution.builds import wheels
from tests.execution.builds.repos import BENCH, spinning
from tests.lab.duels import duel, ran, round_of

RUN_LENGTH = 20_000.0
KEY = WatchKey(workload="job", baseline="c0ffee", machine="m", size=10, tolerance=0.02)


def night(*candidates, metrics=(WALL_TIME_S,), memories=None):
    return Night(
        "job",
        candidates or ("a",),
        metrics,
        tolerance=0.02,
        run_length=RUN_LENGTH,
        memories=memories or {},
    )


def reports(watched):
    return {one.name: one for one in watched.reports(lambda _name: "")}


# ---------------------------------------------------------------- a night


def test_a_night_of_a_slower_build_is_a_regression_of_that_candidate_only():
    watched = night("a", "b")

    for _ in range(20):
        watched.take([*round_of(1.1), *round_of(1.0, candidate="b")])

    found = reports(watched)
    assert found["job/a/wall_time_s"].verdict is WatchVerdict.REGRESSION
    assert found["job/b/wall_time_s"].verdict is WatchVerdict.EQUAL
    assert found["job/a/wall_time_s"].blocks == 200


def test_a_wrong_result_fails_at_once():
    watched = night()

    watched.take([duel(ran(outcome=Outcome.WRONG, message="expected 3"), ran(), block=-1)])

    (found,) = reports(watched).values()
    assert found.verdict is WatchVerdict.FAILED
    assert found.reason == "wrong: expected 3"
    assert found.blocking


def test_a_crash_is_a_lost_duel_and_the_third_one_a_failure():
    watched = night()
    crashed = duel(ran(outcome=Outcome.CRASHED, message="abort"), ran())

    scores = watched.take([crashed, *round_of()[1:]])
    (after_one,) = reports(watched).values()
    watched.take([crashed, crashed])
    (after_three,) = reports(watched).values()

    assert scores["job/a/wall_time_s"][0] == pytest.approx(-0.8)
    assert after_one.verdict is WatchVerdict.UNDECIDED
    assert after_three.verdict is WatchVerdict.FAILED


def failing(side, rounds=1, *, candidate="a"):
    """Return rounds in which one side fails its first run, so that nobody is measured on."""
    broken = ran(outcome=Outcome.CRASHED, message="ValueError: no")
    both = {"new": ran(), "baseline": ran(), **dict.fromkeys(side, broken)}
    return [[duel(**both, block=-1, candidate=candidate)] for _ in range(rounds)]


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_new_build_that_never_ran_has_failed_at_the_end_of_a_short_night(rounds):
    watched = night()

    for duels in failing(["new"], rounds):
        watched.take(duels)

    (still,) = watched.reports(lambda _name: "", running=True)
    (ended,) = watched.reports(lambda _name: "")
    assert still.verdict is WatchVerdict.UNDECIDED
    assert ended.verdict is WatchVerdict.FAILED
    assert ended.blocking
    assert ended.reason == "crashed: ValueError: no"


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        (["baseline"], "1 failure of the baseline, the last one crashed: ValueError: no"),
        (["new", "baseline"], "1 failure of the new build, the last one crashed"),
    ],
)
def test_where_the_baseline_never_ran_nothing_is_shown_of_the_new_build(sides, words):
    watched = night()

    for duels in failing(sides):
        watched.take(duels)

    (found,) = reports(watched).values()
    assert found.verdict is WatchVerdict.UNDECIDED
    assert words in found.sentence


def test_an_undecided_series_tells_its_failures_and_how_much_is_missing():
    watched = night()

    for duels in [*failing(["new"], 2), round_of(1.1), round_of(1.1)]:
        watched.take(duels)

    (found,) = reports(watched).values()
    assert found.verdict is WatchVerdict.UNDECIDED
    assert found.reason == "2 failures of the new build, the last one crashed: ValueError: no"
    assert found.reason in found.sentence
    assert "more blocks like these would show a regression" in found.sentence


def alarmed_beside_an_open_one():
    """Return a night whose time has its alarm while its memory is still open."""
    watched = night(metrics=(WALL_TIME_S, PEAK_RSS_BYTES))
    while not reports(watched)["job/a/wall_time_s"].bad:
        watched.take(round_of(1.2))
    return watched


def test_a_baseline_that_breaks_down_after_an_alarm_does_not_take_it_back():
    watched = alarmed_beside_an_open_one()

    for duels in failing(["baseline"], 3):
        watched.take(duels)

    found = reports(watched)
    assert found["job/a/wall_time_s"].verdict is WatchVerdict.REGRESSION
    assert found["job/a/wall_time_s"].blocking
    assert found["job/a/peak_rss_bytes"].verdict is WatchVerdict.UNDECIDED
    assert "the baseline itself is at fault" in found["job/a/peak_rss_bytes"].sentence


def test_rounds_after_an_alarm_that_others_need_do_not_take_it_back():
    watched = alarmed_beside_an_open_one()

    scores = [watched.take(round_of(1.0)) for _ in range(20)]

    assert reports(watched)["job/a/wall_time_s"].verdict is WatchVerdict.REGRESSION
    assert watched.memories()["job/a/wall_time_s"].regression == Detector()
    assert not any(scores)


def test_a_baseline_that_is_wrong_itself_is_no_failure_of_the_new_build():
    watched = night()

    watched.take([duel(ran(), ran(outcome=Outcome.WRONG, message="off by one"), block=-1)])

    (found,) = reports(watched).values()
    assert found.verdict is WatchVerdict.UNDECIDED
    assert not found.blocking
    assert "the baseline itself is at fault: wrong: off by one" in found.sentence


def test_blocks_without_a_metric_say_nothing_of_it():
    watched = night(metrics=(WALL_TIME_S, PEAK_RSS_BYTES))

    scores = watched.take(round_of(1.1))

    assert list(scores) == ["job/a/wall_time_s"]
    assert reports(watched)["job/a/peak_rss_bytes"].ratio is None


class ScriptedPair:
    """Gives every round the same times; counts what it was asked for."""

    def __init__(self, new):
        self.new = new
        self.asked = []

    def round(self, number, candidates, plan, stop):
        self.asked.append((number, tuple(candidates)))
        return [one for name in candidates for one in round_of(self.new[name], candidate=name)]


def run_night(watched, pair, rounds, *, stop=lambda: False):
    return watched.run(pair, None, rounds, stop=stop, on_round=lambda *_: None)


def test_a_candidate_with_an_alarm_is_not_measured_on():
    pair = ScriptedPair({"a": 1.1, "b": 1.0})
    watched = night("a", "b")

    finished = run_night(watched, pair, 25)

    assert finished
    assert pair.asked[0] == (0, ("a", "b"))
    assert pair.asked[-1] == (24, ("b",))


def test_a_night_ends_when_nothing_is_open_or_when_it_is_asked_to():
    done, stopped = ScriptedPair({"a": 1.1}), ScriptedPair({"a": 1.0})

    assert run_night(night(), done, 100)
    assert len(done.asked) < 25
    assert not run_night(night(), stopped, 100, stop=lambda: len(stopped.asked) == 3)


# ---------------------------------------------------------------- night after night


def header(name="20260101-000000-aaaaaaa", key=KEY, started="2026-01-01T00:00:00+00:00"):
    return RunHeader(
        id=name, kind=KIND, name="job", started_utc=started, document={"watch": key.as_json()}
    )


def kept_night(store, name, *, rounds=8, key=KEY, new=1.05, finish=True):
    """Keep a night in the store as a watch does; return what it left."""
    before = earlier(store, key)
    watched = night(memories=before.memories)
    journal = WatchJournal(store, header(name, key), size=10, baseline="c0ffee")
    for number in range(rounds):
        duels = round_of(new)
        journal.round(number, duels, watched.take(duels))
    if finish:
        report = pb.WatchReport(
            run_id=name,
            workload="job",
            new="here",
            baseline="c0ffee",
            tolerance=0.02,
            series=watched.reports(lambda _name: ""),
            nights=before.nights + 1,
        )
        journal.finish(report, key, watched.memories())
    return watched


@pytest.fixture
def store():
    opened = open_store(":memory:")
    yield opened
    opened.close()


def test_nights_with_one_baseline_add_up(store):
    first = kept_night(store, "20260101-000000-aaaaaaa", rounds=12)
    second = kept_night(store, "20260102-000000-aaaaaaa", rounds=12)

    assert reports(first)["job/a/wall_time_s"].verdict is WatchVerdict.UNDECIDED
    assert reports(second)["job/a/wall_time_s"].verdict is WatchVerdict.REGRESSION
    assert earlier(store, KEY).nights == 2


def test_a_night_leaves_its_alarm_in_the_history_and_no_figures(store):
    for day in (1, 2):
        kept_night(store, f"2026010{day}-000000-aaaaaaa", rounds=12)

    found = load_record("job", store)

    (alarm,) = found.marks
    assert (alarm.run_id, alarm.worse, alarm.key.size) == ("20260102-000000-aaaaaaa", True, 10)
    assert alarm.key.candidate == "a"
    assert found.rows == ()


def test_a_night_that_was_killed_is_replayed_from_its_rounds(store):
    kept_night(store, "20260101-000000-aaaaaaa", rounds=3)
    killed = kept_night(store, "20260102-000000-aaaaaaa", rounds=4, finish=False)

    found = earlier(store, KEY)

    assert found.nights == 2
    assert found.memories["job/a/wall_time_s"] == killed.memories()["job/a/wall_time_s"]
    assert found.memories["job/a/wall_time_s"].regression.bets == 7


@pytest.mark.parametrize(
    ("needed", "payload"),
    [("x", {}), (None, {}), (0.0, {}), (0.0, {"scores": 5}), (0.0, {"scores": {"a": ["x", 1]}})],
)
def test_a_killed_night_that_cannot_be_read_is_refused_with_its_name(store, needed, payload):
    document = {"watch": KEY.as_json(), "needed": needed}
    store.create_run(
        RunHeader(
            id="odd",
            kind=KIND,
            name="job",
            started_utc="2026-01-01T00:00+00:00",
            document=document,
        )
    )
    store.append("odd", [EventRecord(seq=0, at_s=0.0, kind="WatchRound", payload=payload)])

    with pytest.raises(StoreError, match="watch odd cannot be read"):
        earlier(store, KEY)


def test_a_shorter_night_does_not_lower_the_evidence_that_is_needed(store):
    kept_night(store, "20260101-000000-aaaaaaa", rounds=12)

    assert earlier(store, KEY).needed == RUN_LENGTH


def test_an_alarm_of_nights_that_were_killed_is_raised_by_the_next_one_and_only_by_it(store):
    kept_night(store, "20260101-000000-aaaaaaa", rounds=25, new=1.2, finish=False)
    killed_too = kept_night(store, "20260102-000000-aaaaaaa", rounds=3, new=1.2, finish=False)
    heard = kept_night(store, "20260103-000000-aaaaaaa", rounds=3)
    after = kept_night(store, "20260104-000000-aaaaaaa", rounds=3)

    told = reports(heard)["job/a/wall_time_s"]
    assert (told.verdict, told.blocking, told.blocks) == (WatchVerdict.REGRESSION, True, 30)
    assert "found by a night that was cut off" in told.sentence
    assert not killed_too._entrants["a"].series["wall_time_s"].bets
    assert [mark.run_id for mark in load_record("job", store).marks] == ["20260103-000000-aaaaaaa"]
    assert reports(after)["job/a/wall_time_s"].verdict is WatchVerdict.UNDECIDED
    assert earlier(store, KEY).memories["job/a/wall_time_s"].regression.bets == 3


def test_another_baseline_machine_size_or_tolerance_starts_anew(store):
    kept_night(store, "20260101-000000-aaaaaaa")

    for field, value in (("baseline", "b"), ("machine", "n"), ("size", 11), ("tolerance", 0.05)):
        other = WatchKey(**{**KEY.as_json(), field: value})
        assert earlier(store, other).nights == 0


def test_a_baseline_that_may_change_under_its_name_carries_nothing_over(store):
    loose = WatchKey(**{**KEY.as_json(), "baseline": ""})
    kept_night(store, "20260101-000000-aaaaaaa", key=loose)

    assert earlier(store, loose).nights == 0


def test_after_an_alarm_the_next_night_starts_anew(store):
    kept_night(store, "20260101-000000-aaaaaaa", rounds=25, new=1.2)

    assert earlier(store, KEY).memories["job/a/wall_time_s"].regression.bets == 0


def test_the_baselines_measurements_are_kept_apart(store):
    kept_night(store, "20260101-000000-aaaaaaa", rounds=1)

    (event,) = store.events("20260101-000000-aaaaaaa")

    assert {row.candidate for row in event.measurements} == {"a", "a @ c0ffee"}
    assert event.payload["scores"] == {"job/a/wall_time_s": [1.0, -1.0]}


# ---------------------------------------------------------------- the lock


def test_the_lock_lies_beside_the_store_and_is_gone_afterwards(tmp_path):
    path = lock_file(tmp_path / "deep" / "runs.db", environment={}, folder=tmp_path)

    with only_one(path):
        held = json.loads(path.read_text())

    assert held["pid"] == os.getpid()
    assert path == tmp_path / "deep" / "watch.lock"
    assert not list(path.parent.iterdir())


def test_a_store_under_two_names_has_one_lock(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "runs.db").symlink_to(tmp_path / "far" / "runs.db")

    path = lock_file(tmp_path / "runs.db", environment={}, folder=tmp_path)

    assert path == lock_file(tmp_path / "far" / "runs.db", environment={}, folder=tmp_path)


def test_a_second_watch_is_refused_while_the_first_one_runs(tmp_path):
    path = tmp_path / "watch.lock"

    words = f"another watch is running .process {os.getpid()}"

    with only_one(path):
        with pytest.raises(UsageError, match=words), only_one(path):
            pass
        still_there = path.exists()

    assert still_there


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(None, id="of a process that is gone"),
        pytest.param({"pid": os.getpid(), "started_s": 1.0}, id="its number is another's now"),
        pytest.param("not json", id="damaged"),
    ],
)
def test_a_stale_lock_is_taken_over(tmp_path, left):
    path = tmp_path / "watch.lock"
    if left is None:
        done = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"],
            check=True,
            capture_output=True,
        )
        left = {"pid": int(done.stdout), "started_s": psutil.Process().create_time()}
    path.write_text(left if isinstance(left, str) else json.dumps(left))

    with only_one(path):
        held = json.loads(path.read_text())

    assert held["pid"] == os.getpid()
    assert not path.exists()


def test_stores_in_memory_and_of_the_callers_own_need_no_lock(store, tmp_path):
    assert lock_file(":memory:", environment={}, folder=tmp_path) is None
    assert lock_file(store, environment={}, folder=tmp_path) is None


def test_a_store_on_a_server_has_its_lock_in_the_current_folder(tmp_path):
    path = lock_file("postgresql://team@host/db", environment={}, folder=tmp_path)

    assert path == tmp_path / ".parbench" / "watch.lock"


# ---------------------------------------------------------------- the schedule


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("1d", 86400)]
)
def test_a_period_is_a_number_and_a_unit(text, seconds):
    assert parse_every(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "d", "-1d", "0h", "1.5h", "daily"])
def test_anything_else_is_refused_as_a_period(text):
    with pytest.raises(UsageError, match="like 1d"):
        parse_every(text)


def test_a_night_longer_than_the_period_misses_a_beat_and_piles_nothing_up():
    assert next_start_s(0.0, 10.0, 35.0) == 40.0


class Clock:
    """A clock that moves when somebody sleeps, or a run lasts."""

    def __init__(self):
        self.now_s = 0.0

    def sleep(self, seconds):
        self.now_s += seconds


def scheduled(clock, *, most, lasts_s=3.0, stop=lambda: False):
    began = []

    def run():
        began.append(clock.now_s)
        clock.sleep(lasts_s)
        return len(began)

    last = on_schedule(
        run,
        every_s=10.0,
        most=most,
        stop=stop,
        now_s=lambda: clock.now_s,
        sleep=clock.sleep,
        waiting=lambda _seconds: None,
    )
    return began, last


def test_nights_begin_on_the_beat_until_there_were_enough():
    began, last = scheduled(Clock(), most=3)

    assert began == pytest.approx([0.0, 10.0, 20.0])
    assert last == 3


def test_a_request_to_end_is_heard_while_waiting():
    clock = Clock()

    began, _ = scheduled(clock, most=None, stop=lambda: clock.now_s > 5)

    assert began == [0.0]
    assert clock.now_s < 6.5


# ---------------------------------------------------------------- what is asked for


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"blocks": 0}, "blocks must be a whole number from 1 up but got 0"),
        ({"blocks": 1.5}, "blocks must be a whole number from 1 up but got 1.5"),
        ({"blocks": math.inf}, "blocks must be a whole number from 1 up but got inf"),
        ({"blocks": "x"}, "blocks must be a whole number from 1 up but got 'x'"),
        ({"batch_size": 2.5}, "batch_size must be a whole number from 1 up but got 2.5"),
        ({"seconds": "x"}, "seconds must be a number but got 'x'"),
        ({"timeout_s": None}, "timeout_s must be a number but got None"),
        ({"tolerance": "x"}, "tolerance must be a number but got 'x'"),
        ({"metrics": "wall_time_s"}, r"metrics must be a list: give \['wall_time_s'\]"),
        ({"metrics": 5}, "metrics must be a list but got 5"),
        ({"algorithms": "list_sort"}, r"algorithms must be a list: give \['list_sort'\]"),
        ({"baseline": 5}, "baseline must be a git ref, .* or None but got 5"),
        ({"quarantine": [1]}, "a quarantine entry must be a Quarantine but got 1"),
        ({"quarantine": 5}, "quarantine must be a file or a list of entries but got 5"),
        ({"seconds": math.nan}, "seconds must be positive"),
        ({"tolerance": -1}, "tolerance must be within"),
        ({"seed": -3}, "seed must be"),
        ({"block": 10}, "no setting 'block'"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_built(settings, words):
    with pytest.raises(UsageError, match=words):
        watch("sorting", **({"baseline": "sorted:x", "store": ":memory:"} | settings))


def test_a_bisection_refuses_a_text_in_the_place_of_a_list():
    with pytest.raises(UsageError, match="algorithms must be a list"):
        pb.bisect("sorting", good="HEAD", algorithms="list_sort")


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"seed": -1}, "seed must be a whole number from 0 up but got -1"),
        ({"timeout_s": 0}, "timeout_s must be positive but got 0"),
        ({"timeout_s": math.nan}, "timeout_s must be positive but got nan"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 up but got 0"),
        ({"rounds": 1.5}, "rounds must be a whole number from 1 up but got 1.5"),
        ({"blocks": 0}, "blocks must be a whole number from 1 up but got 0"),
        ({"evidence": 1}, "evidence must be above 1 but got 1"),
        ({"evidence": "x"}, "evidence must be a number but got 'x'"),
        ({"tolerance": -1}, "tolerance must be within"),
    ],
)
def test_a_bisection_refuses_numbers_out_of_range(numbers, words):
    with pytest.raises(UsageError, match=words):
        pb.bisect("sorting", good="HEAD", **numbers)


def test_blocks_are_rounded_up_to_whole_rounds():
    assert WatchSettings(blocks=21).rounds == 3


def test_outside_a_repository_something_must_be_named(tmp_path):
    with (
        pytest.raises(UsageError, match="in no git repository"),
        baselines.pinned(None, here=tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("baseline", "given"),
    [
        pytest.param("mine==1.2", {"python": "python3"}, id="a python for a version"),
        pytest.param("mine==1.2", {"how": "source"}, id="the source of a version"),
        pytest.param(sys.executable, {"how": "venv"}, id="an environment for a python"),
        pytest.param(sys.prefix, {"python": "python3"}, id="a python for an environment"),
        pytest.param("work:job", {"python": "python3"}, id="a python for a function's name"),
        pytest.param(sorted, {"how": "venv"}, id="an environment for a function"),
        pytest.param("HEAD", {"python": "python3", "how": "venv"}, id="two environments"),
        pytest.param(None, {"python": "python3", "how": "venv"}, id="two of the default's"),
    ],
)
def test_ways_to_run_a_git_ref_are_refused_where_they_would_do_nothing(baseline, given, tmp_path):
    with (
        pytest.raises(UsageError, match="would do nothing"),
        baselines.pinned(baseline, here=tmp_path, **given),
    ):
        pass


@pytest.mark.parametrize("given", [{}, {"how": "source"}, {"python": sys.executable}], ids=str)
def test_a_git_ref_takes_each_way_to_run_it(given, repo):
    with baselines.pinned("HEAD", here=repo.folder, **given) as found:
        assert found.build.revision == repo.git("rev-parse", "HEAD")


def test_an_environments_folder_stands_for_its_python(tmp_path):
    folder = Path(sys.prefix)

    with baselines.pinned(str(folder), here=tmp_path) as found:
        interpreter = found.build.interpreter

    assert interpreter == str(folder / "bin" / "python")


@pytest.mark.parametrize(
    "baseline",
    [
        pytest.param("work:job", id="a function of the working tree"),
        pytest.param(sys.executable, id="a python"),
        pytest.param("mine>=1.2", id="no one version"),
    ],
)
def test_a_baseline_that_may_change_under_its_name_has_no_revision(
    baseline, tmp_path, monkeypatch
):
    wheels.write_wheel(tmp_path, "1.2", "VERSION = 1.2\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    with baselines.pinned(baseline, here=tmp_path) as found:
        pass

    assert found.build.revision == ""
    assert found.build.label == baseline


@pytest.mark.parametrize(
    ("requirement", "one"),
    [
        ("mine==1.2", True),
        ("mine[extra] == 1.2", True),
        ("mine===1.2", True),
        ("mine==1.*", False),
        ("mine~=1.2", False),
        ("mine!=1.2", False),
        ("mine>=1.2", False),
        ("mine>=1.2,==1.3", False),
    ],
)
def test_one_version_of_a_package_is_a_revision(requirement, one):
    assert environments.is_one_version(requirement) is one


def test_a_night_against_what_may_change_says_that_it_stands_alone(repo):
    loose = pb.watch("bench.py", baseline="bench:spin", blocks=10, store=":memory:")
    fixed = pb.watch("bench.py", baseline="HEAD", blocks=10, store=":memory:")

    assert any("this night stands alone" in note for note in loose.notes)
    assert not any("this night stands alone" in note for note in fixed.notes)


class SharedStore:
    """A store in which another machine like this one holds every watch's series."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def claimed(self, name):
        return nullcontext(not name.startswith("watch of "))


def test_only_watches_that_share_an_account_keep_each_other_off(repo, store):
    shared = SharedStore(store)

    alone = pb.watch("bench.py", baseline="bench:spin", blocks=10, store=shared)

    assert alone.status == "finished"
    with pytest.raises(UsageError, match="the evidence of both is one account"):
        pb.watch("bench.py", baseline="HEAD", blocks=10, store=shared)


def test_a_quarantine_list_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot read the quarantine list"):
        watch("sorting", quarantine=tmp_path / "none.toml", store=":memory:")


# ---------------------------------------------------------------- for real, in child processes


@pytest.fixture
def repo(tmp_path, monkeypatch):
    made = spinning(tmp_path / "repo")
    monkeypatch.chdir(made.folder)
    monkeypatch.delenv("PARBENCH_STORE", raising=False)
    return made


def test_nights_of_a_slower_working_tree_end_with_an_alarm(repo, tmp_path):
    repo.write(work__py="TURNS = 100_000\n")
    place = tmp_path / "runs.db"

    first = pb.watch("bench.py", blocks=40, store=place)
    with_a_third = open_store(place)
    remembered(with_a_third, first.run_id, rounds=10)
    with_a_third.close()
    last = pb.watch("bench.py", blocks=40, store=place)

    assert first.of("spin").verdict is WatchVerdict.UNDECIDED
    assert last.of("spin").verdict is WatchVerdict.REGRESSION
    assert last.nights == 3
    assert not last.passed
    assert last.of("spin").ratio.point > 1.3
    assert not list(tmp_path.glob("watch.lock*"))
    assert len(repo.git("worktree", "list").splitlines()) == 1


def remembered(opened, like, *, rounds):
    """Keep one more night like another one, that was cut off after so many lost rounds."""
    document = opened.header(like).document
    journal = WatchJournal(
        opened,
        RunHeader(
            id="later",
            kind=KIND,
            name="bench",
            started_utc=dt.datetime.now(dt.UTC).isoformat(),
            document=document,
        ),
        size=1000,
        baseline="x",
    )
    for number in range(rounds):
        journal.round(number, [], {"bench/spin/wall_time_s": (1.0, -1.0)})


def test_a_night_of_one_candidate_keeps_the_evidence_of_the_other(repo, tmp_path):
    repo.commit(
        "two candidates",
        bench__py=BENCH + "\n@pb.candidate\ndef other(case):\n    return spin(case)\n",
    )
    place = tmp_path / "runs.db"
    asked = {"baseline": "HEAD", "blocks": 10, "store": place}

    pb.watch("bench.py", **asked)
    pb.watch("bench.py", algorithms=["other"], **asked)
    last = pb.watch("bench.py", **asked)

    with closing(open_store(place)) as opened:
        memory = opened.summary(last.run_id).result["memory"]
    bets = {name: Memory.from_json(one).regression.bets for name, one in memory.items()}
    assert last.nights == 3
    assert bets == {"bench/spin/wall_time_s": 2, "bench/other/wall_time_s": 3}


def test_an_alarm_that_nobody_has_heard_of_hides_no_failure_and_outlives_it():
    found = night()
    for _ in range(25):
        found.take(round_of(1.2))
    unheard = {"job/a/wall_time_s": found._entrants["a"].series["wall_time_s"].memory}
    again = night(memories=unheard)

    assert not again._entrants["a"].done
    again._entrants["a"].failed = "wrong: 5 is not 6"

    assert reports(again)["job/a/wall_time_s"].verdict is WatchVerdict.FAILED
    assert again.memories()["job/a/wall_time_s"] == unheard["job/a/wall_time_s"]


def test_what_a_night_did_not_watch_keeps_its_evidence_and_an_alarm_nobody_has_heard_of():
    alarmed = Memory(regression=Detector(sums=(RUN_LENGTH,) * 4, bets=9))
    quiet = Memory(regression=Detector(sums=(1.0,) * 4, bets=9))
    before = Earlier(memories={"alarmed": alarmed, "quiet": quiet})

    left = before.with_tonight({"tonight": quiet})

    assert left == {"alarmed": alarmed, "quiet": quiet, "tonight": quiet}


def test_a_wrong_result_of_the_new_build_fails_after_one_round(repo):
    right, wrong = "        pass\n    return case + 1", "        pass\n    return case + 2"
    repo.write(bench__py=BENCH.replace(right, wrong))

    report = pb.watch("bench.py", blocks=200, store=":memory:")

    assert report.of("spin").verdict is WatchVerdict.FAILED
    assert not report.passed
    assert report.of("spin").blocks == 0


def test_a_new_build_that_raises_every_time_fails_a_night_of_one_round(repo):
    right, raising = (
        "        pass\n    return case + 1",
        "        pass\n    raise OSError('not today')",
    )
    repo.write(bench__py=BENCH.replace(right, raising))

    report = pb.watch("bench.py", blocks=10, store=":memory:")

    assert not report.passed
    assert report.of("spin").verdict is WatchVerdict.FAILED
    assert "not today" in report.sentence


def test_a_function_may_be_the_baseline_and_a_workload_an_object(repo):
    class Job:
        name = "count"

        def make_case(self, size, rng):
            return size

        def check(self, case, result):
            assert result == case

    def quick(case):
        return case

    report = pb.watch(
        Job(),
        algorithms=[quick],
        baseline=lambda case: sum(1 for _ in range(case)),
        batch_size=20_000,
        blocks=10,
        store=":memory:",
    )

    assert report.of("quick").ratio.high < 0.5
    assert report.of("quick").verdict is WatchVerdict.UNDECIDED


def test_what_the_check_finds_is_compared_too_where_higher_is_better(repo):
    class Job:
        name = "rounding"
        metrics = (pb.Metric(name="right_share", unit="1", better="higher"),)
        objectives = ("right_share",)

        def make_case(self, size, rng):
            return size

        def check(self, case, result):
            return {"right_share": result / case}

    def rough(case):
        return 0.8 * case

    report = pb.watch(
        Job(), algorithms=[rough], baseline=lambda case: case, blocks=20, store=":memory:"
    )

    assert report.of("rough", "right_share").ratio.point == pytest.approx(1 / 0.8)
    assert report.of("rough", "right_share").evidence > 1


def test_an_unknown_metric_is_refused_with_the_known_ones(repo):
    with pytest.raises(UnknownNameError, match="wall_time_s"):
        pb.watch("bench.py", baseline="HEAD", metrics=("speed",), store=":memory:")


def test_a_budget_of_seconds_ends_a_night_early_and_says_so(repo):
    report = pb.watch("bench.py", baseline="HEAD", seconds=0.01, store=":memory:")

    assert report.status == "stopped"
    assert report.passed


def test_the_commit_of_a_step_is_found_by_racing_commits(repo):
    begun = repo.git("rev-parse", "HEAD")
    for number in range(2):
        repo.commit(f"harmless {number}", other__py=f"N = {number}\n")
    step = repo.commit("make it careful", work__py="TURNS = 60_000\n")
    for number in range(2, 4):
        repo.commit(f"harmless {number}", other__py=f"N = {number}\n")
    told = []

    report = pb.bisect(
        "bench.py", good=begun, evidence=4.0, blocks=3, seed=1, progress=told.append
    )

    assert report.commit == step
    assert report.sentence.endswith("make it careful")
    assert len(told) <= 4
    assert report.candidate == "spin"


def test_the_commit_of_a_step_in_the_workloads_own_metric_is_found(repo):
    rating = """
WORKLOAD = type("Rating", (), {
    "name": "rating",
    "metrics": (pb.Metric(name="rating", unit="1", better="higher"),),
    "make_case": lambda self, size, rng: size,
    "check": lambda self, case, result: {"rating": 1e6 / TURNS},
})()
"""
    begun = repo.commit("rate it", bench__py=BENCH + rating)
    step = repo.commit("make it careful", work__py="TURNS = 60_000\n")

    report = pb.bisect("bench.py", good=begun, metric="rating", evidence=4.0, blocks=2, seed=1)

    assert report.commit == step
    assert report.metric == "rating"


def test_a_metric_that_is_measured_in_no_round_is_told_instead_of_no_regression(repo):
    repo.commit("harmless", other__py="N = 1\n")

    with pytest.raises(UsageError, match="'gpu_energy_j' was not measured in any round"):
        pb.bisect("bench.py", good="HEAD~1", metric="gpu_energy_j", rounds=1, blocks=1)


RAISING = BENCH.replace(
    "        pass\n    return", "        raise OSError('not then')\n    return"
)


def test_a_good_commit_that_fails_itself_is_told_instead_of_no_regression(repo):
    repo.commit("break it", bench__py=RAISING)
    repo.commit("mend it", bench__py=BENCH)

    with pytest.raises(UsageError, match=r"HEAD~1 .* itself fails, give another .*: not then"):
        pb.bisect("bench.py", good="HEAD~1", blocks=1, seed=1)


def test_a_candidate_that_fails_in_the_good_commit_leaves_the_others_to_be_raced(repo):
    other = "\n@pb.candidate\ndef other(case):\n    return case + 1\n"
    repo.commit("break one", bench__py=RAISING + other)
    repo.commit("mend it", bench__py=BENCH + other)

    report = pb.bisect("bench.py", good="HEAD~1", blocks=1, rounds=4, seed=1)

    assert not report.found
    assert report.trials[0].ratio is not None
    (left_out,) = report.left_out
    assert left_out.startswith("spin: the good commit itself fails: ")
    assert "not then" in left_out
    with pytest.raises(UsageError, match="'gpu_energy_j' was not measured in any round"):
        pb.bisect("bench.py", good="HEAD~1", metric="gpu_energy_j", blocks=1, rounds=1)


@pytest.mark.parametrize(
    "answers_before", [pytest.param(1, id="first round"), pytest.param(3, id="second round")]
)
def test_a_bisection_that_is_stopped_before_a_rounds_first_block_reports(repo, answers_before):
    repo.commit("harmless", other__py="N = 1\n")
    asked = itertools.count(1)

    report = pb.bisect(
        "bench.py", good="HEAD~1", blocks=1, stop=lambda: next(asked) > answers_before
    )

    assert not report.found
    assert [trial.trial.value for trial in report.trials] == ["undecided"]


def test_without_a_regression_no_commit_is_named(repo):
    repo.commit("harmless", other__py="N = 1\n")

    report = pb.bisect("bench.py", good="HEAD~1", rounds=2, blocks=2)

    assert not report.found
    assert "no regression was shown" in report.sentence


# ---------------------------------------------------------------- hints from the record


class Figures:
    """A store that has figures only."""

    def __init__(self, points, objectives=None):
        self._points = points
        self._objectives = objectives

    def series(self, **_asked):
        return self._points

    def header(self, run):
        document = {"objectives": self._objectives, "metrics": [SCORE]}
        return RunHeader(id=run, kind="race", name="job", started_utc="", document=document)


SCORE = {"name": "score", "unit": "1", "better": "higher", "scale": "interval"}


def figure(day, seconds, metric="wall_time_s"):
    return SeriesPoint(
        run_id=f"run{day}",
        started=dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day),
        key=SeriesKey(workload="job", candidate="a", size=10, machine="m", metric=metric),
        median=Estimate(point=seconds, low=seconds, high=seconds, confidence=0.95, n=9),
    )


def test_hints_are_looked_for_in_stored_figures():
    points = [figure(n, 1.0 + 0.5 * (n >= 12) + 0.001 * (n % 5)) for n in range(24)]

    report = pb.change_hints(store=Figures(points))

    assert len(report.hints) == 1
    assert report.hints[0].worse
    assert report.sentence.startswith("1 change point in stored figures")
    assert "hints" in report.sentence


@pytest.mark.parametrize(
    ("objectives", "found"),
    [
        pytest.param(["score"], ["score"], id="the score"),
        pytest.param(["wall_time_s", "score"], ["score"], id="both"),
        pytest.param(None, [], id="none are named"),
        pytest.param(7, [], id="a file from elsewhere"),
    ],
)
def test_without_a_metric_hints_are_of_the_objectives(objectives, found):
    quick = [figure(n, 1.0 + 0.001 * (n % 5)) for n in range(24)]
    score = [figure(n, 0.9 - 0.2 * (n >= 12) + 0.001 * (n % 5), "score") for n in range(24)]
    store = Figures([*quick, *score], objectives)

    report = pb.change_hints(store=store, metric=None)

    assert [hint.key.metric for hint in report.hints] == found
    assert all(hint.worse for hint in report.hints)
    assert report.n_series == (len(objectives) if isinstance(objectives, list) else 1)


@pytest.mark.parametrize(
    ("points", "n_short"),
    [
        pytest.param([figure(n // 2, 1.0) for n in range(8)], 0, id="8 figures of 4 runs"),
        pytest.param([figure(n, 1.0) for n in range(7)], 1, id="7 figures"),
        pytest.param([figure(n, float(n > 0)) for n in range(8)], 1, id="8, of which one is 0 s"),
    ],
)
def test_a_series_is_short_by_the_figures_that_tell_something(points, n_short):
    report = pb.change_hints(store=Figures(points))

    assert report.n_short == n_short
    assert ("with under 8 figures" in report.sentence) == bool(n_short)


@pytest.mark.parametrize(
    "given",
    [
        {"q": 2.0}, {"q": "x"}, {"tolerance": -1.0}, {"tolerance": None}, {"seed": -1},
        {"workload": 5}, {"candidate": 5},
    ],
    ids=str,
)  # fmt: skip
def test_hints_refuse_numbers_out_of_range(given):
    with pytest.raises(UsageError, match="must be"):
        pb.change_hints(store=Figures([]), **given)


def test_hints_of_a_name_that_nothing_is_stored_of_are_refused():
    with pytest.raises(UnknownNameError, match="nothing is stored of 'nope'"):
        pb.change_hints("nope", store=":memory:")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"metric": "scroe"}, "stored of 'job', metric 'scroe' to look"),
        ({"metric": None, "candidate": "fats"}, "stored of 'job', candidate 'fats' to look"),
    ],
)
def test_a_mistyped_metric_or_candidate_is_named_beside_its_workload(given, words):
    with pytest.raises(UnknownNameError, match=words):
        pb.change_hints("job", store=":memory:", **given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": 5}, "a history is asked for by name but got 5"),
        ({"last": "3"}, "last must be a whole number from 0 up but got '3'"),
        ({"last": -3}, "last must be a whole number from 0 up but got -3"),
    ],
)
def test_a_history_is_refused_what_it_cannot_mean(given, words):
    with pytest.raises(UsageError, match=words):
        pb.load_record(store=":memory:", **given)
