"""One timed run of a job at one worker count, and where its time went. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Worked(Protocol):
    """When a worker worked on one part; see `parbench_lab.core.pool.Span`."""

    @property
    def worker(self) -> str:
        """Name of the worker."""

    @property
    def start_ns(self) -> int:
        """Begin of the computation on the monotonic clock."""

    @property
    def end_ns(self) -> int:
        """End of the computation."""

    @property
    def transfer_s(self) -> float | None:
        """Moving input and result; None where not measured."""

    @property
    def unpack_s(self) -> float | None:
        """Unpickling and pickling them; None where not told apart from moving."""

    @property
    def told_by(self) -> str:
        """Whose timings these two are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeShares:
    """Where the workers' time of one run went; shares of workers x wall time, adding up to 1.

    Parameters
    ----------
    compute
        Working on parts.
    transfer
        Moving parts and results (and unpacking them, where `unpack` is 0).
    serial
        Idle before the first part began and after the last one ended: code outside of the map
        (and handing out the first part).
    imbalance
        Waiting at the end, while others were still working.
    scheduling
        Waiting between two parts, less what was transfer and unpacking.
    load_balance, communication
        In POP's terms: mean over maximum of the workers' compute time; the longest compute time
        over the wall time (transfer, scheduling and serial code all take from it). Their product
        is the parallel efficiency. https://pop-coe.eu/node/69
    unpack
        Unpickling parts and pickling results, in the workers.
    moving, serialisation
        The two factors of `communication`: what is left of the wall time without the busiest
        worker's transfer, unpacking and scheduling; its compute time over that, which falls with
        the time it waited for serial code and for others. None in older studies.
    told_by
        ``"dask"`` where Dask's own timings tell transfer and unpacking, "" where the pool does.
    """

    compute: float
    transfer: float
    serial: float
    imbalance: float
    scheduling: float
    load_balance: float
    communication: float
    unpack: float = 0.0
    moving: float | None = None
    serialisation: float | None = None
    told_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How many workers an adaptive run used from a moment on.

    Parameters
    ----------
    at_s
        Since the run began; 0 for what changed before it, since the last run.
    workers, before
        In use from then on, and until then.
    reason
        Why it changed; "" where it did not.
    """

    at_s: float
    workers: int
    before: int
    reason: str = ""

    @property
    def is_change(self) -> bool:
        """Whether more or fewer were in use than before."""
        return self.workers != self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run of a job: how it ended, what it took.

    Parameters
    ----------
    repetition
        From 0; all worker counts are measured in each, in random order.
    workers
        How many worked on it; the most that might, in an adaptive run.
    size
        Items of the case.
    outcome
        ``"ok"``, ``"failed"`` (it raised, or its workers died) or ``"differs"`` (its result is
        not the serial one).
    time_s
        Wall time; None unless ok.
    peak_memory_bytes
        Of this process and the workers together; None where not measured.
    digest
        Of its result; "" unless it had one.
    difference
        Largest relative difference from the serial result; 0.0: identical bit by bit.
    message
        Why it failed, in one line.
    shares
        Where the time went; None where the backend does not tell.
    uses
        How many workers an adaptive run used, from when on; empty for all others.
    """

    repetition: int
    workers: int
    size: int
    outcome: str
    time_s: float | None = None
    peak_memory_bytes: int | None = None
    digest: str = ""
    difference: float = 0.0
    message: str = ""
    shares: TimeShares | None = None
    uses: tuple[Use, ...] = ()

    @property
    def workers_used(self) -> tuple[int, ...]:
        """Workers in use at the begin of the run, and after each change in it; adaptive only."""
        ends_s = [*(use.at_s for use in self.uses[1:]), float("inf")]
        spans = zip(self.uses, ends_s, strict=False)
        # of several changes before a run the last one alone is in use in it
        return tuple(use.workers for use, end_s in spans if end_s > use.at_s)

    @property
    def mean_workers(self) -> float:
        """Workers in use, averaged over the time of the run."""
        if not self.uses or not self.time_s:
            return float(self.workers)
        # a look may come after the clock of the run has stopped
        starts = [min(use.at_s, self.time_s) for use in self.uses]
        spans = zip(self.uses, starts, [*starts[1:], self.time_s], strict=True)
        return sum(use.workers * (end - start) for use, start, end in spans) / self.time_s


def are_identical(trials: Iterable[Trial]) -> bool:
    """Return whether all results are the serial one bit by bit, and one for each size of case.

    In a study of several sessions each has a serial result of its own. False where no run has a
    result: nothing is shown then.

    Examples
    --------
    >>> runs = [Trial(repetition=n, workers=1, size=9, outcome="ok", digest=d)
    ...         for n, d in enumerate("aab")]
    >>> are_identical(runs[:2]), are_identical(runs), are_identical([])
    (True, False, False)
    """
    answered = [trial for trial in trials if trial.digest]
    if not answered or any(trial.difference != 0.0 for trial in answered):
        return False
    results = {(trial.size, trial.digest) for trial in answered}
    return len(results) == len({trial.size for trial in answered})


def time_shares(
    spans: Iterable[Worked], *, n_workers: int, start_ns: int, end_ns: int
) -> TimeShares | None:
    """Return where the workers' time of one run went, None where no part was worked on.

    Parameters
    ----------
    spans
        When each part was worked on.
    n_workers
        How many workers there were; some may have had no part.
    start_ns, end_ns
        Of the whole run, on the same clock.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> part = SimpleNamespace(
    ...     worker="a", start_ns=2, end_ns=8, transfer_s=0.0, unpack_s=0.0, told_by="")
    >>> found = time_shares([part], n_workers=1, start_ns=0, end_ns=10)
    >>> found.compute, found.serial, found.load_balance
    (0.6, 0.4, 1.0)
    """
    by_worker: dict[str, list[Worked]] = defaultdict(list)
    for span in spans:
        by_worker[span.worker].append(span)
    wall_ns = end_ns - start_ns
    if not by_worker or wall_ns <= 0:
        return None
    rows = [_row(parts, start_ns) for parts in by_worker.values()]
    first_ns, last_ns = min(row.begin_ns for row in rows), max(row.end_ns for row in rows)
    rows += [_Row(begin_ns=first_ns, end_ns=first_ns)] * (n_workers - len(rows))
    whole_ns = float(wall_ns * len(rows))
    compute = sum(row.busy_ns for row in rows) / whole_ns
    serial = (wall_ns - (last_ns - first_ns)) / wall_ns
    imbalance = sum(last_ns - row.end_ns for row in rows) / whole_ns
    rest = max(0.0, 1.0 - compute - serial - imbalance)
    unpack = min(rest, sum(row.unpack_ns for row in rows) / whole_ns)
    transfer = min(rest - unpack, sum(row.transfer_ns for row in rows) / whole_ns)
    busiest = max(rows, key=lambda row: row.busy_ns)
    moving = 1.0 - min(busiest.gaps_ns, wall_ns - busiest.busy_ns) / wall_ns
    communication = busiest.busy_ns / wall_ns
    tellers = {span.told_by for parts in by_worker.values() for span in parts}
    return TimeShares(
        compute=compute,
        transfer=transfer,
        serial=serial,
        imbalance=imbalance,
        scheduling=rest - unpack - transfer,
        load_balance=compute / communication if communication > 0 else 0.0,
        communication=communication,
        unpack=unpack,
        moving=moving,
        serialisation=communication / moving if moving > 0 else 0.0,
        told_by=tellers.pop() if len(tellers) == 1 else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What one worker did between its first and its last part; nothing, by default."""

    begin_ns: float
    end_ns: float
    busy_ns: float = 0.0
    gaps_ns: float = 0.0
    transfer_ns: float = 0.0
    unpack_ns: float = 0.0


def _row(parts: Sequence[Worked], start_ns: int) -> _Row:
    first, end_ns = min(parts, key=lambda part: part.start_ns), max(part.end_ns for part in parts)
    # its worker had begun when it unpacked the first part
    begin_ns = max(float(start_ns), first.start_ns - 1e9 * (first.unpack_s or 0.0))
    busy_ns = float(sum(part.end_ns - part.start_ns for part in parts))
    return _Row(
        begin_ns=begin_ns,
        end_ns=end_ns,
        busy_ns=busy_ns,
        gaps_ns=max(0.0, end_ns - begin_ns - busy_ns),
        transfer_ns=sum(1e9 * (part.transfer_s or 0.0) for part in parts),
        unpack_ns=sum(1e9 * (part.unpack_s or 0.0) for part in parts),
    )
