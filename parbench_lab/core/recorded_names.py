"""What a name in a command means among the workloads that a store has: files and modules, too."""

from __future__ import annotations

import re

from parbench_lab.core.ports import RunStore
from parbench_lab.core.runs import WATCH
from parbench_lab.core.wording import printable
from parbench_lab.errors import UnknownNameError

_FILE = re.compile(r"(?:.*[/\\])?(?P<stem>[^/\\]+)\.py(?:/(?P<candidate>.+))?$")
"""A file's name in the place of a workload's: its module's name, and a candidate behind it."""


def recorded_name(store: RunStore, name: str) -> tuple[str, str | None]:
    """Return the workload that a name means, and the candidate behind a slash, if any.

    A workload's own name comes first; ``mymodule``, ``mymodule.py`` and ``Class`` may stand for
    ``mymodule:Class``. A name that nothing is recorded under comes back as it is.

    Parameters
    ----------
    store
        Whose workloads are looked at, watched ones too.
    name
        ``"workload"`` or ``"workload/candidate"``.

    Raises
    ------
    UnknownNameError
        If several workloads may be meant.
    """
    known = {cell.workload for cell in store.matrix()}
    known |= {night.name for night in store.runs(kind=WATCH)}
    if name in known:
        return name, None
    file = _FILE.match(name)
    workload, _, behind = name.partition("/")
    if file is not None:
        workload, behind = file["stem"], file["candidate"] or ""
    if workload in known:
        return workload, behind or None
    meant = sorted(w for w in known if workload in (w.partition(":")[0], w.rpartition(":")[2]))
    if len(meant) > 1:
        raise UnknownNameError(
            f"{workload!r} may be each of {printable(', '.join(meant))}: give one of these"
        )
    return meant[0] if meant else workload, behind or None
