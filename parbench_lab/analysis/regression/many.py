"""Many questions asked at once: the false discovery rate of Benjamini and Hochberg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the q value of every p value: the smallest false discovery rate that keeps it.

    Whoever keeps all with q up to 0.05 is wrong, on average, in at most 5 % of what is kept
    (independent or positively dependent questions). Benjamini and Hochberg, "Controlling the
    false discovery rate", JRSS B 57 (1995).

    Parameters
    ----------
    p_values
        Of all questions that were asked, also of those with nothing to show.

    Raises
    ------
    ValueError
        If one is not within 0 to 1.

    Examples
    --------
    >>> [round(q, 4) for q in adjusted([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.0533, 0.0533, 0.5]
    """
    p = np.asarray(p_values, dtype=float)
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError(f"p values must be within 0 to 1 but got {list(p_values)}")
    if p.size == 0:
        return ()
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    # a smaller p never has the larger q: the minimum from the largest p downward
    monotone = np.minimum.accumulate(scaled[::-1])[::-1]
    q = np.empty_like(p)
    q[order] = np.minimum(monotone, 1.0)
    return tuple(float(value) for value in q)
