"""What a study is going to measure; pure, and changed only as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parbench_lab.analysis.curve import Mode
from parbench_lab.core.given import MOST_WORKERS, checked_count, checked_counts
from parbench_lab.errors import UsageError

MOST_REPEATS = 1000
MOST_ITEMS = 10**12
MOST_IN_A_BATCH = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One curve of a study.

    Parameters
    ----------
    backend
        What runs the parts.
    size
        Items of the problem; per worker in weak scaling.
    batch_size
        How many go to a worker at once; None for what the job does by itself.
    """

    backend: str
    size: int
    batch_size: int | None = None

    @property
    def what_runs(self) -> str:
        """The backend, and how many items it hands out at once where that was asked for."""
        return self.backend if self.batch_size is None else f"{self.backend}, {self.batches}"

    @property
    def batches(self) -> str:
        """The batch size in words; "" where the job chooses."""
        return "" if self.batch_size is None else f"batches of {self.batch_size:,}"

    def __str__(self) -> str:
        told = (self.backend, f"{self.size:,} items", self.batches)
        return ", ".join(part for part in told if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run that is to be made."""

    series: Series
    repetition: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Worker counts, sizes, batch sizes, backends and repetitions of a study.

    Parameters
    ----------
    workers
        Worker counts, each once, ascending.
    mode
        ``"strong"``: every level solves the same case; ``"weak"``: `sizes` are per worker.
    backends, sizes, batch_sizes
        A curve for each combination; no batch size is the job's own.
    adaptive
        How many workers are used follows the load of this machine; `workers` is the most.
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
    batch_sizes: tuple[int, ...] = ()
    adaptive: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("strong", "weak"):
            raise UsageError(f"mode must be 'strong' or 'weak' but got {self.mode!r}")
        checked = {
            "workers": tuple(sorted(checked_counts(self.workers, "workers", most=MOST_WORKERS))),
            "sizes": checked_counts(self.sizes, "sizes", most=MOST_ITEMS),
            "repeats": checked_count(self.repeats, "repeats", most=MOST_REPEATS),
            "batch_sizes": self.batch_sizes
            and checked_counts(self.batch_sizes, "batch_sizes", most=MOST_IN_A_BATCH),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.adaptive and (self.mode == "weak" or len(self.workers) > 1):
            raise UsageError(
                "adaptive workers need strong scaling and one number of workers, the most, but "
                f"got {self.mode} scaling and {list(self.workers)}"
            )
        if not self.backends or len(set(self.backends)) < len(self.backends):
            raise UsageError(f"backends must be one or more, each once, but got {self.backends}")

    @property
    def series(self) -> tuple[Series, ...]:
        """The curves, in the order in which they were asked for."""
        return tuple(
            Series(backend=backend, size=size, batch_size=batch_size)
            for backend in self.backends
            for size in self.sizes
            for batch_size in self.batch_sizes or (None,)
        )

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


def without_repeats(batch_sizes: Sequence[int], whole: int) -> tuple[int, ...]:
    """Return batch sizes less those that cut the work as a smaller one does.

    Parameters
    ----------
    batch_sizes
        As they were asked for; their order stays.
    whole
        Items of the largest case: batches of that many or more are all of it at once.

    Examples
    --------
    >>> without_repeats([10, 50, 100, 200, 500], 100)
    (10, 50, 100)
    >>> without_repeats([10, 500], 100)
    (10, 500)
    """
    smallest_of_all = min((size for size in batch_sizes if size >= whole), default=whole)
    return tuple(size for size in batch_sizes if size < whole or size == smallest_of_all)
