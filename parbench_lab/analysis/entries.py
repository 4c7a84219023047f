"""Who entered an epoch, and who still races."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parbench_lab.analysis.accounts import Ints
from parbench_lab.errors import UnknownNameError, UsageError


class Entries:
    """Names in order of entry, each with a row number that never changes.

    Examples
    --------
    >>> entries = Entries()
    >>> for name in ("a", "b", "c"):
    ...     entries.add(name)
    >>> entries.remove("b")
    True
    >>> entries.survivors, list(entries.gone())
    (('a', 'c'), ['b'])
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._out: dict[str, None] = {}
        self._survivors: tuple[str, ...] = ()
        self._living: Ints = np.zeros(0, np.intp)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order of entry."""
        return tuple(self._rows)

    @property
    def survivors(self) -> tuple[str, ...]:
        """Those who still race, in order of entry."""
        return self._survivors

    @property
    def living(self) -> Ints:
        """Rows of the survivors."""
        return self._living

    def gone(self) -> Iterator[str]:
        """Yield those who are out, the last removed first."""
        return reversed(self._out)

    def row(self, name: str) -> int:
        """Return a name's row.

        Raises
        ------
        UnknownNameError
            If it never entered.
        """
        try:
            return self._rows[name]
        except KeyError:
            known = ", ".join(self._rows) or "none yet"
            raise UnknownNameError(f"{name!r} is not in the record; known are {known}") from None

    def racing_row(self, name: str) -> int | None:
        """Return a survivor's row, None for everybody else."""
        return None if name in self._out else self._rows.get(name)

    def add(self, name: str) -> None:
        """Let a candidate in.

        Raises
        ------
        UsageError
            If the name is there already.
        """
        if name in self._rows:
            raise UsageError(f"{name!r} is in the record already; give it another name")
        self._rows[name] = len(self._rows)
        self._count()

    def remove(self, name: str) -> bool:
        """Take a candidate out; returns whether it raced until now."""
        self.row(name)
        raced = name not in self._out
        self._out.setdefault(name)
        self._count()
        return raced

    def bring_back(self, name: str) -> bool:
        """Let a candidate race again; returns whether it was out."""
        self.row(name)
        was_out = name in self._out
        self._out.pop(name, None)
        self._count()
        return was_out

    def _count(self) -> None:
        self._survivors = tuple(name for name in self._rows if name not in self._out)
        self._living = np.array([self._rows[name] for name in self._survivors], np.intp)
