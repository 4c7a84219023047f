"""Numbers and foreign text as a terminal shows them: SI inside, scaled only here. Pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Scale

NOTHING = "-"
_COMMIT_DIGITS = 10
_EXPONENTS_FROM = 1e6
_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SI_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
# Cc would move the cursor, Cf hides or reverses text, Zl and Zp break the line
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""Return one line that is safe to print: whatever could steer a terminal becomes ``?``.

    Line breaks and tabs become spaces.

    Examples
    --------
    >>> printable("red \x1b[31m text\nnext line")
    'red ?[31m text next line'
    """
    one_line = " ".join(text.split())
    return "".join(
        "?" if unicodedata.category(letter) in _UNPRINTABLE else letter for letter in one_line
    )


def duration(seconds: float | None) -> str:
    """Return a duration of at least a nanosecond with three digits and its unit.

    Examples
    --------
    >>> duration(0.001234), duration(2.5), duration(None)
    ('1.23 ms', '2.50 s', '-')
    """
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    for scale, unit in _TIME_UNITS:
        if seconds >= 0.9995 * scale:
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{seconds:.3g} s"


def span(seconds: float) -> str:
    """Return a length of time as a person says it.

    Examples
    --------
    >>> span(7.2), span(95), span(7300)
    ('7 s', '1 min 35 s', '2 h 1 min')
    """
    if not math.isfinite(seconds) or seconds >= 100 * 3600:
        return "over 100 h"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def amount(number: float | None) -> str:
    """Return a number with three digits and an SI prefix.

    Examples
    --------
    >>> amount(1_234_000.0), amount(12.0), amount(None)
    ('1.23 M', '12.0', '-')
    """
    if number is None or not math.isfinite(number):
        return NOTHING
    for scale, prefix in _SI_PREFIXES:
        if number >= 0.9995 * scale:
            return f"{_three_digits(number / scale)} {prefix}".rstrip()
    return f"{number:.3g}"


def memory(n_bytes: float | None) -> str:
    """Return an amount of memory with its decimal unit: 1 MB is a million bytes.

    Examples
    --------
    >>> memory(3_150_000), memory(100), memory(None)
    ('3.15 MB', '100 B', '-')
    """
    if n_bytes is None or not math.isfinite(n_bytes):
        return NOTHING
    for scale, unit in _BYTE_UNITS:
        if n_bytes >= 0.9995 * scale:
            return f"{_three_digits(n_bytes / scale)} {unit}"
    return f"{n_bytes:.0f} B"


@lru_cache(maxsize=1024)  # a board says the same few of fifty rows, ten times a second
def odds(evidence: float) -> str:
    """Return evidence as odds: three digits, an exponent from a million on.

    Examples
    --------
    >>> odds(1.0), odds(20.4), odds(1110.3), odds(3.44e19), odds(0.25)
    ('1 : 1', '20 : 1', '1,110 : 1', '3.4e+19 : 1', '0.25 : 1')
    """
    if math.isnan(evidence):
        return NOTHING
    if math.isinf(evidence):
        return "certain"
    rounded = float(f"{evidence:.3g}")
    if rounded < 10 or rounded >= _EXPONENTS_FROM:
        return f"{evidence:.2g} : 1"
    return f"{rounded:,.0f} : 1"


def ratio(estimate: Estimate | None) -> str:
    """Return a ratio with its interval.

    Examples
    --------
    >>> ratio(Estimate(point=1.234, low=1.2, high=1.26, confidence=0.95, n=40))
    '1.23 (1.20-1.26)'
    >>> ratio(Estimate(point=1.0, low=1.0, high=1.0, confidence=0.95, n=40))
    '1'
    """
    if estimate is None:
        return NOTHING
    if estimate.low == estimate.point == estimate.high:
        return f"{estimate.point:g}"
    low, high = _three_digits(estimate.low), _three_digits(estimate.high)
    return f"{_three_digits(estimate.point)} ({low}-{high})"


def difference(estimate: Estimate | None) -> str:
    """Return a difference with its interval, each with its sign.

    Examples
    --------
    >>> difference(Estimate(point=0.012, low=-0.004, high=0.028, confidence=0.95, n=40))
    '+0.0120 (-0.00400 to +0.0280)'
    >>> difference(Estimate(point=0.0, low=0.0, high=0.0, confidence=0.95, n=40))
    '0'
    """
    if estimate is None:
        return NOTHING
    if estimate.low == estimate.point == estimate.high:
        return _signed(estimate.point)
    return f"{_signed(estimate.point)} ({_signed(estimate.low)} to {_signed(estimate.high)})"


def change(estimate: Estimate | None, scale: Scale) -> str:
    """Return how two costs compare as a metric's scale has it: a ratio, or a difference.

    Examples
    --------
    >>> change(Estimate(point=1.5, low=1.5, high=1.5, confidence=0.95, n=40), "ratio")
    '1.5'
    >>> change(Estimate(point=1.5, low=1.5, high=1.5, confidence=0.95, n=40), "interval")
    '+1.50'
    """
    return ratio(estimate) if scale == "ratio" else difference(estimate)


def beside(estimate: Estimate | None, scale: Scale, other: str) -> str:
    """Return how a cost compares with another one, of which `other` says whose it is.

    Examples
    --------
    >>> times = Estimate(point=1.5, low=1.5, high=1.5, confidence=0.95, n=40)
    >>> beside(times, "ratio", "the leader's cost"), beside(times, "interval", "the leader's cost")
    ("1.5 times the leader's cost", "+1.50 from the leader's cost")
    """
    return f"{change(estimate, scale)} {BESIDE[scale]} {other}"


def percent(fraction: float | None) -> str:
    """Return a fraction as whole percents.

    Examples
    --------
    >>> percent(0.956), percent(None)
    ('96 %', '-')
    """
    return NOTHING if fraction is None else f"{100 * fraction:.0f} %"


def commit_words(commit: str, *, dirty: bool) -> str:
    """Return a git commit as a person reads it: short, and whether the tree had changes on top.

    Examples
    --------
    >>> commit_words("0123456789abcdef", dirty=True), commit_words("", dirty=False)
    ('0123456789 + changes', '-')
    """
    if not commit:
        return NOTHING
    return printable(commit[:_COMMIT_DIGITS]) + (" + changes" if dirty else "")


def resume_hint(run_id: str) -> str:
    """Return how a race that was interrupted goes on.

    Examples
    --------
    >>> resume_hint("20260102-030405-abcdefg")
    'parbench race --resume 20260102-030405-abcdefg goes on with it'
    """
    return f"parbench race --resume {run_id} goes on with it"


def study_hint(run_id: str, *, on_cluster: bool) -> str:
    """Return the command that goes on with a study; the address of its cluster is not kept.

    Examples
    --------
    >>> study_hint("20260102-030405-abcdefg", on_cluster=True)
    'parbench scale --resume 20260102-030405-abcdefg --cluster ADDRESS'
    """
    again = f"parbench scale --resume {run_id}"
    return f"{again} --cluster ADDRESS" if on_cluster else again


def count(n: int, noun: str) -> str:
    """Return a number of things.

    Examples
    --------
    >>> count(1, "worker"), count(3, "worker")
    ('1 worker', '3 workers')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(words: Sequence[str]) -> str:
    """Return several words as a person lists them.

    Examples
    --------
    >>> listed(["1"]), listed(["1", "2", "3"])
    ('1', '1, 2 and 3')
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


BESIDE: dict[Scale, str] = {"ratio": "times", "interval": "from"}
"""What stands between a `change` and whose cost it is beside."""
COMPARED: dict[Scale, str] = {"ratio": "ratio", "interval": "difference"}
"""What heads a column of `change`."""


def _signed(number: float) -> str:
    return f"{'+' if number > 0 else ''}{_three_digits(number)}"


def _three_digits(number: float) -> str:
    """Return a number with three significant digits, trailing zeros kept so that columns align."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    if not 1e-3 <= abs(number) < 1e5:
        return f"{number:.2e}"
    rounded = float(f"{number:.2e}")
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{number:.{max(0, digits)}f}"
