"""Names of runs: short, sortable, unique, and found again by their beginning. Pure."""

from __future__ import annotations

import base64
import datetime as dt
import difflib
from collections.abc import Sequence

from parbench_lab.errors import StoreError, UnknownRunError

LATEST = "latest"
MAX_LENGTH = 64
N_SHOWN = 5


def new_run_id(now: dt.datetime, rng_bytes: bytes) -> str:
    """Return a name like ``20261121-021309-k3v9qxa``: the second it began (UTC), then chance.

    Parameters
    ----------
    now
        An aware instant.
    rng_bytes
        Random; four bytes (``os.urandom(4)``) leave one collision in 2**32 within one second.

    Raises
    ------
    ValueError
        If the instant is naive or there are no bytes.

    Examples
    --------
    >>> import datetime as dt
    >>> new_run_id(dt.datetime(2026, 11, 21, 2, 13, 9, tzinfo=dt.UTC), b"race")
    '20261121-021309-ojqwgzi'
    """
    if now.tzinfo is None:
        raise ValueError(f"the instant must be aware but got {now}")
    if not rng_bytes:
        raise ValueError("a run id needs random bytes")
    suffix = base64.b32encode(rng_bytes).decode().rstrip("=").lower()
    return f"{now.astimezone(dt.UTC):%Y%m%d-%H%M%S}-{suffix}"


def refuse_bad_id(run_id: str) -> None:
    """Refuse what cannot be a run's id.

    Raises
    ------
    StoreError
        Unless it is 1 to 64 printable ASCII characters without spaces, and not ``latest``.
    """
    plain = run_id.isascii() and run_id.isprintable() and " " not in run_id
    if not plain or not 1 <= len(run_id) <= MAX_LENGTH or run_id == LATEST:
        raise StoreError(
            f"run id {run_id!r}: must be 1 to {MAX_LENGTH} printable ASCII characters without "
            f"spaces, and not {LATEST!r}; new_run_id makes one"
        )


def pick(wanted: str, known: Sequence[str], *, place: str) -> str:
    """Return the one id that is meant.

    Parameters
    ----------
    wanted
        A whole id, an unambiguous beginning of one, or ``"latest"``.
    known
        All ids, oldest first.
    place
        Of the store, for the message.

    Raises
    ------
    UnknownRunError
        If none or several are meant; the message lists which ones it may have been.

    Examples
    --------
    >>> pick("20261", ["20251-a", "20261-b"], place="runs.db")
    '20261-b'
    """
    if not known:
        raise UnknownRunError(f"no run {wanted!r}: there are no runs in {place} yet")
    if wanted == LATEST:
        return known[-1]
    if wanted in known:
        return wanted
    matching = [run_id for run_id in known if wanted and run_id.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UnknownRunError(f"run {wanted!r} is ambiguous: it may be {_listed(matching)}")
    close = difflib.get_close_matches(wanted, known, n=N_SHOWN, cutoff=0.6)
    if close:
        raise UnknownRunError(f"no run {wanted!r} in {place}; close ones are {_listed(close)}")
    newest = known[: -N_SHOWN - 1 : -1]
    raise UnknownRunError(f"no run {wanted!r} in {place}; the newest are {_listed(newest)}")


def _listed(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:N_SHOWN])
    return f"{shown} and {len(ids) - N_SHOWN} more" if len(ids) > N_SHOWN else shown
