"""One timed run of a job at one worker count, and where its time went. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeShares:
    """Where the workers' time of one run went; shares of workers x wall time, adding up to 1.

    Parameters
    ----------
    compute
        Working on parts.
    transfer
        Moving parts and results, and unpacking them.
    serial
        Before the first part began and after the last one ended: code outside of the map (and
        handing out the first part).
    imbalance
        Waiting at the end, while others were still working.
    scheduling
        Waiting between two parts, less what was transfer.
    load_balance, communication
        In POP's terms: mean over maximum of the workers' compute time; the longest compute time
        over the wall time (transfer, scheduling and serial code all take from it). Their product
        is the parallel efficiency. https://pop-coe.eu/node/69
    """

    compute: float
    transfer: float
    serial: float
    imbalance: float
    scheduling: float
    load_balance: float
    communication: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How many workers an adaptive run used from a moment on.

    Parameters
    ----------
    at_s
        Since the run began.
    workers, before
        In use from then on, and until then (in the run before, where it has just begun).
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
    def mean_workers(self) -> float:
        """Workers in use, averaged over the time of the run."""
        if not self.uses or not self.time_s:
            return float(self.workers)
        ends = [*(use.at_s for use in self.uses[1:]), self.time_s]
        spans = zip(self.uses, ends, strict=True)
        return sum(use.workers * max(0.0, end - use.at_s) for use, end in spans) / self.time_s


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
    >>> part = SimpleNamespace(worker="a", start_ns=2, end_ns=8, transfer_s=0.0)
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
    first_ns = min(s.start_ns for parts in by_worker.values() for s in parts)
    last_ns = max(s.end_ns for parts in by_worker.values() for s in parts)
    busy = [float(sum(s.end_ns - s.start_ns for s in parts)) for parts in by_worker.values()]
    busy += [0.0] * (n_workers - len(busy))
    whole_ns = float(wall_ns * max(n_workers, len(by_worker)))
    transfer_ns = sum(1e9 * (s.transfer_s or 0.0) for p in by_worker.values() for s in p)
    tails_ns = sum(last_ns - max(s.end_ns for s in parts) for parts in by_worker.values())
    tails_ns += (n_workers - len(by_worker)) * (last_ns - first_ns)
    serial_ns = (wall_ns - (last_ns - first_ns)) * len(busy)
    compute, serial = sum(busy) / whole_ns, serial_ns / whole_ns
    imbalance = tails_ns / whole_ns
    rest = max(0.0, 1.0 - compute - serial - imbalance)
    transfer = min(rest, transfer_ns / whole_ns)
    return TimeShares(
        compute=compute,
        transfer=transfer,
        serial=serial,
        imbalance=imbalance,
        scheduling=rest - transfer,
        load_balance=sum(busy) / len(busy) / max(busy) if max(busy) > 0 else 0.0,
        communication=max(busy) / wall_ns,
    )
