"""Two builds measured in turn: rounds of blocks, each round in a fresh pair of processes.

A round is what one bet is made on. Its two processes are started together, warmed up, and asked
alternately; who is first in a block is drawn for every block, so that whatever the machine does
meanwhile meets both alike.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.errors import UsageError
from parbench_lab.execution.builds.build import Build, Order
from parbench_lab.execution.builds.messages import Hello, Request
from parbench_lab.execution.builds.process import BuildProcess, Conditions

BLOCKS_PER_ROUND = 10
MIN_TIME_S = 0.005
"""A measurement lasts about so long at least: calls too short for the clock are repeated."""

MAX_REPEATS = 1_000_000
_CALIBRATIONS = 3
_ALIKE = 4
_PADDING_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One candidate in one block: how it fared in the new build, and in the baseline."""

    candidate: str
    block: int
    new: Measurement
    baseline: Measurement
    new_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a watch measures.

    Parameters
    ----------
    size
        Items of a case.
    seed
        Of everything that is drawn: cases, orders, conditions.
    blocks
        In a round.
    timeout_s
        For one measurement; a first run has three times as long.
    memory
        Whether every run's memory is measured.
    check
        Whether the first block of a round is checked, for metrics that the check gives; the runs
        before it always are.
    """

    size: int
    seed: int
    blocks: int = BLOCKS_PER_ROUND
    timeout_s: float = 60.0
    memory: bool = False
    check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """What both builds have in common, and what only one has."""

    new: Hello
    baseline: Hello
    shared: tuple[str, ...] = field(default=())

    @property
    def notes(self) -> tuple[str, ...]:
        """Candidates that cannot be compared, in words."""
        new, old = self.new.candidates, self.baseline.candidates
        only = [f"{name}: only in the new build, not compared" for name in new if name not in old]
        gone = [f"{name}: only in the baseline, not compared" for name in old if name not in new]
        return (*only, *gone)


Stop = Callable[[], bool]


class Pair:
    """The new build and its baseline, with one order for both.

    Parameters
    ----------
    new, baseline
        The builds.
    order
        What both run.
    folder
        For files of their processes; removed by its owner.
    here
        What a relative file of the order is relative to.
    """

    def __init__(
        self, new: Build, baseline: Build, order: Order, *, folder: Path, here: Path
    ) -> None:
        self.new, self.baseline = new, baseline
        self._order = order
        self._folder = folder
        self._here = here
        self._started = 0
        self._repeats: dict[str, tuple[int, int]] = {}

    def meet(self) -> Meeting:
        """Start both once and return what they have.

        Raises
        ------
        UsageError
            If one of them lacks the workload, or they share no candidate.
        RaceError
            If one does not come up.
        """
        with self._processes(np.random.default_rng(0)) as sides:
            new, baseline = (process.greet() for process in sides)
        shared = tuple(name for name in new.candidates if name in baseline.candidates)
        if not shared:
            raise UsageError(
                f"{self.new.label} and {self.baseline.label} share no candidate: the one has "
                f"{', '.join(new.candidates)}, the other {', '.join(baseline.candidates)}"
            )
        return Meeting(new=new, baseline=baseline, shared=shared)

    def round(
        self, number: int, candidates: Sequence[str], plan: Plan, stop: Stop = lambda: False
    ) -> tuple[Duel, ...]:
        """Measure a round in two fresh processes and return its duels, in order of time.

        Parameters
        ----------
        number
            From 0; what is drawn follows from it and the plan's seed.
        candidates
            Who takes part.
        stop
            Asked before every block whether to end the round early.

        Raises
        ------
        UsageError
            If the builds do not make the same case from one seed.
        RaceError
            If a process does not come up.
        """
        rng = np.random.default_rng([plan.seed, number])
        case_seed = int(rng.integers(2**32))
        with self._processes(rng) as sides:
            hellos = [process.greet() for process in sides]
            if number == 0:
                self._compare_cases(sides, hellos, plan.size, case_seed)
            table = _Table(self, sides, plan, case_seed)
            warm = table.warm_up(candidates)
            duels = [duel for duel in warm.values() if _fatal(duel)]
            ready = [name for name in candidates if not _fatal(warm[name])]
            for block in range(plan.blocks):
                if stop():
                    break
                order = rng.permutation(len(ready))
                coins = rng.integers(2, size=len(ready))
                for index, coin in zip(order, coins, strict=True):
                    at = number * plan.blocks + block
                    check = plan.check and block == 0
                    duels.append(table.duel(ready[index], at, new_first=bool(coin), check=check))
            return tuple(duels)

    def repeats(self, candidate: str) -> tuple[int, int] | None:
        """Return how often a candidate is called in one measurement of the new build and of the
        baseline, None before that is known.
        """  # noqa: D205
        return self._repeats.get(candidate)

    def fix_repeats(self, candidate: str, repeats: tuple[int, int]) -> None:
        """Fix the number of calls for all rounds: one that followed the times would bias them."""
        self._repeats[candidate] = repeats

    def restarted(self, process: BuildProcess, rng: np.random.Generator) -> BuildProcess:
        """Return a new process in place of one that was lost, ready."""
        fresh = self._process(process.build, rng)
        fresh.start()
        try:
            fresh.greet()
        except BaseException:
            fresh.close()
            raise
        return fresh

    @contextlib.contextmanager
    def _processes(self, rng: np.random.Generator) -> Iterator[list[BuildProcess]]:
        """Start one process of each build, at the same time, and end them."""
        sides = [self._process(build, rng) for build in (self.new, self.baseline)]
        try:
            for process in sides:
                process.start()
            yield sides
        finally:
            for process in sides:
                process.close()

    def _process(self, build: Build, rng: np.random.Generator) -> BuildProcess:
        self._started += 1
        return BuildProcess(
            build,
            self._order if build is self.baseline else _without_stand_in(self._order),
            target=build.located(self._order.target, self._here),
            folder=self._folder,
            name=f"process{self._started}",
            conditions=Conditions(
                padding_bytes=int(rng.integers(_PADDING_BYTES)),
                hash_seed=int(rng.integers(2**32)),
            ),
        )

    def _compare_cases(
        self, sides: Sequence[BuildProcess], hellos: Sequence[Hello], size: int, seed: int
    ) -> None:
        if hellos[0].software != hellos[1].software:
            return  # they may write the same data differently
        digests = [process.fingerprint(size=size, seed=seed) for process in sides]
        if digests[0] != digests[1] and None not in digests:
            raise UsageError(
                f"{self.new.label} and {self.baseline.label} make different cases from one seed, "
                "so their times do not compare: let make_case take all its chance from rng, and "
                "choose a baseline that has the same make_case"
            )


class _Table:
    """One round: the two processes at work."""

    def __init__(self, pair: Pair, sides: list[BuildProcess], plan: Plan, case_seed: int) -> None:
        self._pair = pair
        self._sides = sides
        self._plan = plan
        self._case_seed = case_seed
        self._rng = np.random.default_rng(case_seed)

    def warm_up(self, candidates: Sequence[str]) -> Mapping[str, Duel]:
        """Run everybody once on both sides, checked; fix their repeats in the first round."""
        firsts = {}
        for name in candidates:
            firsts[name] = self.duel(name, -1, new_first=True, repeats=(1, 1), check=True)
            if self._pair.repeats(name) is None and not _fatal(firsts[name]):
                self._pair.fix_repeats(name, self._calibrated(name))
        return firsts

    def _calibrated(self, name: str) -> tuple[int, int]:
        """Return the repeats with which each side lasts about `MIN_TIME_S`."""
        repeats = (1, 1)
        for _ in range(_CALIBRATIONS):
            duel = self.duel(name, -1, new_first=True, repeats=repeats)
            if _fatal(duel):
                break
            sides = (duel.new, duel.baseline)
            each_s = [max(m.values["wall_time_s"], 1e-9) for m in sides]
            if all(s * n >= MIN_TIME_S for s, n in zip(each_s, repeats, strict=True)):
                break
            repeats = shared_repeats(*each_s)
        return repeats

    def duel(
        self,
        name: str,
        block: int,
        *,
        new_first: bool,
        repeats: tuple[int, int] | None = None,
        check: bool = False,
    ) -> Duel:
        """Measure a candidate on both sides, one after the other."""
        limit_s = self._plan.timeout_s * (3.0 if block < 0 else 1.0)
        counts = repeats or self._pair.repeats(name) or (1, 1)
        found: dict[int, Measurement] = {}
        for side in (0, 1) if new_first else (1, 0):
            request = Request(
                number=max(0, block),
                candidate=name,
                size=self._plan.size,
                seed=self._case_seed,
                repeats=counts[side],
                check=check,
                memory=self._plan.memory,
            )
            found[side] = self._measured(side, request, limit_s)
        return Duel(
            candidate=name, block=block, new=found[0], baseline=found[1], new_first=new_first
        )

    def _measured(self, side: int, request: Request, limit_s: float) -> Measurement:
        if not self._sides[side].alive:
            self._sides[side] = self._pair.restarted(self._sides[side], self._rng)
        return self._sides[side].measure(request, limit_s)


def shared_repeats(new_s: float, baseline_s: float) -> tuple[int, int]:
    """Return how often to call each side, given the seconds of one call.

    Alike for both where one is not several times as slow as the other: what a repetition itself
    costs is then alike too.

    Examples
    --------
    >>> shared_repeats(1e-3, 1.2e-3), shared_repeats(1e-6, 1e-2)
    ((5, 5), (5000, 1))
    """
    counts = [min(MAX_REPEATS, math.ceil(MIN_TIME_S / s)) for s in (new_s, baseline_s)]
    if max(counts) <= _ALIKE * min(counts):
        return max(counts), max(counts)
    return counts[0], counts[1]


def _fatal(duel: Duel) -> bool:
    """Return whether more runs of this round are useless: one side cannot do it at all."""
    return any(m.outcome is not Outcome.OK for m in (duel.new, duel.baseline))


def _without_stand_in(order: Order) -> Order:
    return Order(
        target=order.target,
        registry=order.registry,
        algorithms=order.algorithms,
        payload=order.payload,
    )
