"""What a study is going to measure; pure, and changed only as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parbench_lab.analysis.curve import Mode
from parbench_lab.errors import UsageError

MOST_WORKERS = 4096
MOST_REPEATS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One curve of a study: a backend and a problem size (items; per worker in weak scaling)."""

    backend: str
    size: int

    def __str__(self) -> str:
        return f"{self.backend}, {self.size:,} items"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run that is to be made."""

    series: Series
    repetition: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Worker counts, sizes, backends and repetitions of a study.

    Parameters
    ----------
    workers
        Worker counts, each once, ascending.
    mode
        ``"strong"``: every level solves the same case; ``"weak"``: `sizes` are per worker.
    backends, sizes
        A curve for each pair.
    repeats
        How often each level is measured.
    seed
        Of the cases and of the order.

    Raises
    ------
    UsageError
        If a number is out of range or comes twice, or something is missing.
    """

    workers: tuple[int, ...]
    sizes: tuple[int, ...]
    mode: Mode = "strong"
    backends: tuple[str, ...] = ("threads",)
    repeats: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in ("strong", "weak"):
            raise UsageError(f"mode must be 'strong' or 'weak' but got {self.mode!r}")
        _refuse_outside("workers", self.workers, MOST_WORKERS)
        _refuse_outside("sizes", self.sizes, 10**12)
        _refuse_outside("repeats", (self.repeats,), MOST_REPEATS)
        if not self.backends or len(set(self.backends)) < len(self.backends):
            raise UsageError(f"backends must be one or more, each once, but got {self.backends}")
        object.__setattr__(self, "workers", tuple(sorted(self.workers)))

    @property
    def series(self) -> tuple[Series, ...]:
        """The curves, in the order in which they were asked for."""
        return tuple(Series(backend=b, size=s) for b in self.backends for s in self.sizes)

    @property
    def n_cells(self) -> int:
        """How many runs it takes."""
        return len(self.series) * len(self.workers) * self.repeats

    def size_at(self, series: Series, workers: int) -> int:
        """Return how many items a level solves."""
        return series.size * (workers if self.mode == "weak" else 1)

    def repetition(self, number: int) -> tuple[Cell, ...]:
        """Return the runs of one repetition in their random order: the same for the same seed.

        Examples
        --------
        >>> plan = Plan(workers=(1, 2), sizes=(10,), seed=1)
        >>> sorted(cell.workers for cell in plan.repetition(0))
        [1, 2]
        >>> plan.repetition(3) == plan.repetition(3)
        True
        """
        cells = [
            Cell(series=series, repetition=number, workers=workers)
            for series in self.series
            for workers in self.workers
        ]
        rng = np.random.default_rng([self.seed, number])
        return tuple(cells[index] for index in rng.permutation(len(cells)))

    def missing(self, done: Collection[Cell]) -> Iterator[Cell]:
        """Yield the runs that are not done, in order."""
        for number in range(self.repeats):
            yield from (cell for cell in self.repetition(number) if cell not in done)

    def changed(self, *, workers: Sequence[int] | None = None, repeats: int | None = None) -> Plan:
        """Return the plan with other levels or repetitions; what was measured stays measured.

        Raises
        ------
        UsageError
            If they are out of range.
        """
        return dataclasses.replace(
            self,
            workers=self.workers if workers is None else tuple(workers),
            repeats=self.repeats if repeats is None else repeats,
        )


def _refuse_outside(name: str, values: Sequence[int], most: int) -> None:
    if not values:
        raise UsageError(f"{name} must have at least one number")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise UsageError(f"{name} must be whole numbers from 1 to {most:,} but got {value!r}")
    if len(set(values)) < len(values):
        raise UsageError(f"{name} must be different numbers but got {list(values)}")
