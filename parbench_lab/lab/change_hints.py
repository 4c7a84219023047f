"""Change points in what the store has: hints, where no build was watched."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parbench_lab.analysis.regression.changes import MIN_POINTS, ChangeHint, hints, is_short
from parbench_lab.core.given import checked_number
from parbench_lab.core.metric import MEASURED_METRICS, Metric, described_metrics
from parbench_lab.core.ports import RunHeader, RunStore
from parbench_lab.core.recorded_names import recorded_name
from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.core.wording import beside, count, printable
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.lab import parts

HeaderOf = Callable[[str], RunHeader]


@dataclass(frozen=True, slots=True, kw_only=True)
class HintReport:
    """What stored figures hint at.

    Parameters
    ----------
    hints
        Changes, of all series; nothing here is shown as a paired race would show it.
    n_series, n_short
        Series looked at, and how many of them have too few figures to say anything: a run has one
        for each stretch at a batch size, and one of 0 s (of a clock that was too coarse) counts
        for nothing.
    q
        The share of false ones among the series with a hint that was accepted.
    """

    hints: tuple[ChangeHint, ...]
    n_series: int
    n_short: int
    q: float

    @property
    def sentence(self) -> str:
        """What was found, and what it is worth."""
        short = f", {self.n_short} with under {MIN_POINTS} figures" if self.n_short else ""
        found = count(len(self.hints), "change point") if self.hints else "no change point"
        return (
            f"{found} in stored figures (series looked at: {self.n_series}{short}; false "
            f"discovery rate {self.q:g}): hints, because runs of different days are not paired; "
            "parbench watch --baseline REF measures it"
        )


def change_hints(
    workload: str | None = None,
    *,
    candidate: str | None = None,
    metric: str | None = "wall_time_s",
    store: str | Path | RunStore | None = None,
    q: float = 0.05,
    tolerance: float = 0.02,
    seed: int = 0,
) -> HintReport:
    """Look for changes in the stored figures of runs, corrected for the number of series.

    Watches are passed over: their seconds are of one thread alone, and they have verdicts.

    Parameters
    ----------
    workload, candidate
        Only these; None: all. A workload may be named as for `load_record`.
    metric
        Of which figures; None: of the workload's objectives, as each series' newest run has them.
    store
        As for `ParallelBenchmarking`.
    q
        The false discovery rate that is accepted (Benjamini-Hochberg over all series).
    tolerance
        Smaller changes are passed over.
    seed
        Of the random orders that the p values are of.

    Raises
    ------
    UsageError
        If `q`, the tolerance or the seed is no number or out of range, or a name is no text.
    UnknownNameError
        If several workloads may be meant, or nothing is stored of the one that is.
    StoreError
        If the store cannot be read.
    """
    names = {"workload": workload, "candidate": candidate, "metric": metric}
    for called, name in names.items():
        if not (name is None or isinstance(name, str)):
            raise UsageError(f"{called} must be a name or None but got {name!r}")
    checked_number(q, "q")
    checked_number(tolerance, "tolerance")
    parts.checked_seed(seed)
    if not 0 < q < 1:
        raise UsageError(f"q must be between 0 and 1 but got {q}")
    if not tolerance >= 0:
        raise UsageError(f"tolerance must be 0 or more but got {tolerance}")
    opened, owns = parts.store_of(store)
    asked = workload
    try:
        if workload is not None:
            workload, behind = recorded_name(opened, workload)
            candidate = candidate or behind
        series = by_key(opened.series(workload=workload, candidate=candidate, metric=metric))
        header = functools.cache(opened.header)  # of one run are several series
        if metric is None:
            series = _of_objectives(series, header)
        if asked is not None and not series:
            raise UnknownNameError(
                f"nothing is stored of {_meant(names)} to look for change points in: parbench "
                f"history lists what is there, parbench race {printable(asked)} makes some"
            )
        metrics = _metrics(series, header)
        found = hints(
            series,
            metrics,
            rng=np.random.default_rng(seed),
            q=q,
            tolerance=tolerance,
        )
    finally:
        if owns:
            opened.close()
    short = sum(is_short(key, of_one, metrics) for key, of_one in series.items())
    return HintReport(hints=found, n_series=len(series), n_short=short, q=q)


def by_key(points: Iterable[SeriesPoint]) -> dict[SeriesKey, list[SeriesPoint]]:
    """Return points by series, each in the order given."""
    series: dict[SeriesKey, list[SeriesPoint]] = {}
    for point in points:
        series.setdefault(point.key, []).append(point)
    return series


def hint_sentence(hint: ChangeHint) -> str:
    """Return a hint in words, with its size and its q value."""
    way = "worse" if hint.worse else "better"
    where = hint.after.commit[:10] or hint.after.run_id
    return (
        f"{hint.key}, {hint.key.metric}: {way} from {where} ({hint.after.started:%Y-%m-%d}) on, "
        f"{beside(hint.ratio, hint.scale, 'the cost before')}, "
        f"p {hint.p_value:.3g}, q {hint.q_value:.3g}"
    )


def _meant(asked: Mapping[str, str | None]) -> str:
    """Return what was looked for: a mistyped metric is not a workload without runs."""
    return ", ".join(
        repr(name) if called == "workload" else f"{called} {name!r}"
        for called, name in asked.items()
        if name is not None
    )


def _of_objectives(
    series: Mapping[SeriesKey, list[SeriesPoint]], header: HeaderOf
) -> dict[SeriesKey, list[SeriesPoint]]:
    """Return the series of what their newest runs call objectives; of no such, of the time."""
    newest = {points[-1].run_id for points in series.values()}
    objectives = {run: _objectives(header(run).document) for run in newest}
    return {
        key: points
        for key, points in series.items()
        if key.metric in objectives[points[-1].run_id]
    }


def _objectives(document: Mapping[str, Any]) -> Sequence[str]:
    """Return the workload's objectives; a file from elsewhere may have none, or something else."""
    listed = document.get("objectives")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    return names or ["wall_time_s"]


def _metrics(
    series: Mapping[SeriesKey, Sequence[SeriesPoint]], header: HeaderOf
) -> Mapping[str, Metric]:
    """Return the metrics that the runs themselves describe, by name."""
    known = dict(MEASURED_METRICS)
    for key, points in series.items():
        if key.metric in known:
            continue
        described = described_metrics(header(points[-1].run_id).document)
        if key.metric in described:
            known[key.metric] = described[key.metric]
    return known
