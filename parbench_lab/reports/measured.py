"""What a stored run has found, as results that a report keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.reading import read_curve
from parbench_lab.core.wording import count
from parbench_lab.errors import UsageError
from parbench_lab.racing.history import RaceHistory
from parbench_lab.racing.result import jsonable
from parbench_lab.reports.kept import Kept, keep
from parbench_lab.reports.targets import TargetFinding, judged, parse_target
from parbench_lab.reports.text import race_text, scaling_text
from parbench_lab.store import open_store

_NOT_FASTER = ", not measurably faster than "


def race_results(history: RaceHistory, run_id: str, store: str | Path | None = None) -> Kept:
    """Return a race's standings and conclusion, as its store has them.

    Parameters
    ----------
    history
        Of the run.
    run_id
        An unambiguous beginning is enough.
    store
        As for `parbench_lab.store.open_store`; "" is None.

    Raises
    ------
    StoreError
        If there is no such run.
    UsageError
        If nothing was measured in it.
    """
    opened = open_store(store or None)
    try:
        summary = opened.summary(run_id)
    finally:
        opened.close()
    if not history.boards:
        raise UsageError(f"run {summary.id} has measured nothing yet")
    board = history.boards[-1]
    found = summary.result or {}
    sentence = str(found.get("sentence") or f"The race is {summary.status_in_words}.")
    value = {
        "run": summary.id,
        "workload": summary.name,
        "status": found.get("status", summary.status),
        "winner": found.get("winner"),
        "sentence": sentence,
        "scoreboard": jsonable(board),
        "settings": found.get("settings"),
    }
    return keep("race", value, race_text(board, sentence))


def scaling_results(
    curves: Mapping[Any, ScalingCurve], targets: Sequence[str] = ("4-8x on 8 cores",)
) -> Kept:
    """Return the levels of curves, what they say, and whether targets are reached.

    Parameters
    ----------
    curves
        As `parbench_lab.load_curves` gives them.
    targets
        Such as ``"4-8x on 8 cores"``; judged on curves of strong scaling, of others they are
        told as not measured.

    Raises
    ------
    UsageError
        If a target is malformed, or there is no curve.
    """
    if not curves:
        raise UsageError("the study has measured nothing yet")
    wanted = [parse_target(target) for target in targets]
    value = [
        {
            **_curve_document(curve),
            "targets": [_target_document(judged(target, curve)) for target in wanted],
        }
        for curve in curves.values()
    ]
    texts = []
    for curve in curves.values():
        words = "\n".join(f"- {sentence}" for sentence in curve_words(curve))
        texts.append(f"{scaling_text(curve, wanted)}\n{words}")
    return keep("curves", value, "\n\n".join(texts))


def curve_words(curve: ScalingCurve) -> list[str]:
    """Return what a curve and its law say, or why no law was fitted."""
    try:
        law = curve.fit(law="gustafson" if curve.mode == "weak" else "usl").words
    except UsageError as refusal:
        law = (f"no law is fitted: {refusal}",)
    return [*read_curve(curve), *law]


def curve_conclusion(curve: ScalingCurve) -> str:
    """Return how fast a job got, with the interval, and whether that is certain.

    Examples
    --------
    >>> times = [[8.0, 8.2, 8.1], [4.1, 4.3, 4.2]]
    >>> curve_conclusion(ScalingCurve.from_times([1, 2], times, name="job", backend="threads"))
    'job, threads: 1.93x [1.87, 1.98] with 2 workers'
    >>> noisy = ScalingCurve.from_times([1, 2], [[1.0, 1.9, 1.2], [0.9, 1.1, 1.3]], name="job")
    >>> curve_conclusion(noisy)
    'job, recorded: 1.11x [0.54, 2.69] with 2 workers, not measurably faster than 1 worker'
    """
    told = [(level.speedup, level.workers) for level in curve.levels if level.speedup is not None]
    if not told:
        return f"{curve.name}, {curve.backend}: no speedup"
    speedup, workers = max(told, key=lambda one: one[0].point)
    base = curve.base or 1
    unsure = "" if workers == base or speedup.low > base else _NOT_FASTER + count(base, "worker")
    interval = f" [{speedup.low:.2f}, {speedup.high:.2f}]" if speedup.low < speedup.high else ""
    found = f"{speedup.point:.2f}x{interval} with {count(workers, 'worker')}"
    return f"{curve.name}, {curve.backend}: {found}{unsure}"


def _curve_document(curve: ScalingCurve) -> dict[str, Any]:
    return {
        "job": curve.name,
        "backend": curve.backend,
        "mode": curve.mode,
        "unit": curve.unit,
        "cores": curve.cores,
        "on_cluster": curve.on_cluster,
        "machine": curve.machine,
        "agreement": curve.agreement,
        "agrees": curve.agrees,
        "conclusion": curve_conclusion(curve),
        "levels": jsonable(curve.table()),
        "words": curve_words(curve),
    }


def _target_document(found: TargetFinding) -> dict[str, Any]:
    return {
        "target": str(found.target),
        "verdict": found.verdict.value,
        "words": str(found),
        "speedup": jsonable(found.speedup),
    }
