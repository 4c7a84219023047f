"""All configurations to a ranked table, and how those chosen walking forward went on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.metric import Metric
from parbench_lab.core.scalable import Map
from parbench_lab.errors import ClusterError, UnknownNameError
from parbench_lab.workloads.portfolio.candidates import backtest_vectorised
from parbench_lab.workloads.portfolio.case import Backtest
from parbench_lab.workloads.portfolio.metrics import METRIC_NAMES, METRICS
from parbench_lab.workloads.portfolio.scoring import (
    ChunkScores,
    Implementation,
    chunks_of,
    score_these,
)
from parbench_lab.workloads.portfolio.strategies import Configuration

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Progress = Callable[[int, int], object]

_SERIAL = cast("Map", map)  # mypy cannot see that it is one: its overloads are too many

Chunk = tuple[Configuration, ...]
MOST_LOST = 20
"""Workers lost in one run: a configuration alone takes two along, its chunk's and its own."""
_PARAMETERS = ("id", "lookback", "rebalance", "weighting", "entry", "exit")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optimization:
    """What came out of scoring configurations.

    Parameters
    ----------
    table
        A row for each configuration scored, the best first: ``rank`` (from 1; none for a failed
        one, which come last), the parameters, the metrics over all test windows together, the
        mean of the ranking metric over the training windows, and ``error`` ("" if it went well).
        Equals are in the order of their ids.
    walk_forward
        A row for each test window: which configuration was the best in the training window
        before it, with its metrics in the test window. The best row of `table` was chosen with
        hindsight, this was not. Each row is the configuration's own track, invested as it was
        before the window: changing over from the last window's choice, which costs up to twice the
        fee, is not charged.
    best
        The configuration of rank 1, None if all failed.
    complete
        False if the run was interrupted: then `table` has those that were done.
    n_configurations
        How many were to be scored.
    metric
        What the ranking is by.
    """

    table: pd.DataFrame
    walk_forward: pd.DataFrame
    best: Configuration | None
    complete: bool
    n_configurations: int
    metric: str

    def __str__(self) -> str:
        done, failed = len(self.table), int((self.table["error"] != "").sum())
        words = f"{done} of {self.n_configurations} configurations scored, {failed} failed"
        if not self.complete:
            words += " (interrupted: the result is partial)"
        if self.best is None:
            return f"{words}; none to choose"
        score = float(self.table[self.metric].iloc[0])
        return f"{words}; best is {self.best.id} with {self.metric} {score:.4g} over all tests"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table.head(10).to_html(index=False)}"


def optimize(
    case: Backtest,
    *,
    map: Map = _SERIAL,
    metric: str = "sharpe",
    progress: Progress | None = None,
    chunk_size: int | None = None,
    implementation: Implementation = backtest_vectorised,
) -> Optimization:
    """Score all configurations of a backtest and rank them.

    Ctrl-C ends it early with what is done. A configuration that takes its worker along is a row
    with that error, as any other that fails. The result is the same bit by bit for any `map` and
    any chunk size.

    Parameters
    ----------
    case
        What to compute.
    map
        Spreads chunks of configurations; the built-in one by default.
    metric
        To rank by, one of `metrics.METRIC_NAMES`, in its better direction.
    progress
        Called as ``progress(done, total)`` in this thread, with numbers of configurations, at the
        begin and after every chunk.
    chunk_size, implementation
        See `scoring.score_chunks`.

    Raises
    ------
    UsageError
        If the metric is unknown or the chunk size not positive.
    ClusterError
        If more than `MOST_LOST` times a worker is lost: there is more wrong than a configuration.

    Examples
    --------
    >>> from parbench_lab.workloads.portfolio.plan import Plan
    >>> case = Plan(timeframe="1d").case(50, rng=np.random.default_rng(0))
    >>> found = optimize(case)
    >>> found.complete, len(found.table), found.table["rank"].head(3).tolist()
    (True, 50, [1, 2, 3])
    """
    chosen = ranking_metric(metric)
    total = len(case.configurations)
    work = _Work(case, partial(score_these, case, map=map, implementation=implementation))
    complete = work.run(chunks_of(case.configurations, chunk_size), progress)
    done = [part for _, part in sorted(work.done.items())]
    scores = np.concatenate([np.empty((0, *case.shape[1:])), *(part.scores for part in done)])
    errors = [error for part in done for error in part.errors]
    scored = case.with_configurations(
        tuple(
            configuration
            for first, part in sorted(work.done.items())
            for configuration in case.configurations[first : first + len(part.errors)]
        )
    )
    order = ranked(scored, scores, metric=metric)
    return Optimization(
        table=_table(scored, scores, errors, order, chosen),
        walk_forward=_walk_forward(scored, scores, chosen),
        best=scored.configurations[order[0]] if order else None,
        complete=complete,
        n_configurations=total,
        metric=metric,
    )


def ranking_metric(name: str) -> Metric:
    """Return the metric of a name.

    Raises
    ------
    UnknownNameError
        If there is none; the text lists them.
    """
    if name not in METRIC_NAMES:
        known = ", ".join(METRIC_NAMES)
        raise UnknownNameError(f"metric {name!r}: not found; known names are {known}")
    return METRICS[METRIC_NAMES.index(name)]


def ranked(case: Backtest, scores: Floats, *, metric: str = "sharpe") -> list[int]:
    """Return the places of the configurations that did not fail, the best first.

    Parameters
    ----------
    case
        The backtest.
    scores
        Its result, as `case.Backtest` says.
    metric
        To rank by, over all test windows together; equals go by their ids.

    Raises
    ------
    UnknownNameError
        If there is no such metric.

    Examples
    --------
    >>> from parbench_lab.workloads.portfolio.plan import Plan
    >>> case = Plan(timeframe="1d").case(50, rng=np.random.default_rng(0))
    >>> winner = case.configurations[ranked(case, backtest_vectorised(case))[0]]
    >>> winner.id == optimize(case).best.id
    True
    """
    costs = _costs(scores[:, -1], ranking_metric(metric))
    ids = np.array([configuration.id for configuration in case.configurations])
    places = np.lexsort((ids, costs)).tolist()
    return [place for place in places if not np.isnan(costs[place])]


class _Work:
    """Chunks as they are scored, each under the place of its first configuration."""

    def __init__(
        self, case: Backtest, score: Callable[[Sequence[Chunk]], Iterator[ChunkScores]]
    ) -> None:
        self.done: dict[int, ChunkScores] = {}
        self._case = case
        self._score = score

    def run(self, chunks: Sequence[Chunk], progress: Progress | None) -> bool:
        """Score all; return False where Ctrl-C came first."""
        tell = progress or (lambda _done, _total: None)
        firsts = accumulate(map(len, chunks), initial=0)
        pieces = dict(zip(firsts, chunks, strict=False))
        lost = 0
        try:
            tell(0, len(self._case.configurations))
            while pieces:
                # what cannot begin is no configuration's fault
                parts = self._score([*pieces.values()])
                try:
                    self._gather(parts, list(pieces), tell)
                except ClusterError as error:
                    lost += 1
                    if lost > MOST_LOST:
                        raise
                    self._blame(pieces, str(error))
                pieces = {
                    first: piece for first, piece in pieces.items() if first not in self.done
                }
        except KeyboardInterrupt:
            return False
        return True

    def _gather(self, parts: Any, places: Sequence[int], tell: Progress) -> None:
        """Take the chunks as they come; what had come beyond one that never did is kept too."""
        try:
            for place, part in zip(places, parts, strict=True):
                self.done[place] = part
                tell(self._count(), len(self._case.configurations))
        except (KeyboardInterrupt, ClusterError):
            # a map of one's own may give any iterator
            getattr(parts, "close", lambda: None)()
            late = getattr(parts, "late", dict[int, ChunkScores])()
            self.done |= {places[number]: part for number, part in late.items()}
            raise

    def _blame(self, pieces: dict[int, Chunk], why: str) -> None:
        """Part the first chunk that never came, and give up a configuration that was alone."""
        first = next(place for place in pieces if place not in self.done)
        chunk = pieces.pop(first)
        if len(chunk) > 1:
            pieces |= {first + number: (one,) for number, one in enumerate(chunk)}
            return
        scores = np.full((1, *self._case.shape[1:]), np.nan)
        self.done[first] = ChunkScores(scores=scores, errors=(why,))

    def _count(self) -> int:
        return sum(len(part.errors) for part in self.done.values())


def _costs(scores: Floats, metric: Metric) -> Floats:
    """Return one metric so that lower is better, from scores whose last axis is the metrics."""
    values: Floats = scores[..., METRIC_NAMES.index(metric.name)]
    return values if metric.better == "lower" else -values


def _table(
    case: Backtest, scores: Floats, errors: list[str], order: list[int], metric: Metric
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - heavy; making a table pays

    ok = set(order)
    rows = order + [place for place in _by_id(case) if place not in ok]
    chosen = [case.configurations[place] for place in rows]
    ranks = [n + 1 if n < len(order) else None for n in range(len(rows))]
    columns: dict[str, Any] = {"rank": pd.array(ranks, dtype="Int64")}
    columns |= {name: [getattr(c, name) for c in chosen] for name in _PARAMETERS}
    columns |= {name: scores[rows, -1, n] for n, name in enumerate(METRIC_NAMES)}
    training = scores[rows, : case.windows.test_windows, METRIC_NAMES.index(metric.name)]
    with np.errstate(invalid="ignore"):  # a mean of plus and minus infinity is NaN
        columns[f"training_{metric.name}"] = training.mean(axis=1)
    columns["error"] = [errors[place] for place in rows]
    return pd.DataFrame(columns)


def _by_id(case: Backtest) -> list[int]:
    return sorted(range(len(case.configurations)), key=lambda n: case.configurations[n].id)


def _walk_forward(case: Backtest, scores: Floats, metric: Metric) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - heavy; making a table pays

    count, place_of = case.windows.test_windows, METRIC_NAMES.index(metric.name)
    rows = []
    for window in range(count):
        costs = _costs(scores[:, window], metric)
        fine = [place for place in _by_id(case) if not np.isnan(costs[place])]
        if not fine:
            continue
        chosen = min(fine, key=lambda place: costs[place])
        test = case.windows.test(window)
        tested = dict(zip(METRIC_NAMES, scores[chosen, count + window].tolist(), strict=True))
        rows.append(
            {
                "window": window + 1,
                "first_step": test.start,
                "steps": test.steps,
                "id": case.configurations[chosen].id,
                f"training_{metric.name}": float(scores[chosen, window, place_of]),
                **tested,
            }
        )
    return pd.DataFrame(rows)
