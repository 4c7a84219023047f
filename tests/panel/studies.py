"""Studies to put a panel in front of: one that only remembers, and a real one that can be held."""

from __future__ import annotations

import threading

import parbench_lab as pb
from parbench_lab.core.scalable import Scalable
from parbench_lab.scaling import journal
from parbench_lab.scaling.plan import Cell, Plan, Series
from tests.panel.races import EVIL, WAIT_S
from tests.plots.curves import strong

SERIES = Series(backend="threads", size=100)


def doubled(case, *, map):
    return sum(map(abs, case))


def numbers(size, rng):
    return rng.integers(-9, 9, size).tolist()


class RememberingStudy:
    """A `StudyControl` that does nothing but remember what it was told, in `told`."""

    cores = 4
    backend_reason = batch_reason = ""

    def __init__(self, *, phase="measuring", levels=(1, 2, 4), name="job", **plan):
        self.scalable = Scalable(name=name, run=doubled, make_case=numbers)
        self.run_id = "" if phase == "new" else "study-1"
        self.phase = phase
        self.now = None
        self.plan = Plan(workers=(1, 2, 4, 8), sizes=(100,), repeats=3, **plan)
        self.failure = None
        self.refusal = None
        self.told = []
        self.heard = threading.Condition()
        self.measure(levels)

    def measure(self, levels):
        """Have measured each of these levels once."""
        self.done = {
            Cell(series=SERIES, repetition=0, workers=one.workers): one
            for one in strong(levels=levels, repeats=1).trials
        }

    @property
    def progress(self):
        return len(self.done), self.plan.n_cells

    @property
    def curves(self):
        return journal.curves(
            self.plan, self.done, name=self.scalable.name, unit="items", cores=self.cores
        )

    def wait(self, timeout_s=None):
        if self.failure is not None:
            raise self.failure
        return True

    def change(self, **changes):
        self._hear("change", changes)
        self.plan = self.plan.changed(**changes)

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

    def __getattr__(self, verb):
        if verb not in ("start", "pause", "resume", "stop"):
            raise AttributeError(verb)
        return lambda: self._hear(verb)


class HeldStudy:
    """A real study whose runs with 4 workers begin only when `go` is set."""

    def __init__(self, **options):
        self.go = threading.Event()
        self.study = pb.ScalingStudy(
            self._job,
            make_case=numbers,
            **{"workers": [1, 4], "sizes": [8], "repeats": 2, "store": ":memory:", **options},
        )

    def _job(self, case, *, map):
        if self.study.now is not None and self.study.now.workers == 4:
            assert self.go.wait(WAIT_S)
        return sum(map(abs, case))


__all__ = ["EVIL", "SERIES", "WAIT_S", "HeldStudy", "RememberingStudy"]
