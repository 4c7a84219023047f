"""What streams into the figures of a race."""

from __future__ import annotations

from parbench_lab.panel.curves import Curves, lines_after
from parbench_lab.racing.history import LogLine
from tests.panel.races import RememberingRace, scoreboard


def line(at_s, kind="Noted"):
    return LogLine(at_s=at_s, sentence=f"at {at_s}", kind=kind, candidate="fair")


def test_only_what_was_said_since_is_new():
    log = tuple(line(float(i)) for i in range(5))

    assert lines_after(log, log[2]) == log[3:]
    assert lines_after(log, log[4]) == ()
    assert lines_after(log, None) == log
    assert lines_after(log, line(-1.0)) == log


def test_an_elimination_is_marked_even_when_the_log_is_full():
    race = RememberingRace()
    race.log_lines = tuple(line(i / 10) for i in range(1000))
    curves = Curves(race)
    curves._heights["fair"] = 5.0

    race.log_lines = (*race.log_lines[1:], line(101.0, "Eliminated"))
    curves.tick(scoreboard())

    marks = curves.figure.static().select_one({"name": "throughput:marks"})
    assert list(marks.data["at_s"]) == [101.0]
    curves.figure.close()
