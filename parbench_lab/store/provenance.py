"""What of a run's document has columns of its own, so that SQL can ask for it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from parbench_lab.core.series import Mode
from parbench_lab.errors import StoreError
from parbench_lab.store.rows import is_plain

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def provenance_columns(
    document: Mapping[str, Any], started_utc: str, *, lenient: bool = False
) -> dict[str, Any]:
    """Return mode, commit, dirty and start as columns.

    Parameters
    ----------
    document
        Of the header.
    started_utc
        Of the header.
    lenient
        Whether what makes no sense becomes the default instead of a refusal (old stores).

    Raises
    ------
    StoreError
        If the mode is unknown or the start is no aware instant.
    """
    commit, dirty = _git(document)
    return {
        "mode": _mode(document.get("mode"), lenient=lenient),
        "git_commit": commit,
        "dirty": dirty,
        "started_us": _microseconds(started_utc, lenient=lenient),
    }


def instant(started_utc: str) -> dt.datetime:
    """Return the aware instant that a header tells.

    Raises
    ------
    StoreError
        If it is none.
    """
    try:
        found = dt.datetime.fromisoformat(started_utc)
        if found.tzinfo is not None:
            return found
    except (TypeError, ValueError):
        pass
    raise StoreError(
        f"started_utc must be an ISO 8601 instant with its offset but got {started_utc!r}"
    )


def microseconds(moment: dt.datetime) -> int:
    """Return an aware instant as microseconds since 1970 in UTC."""
    return (moment - EPOCH) // _MICROSECOND


def _microseconds(started_utc: str, *, lenient: bool) -> int:
    try:
        return microseconds(instant(started_utc))
    except (StoreError, OverflowError):
        if lenient:
            return 0
        raise


def _mode(given: object, *, lenient: bool) -> str:
    if given is None:
        return Mode.BATCH.value
    try:
        return Mode(str(given)).value
    except ValueError:
        if lenient:
            return Mode.BATCH.value
        known = ", ".join(mode.value for mode in Mode)
        raise StoreError(f"mode {given!r} is none of {known}") from None


def _git(document: Mapping[str, Any]) -> tuple[str, bool]:
    configuration = document.get("configuration")
    inner = configuration.get("git") if isinstance(configuration, Mapping) else None
    git = document.get("git") or inner
    if not isinstance(git, Mapping):
        return "", False
    commit = git.get("commit")
    if not isinstance(commit, str) or not is_plain(commit):
        return "", False
    return commit, git.get("dirty") is True
