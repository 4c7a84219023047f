"""Where a quarantine list is read: what is in it, and what it means, is decided without I/O."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from parbench_lab.analysis.regression.quarantine import Quarantine, parse_quarantine
from parbench_lab.core.given import is_several
from parbench_lab.errors import UsageError


def quarantine_entries(given: str | Path | Sequence[Quarantine]) -> Sequence[Quarantine]:
    """Return the entries of a list that is given, or of the TOML file that holds them.

    Raises
    ------
    UsageError
        If the file cannot be read or is no such list, or something else is given.
    """
    if not isinstance(given, (str, Path)):
        if not is_several(given):
            raise UsageError(f"quarantine must be a file or a list of entries but got {given!r}")
        entries = tuple(given)
        for one in entries:
            if not isinstance(one, Quarantine):
                raise UsageError(f"a quarantine entry must be a Quarantine but got {one!r}")
        return entries
    try:
        text = Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{given}: cannot read the quarantine list ({error})") from error
    return parse_quarantine(text, source=str(given))
