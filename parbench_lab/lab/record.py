"""What is recorded under a name, with the changes in it: the facade of histories."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from parbench_lab.analysis.regression.changes import ChangeHint
from parbench_lab.core.given import checked_count
from parbench_lab.core.ports import RunStore
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.lab.change_hints import change_hints
from parbench_lab.reports.history import RecordedHistory, read_history


def load_record(
    name: str = "",
    store: str | Path | RunStore | None = None,
    *,
    metric: str = "wall_time_s",
    machine: str = "",
    last: int = 0,
) -> RecordedHistory:
    """Return the stored figures of a workload, run after run, with alarms and change points.

    Parameters
    ----------
    name
        ``"workload"`` or ``"workload/candidate"``; "": everything. A workload of your own may be
        named by its file, module or class alone.
    store
        As for `ParallelBenchmarking`.
    metric
        Of which figures.
    machine
        Fingerprint, or the beginning of one; "": of all machines, which stay apart.
    last
        So many of the newest runs of each series; 0: all. Change points are looked for in all.

    Raises
    ------
    UsageError
        If name, metric or machine is no text, or `last` no whole number from 0 up.
    UnknownNameError
        If nothing is recorded under the name, or nothing of the metric or the machine.
    StoreError
        If the store cannot be read.

    Examples
    --------
    >>> load_record(store=":memory:").sentence
    '0 runs, 0 series, 0 machines: 0 alarms, 0 change points (hints)'
    """
    if not isinstance(name, str):
        raise UsageError(f"a history is asked for by name but got {name!r}")
    for called, text in (("metric", metric), ("machine", machine)):
        if not isinstance(text, str):
            raise UsageError(f"{called} must be a text but got {text!r}")
    checked_count(last, "last", least=0)
    return read_history(name, store, metric=metric, machine=machine, last=last, find_hints=_found)


def _found(
    store: RunStore, workload: str | None, candidate: str | None, metric: str
) -> Iterable[ChangeHint]:
    try:
        return change_hints(workload, candidate=candidate, metric=metric, store=store).hints
    except UnknownNameError:
        return ()  # of what was only watched there are no figures, and alarms are a history too
