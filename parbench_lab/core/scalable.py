"""A job that can be spread over workers: its parts go through a ``map``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from parbench_lab.core.given import is_number

if TYPE_CHECKING:
    import numpy as np


class Map(Protocol):
    """What a scalable job spreads its parts with; the built-in `map` is one.

    Promises: results come in the order of the items, whatever order they were worked on in; an
    exception of an item is raised where its result would have come. Function and items go to
    other processes, so they must be picklable (cloudpickle), and large arrays inside them arrive
    as read-only memory maps.
    """

    def __call__(self, function: Callable[..., Any], /, *items: Iterable[Any]) -> Iterator[Any]:
        """Yield ``function(item, ...)`` for each item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalable:
    """A job whose time is measured over worker counts.

    Parameters
    ----------
    name
        Of the job, as in titles and in the store.
    run
        ``run(case, *, map) -> result``. All its parallel work goes through `map` (see `Map`);
        everything else is its serial fraction. It may change its case, which is then made anew
        for the next run; what it returns must be its own, nothing that another run writes to.
    make_case
        ``make_case(size, rng) -> case``: a problem of `size` items; the same generator state gives
        the same problem. Whether a run changed one that cannot be pickled is not known: it is
        taken to be as it was.
    default_size
        Items of a case in a strong-scaling study, and per worker in a weak one.
    unit
        What an item is, in the plural ("configurations").
    cut
        ``cut(job, batch_size) -> job``: the same job with so many items to a part, for studies of
        batch sizes; None where such a study puts parts of its map together.
    tolerance
        Largest relative difference between the results of two worker counts. 0: they must be
        identical bit by bit; a reduction whose order of summation changes needs more.
    libraries
        Names of packages that it uses, beside those that are always there: their versions tell
        machines apart.

    Raises
    ------
    ValueError
        If a name is empty, the size is not positive, or the tolerance is negative.
    """

    name: str
    run: Callable[..., Any]
    make_case: Callable[[int, np.random.Generator], Any]
    default_size: int = 1000
    unit: str = "items"
    tolerance: float = 0.0
    cut: Callable[[Scalable, int], Scalable] | None = None
    libraries: tuple[str, ...] = ()

    @property
    def batch_unit(self) -> str:
        """What a batch size counts, in the plural."""
        return "parts" if self.cut is None else self.unit

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a scalable job needs a name")
        if not self.default_size > 0:
            raise ValueError(f"default_size must be positive but got {self.default_size}")
        if not (is_number(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"tolerance must be a number from 0 up but got {self.tolerance!r}")
        if not takes_map(self.run):
            raise ValueError(
                f"{self.name!r}: its function must be callable as fn(case, *, map) and send its "
                "parallel work through that map"
            )


def takes_map(function: Callable[..., Any]) -> bool:
    """Return whether a function can be called as ``fn(case, map=...)``.

    Examples
    --------
    >>> takes_map(lambda case, *, map: list(map(abs, case)))
    True
    >>> takes_map(sum)
    False
    """
    try:
        inspect.signature(function).bind(None, map=map)
    except TypeError:
        return False
    except ValueError:  # a function of C without a signature
        return False
    return True
