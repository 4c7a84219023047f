"""What a store keeps of a run, as values: its beginning, its events, its end, what follows.

Plain numbers, text and JSON only: they can be written by any database and read by any program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.core.estimate import Estimate
from parbench_lab.errors import UsageError

INTERRUPTED = "interrupted"
"""Status of a run that stopped before its end (its cluster was lost) and may go on."""

ROOFLINE = "roofline"
STUDY = "study"
"""Kind of a run that holds what a machine attains: nobody means it by "latest"."""

WATCH = "watch"
"""Kind of a run that is a watch's night: two builds in turn, each in a process of its own."""

CALIBRATION = "calibration"
"""Name of the workload that tells machines apart by their speed."""

BECAME_SLOWER = "became slower"
"""How the reason of an epoch ends that began because the times before it hold no longer."""

TAKEN_IN = "taken_in_from_a_file"
"""Kept in the document of a stored run beside what its header holds; of no header's document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """How a run began. `document` is JSON: workload, candidates, settings, configuration, seed.

    A store reads of it ``machine`` (see `Machine.as_json`), ``mode`` (see `Mode`; ``"batch"``
    where it is missing), ``git`` (``{"commit": ..., "dirty": ...}``, also within
    ``configuration``) and the names of ``candidates``.

    `taken_in` says that the run came from a file, see `refuse_taken_in`. It is how the run came
    into this store and no part of the run: it is neither compared nor exported.
    """

    id: str
    kind: str
    name: str
    started_utc: str
    document: Mapping[str, Any]
    taken_in: bool = field(default=False, compare=False)


def refuse_taken_in(header: RunHeader) -> None:
    """Refuse to go on with a run that came from a file.

    Its header names workload and candidates as import strings: to go on would run what the
    writer of the file wants, and a file is data only.

    Raises
    ------
    UsageError
        With what to do instead.
    """
    if header.taken_in:
        raise UsageError(
            f"run {header.id} came from a file (parbench import): nothing in it is run; begin a "
            f"new {header.kind}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of the list of runs.

    Parameters
    ----------
    id, kind, name, started_utc
        As in the header.
    status
        ``running``, ``finished``, ``stopped``, ``failed``, ...
    result
        JSON; None until it ended.
    mode
        What it stands for, see `Mode`.
    machine
        Fingerprint; ``""`` where not known.
    commit, dirty
        Git commit of the working tree it began in (``""`` where not known), and whether that
        had changes.
    pinned
        Whether pruning leaves it alone.
    """

    id: str
    kind: str
    name: str
    started_utc: str
    status: str
    result: Mapping[str, Any] | None = None
    mode: str = "batch"
    machine: str = ""
    commit: str = ""
    dirty: bool = False
    pinned: bool = False

    @property
    def status_in_words(self) -> str:
        """The status as a user should read it: who was killed could not write that it ended."""
        return "running or interrupted" if self.status == "running" else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow:
    """A measurement as it is stored: flat, numbers and text only."""

    block: int
    slot: int
    epoch: int
    candidate: str
    copy: int
    size: int
    worker: str
    outcome: str
    warm_up: bool
    checked: bool
    repeats: int
    values: Mapping[str, float]
    digest: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One event of a run as it is stored.

    `seq` counts from 0 without gaps; `at_s` is seconds of race time; `payload` is JSON (finite
    numbers, text, lists, dicts with text keys). Measurements belong to the event that brought
    them.
    """

    seq: int
    at_s: float
    kind: str
    payload: Mapping[str, Any]
    measurements: Sequence[MeasurementRow] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """How busy something was at one moment.

    Parameters
    ----------
    at_s
        Seconds of race time.
    source
        Name of a worker, or of what else was watched (``"host"``).
    values
        Of what was measured; never 0 for what was not. ``cpu_percent`` (100 is one core),
        ``rss_bytes``, ``memory_limit_bytes``, ``gpu_percent``, ``gpu_memory_bytes`` have columns
        of their own; any other name may be there too.
    """

    at_s: float
    source: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRow:
    """One figure of one level of a scaling curve.

    Parameters
    ----------
    backend, scaling
        ``"threads"``, ... (``"threads, batches of 10"`` where that was asked for); ``"strong"``,
        ``"weak"`` or ``"adaptive"``.
    series_size
        Size in items by which the study names the curve.
    workers, size
        How many worked on how many items.
    metric
        ``"time_s"``, ``"speedup"``, ``"efficiency"``, ...
    estimate
        With its interval.
    """

    backend: str
    scaling: str
    series_size: int
    workers: int
    size: int
    metric: str
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRow:
    """One coefficient of a law that was fitted to a scaling curve.

    Parameters
    ----------
    backend, scaling, series_size
        Of the curve, as in `CurveRow`.
    law
        ``"usl"``, ``"amdahl"``, ``"gustafson"``.
    parameter
        ``"alpha"``, ``"beta"``, ``"gamma"``, ``"peak_workers"``, ...
    estimate
        With its interval.
    """

    backend: str
    scaling: str
    series_size: int
    law: str
    parameter: str
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A whole run, to be carried from one store to another.

    What can be computed from the rest (summaries) is not in it, nor is a pin, which belongs to
    the store.
    """

    header: RunHeader
    status: str
    result: Mapping[str, Any] | None = None
    events: Sequence[EventRecord] = ()
    usage: Sequence[UsageRow] = ()
    curves: Sequence[CurveRow] = ()
    fits: Sequence[FitRow] = ()

    def __post_init__(self) -> None:
        for name in ("events", "usage", "curves", "fits"):
            # two records are equal whatever kind of sequence they were made from
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """Ids of the runs that a store took in, and of those of which it had all already."""

    added: tuple[str, ...] = ()
    known: tuple[str, ...] = field(default=())
