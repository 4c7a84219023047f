"""What is kept of a race's usage, for those who look now and for those who look later."""

import threading

import pytest

import parbench_lab as pb
from parbench_lab.core.runs import UsageRow
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import StoreError
from parbench_lab.lab.usage_keeping import UsageKeeper, timed_usage
from parbench_lab.testing import ScriptedExecutor
from tests.racing.test_engine import TIMINGS, race


class Watched:
    """A worker that is looked at on a clock of its own."""

    def __init__(self):
        self.now_s = 0.0
        self.kept = []
        self.broken = False
        self.keeper = UsageKeeper(look=self.look, keep=self.keep, clock=lambda: self.now_s)

    def look(self):
        return (WorkerUsage(worker="w", cpu_percent=10.0 * (self.now_s % 1)),)

    def keep(self, rows):
        if self.broken:
            raise StoreError("the store cannot be written")
        self.kept.append(list(rows))

    def run(self, until_s):
        while self.now_s < until_s:
            self.keeper.look()
            self.now_s = round(self.now_s + 0.2, 6)


def test_what_is_stored_is_one_row_a_second_and_none_is_lost():
    watched = Watched()

    watched.run(25.0)
    watched.keeper.close()

    rows = [row for batch in watched.kept for row in batch]
    assert [int(row.at_s) for row in rows] == list(range(25))
    assert {round(row.values["cpu_percent"], 6) for row in rows} == {4.0}
    assert len(watched.kept) == 3  # two on the way, one at the end


def test_who_looks_sees_one_moment_a_second():
    watched = Watched()

    watched.run(3.1)

    assert [int(moment.at_s) for moment in watched.keeper.seen] == [0, 1, 2, 3]


def test_a_store_that_cannot_be_written_costs_only_its_rows():
    watched = Watched()
    watched.broken = True

    watched.run(12.0)
    watched.broken = False
    watched.keeper.close()

    assert [int(row.at_s) for batch in watched.kept for row in batch] == [10, 11]


def test_a_race_that_ends_while_its_usage_is_about_to_be_watched_ends_well(monkeypatch):
    watched, failed = Watched(), []

    def close():
        try:
            watched.keeper.close()
        except RuntimeError as error:
            failed.append(error)

    closer = threading.Thread(target=close)

    class SlowToStart(threading.Thread):
        def start(self):
            closer.start()
            closer.join(0.5)  # who closes has failed by then, or waits for this one to have begun
            super().start()

    monkeypatch.setattr("parbench_lab.lab.usage_keeping.threading.Thread", SlowToStart)
    watched.keeper.start()
    closer.join()

    assert failed == []
    assert not any(thread.name == "parbench-usage" for thread in threading.enumerate())


def test_nobody_to_look_at_is_nothing_to_keep():
    kept = []
    keeper = UsageKeeper(look=tuple, keep=kept.append, clock=lambda: 0.0)

    keeper.start()
    keeper.start()
    keeper.close()

    assert (kept, keeper.seen) == ([], ())


def test_a_long_run_comes_back_as_a_few_hundred_moments():
    rows = [UsageRow(at_s=float(t), source="w", values={"cpu_percent": 1.0}) for t in range(7200)]

    moments = timed_usage(rows)

    assert 500 <= len(moments) <= 601
    assert timed_usage(()) == ()


class BusyExecutor(ScriptedExecutor):
    """Workers that tell of a GPU."""

    def usage(self):
        return tuple(
            WorkerUsage(
                worker=usage.worker, cpu_percent=50.0, gpu_uuid="GPU-1", gpu_percent=80.0,
                gpu_power_w=300.0, gpu_throttle=("thermal",),
            )
            for usage in super().usage()
        )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return tmp_path / "runs.db"


def test_a_race_without_a_panel_stores_its_usage_too(store):
    with race(BusyExecutor(TIMINGS), store=store) as bench:
        bench.start()
        bench.wait("first_rows", timeout_s=120)
        bench.usage()
        result = bench.stop()

    history = pb.load_history(result.run_id, store)

    told = history.usage[0].workers[0]
    assert (told.cpu_percent, told.gpu_percent, told.gpu_power_w) == (50.0, 80.0, 300.0)
    assert told.gpu_throttle == ("thermal",)
    assert "gpu_utilization" not in result.not_measured


def test_a_race_on_workers_that_tell_nothing_stores_nothing(store):
    with race(store=store) as bench:
        result = bench.run_continuous_optimization(max_measurements=50)

    assert pb.load_history(result.run_id, store).usage == ()
    assert "there are no GPU workers" in result.not_measured["gpu_utilization"]
