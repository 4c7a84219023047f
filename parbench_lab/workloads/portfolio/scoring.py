"""Chunks of configurations through a ``map``: the part of a backtest that runs on workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.scalable import Map, Scalable
from parbench_lab.errors import UsageError
from parbench_lab.workloads.portfolio.candidates import backtest_vectorised
from parbench_lab.workloads.portfolio.case import Backtest, misfit
from parbench_lab.workloads.portfolio.plan import Plan
from parbench_lab.workloads.portfolio.strategies import Configuration, number_of_configurations

Floats = NDArray[np.float64]
Implementation = Callable[[Backtest], Any]

_CHUNKS = 32
_FEWEST, _MOST = 8, 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChunkScores:
    """Scores of one chunk.

    Parameters
    ----------
    scores
        As `Backtest` says; a row of NaN for a configuration that failed.
    errors
        Text for each configuration, "" where nothing went wrong.
    """

    scores: Floats
    errors: tuple[str, ...]


def chunk_size_for(count: int) -> int:
    """Return how many configurations go to a worker at once, whatever the number of workers.

    About 32 chunks, of 8 to 128 configurations: enough for an even share of 8 workers, and large
    enough that handing a chunk out (some ms) does not matter.

    Examples
    --------
    >>> [chunk_size_for(count) for count in (100, 1000, 10_000)]
    [8, 31, 128]
    """
    return min(_MOST, max(_FEWEST, count // _CHUNKS))


def score_chunks(
    case: Backtest,
    *,
    map: Map,
    chunk_size: int | None = None,
    implementation: Implementation = backtest_vectorised,
) -> Iterator[ChunkScores]:
    """Yield the scores of one chunk of configurations after the other, in their order.

    Market and windows go to the workers inside the function, once; an item of the map is a tuple
    of configurations. No number depends on how they are cut into chunks.

    Parameters
    ----------
    case
        What to compute.
    map
        Spreads the chunks.
    chunk_size
        Configurations in a chunk, at least 1; None for `chunk_size_for` their number.
    implementation
        Scores a backtest; one of `candidates`, or the user's own (picklable) function.

    Raises
    ------
    UsageError
        If the chunk size is not positive.
    """
    chunks = chunks_of(case.configurations, chunk_size)
    return score_these(case, chunks, map=map, implementation=implementation)


def chunks_of(
    configurations: Sequence[Configuration], chunk_size: int | None = None
) -> list[tuple[Configuration, ...]]:
    """Cut configurations into chunks, in their order; parameters and errors of `score_chunks`."""
    size = chunk_size_for(len(configurations)) if chunk_size is None else chunk_size
    if not size >= 1:
        raise UsageError(f"chunk_size must be at least 1 but got {size}")
    firsts = range(0, len(configurations), size)
    return [tuple(configurations[first : first + size]) for first in firsts]


def score_these(
    case: Backtest,
    chunks: Sequence[tuple[Configuration, ...]],
    *,
    map: Map,
    implementation: Implementation = backtest_vectorised,
) -> Iterator[ChunkScores]:
    """Yield the scores of these chunks, whatever the case's own configurations are."""
    return map(partial(score_chunk, case.with_configurations(()), implementation), chunks)


def score_chunk(
    shared: Backtest, implementation: Implementation, configurations: tuple[Configuration, ...]
) -> ChunkScores:
    """Return the scores of some configurations; a failing one does not harm the others.

    Where scoring the chunk fails, each configuration is scored alone to find out whose fault it
    is, and that row gets the error.

    Parameters
    ----------
    shared
        Market, windows and fee.
    implementation
        See `score_chunks`.
    configurations
        Of this chunk.
    """
    case = shared.with_configurations(configurations)
    errors = [misfit(case, configuration) for configuration in configurations]
    try:
        scores = _scored(case, implementation)
    except (Exception, SystemExit):  # noqa: BLE001 - an implementation of the user's may raise anything
        scores = np.full(case.shape, np.nan)
        for place, configuration in enumerate(configurations):
            alone = shared.with_configurations((configuration,))
            try:
                scores[place] = _scored(alone, implementation)[0]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the error is the row's result
                errors[place] = errors[place] or _in_a_line(error)
    for place in np.flatnonzero(np.isnan(scores).any(axis=(1, 2))).tolist():
        errors[place] = errors[place] or "a metric is not a number"
    scores[[bool(error) for error in errors]] = np.nan  # whatever an implementation made of it
    return ChunkScores(scores=scores, errors=tuple(errors))


def run_backtest(case: Backtest, *, map: Map, chunk_size: int | None = None) -> Floats:
    """Return the scores of all configurations, computed in chunks through `map`.

    Parameters
    ----------
    case
        What to compute.
    map
        Spreads the chunks.
    chunk_size
        As for `score_chunks`.
    """
    parts = score_chunks(case, map=map, chunk_size=chunk_size)
    return np.concatenate([part.scores for part in parts])


def with_chunk_size(job: Scalable, chunk_size: int) -> Scalable:
    """Return the backtest with so many configurations to a part."""
    return replace(job, run=partial(run_backtest, chunk_size=chunk_size))


def scalable(
    *,
    configurations: int | str = 1000,
    window_days: float | None = None,
    test_windows: int = 5,
    timeframe: str = "1h",
    prices: Any = None,
    **options: Any,
) -> Scalable:
    """Return the backtest as a job whose time is measured over worker counts.

    Its results (see `case.Backtest`) are the same bit by bit for any number of workers.

    Parameters
    ----------
    configurations
        How many a case has, in a strong-scaling study: a number or a name of `strategies.SIZES`.
    window_days, test_windows, timeframe, prices
        See `plan.Plan`.
    options
        ``assets``, ``fee`` and ``days_per_year`` of `plan.Plan`.

    Raises
    ------
    UsageError
        If something is out of range or does not fit together, or the prices cannot be used.

    Examples
    --------
    >>> job = scalable(configurations="quick", timeframe="1d")
    >>> case = job.make_case(20, np.random.default_rng(0))
    >>> job.run(case, map=map).shape
    (20, 11, 6)
    """
    plan = Plan(
        window_days=window_days,
        test_windows=test_windows,
        timeframe=timeframe,
        prices=prices,
        **options,
    )
    return Scalable(
        name="portfolio_backtest",
        run=run_backtest,
        make_case=_CaseMaker(plan=plan),
        default_size=number_of_configurations(configurations),
        unit="configurations",
        cut=with_chunk_size,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _CaseMaker:
    """Makes cases of a plan; a value, so that it can be pickled."""

    plan: Plan

    def __call__(self, size: int, rng: np.random.Generator) -> Backtest:
        return self.plan.case(size, rng=rng)


def _scored(case: Backtest, implementation: Implementation) -> Floats:
    """Return what the implementation gives, as an array of the case's shape that is ours."""
    scores = np.array(implementation(case), dtype=np.float64)
    if scores.shape != case.shape:
        raise ValueError(f"expected scores of shape {case.shape} but got shape {scores.shape}")
    return scores


def _in_a_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
