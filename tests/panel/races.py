"""Races to put a panel in front of: one that only remembers, and a real one in virtual time."""

from __future__ import annotations

import threading

import numpy as np

import parbench_lab as pb
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.racing.control import Challengers
from parbench_lab.racing.history import LogLine, RaceHistory
from parbench_lab.racing.settings import Settings
from parbench_lab.testing import ScriptedExecutor
from tests.chaos.candidates import Summing

WAIT_S = 120.0
"""A test that waits so long for the panel's thread has failed."""

EVIL = "<img src=x onerror=alert(1)>"


def estimate(point, width=0.1):
    return Estimate(point=point, low=point - width, high=point + width, confidence=0.95, n=40)


def standing(candidate, rank, verdict=VerdictKind.UNDECIDED, **known):
    return Standing(candidate=candidate, rank=rank, verdict=verdict, **known)


STANDINGS = (
    standing("quick", 1, VerdictKind.LEADER, ratio=estimate(1.0, 0.0), throughput=2e6, blocks=40),
    standing("fair", 2, ratio=estimate(1.2), evidence=30.0, blocks=40, peak_rss_bytes=3 * 2**20),
    standing("slow", 3, VerdictKind.ELIMINATED, ratio=estimate(2.0), reason="30 % slower"),
)


def scoreboard(standings=STANDINGS, **known):
    given = {
        "epoch": 0, "batch_size": 1000, "phase": "racing", "blocks": 40, "measurements": 120,
        "elapsed_s": 4.0, "blocks_per_s": 10.0, "workers": ("cpu-0", "cpu-1"), **known,
    }  # fmt: skip
    return Scoreboard(standings=tuple(standings), **given)


class RememberingRace:
    """A `RaceControl` that does nothing but remember what it was told, in `told`."""

    workload_name = "windows"
    dashboard_link = None
    not_measured = {"gpu_utilization": "there are no GPU workers"}  # noqa: RUF012 - never changed
    metric_names = ("wall_time_s", "cpu_time_s")
    policy_names = ("evidence", "never")
    objective = WALL_TIME_S
    objectives = ("wall_time_s",)
    most_workers = 4

    def __init__(self, board=None, *, started=True, run_id="run-1"):
        self.settings = Settings()
        self.scoreboard = board or scoreboard()
        self.started = started
        self.run_id = run_id
        self.failure = ""
        self.measured = []
        self.log_lines = (LogLine(at_s=1.0, sentence="worker cpu-0 is ready"),)
        self.candidates = tuple(
            pb.Candidate(name=s.candidate, function=abs) for s in self.scoreboard.standings
        )
        self.looks = 0
        self.newcomers = {"newcomer": pb.Candidate(name="newcomer", function=abs)}
        self.marked_badly = {}
        self.told = []
        self.refusal = None
        self.heard = threading.Condition()

    def _hear(self, *words):
        with self.heard:
            self.told.append(words)
            self.heard.notify_all()
        if self.refusal is not None:
            raise self.refusal

    def was_told(self, *words):
        """Wait until it was told this, and return whether that came."""
        with self.heard:
            return self.heard.wait_for(lambda: words in self.told, WAIT_S)

    def available(self):
        self.looks += 1
        return dict(self.newcomers)

    def challengers(self):
        self.looks += 1
        return Challengers(available=dict(self.newcomers), unusable=dict(self.marked_badly))

    def measured_since(self, seq):
        return tuple(one for one in self.measured if one.seq >= seq)

    def sizes(self):
        return ()

    def usage(self):
        return ()

    def history(self):
        return RaceHistory(
            candidates=tuple(candidate.name for candidate in self.candidates),
            objectives=(self.objective,),
            elimination_threshold=self.settings.elimination_threshold,
            tolerance=self.settings.tolerance,
            boards=(self.scoreboard,),
            log=self.log_lines,
        )

    def change(self, **changes):
        self._hear("change", changes)
        self.settings = self.settings.replace(**changes)
        return self.settings

    def start(self):
        self._hear("start")
        self.started = True

    def add(self, candidate):
        del self.newcomers[candidate.name]
        self._hear("add", candidate.name)

    def __getattr__(self, verb):
        if verb not in ("pause", "resume", "stop", "drop", "bring_back", "note"):
            raise AttributeError(verb)
        return lambda *words, **options: self._hear(verb, *words)


def seconds(mean):
    return lambda rng, case, block: mean * float(np.exp(rng.normal(0, 0.03)))


TIMINGS = {"best": seconds(0.010), "slow": seconds(0.013), "late": seconds(0.011)}


def scripted_race(**options):
    """Return a real race of "best" and "slow", in virtual time."""
    candidates = [pb.Candidate(name=name, function=abs) for name in ("best", "slow")]
    given = {"store": ":memory:", "executor": ScriptedExecutor(TIMINGS), **options}
    return pb.ParallelBenchmarking(candidates, Summing(), **given)


def comes(widget, trait, wanted):
    """Wait until a widget's trait is as wanted, and return whether that came."""
    there = threading.Event()

    def look(_change=None):
        if wanted(getattr(widget, trait)):
            there.set()

    widget.observe(look, trait)
    look()
    return there.wait(WAIT_S)
