"""The law that a curve was fitted with, as words and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parbench_lab.errors import UsageError

if TYPE_CHECKING:
    from parbench_lab.analysis.curve import ScalingCurve
    from parbench_lab.analysis.laws import Fit


def law_words(
    curve: ScalingCurve, law: str | None, *, include_oversubscribed: bool
) -> tuple[str, ...]:
    """Return what the law says of a curve, or why there is none; nothing where none is wanted.

    Parameters
    ----------
    curve
        What was measured.
    law
        To fit; None for the mode's own, ``"none"`` for none.
    include_oversubscribed
        Whether levels beyond the cores are fitted.
    """
    wanted = _wanted(curve, law)
    if wanted is None:
        return ()
    found = _fitted(curve, wanted, include_oversubscribed=include_oversubscribed)
    return (f"no law is fitted: {found}",) if isinstance(found, str) else tuple(found.words)


def law_document(
    curve: ScalingCurve, law: str | None, *, include_oversubscribed: bool
) -> dict[str, Any] | None:
    """Return the fit of a law as JSON values; None where none is wanted. Parameters as above.

    ``law``, ``convention``, ``confidence``, ``bounded`` and ``workers`` (the levels fitted) say
    what was done; ``refused`` is why there is no fit, else null. ``alpha`` (contention, the serial
    fraction), ``beta`` (coherency), ``gamma`` (throughput of one worker in `gamma_unit`),
    ``limit`` (the speedup that contention alone allows) and ``peak_workers`` are estimates with
    ``point, low, high, confidence, n``; an end that is null has no bound. Those held at 0 are in
    ``on_bound``, and their intervals are one-sided. ``score`` is how well the law predicts the
    last level from the others. Where one of the last three is null, ``..._reason`` says why.
    """
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    wanted = _wanted(curve, law)
    if wanted is None:
        return None
    fit = _fitted(curve, wanted, include_oversubscribed=include_oversubscribed)
    if isinstance(fit, str):
        return {"law": wanted, "refused": fit}
    score, unscored = _score(fit)
    return {
        "law": fit.law,
        "refused": None,
        "convention": fit.convention,
        "confidence": fit.confidence,
        "bounded": fit.bounded,
        "workers": sorted({float(workers) for workers in fit.data.workers}),
        "oversubscribed": "include" if include_oversubscribed else "exclude",
        "alpha": jsonable(fit.alpha),
        "beta": jsonable(fit.beta),
        "gamma": jsonable(fit.gamma),
        "gamma_unit": f"cases of {curve.case_size:,} {curve.unit} per second",
        "on_bound": list(fit.on_bound),
        "limit": jsonable(fit.limit),
        "limit_reason": _why_no_limit(fit),
        "peak_workers": jsonable(fit.peak_workers),
        "peak_workers_reason": _why_no_peak(fit),
        "score": score,
        "score_reason": unscored,
    }


def _wanted(curve: ScalingCurve, law: str | None) -> str | None:
    wanted = law or ("gustafson" if curve.mode == "weak" else "usl")
    return None if wanted == "none" or curve.adaptive else wanted  # the curve's words say it


def _fitted(curve: ScalingCurve, law: str, *, include_oversubscribed: bool) -> Fit | str:
    """Return the fit, or why the levels cannot carry one."""
    try:
        return curve.fit(
            law=law, oversubscribed="include" if include_oversubscribed else "exclude"
        )
    except UsageError as refusal:
        return str(refusal).replace('oversubscribed="include"', "--include-oversubscribed")


def _why_no_limit(fit: Fit) -> str | None:
    if fit.limit is None:
        return f"under the law {fit.law} the speedup grows without a limit"
    if "alpha" in fit.on_bound or fit.alpha.low <= 0:
        return "contention may be none: the limit has no upper bound"
    return None


def _why_no_peak(fit: Fit) -> str | None:
    if fit.law != "usl":
        return f"the law {fit.law} has no coherency and so no peak"
    if fit.peak_workers is None:
        return "the interval of beta does not exclude 0: no peak is shown"
    return None


def _score(fit: Fit) -> tuple[dict[str, Any] | None, str | None]:
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    try:
        score = fit.score()
    except UsageError as refusal:
        return None, str(refusal)
    judged = {"held": score.held, "beats_naive": score.beats_naive, "words": str(score)}
    return {**jsonable(score), **judged}, None
