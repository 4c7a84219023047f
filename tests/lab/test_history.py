"""What a race leaves for plots: live, and from the store, in bounded memory."""

from __future__ import annotations

import contextlib
import dataclasses
import types

import pytest

import parbench_lab as pb
from parbench_lab.core.ports import MeasurementRow
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.errors import StoreError, UsageError
from parbench_lab.lab.live import challengers
from parbench_lab.racing import events
from parbench_lab.racing.history import (
    KEPT_BOARDS,
    KEPT_MEASUREMENTS,
    KEPT_STANDINGS,
    Recorder,
)
from parbench_lab.store import open_store
from parbench_lab.testing import ScriptedExecutor
from tests.chaos.candidates import Summing
from tests.racing.test_engine import TIMINGS, race


def row(block=0):
    return MeasurementRow(
        block=block, slot=0, epoch=0, candidate="a", copy=0, size=10, worker="w", outcome="ok",
        warm_up=False, checked=False, repeats=1, values={"wall_time_s": 0.01},
    )  # fmt: skip


def board(at_s):
    return Scoreboard(
        epoch=0, batch_size=1, standings=(), phase="racing", blocks=0, measurements=0,
        elapsed_s=at_s, blocks_per_s=0.0,
    )  # fmt: skip


def test_a_stored_run_gives_the_measurements_and_verdicts_of_the_live_one(tmp_path):
    with race(store=tmp_path / "runs.db") as bench:
        bench.run_continuous_optimization()
        live = bench.history()

    stored = pb.load_history(live_run := bench.run_id, tmp_path / "runs.db")

    assert live_run
    assert [m.row for m in stored.measurements] == [m.row for m in live.measurements]
    assert stored.boards[-1].standings == live.boards[-1].standings
    assert [line.sentence for line in stored.log] == [line.sentence for line in live.log]
    assert stored.candidates == live.candidates == ("best", "slow")
    assert stored.sizes == live.sizes


def test_a_journal_that_is_not_drawn_again_as_it_was_is_shown_with_a_word():
    kept, other = open_store(":memory:"), open_store(":memory:")
    with contextlib.closing(kept), contextlib.closing(other):
        with race(store=kept) as bench:
            bench.run_continuous_optimization()
        header = kept.header(bench.run_id)
        document = {**header.document, "seed": 99}
        other.create_run(dataclasses.replace(header, document=document))
        other.append(header.id, list(kept.events(header.id)))

        told, untold = (pb.load_history(header.id, store).log for store in (other, kept))

    assert "written by another version" in told[-1].sentence
    assert not any("another version" in line.sentence for line in untold)


def test_the_history_marks_who_was_eliminated_and_when():
    with race() as bench:
        bench.run_continuous_optimization()
        history = bench.history()

    out = [line for line in history.log if line.kind == "Eliminated"]
    assert [line.candidate for line in out] == ["slow"]
    assert 0 < out[0].at_s <= history.boards[-1].elapsed_s


def test_speed_over_batch_size_keeps_what_earlier_sizes_have_shown():
    with race(batch_size=100) as bench:
        bench.start()
        bench.wait("decided", timeout_s=120)
        bench.change(batch_size=200)
        bench.limit(max_measurements=bench.scoreboard.measurements + 60)
        bench.wait("finished", timeout_s=120)
        small, large = bench.sizes()

    assert (small.batch_size, large.batch_size) == (100, 200)
    assert (small.current, large.current) == (False, True)
    assert small.leader == large.leader == "best"
    assert small.median_s["slow"] > small.median_s["best"]


def test_measurements_since_a_number_are_those_that_came_after_it():
    recorder = Recorder()
    recorder.measured(1.0, [row(0), row(1)])
    recorder.measured(2.0, [row(2)])

    newer = recorder.since(1)

    assert [(m.seq, m.at_s, m.row.block) for m in newer] == [(1, 1.0, 1), (2, 2.0, 2)]
    assert recorder.since(3) == ()
    assert len(recorder.since(-5)) == 3


def test_memory_is_bounded_and_the_whole_race_stays_visible():
    recorder = Recorder()
    for index in range(3 * KEPT_MEASUREMENTS):
        recorder.measured(float(index), [row(index)])
        if recorder.wants_board(float(index)):
            recorder.seen(board(float(index)))

    assert len(recorder.since(0)) == KEPT_MEASUREMENTS
    assert recorder.since(0)[-1].row.block == 3 * KEPT_MEASUREMENTS - 1
    times = [kept.elapsed_s for kept in recorder.boards]
    assert len(times) < KEPT_BOARDS
    assert times[0] == 0.0
    assert times[-1] > 2.9 * KEPT_MEASUREMENTS


def test_snapshots_of_many_candidates_are_fewer():
    recorder = Recorder()
    standings = tuple(
        Standing(candidate=f"c{n}", rank=n, verdict=VerdictKind.UNDECIDED) for n in range(200)
    )
    for index in range(1000):
        if recorder.wants_board(float(index)):
            recorder.seen(dataclasses.replace(board(float(index)), standings=standings))

    assert len(recorder.boards) <= KEPT_STANDINGS // 200
    assert recorder.boards[0].elapsed_s == 0.0
    assert recorder.boards[-1].elapsed_s > 900
    assert not recorder.wants_board(recorder.boards[-1].elapsed_s + 0.9)


def test_a_note_is_kept_with_the_run_and_changes_nothing(tmp_path):
    bench = race(store=tmp_path / "runs.db")
    with bench:
        bench.note("  before the\n cache was warm ")
        result = bench.run_continuous_optimization()
        with pytest.raises(UsageError, match="has ended"):
            bench.note("too late")

    assert "note: before the cache was warm" in result.log
    kinds = [e.kind for e in open_store(tmp_path / "runs.db").events(bench.run_id)]
    assert events.NotePinned.__name__ in kinds


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda bench: bench.change(batch_size=7), id="change"),
        pytest.param(lambda bench: bench.pause(), id="pause"),
        pytest.param(lambda bench: bench.resume(), id="resume"),
        pytest.param(lambda bench: bench.drop(bench.candidates[0].name), id="drop"),
        pytest.param(lambda bench: bench.bring_back(bench.candidates[0].name), id="bring back"),
        pytest.param(lambda bench: bench.limit(max_seconds=5), id="limit"),
        pytest.param(lambda bench: bench.run_continuous_optimization(max_seconds=5), id="run"),
    ],
)
def test_to_a_race_that_has_ended_nothing_can_be_done(act):
    with race() as bench:
        bench.run_continuous_optimization()
        settings, drawn = bench.settings, bench.history().elimination_threshold

        with pytest.raises(UsageError, match="the race has ended"):
            act(bench)

        assert bench.settings == settings
        assert bench.history().elimination_threshold == drawn


def test_a_note_without_words_is_refused():
    with race() as bench, pytest.raises(UsageError, match="needs words"):
        bench.note(" \n ")


def test_a_stop_without_waiting_returns_and_the_race_ends():
    with race(policy="never") as bench:
        bench.start()
        bench.stop(wait=False)
        assert bench.wait("finished", timeout_s=120)

    assert bench.result().status == "stopped"


def test_challengers_are_the_workloads_own_and_those_of_the_notebook():
    @pb.candidate
    def quick(case):
        return case

    workload = types.SimpleNamespace(
        candidates=[pb.Candidate(name="a", function=abs), pb.Candidate(name="b", function=abs)]
    )
    notebook = types.ModuleType("notebook")
    notebook.quick, notebook.other = quick, len

    fresh = challengers(workload, [workload.candidates[0]], notebook).available
    entered = [*workload.candidates, fresh["quick"]]

    assert list(fresh) == ["b", "quick"]
    assert challengers(workload, entered, notebook).available == {}


def test_a_function_written_anew_since_it_entered_can_enter_again():
    def version():
        @pb.candidate
        def quick(case):
            return case

        return quick

    notebook = types.ModuleType("notebook")
    notebook.quick = version()
    entered = challengers(Summing(), [], notebook).available["quick"]
    notebook.quick = version()

    again = challengers(Summing(), [entered], notebook).available

    assert "quick #2" in again
    assert again["quick #2"].function is notebook.quick


class Numbers(list):
    """A list that counts how many of its elements are looked at."""

    looked_at = 0

    def __iter__(self):
        for number in super().__iter__():
            self.looked_at += 1
            yield number


def test_of_a_notebooks_list_of_numbers_no_more_than_the_first_is_looked_at():
    notebook = types.ModuleType("notebook")
    notebook.numbers = Numbers(range(1000))

    assert challengers(Summing(), [], notebook).available == {}
    assert notebook.numbers.looked_at == 1


def test_candidates_that_stand_in_a_list_beside_functions_can_enter():
    notebook = types.ModuleType("notebook")
    notebook.listed = [len, pb.Candidate(name="quick", function=abs), 5]

    assert list(challengers(Summing(), [], notebook).available) == ["quick"]


def test_a_cell_may_bind_names_while_the_panel_looks_for_challengers():
    notebook = types.ModuleType("notebook")

    class Binding:
        """Something that is not marked, and binds a name when it is asked."""

        def __call__(self, case):
            return case

        def __getattr__(self, name):
            setattr(notebook, f"bound_{len(vars(notebook))}", 1)
            raise AttributeError(name)

    notebook.binding = Binding()
    notebook.quick = marked()

    assert list(challengers(Summing(), [], notebook).available) == ["quick"]


def test_a_mark_that_no_candidate_can_have_keeps_nobody_else_out():
    workload = Summing()
    notebook = types.ModuleType("notebook")
    notebook.needy = pb.candidate(resources="GPU")(lambda case: case)
    notebook.wordy = pb.candidate(name="w" * 201)(lambda case: case)
    notebook.full = pb.candidate(name="f" * 200)(lambda case: case)
    notebook.quick = marked()
    entered = pb.Candidate(name="f" * 200, function=abs)

    assert list(challengers(workload, [entered], notebook).available) == ["quick"]


def test_a_mark_that_no_candidate_can_have_is_named_with_its_reason():
    notebook = types.ModuleType("notebook")
    notebook.quick = marked()

    @pb.candidate(resources="GPU")
    def needy(case):
        return case

    notebook.needy = needy

    told = challengers(Summing(), [], notebook).unusable

    assert list(told) == ["needy"]
    assert "resources must be names with finite numbers" in told["needy"]


def test_functions_that_a_workload_brings_can_enter():
    workload = types.SimpleNamespace(candidates=[marked()])

    assert list(challengers(workload, [], types.ModuleType("notebook")).available) == ["quick"]


def marked():
    @pb.candidate
    def quick(case):
        return case

    return quick


def test_what_is_no_race_and_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(StoreError):
        pb.load_history("nothing", tmp_path / "runs.db")


def test_a_scripted_worker_has_no_usage_that_was_measured():
    with race(ScriptedExecutor(TIMINGS)) as bench:
        bench.start()
        bench.wait("first_rows", timeout_s=120)
        busy = bench.usage()
        bench.stop()

    assert all(usage.cpu_percent is None for usage in busy)
