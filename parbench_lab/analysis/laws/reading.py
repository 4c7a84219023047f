"""A fitted curve in a few plain sentences. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from parbench_lab.analysis.laws.advice import useful_workers
from parbench_lab.analysis.laws.curve import FittedCurve
from parbench_lab.analysis.laws.judgement import (
    LackOfFit,
    amdahl_test,
    bound_by,
    lack_of_fit,
    limit,
    peak_workers,
)
from parbench_lab.analysis.laws.projection import TRUSTED_RANGES, hold_out
from parbench_lab.core.estimate import Estimate

_USEFUL = 0.5
_SURPRISING = 0.05
_FAR = 1e6  # a limit beyond it is none


def words(curve: FittedCurve) -> tuple[str, ...]:
    """Return what the fit says, each sentence with the numbers behind it.

    In order: how far scaling is useful, what bounds it, the limit, what a bound at 0 means, the
    misses beside timing noise, the hold-out score, the end of trust, and levels with more
    workers than cores.
    """
    return tuple(_sentences(curve))


def oversubscribed_words(curve: FittedCurve) -> tuple[str, ...]:
    """Return what was done with levels of more workers than cores, of each kind a sentence."""
    seen, told = curve.seen, []
    if seen.left_out:
        told.append(
            f"Levels with more workers than cores are not fitted: {_listed(seen.left_out)}."
        )
    if seen.oversubscribed:
        told.append(
            "Levels with more workers than cores are fitted, as was asked: "
            f"{_listed(seen.oversubscribed)}; they show the cores' limit, not the program's."
        )
    return tuple(told)


def _sentences(curve: FittedCurve) -> Iterator[str]:
    useful = useful_workers(curve, _USEFUL)
    yield f"Each worker does at least half of what one alone does up to {_upto(useful)} workers."
    yield _bounded_by(curve)
    yield from _the_limit(curve)
    if curve.on_bound:
        names = " and ".join(curve.on_bound)
        verb = "is" if len(curve.on_bound) == 1 else "are"
        yield f"{names} {verb} on the bound 0, so the interval is one-sided (an upper end only)."
    noise = lack_of_fit(curve)
    if noise is not None:
        yield _noise(noise)
    scored = hold_out(curve)
    yield (
        "No level can be hidden to score the projection: at least 5 are needed."
        if scored is None
        else str(scored)
    )
    yield (
        f"Do not trust projections beyond {TRUSTED_RANGES * curve.seen.largest:g} workers, "
        "twice the measured range."
    )
    yield from oversubscribed_words(curve)


def _bounded_by(curve: FittedCurve) -> str:
    peak = peak_workers(curve)
    if peak is not None:
        where = "inside" if peak.point < curve.seen.largest else "beyond"
        return (
            f"Overhead between workers grows: the throughput peaks at {_interval(peak)} workers, "
            f"{where} the measured range."
        )
    no_peak = _no_peak(curve)
    match bound_by(curve):
        case "serial":
            alpha = curve.ratio((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), low=0.0)
            return f"A serial fraction of {_interval(alpha)} bounds it.{no_peak}"
        case "superlinear":
            return (
                "It is faster than linear at some levels: caches, memory or smaller chunks help "
                f"there, and no law here can say why.{no_peak}"
            )
        case _:
            return f"{_best_level(curve)}{no_peak}"


def _best_level(curve: FittedCurve) -> str:
    best = float(curve.seen.workers[curve.seen.throughput.argmax()])
    if best < curve.seen.largest:
        return f"{best:g} workers were the fastest measured, but what bounds it is not shown."
    return "The levels show nothing yet that bounds it."


def _no_peak(curve: FittedCurve) -> str:
    test = amdahl_test(curve)
    if test is None:
        return ""
    p_value = f"F test with 1 and {test.df} degrees of freedom, p = {test.p_value:.2g}"
    if test.p_value < 1.0 - curve.method.confidence:
        return f" No peak is shown: the free fit has a negative beta ({p_value})."
    return f" No peak is shown: Amdahl's law fits as well ({p_value})."


def _the_limit(curve: FittedCurve) -> Iterator[str]:
    ceiling = limit(curve)
    if ceiling is None or not 1.0 < ceiling.point < _FAR:
        return
    yield f"Contention alone limits the speedup to {_interval(ceiling)}."


def _noise(noise: LackOfFit) -> str:
    sizes = (
        f"The law misses the levels by {100 * noise.residual_sd:.2g} %, timing noise alone gives "
        f"{100 * noise.noise_sd:.2g} %"
    )
    if noise.p_value < _SURPRISING:
        return f"{sizes}: the law itself does not fit (p = {noise.p_value:.2g})."
    return f"{sizes}: noise explains the misses."


def _listed(workers: tuple[float, ...]) -> str:
    return ", ".join(f"{n:g}" for n in workers)


def _upto(estimate: Estimate) -> str:
    if math.isinf(estimate.point):
        return "any number of"
    high = "no end shown" if math.isinf(estimate.high) else f"{math.floor(estimate.high)}"
    return f"{math.floor(estimate.point)} ({math.floor(estimate.low)} to {high})"


def _interval(estimate: Estimate) -> str:
    if math.isinf(estimate.high):
        return f"{estimate.point:.3g} (at least {estimate.low:.3g})"
    return f"{estimate.point:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"
