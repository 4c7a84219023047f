"""Which libraries a run's figures depend on: those that its workload and candidates use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def libraries_of(workload: Any, candidates: Iterable[str]) -> tuple[str, ...]:
    """Return the libraries whose versions matter to a run, beside those that are always there.

    Parameters
    ----------
    workload
        Its ``libraries`` count, and what its ``candidates`` say they need.
    candidates
        Names of those that race: what nobody uses does not count, installed or not.

    Examples
    --------
    >>> class Sorting:
    ...     libraries = ("pytest",)
    >>> libraries_of(Sorting(), ["quick"])
    ('pytest',)
    """
    own = tuple(map(str, getattr(workload, "libraries", ())))
    needs: Mapping[str, tuple[str, ...]] = getattr(
        getattr(workload, "candidates", ()), "needs", {}
    )
    used = (library for name in candidates for library in needs.get(name, ()))
    return tuple(dict.fromkeys((*own, *used)))
