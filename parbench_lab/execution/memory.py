"""Who keeps memory: what each candidate leaves behind, and who is named when it runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable

NEAR_LIMIT = 0.8
NEAR_DASKS_LIMIT = 0.72
"""Of the limit of a worker that is not ours: at 0.8 of it Dask pauses the worker."""
CLEAR_SHARE = 0.25


class Retention:
    """Keeps account of the resident memory that calls leave behind.

    Parameters
    ----------
    limit_bytes
        What the process may hold; None: never near it.
    resident_bytes
        Returns what it holds now.
    ours
        Whether nobody else keeps things in it. Else it is near its limit only where a candidate
        keeps a clear share: what others keep is no reason to end their process.

    Examples
    --------
    >>> held = 100
    >>> retention = Retention(1000, lambda: held)
    >>> held = 900
    >>> retention.note("leaky", 8)
    >>> retention.near_limit()
    True
    >>> retention.condemn()
    ('leaky', 'keeps about 100 B per call: after 8 calls it held 800 B of the 1.0 kB limit')
    """

    def __init__(
        self, limit_bytes: int | None, resident_bytes: Callable[[], int], *, ours: bool = True
    ) -> None:
        self._limit_bytes = limit_bytes
        self._resident_bytes = resident_bytes
        self._ours = ours
        self._kept_bytes: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self.now_bytes = resident_bytes()
        """What the process holds, as last looked at."""
        self.retire = ""
        """Why this process should be replaced; "" while it need not be."""

    def look(self) -> None:
        """See what the process holds now; nobody is charged with it."""
        self.now_bytes = self._resident_bytes()

    def note(self, candidate: str, calls: int, *, stands_for: int = 1) -> None:
        """Charge a candidate with what the process holds more than at the last look.

        `stands_for` is of how many such runs only this one was looked at.
        """
        before_bytes = self.now_bytes
        self.look()
        grown = self.now_bytes - before_bytes
        self._kept_bytes[candidate] = self._kept_bytes.get(candidate, 0) + grown * stands_for
        self._calls[candidate] = self._calls.get(candidate, 0) + calls * stands_for

    def near_limit(self) -> bool:
        """Return whether the process holds so much that the next allocation may fail."""
        if self._limit_bytes is None:
            return False
        near_bytes = (NEAR_LIMIT if self._ours else NEAR_DASKS_LIMIT) * self._limit_bytes
        if self.now_bytes < near_bytes:
            return False
        if not self._ours and not self.top():
            return False
        gc.collect()
        self.look()
        return self.now_bytes >= near_bytes

    def top(self) -> str:
        """Return who keeps a clear share of the limit, the most of all; "" for nobody."""
        if self._limit_bytes is None or not self._kept_bytes:
            return ""
        name = max(self._kept_bytes, key=self._kept_bytes.__getitem__)
        return name if self._kept_bytes[name] > CLEAR_SHARE * self._limit_bytes else ""

    def condemn(self) -> tuple[str, str]:
        """Ask for a new process; return who keeps the most and the words, "" for nobody."""
        self.retire = "its memory is nearly used up"
        name = self.top()
        if not name:
            return "", ""
        kept, calls = self._kept_bytes[name], max(1, self._calls[name])
        words = (
            f"keeps about {in_bytes(kept / calls)} per call: after {calls} calls it held "
            f"{in_bytes(kept)} of the {in_bytes(self._limit_bytes or 0)} limit"
        )
        return name, words


def in_bytes(count: float) -> str:
    """Return bytes with a decimal prefix.

    Examples
    --------
    >>> in_bytes(10_000_000)
    '10.0 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
