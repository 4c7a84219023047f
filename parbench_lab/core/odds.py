"""Evidence in words: the same ones in the terminal, in sentences, reports and the panel."""

from __future__ import annotations

import math

_EXPONENTS_FROM = 1e6


def odds(evidence: float) -> str:
    """Return evidence as odds: three digits, an exponent from a million on.

    Parameters
    ----------
    evidence
        The odds (x : 1), from 0 up; infinity is certain, NaN is nothing.

    Examples
    --------
    >>> odds(1.0), odds(20.4), odds(1110.3), odds(3.44e19)
    ('1 : 1', '20 : 1', '1,110 : 1', '3.4e+19 : 1')
    """
    if math.isnan(evidence):
        return "-"
    if math.isinf(evidence):
        return "certain"
    rounded = float(f"{evidence:.3g}")
    if rounded < 10 or rounded >= _EXPONENTS_FROM:
        return f"{evidence:.2g} : 1"
    return f"{rounded:,.0f} : 1"
