"""How many workers to use while others use the machine too.

`Steering` decides and is pure; `AdaptiveMap` looks at the load between two parts and tells the
pool. What it decides follows from several looks that agree, so that a load that flickers changes
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from parbench_lab.analysis.trial import Use
from parbench_lab.core.pool import Pool
from parbench_lab.errors import UsageError

PERIOD_S = 0.25
"""Between two looks; the system counts in hundredths of a second."""
LOOKS_DOWN, LOOKS_UP = 2, 4
"""How many looks in a row must agree: others are given way to sooner than they are followed."""
DEAD_BAND = 0.6
"""Cores that must be missing, or free, for a look to want a change: more than half of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """Workers in use, and what the last looks wanted; a look gives the next one. Pure.

    Parameters
    ----------
    most
        At least 1; never more workers than that.
    workers
        In use, from 1 to `most`.
    missing, spare
        Free cores as the last looks in a row saw them, all of which wanted fewer or more.

    Raises
    ------
    UsageError
        If the numbers do not fit together.

    Examples
    --------
    >>> four = Steering(most=4, workers=4)
    >>> four.seen(2.1).workers, four.seen(2.1).seen(2.3).workers
    (4, 2)
    """

    most: int
    workers: int
    missing: tuple[float, ...] = ()
    spare: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= self.most:
            raise UsageError(f"workers must be from 1 to {self.most} but got {self.workers}")

    def seen(self, free_cores: float) -> Steering:
        """Return what follows from another look.

        Changes are as small as all of the looks agree on, and never below one worker.

        Parameters
        ----------
        free_cores
            Cores that others leave, those that we use among them; may be a fraction.
        """
        if free_cores < self.workers - DEAD_BAND and self.workers > 1:
            return self._fewer((*self.missing, free_cores))
        if free_cores >= self.workers + DEAD_BAND and self.workers < self.most:
            return self._more((*self.spare, free_cores))
        return replace(self, missing=(), spare=())

    def _fewer(self, missing: tuple[float, ...]) -> Steering:
        if len(missing) < LOOKS_DOWN:
            return replace(self, missing=missing, spare=())
        return self._with(round(max(missing)))

    def _more(self, spare: tuple[float, ...]) -> Steering:
        if len(spare) < LOOKS_UP:
            return replace(self, missing=(), spare=spare)
        return self._with(round(min(spare)))

    def _with(self, workers: int) -> Steering:
        return Steering(most=self.most, workers=max(1, min(self.most, workers)))


class AdjustablePool(Pool, Protocol):
    """A pool that can let some of its workers rest."""

    def use(self, n_workers: int) -> None:
        """Hand parts to so many workers from now on; those being worked on are ended."""

    def process_ids(self) -> Sequence[int]:
        """Return this process and those of the workers."""


class _Followed(Iterator[Any]):
    """A pool's results, with a look after each; what else they can do they still can."""

    def __init__(self, results: Any, look: Callable[[], None]) -> None:
        self._results = results
        self._look = look

    def __next__(self) -> Any:
        result = next(self._results)
        self._look()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._results, name)


class AdaptiveMap:
    """A pool's map that uses as many workers as the load of others leaves room for.

    Parameters
    ----------
    pool
        Its workers are the most that are used.
    others_cores
        Returns how many cores others used since it was last asked; None where it is not known.
    cores
        Of the machine, as the system counts them.
    clock_s
        Seconds that never go back.

    Examples
    --------
    In a study: ``ScalingStudy(job, workers="adaptive")``.
    """

    def __init__(
        self,
        pool: AdjustablePool,
        *,
        others_cores: Callable[[], float | None],
        cores: int,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.pool = pool
        self._others_cores = others_cores
        self._cores = cores
        self._clock_s = clock_s
        self._steering = Steering(most=pool.n_workers, workers=pool.n_workers)
        self._began_s = self._looked_s = clock_s()
        self._uses: list[Use] = []
        self._running = False
        self._others_cores()  # from here on

    def begin(self) -> None:
        """Begin a run: what is told of it is what changed since the last one, and what follows."""
        self._look()
        self._began_s = self._clock_s()
        self._running = True
        if not self._uses:
            now = self._steering.workers
            self._uses = [Use(at_s=0.0, workers=now, before=now)]

    def end(self) -> tuple[Use, ...]:
        """End a run and return how many workers it used: at its begin, and at each change.

        Changes between two runs, or while one warms up, are at second 0 of the second; of a run
        that never began, they are all that is returned.
        """
        uses, self._uses = tuple(self._uses), []
        self._running = False
        return uses

    def __call__(self, function: Callable[..., Any], /, *items: Iterable[Any]) -> Iterator[Any]:
        """Yield results as the pool's map does, and look at the load between them."""
        # posted here, not when the first result is asked for, as the pool's own map does
        return _Followed(self.pool.map(function, *items), self._look)

    def _look(self) -> None:
        now_s = self._clock_s()
        if now_s - self._looked_s < PERIOD_S:
            return
        self._looked_s = now_s
        others = self._others_cores()
        if others is None:
            return
        before = self._steering.workers
        self._steering = self._steering.seen(self._cores - others)
        after = self._steering.workers
        if after != before:
            self.pool.use(after)
            self._note(now_s, before, after, f"others use {others:.1f} of {self._cores} cores")

    def _note(self, now_s: float, before: int, after: int, reason: str) -> None:
        at_s = now_s - self._began_s if self._running else 0.0
        self._uses.append(Use(at_s=at_s, workers=after, before=before, reason=reason))
