"""Workers of a Dask cluster: our own on this machine, or any that is given."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.core.batching import Together
from parbench_lab.core.machine import Machine
from parbench_lab.core.pool import Span
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.pools.crew import LanePool
from parbench_lab.execution.pools.dask_tasks import clock_ns, take_own_footprint
from parbench_lab.execution.pools.dask_timings import (
    ParcelLog,
    parse_task_stream,
    told_spans,
)
from parbench_lab.execution.pools.jobs import CLOSED, Answer, Exchange, Parcel
from parbench_lab.execution.pools.packing import Packing
from parbench_lab.execution.pools.parcels import Order, Packed, load_answer, name_of, pack
from parbench_lab.execution.pools.peaks import (
    restart_peaks,
    take_footprint,
    take_peak_bytes,
    together_bytes,
)
from parbench_lab.execution.pools.scattered import ScatteredShelf
from parbench_lab.execution.pools.seats import Seat, Ticket
from parbench_lab.execution.pools.shelf import FileShelf
from parbench_lab.execution.pools.site import Site
from parbench_lab.execution.pools.spans import SpanLog
from parbench_lab.execution.pools.workbench import worked

AHEAD = 2
"""Parcels on their way to each worker: one that is worked on, one that waits there for it."""
MAX_RETURNS = 3
"""How often a parcel may be lost with its worker before it is blamed without proof."""
ASK_LIMIT_S = 2.0
SPARE_TASKS = 100
"""Of others on the same cluster, which Dask's notes may hold among ours."""
_CLOCK_LOOKS = 3


class DaskPool(LanePool):
    """Workers of a Dask cluster; see `parbench_lab.core.pool.Pool`.

    Every worker has the next parcel waiting, so that it does not wait for the client; tiny parts
    go together, as many as fill 50 to 200 ms. Large arrays are mapped from files where all workers
    are on this machine, and scattered through Dask, once to each, where they are not.

    Parameters
    ----------
    n_workers
        None for one per core that is ours, or all that a given cluster has.
    cluster
        None for a local cluster of our own; an address, a Dask client or a Dask cluster object,
        which stay open.
    far
        Treat the workers as if they were on other machines; None to see for ourselves.

    Raises
    ------
    ClusterError
        If there is no cluster, or it has too few usable workers.
    UsageError
        If `cluster` is none of these.
    """

    def __init__(
        self, n_workers: int | None = None, *, cluster: Any = None, far: bool | None = None
    ) -> None:
        self._site = Site(n_workers, cluster)
        try:
            self._site.open()
            seats = self._site.seats.seats
            super().__init__("dask", len(seats), Exchange(), SpanLog())
            self._trade = _trade(self._site, self._exchange, far=far)
        except BaseException:
            self._site.close()
            raise
        lanes = [
            _DaskLane(seat, worker, index, self._trade)
            for index in range(AHEAD)
            for worker, seat in enumerate(seats)
        ]
        self._open(lanes, self._trade.shelf.close, self._site.close)

    @property
    def n_there(self) -> int:
        """How many usable workers the cluster has; more than `n_workers` where not all work."""
        return self._site.seats.n_there

    def machine(self, libraries: Sequence[str]) -> Machine:
        """Return what the workers' machines are together, as they say themselves.

        Parameters
        ----------
        libraries
            See `parbench_lab.hardware.detect.detect_machine`.
        """
        return self._site.machine(libraries)

    def peak_memory_bytes(self) -> int | None:
        """Return the peak of this process and the workers together; see `LanePool`."""
        shelf = self._trade.shelf
        if isinstance(shelf, FileShelf):
            return take_peak_bytes(self.process_ids(), shelf.restart_peak())
        own = [take_footprint(os.getpid()), *self._site.ask_all(take_own_footprint, ASK_LIMIT_S)]
        restart_peaks([os.getpid()])
        return together_bytes([one for one in own if one is not None], 0)

    def take_spans(self) -> Sequence[Span]:
        """Return when each part was worked on since the last call, and forget it.

        Moving and unpacking are told by Dask's own timings from the first call on.
        """
        parcels = self._trade.log.take()
        records = self._site.connection.task_stream(len(parcels) + SPARE_TASKS, ASK_LIMIT_S)
        return told_spans(parcels, parse_task_stream(records))

    def _order(self, function: Callable[..., Any], number: int) -> tuple[Any, Callable[[], None]]:
        name, trade = name_of(function), self._trade
        packed = pack(function, trade.shelf, job=number, what=name, same_files=self._site.is_ours)
        if isinstance(function, Together):
            trade.packing.keep_whole(number)
        return Order(name=name, packed=packed), lambda: _end(trade, packed, number)

    def process_ids(self) -> Sequence[int]:
        """Return this process and those of the workers, where they are on this machine."""
        if isinstance(self._trade.shelf, ScatteredShelf):
            return (os.getpid(),)
        there = [seat.newcomer for seat in self._site.seats.seats]
        return tuple({os.getpid(), *(one.pid for one in there if one is not None)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trade:
    """What the lanes of a pool share."""

    site: Site
    shelf: FileShelf | ScatteredShelf
    packing: Packing
    exchange: Exchange
    log: ParcelLog = field(default_factory=ParcelLog)
    clocks: dict[str, int] = field(default_factory=dict)
    """How far the clock of a far worker is ahead of ours, by its address."""

    def ahead_ns(self, address: str) -> int:
        """Return how far a worker's clock is ahead of ours; 0 for one on this machine."""
        if isinstance(self.shelf, FileShelf):
            return 0
        if address not in self.clocks:
            self.clocks[address] = _ahead_ns(self.site, address)
        return self.clocks[address]


def _trade(site: Site, exchange: Exchange, *, far: bool | None) -> _Trade:
    n_workers = len(site.seats.seats)
    shelf: FileShelf | ScatteredShelf
    if site.is_far() if far is None else far:
        shelf = ScatteredShelf(site.connection, site.seats.addresses)
    else:
        shelf = FileShelf(n_workers)
    packing = Packing(AHEAD * n_workers)
    return _Trade(site=site, shelf=shelf, packing=packing, exchange=exchange)


def _ahead_ns(site: Site, address: str) -> int:
    """Ask a clock a few times; the quickest answer is the least uncertain."""
    looks = []
    for _ in range(_CLOCK_LOOKS):
        before_ns = time.perf_counter_ns()
        told = site.ask(address, clock_ns, ASK_LIMIT_S)
        after_ns = time.perf_counter_ns()
        if told is not None:
            looks.append((after_ns - before_ns, told - (before_ns + after_ns) // 2))
    return int(min(looks)[1]) if looks else 0


def _end(trade: _Trade, packed: Packed, number: int) -> None:
    packed.release()
    trade.packing.forget(number)
    if isinstance(trade.shelf, ScatteredShelf):
        trade.shelf.end(number)


class _DaskLane:
    """One of a worker's parcels; see `AHEAD`."""

    def __init__(self, seat: Seat, worker: int, index: int, trade: _Trade) -> None:
        self.name = f"{seat.name}-{index}"
        self.worker = worker
        self._seat = seat
        self._trade = trade

    def start(self) -> None:
        """Do nothing: the worker is there."""

    def run(self) -> None:
        trade = self._trade
        while True:
            address = trade.site.seats.await_worker(self._seat)
            parcel = trade.exchange.take(self._choose, worker=self.worker)
            if parcel is None:
                return
            self._deliver(parcel, address)
            del parcel

    def _choose(self, job: int, left: int) -> int:
        return self._trade.packing.choose(job, left, busy=bool(self._seat.tickets))

    def stop(self) -> None:
        """Let the lane go, whatever its worker does."""
        self._trade.site.seats.close()

    def finish(self) -> None:
        """Do nothing: the site ends the workers."""

    def _deliver(self, parcel: Parcel, address: str) -> None:
        trade, job = self._trade, parcel.job
        began_ns = time.perf_counter_ns()
        try:
            packed = pack(
                parcel.items,
                trade.shelf,
                job=job.number,
                what=f"item {parcel.first} for {job.order.name}",
                same_files=trade.site.is_ours,
            )
        except (UsageError, OSError) as error:
            trade.exchange.bring(parcel, [Answer(error=error)])
            return
        packing_ns = time.perf_counter_ns() - began_ns
        try:
            ticket = self._ask(parcel, address, packed)
        finally:
            packed.release()
        if ticket.lost and not ticket.blamed and parcel.returned < MAX_RETURNS:
            trade.exchange.give_back(parcel)
        elif ticket.error is not None or ticket.reply is None:
            trade.exchange.bring(parcel, [Answer(error=self._explained(parcel, ticket))])
        else:
            self._bring(parcel, address, ticket, packing_ns)

    def _ask(self, parcel: Parcel, address: str, packed: Packed) -> Ticket:
        seats, number = self._trade.site.seats, parcel.job.number
        live = self._trade.exchange.live()
        with seats.changed:
            known = number in self._seat.known
            self._seat.known = (self._seat.known & live) | {number}
        ticket = self._asked(parcel, address, packed, with_order=not known)
        if ticket.reply == []:  # it overtook the parcel that brings the function
            ticket = self._asked(parcel, address, packed, with_order=True)
        return ticket

    def _asked(self, parcel: Parcel, address: str, packed: Packed, *, with_order: bool) -> Ticket:
        trade, order = self._trade, parcel.job.order.packed
        names: tuple[str, ...] = ()
        scattered: Sequence[Any] = ()
        if isinstance(trade.shelf, ScatteredShelf):
            slips = (*(order.slips if with_order else ()), *packed.slips)
            names = tuple(dict.fromkeys(slip.where for slip in slips))
            scattered = trade.shelf.futures(names)
        which = (trade.site.session, parcel.job.number, trade.exchange.live())
        told = (*which, order.data if with_order else b"", packed.data, names)
        return trade.site.seats.ask(self._seat, address, told, scattered)

    def _bring(self, parcel: Parcel, address: str, ticket: Ticket, packing_ns: int) -> None:
        ahead_ns = self._trade.ahead_ns(address)
        answers, durations_s, spans = [], [], []
        for stamps, data in ticket.reply:
            began_ns = time.perf_counter_ns()
            one = worked(stamps, data)
            answers.append(load_answer(data))
            packing_ns += time.perf_counter_ns() - began_ns + one.packing_ns
            spans.append(
                Span(
                    worker=self._seat.name,
                    start_ns=one.start_ns - ahead_ns,
                    end_ns=one.end_ns - ahead_ns,
                    transfer_s=packing_ns / 1e9,
                )
            )
            durations_s.append((one.end_ns - one.start_ns) / 1e9)
            packing_ns = 0  # the parcel's own packing counts for its first part
        self._trade.log.add(self._trade.site.seats.key_of(ticket), spans)
        self._trade.packing.note(parcel.job.number, durations_s)
        self._trade.exchange.bring(parcel, answers)

    def _explained(self, parcel: Parcel, ticket: Ticket) -> ClusterError:
        """Return the error of a parcel that came back without answers."""
        name = self._seat.name
        which = f"item {parcel.first}"
        if parcel.last > parcel.first:
            which = f"one of the items {parcel.first} to {parcel.last}"
        if ticket.lost:
            reason = ticket.reason or "its process is gone"
            return ClusterError(
                f"worker {name} was lost over {which} for {parcel.job.order.name}: {reason}"
            )
        if ticket.error is not None:
            words = " ".join(f"{type(ticket.error).__name__}: {ticket.error}".split())[:300]
            return ClusterError(f"worker {name} could not work on {which}: {words}")
        return ClusterError(self._trade.site.seats.failure or CLOSED)
