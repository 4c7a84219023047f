"""What streams into the figures of a race."""

from __future__ import annotations

import dataclasses

import pytest

import parbench_lab as pb
from parbench_lab.core.ports import MeasurementRow
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.panel.curves import Curves, lines_after
from parbench_lab.plots.theme import source_of
from parbench_lab.racing.history import LogLine, TimedMeasurement, TimedUsage
from tests.panel.races import RememberingRace, scoreboard, standing


def line(at_s, kind="Noted"):
    return LogLine(at_s=at_s, sentence=f"at {at_s}", kind=kind, candidate="fair")


def test_only_what_was_said_since_is_new():
    log = tuple(line(float(i)) for i in range(5))

    assert lines_after(log, log[2]) == log[3:]
    assert lines_after(log, log[4]) == ()
    assert lines_after(log, None) == log
    assert lines_after(log, line(-1.0)) == log


class MeasuredRace(RememberingRace):
    """A race whose history has what was measured."""

    def history(self):
        return dataclasses.replace(super().history(), measurements=tuple(self.measured))


def test_an_elimination_is_marked_even_when_the_log_is_full():
    race = MeasuredRace()
    race.measured.append(measured(0, 100))
    race.log_lines = tuple(line(i / 10) for i in range(1000))
    curves = Curves(race)

    race.log_lines = (*race.log_lines[1:], line(101.0, "Eliminated"))
    curves.tick(scoreboard())

    marks = curves.figure.static().select_one({"name": "throughput:marks"})
    assert list(marks.data["at_s"]) == [101.0]
    curves.figure.close()


@pytest.mark.parametrize("kind", ["Eliminated", "Returned"])
def test_who_is_not_measured_after_all_is_drawn_anew_is_marked_all_the_same(kind):
    race = MeasuredRace()
    curves = Curves(race)
    race.measured.append(measured(0, 100))
    curves.tick(scoreboard())
    race.candidates = (*race.candidates, pb.Candidate(name="newcomer", function=abs))
    curves.tick(scoreboard())  # somebody entered: all is drawn anew

    race.log_lines = (*race.log_lines, line(9.0, kind))
    curves._throughput()

    marks = curves.figure.static().select_one({"name": "throughput:marks"})
    assert list(marks.data["at_s"]) == [9.0]
    assert list(marks.data["throughput"]) == [pytest.approx(100 / 0.01)]
    curves.figure.close()


@pytest.mark.parametrize(
    "name",
    [
        "threshold", "marks", "epochs", "crossovers", "points", "range", "tolerance",
        "evidence:threshold", "ratio:range", "throughput:marks", "of fair", "<b>:$name",
    ],
)  # fmt: skip
def test_whatever_a_candidate_is_called_its_line_is_a_line_of_its_own(name):
    race = RememberingRace(scoreboard([standing("fair", 1), standing(name, 2)]))
    curves = Curves(race)
    race.measured.append(measured(0, 100, candidate=name))
    race.log_lines = (line(0.5, "EpochOpened"),)
    race.settings = race.settings.replace(elimination_threshold=77.0, tolerance=0.3)

    curves.tick(race.scoreboard)

    drawn = curves.figure.static()
    names = [m.name for m in drawn.references() if m.name is not None and ":" in m.name]
    assert len(names) == len(set(names))
    assert drawn.select_one({"name": "evidence:threshold"}).location == 77.0
    assert list(drawn.select_one({"name": source_of("throughput", name)}).data["runs"]) == [1]
    curves.figure.close()


def measured(seq, size, candidate="fair"):
    row = MeasurementRow(
        block=seq, slot=0, epoch=0, candidate=candidate, copy=0, size=size, worker="cpu-0",
        outcome="ok", warm_up=False, checked=True, repeats=1, values={"wall_time_s": 0.01},
    )  # fmt: skip
    return TimedMeasurement(seq=seq, at_s=float(seq), row=row)


def test_only_the_first_measurement_at_a_new_size_is_hurried_to_the_page():
    race = RememberingRace()
    curves = Curves(race)
    hurried = []
    curves.figure.flush_soon = hurried.append

    race.measured.append(measured(0, 100))
    curves.tick(scoreboard(), awaited=500)
    before = list(hurried)
    race.measured.append(measured(1, 500))
    curves.tick(scoreboard(), awaited=500)

    assert (before, hurried) == ([], [("throughput:",)])
    assert curves.shown_size == 500
    curves.figure.close()


class WatchedRace(RememberingRace):
    """Workers that tell what they are told to."""

    busy = ()

    def usage(self):
        return self.busy

    def history(self):
        seen = (TimedUsage(at_s=1.0, workers=self.busy),) if self.busy else ()
        return dataclasses.replace(super().history(), usage=seen)


def test_a_gpu_that_is_told_of_later_gets_its_figures():
    race = WatchedRace()
    race.started = True
    race.busy = (WorkerUsage(worker="gpu-0", cpu_percent=9.0),)
    curves = Curves(race)
    before = curves.figure.static().select_one({"name": "usage-gpu_power_w"})

    race.busy = (WorkerUsage(worker="gpu-0", cpu_percent=9.0, gpu_power_w=300.0),)
    curves.tick(scoreboard())

    after = curves.figure.static().select_one({"name": "usage-gpu_power_w"})
    assert before is None
    assert after is not None
    curves.figure.close()
