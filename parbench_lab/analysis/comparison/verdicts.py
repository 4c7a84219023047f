"""From two medians to a ratio with its interval, and to one of four verdicts. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from parbench_lab.analysis.comparison.between import UNKNOWN, RunToRun
from parbench_lab.analysis.comparison.medians import CostMedian
from parbench_lab.analysis.regression.many import adjusted
from parbench_lab.analysis.student import t_quantile, two_sided
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Metric

CONFIDENCE = 0.95
AS_NORMAL = 1000
"""Degrees of freedom from which Student's t is the normal distribution to three digits."""


class Verdict(StrEnum):
    """What a comparison shows of a candidate: the new side against the baseline."""

    EQUAL = "equal"
    FASTER = "faster"
    SLOWER = "slower"
    UNDECIDED = "undecided"

    def of(self, metric: Metric) -> str:
        """Return the word for a metric: only a time can be slower.

        Examples
        --------
        >>> Verdict.SLOWER.of(Metric(name="peak_rss_bytes", unit="B"))
        'worse'
        """
        if metric.unit == "s":
            return self.value
        return {"faster": "better", "slower": "worse"}.get(self.value, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much more a candidate costs on the new side, on the scale of costs.

    Parameters
    ----------
    point, error
        Of the difference; the error is a standard error.
    n
        Measurements of the side that has fewer.
    free
        Degrees of freedom of the error, at least 1; infinite where it is as good as known.
    """

    point: float
    error: float
    n: int
    free: float = math.inf

    def __sub__(self, other: Difference) -> Difference:
        """Return how far this one is beyond another, independent one."""
        return Difference(
            point=self.point - other.point,
            error=math.hypot(self.error, other.error),
            n=min(self.n, other.n),
            free=_free((self.error, self.free), (other.error, other.free)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A ratio and what it shows.

    Parameters
    ----------
    ratio
        How many times worse the new side is (a difference, on an interval scale).
    p
        How likely a difference this far from the edge of the tolerance is on its wrong side.
    q
        The same among all questions that were asked at once, by Benjamini and Hochberg.
    """

    ratio: Estimate
    p: float
    q: float
    verdict: Verdict


def difference(
    baseline: CostMedian, new: CostMedian, *, between: RunToRun = UNKNOWN
) -> Difference:
    """Return how much more the new side costs.

    Parameters
    ----------
    baseline, new
        Of independent runs.
    between
        How far a run's median moves from run to run where nothing was changed; each side has its
        own, and both are known as badly as the few runs tell.
    """
    within, from_runs = math.hypot(baseline.error, new.error), math.sqrt(2) * between.error
    return Difference(
        point=new.point - baseline.point,
        error=math.hypot(within, from_runs),
        n=min(baseline.n, new.n),
        free=_free((within, math.inf), (from_runs, between.free)),
    )


def _free(*parts: tuple[float, float]) -> float:
    """Return the degrees of freedom of a sum, of the error and the degrees of each of its parts.

    F. E. Satterthwaite, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2 (1946) 110-114; never fewer than the fewest of a part.
    """
    total = math.hypot(*(error for error, _ in parts))
    # by shares, as a fourth power of a small error is 0
    inverse = sum((error / total) ** 4 / free for error, free in parts if error > 0)
    return 1 / inverse if inverse > 0 else math.inf


def _errors_to_either_side(free: float) -> float:
    upper = 0.5 + CONFIDENCE / 2
    if free >= AS_NORMAL:
        return NormalDist().inv_cdf(upper)
    return t_quantile(upper, math.floor(free))


def p_value(found: Difference, margin: float) -> float:
    """Return how surely the difference is on its side of the nearer edge of the tolerance.

    Two-sided, so that a verdict at 5 % and the 95 % interval beside it never disagree: beyond
    the margin the interval lies outside, within it inside. It bounds the probability of calling
    the wrong side.

    Examples
    --------
    >>> p_value(Difference(point=0.02, error=0.01, n=50), 0.02)
    1.0
    >>> round(p_value(Difference(point=0.0, error=0.01, n=50), 0.02), 4)
    0.0455
    """
    distance = abs(abs(found.point) - margin)
    if found.error == 0:
        return 0.0 if distance > 0 else 1.0
    if found.free >= AS_NORMAL:
        return min(1.0, 2 * NormalDist().cdf(-distance / found.error))
    return two_sided(distance / found.error, math.floor(found.free))


def judged(
    differences: Sequence[Difference], *, metric: Metric, tolerance: float
) -> list[Judgement]:
    """Return a judgement of each difference; all of them were asked at once.

    A verdict needs q of at most 0.05: of those that are given, at most one in twenty is wrong on
    average. Y. Benjamini and D. Yekutieli, JASA 100 (2005), show that the procedure of 1995
    bounds wrong directions too.

    Parameters
    ----------
    metric
        Says what a cost is.
    tolerance
        Worse or better by up to this fraction counts as equal; 0: nothing does.
    """
    margin = metric.margin(tolerance)
    ps = [p_value(one, margin) for one in differences]
    return [
        Judgement(ratio=_ratio(one, metric), p=p, q=q, verdict=_verdict(one, margin, q))
        for one, p, q in zip(differences, ps, adjusted(ps), strict=True)
    ]


def _verdict(found: Difference, margin: float, q: float) -> Verdict:
    if q > 1 - CONFIDENCE:
        return Verdict.UNDECIDED
    if abs(found.point) <= margin:
        return Verdict.EQUAL
    return Verdict.SLOWER if found.point > 0 else Verdict.FASTER


def _ratio(found: Difference, metric: Metric) -> Estimate:
    reach = _errors_to_either_side(found.free) * found.error
    point, low, high = (metric.ratio(found.point + side * reach) for side in (0, -1, 1))
    return Estimate(point=point, low=low, high=high, confidence=CONFIDENCE, n=found.n)
