"""The workers of a Dask pool: each has a seat that stays when its process is replaced.

What is on its way to a worker that dies is told apart: one parcel was being worked on, the others
only waited there, or came to nothing with the results that nobody had fetched, and they are not
to blame. A worker on this machine leaves word which one it was; elsewhere the oldest is taken.
"""

from __future__ import annotations

import itertools
import pickle
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parbench_lab.errors import ClusterError
from parbench_lab.execution.connection import Connection, Newcomer
from parbench_lab.execution.pools.dask_tasks import parse_mark, run_parcel
from parbench_lab.execution.processes import WorkerProcess

START_LIMIT_S = 60.0
RETURN_LIMIT_S = 30.0
REASON_LIMIT_S = 2.0
_GONE = ("CancelledError", "FutureCancelledError", "KilledWorker")


@dataclass(slots=True, eq=False)
class Ticket:
    """A parcel on its way to a worker and back.

    `number` names it towards the worker, `reply` is what came back. `lost` says that its worker
    died, `blamed` that it did so over this one.
    """

    number: int
    reply: Any = None
    error: BaseException | None = None
    done: bool = False
    lost: bool = False
    blamed: bool = False
    reason: str = ""


@dataclass(slots=True, eq=False)
class Seat:
    """A place for one worker; `newcomer` is None while nobody sits there."""

    name: str
    newcomer: Newcomer | None = None
    tickets: list[Ticket] = field(default_factory=list)
    lost: list[Ticket] = field(default_factory=list)
    """Lost with the worker before, while it is not known why."""
    known: set[int] = field(default_factory=set)
    """Maps whose function this process has."""


class Seats:
    """Who works for the pool; told by Dask's client, asked by lanes.

    Parameters
    ----------
    names
        Of the seats; empty to take the workers that are there (see `settle`).
    session
        The pool's own text.
    ours
        Whether the processes are ours: their end is explained, and they come back.
    """

    def __init__(self, names: Sequence[str], *, session: str, ours: bool) -> None:
        self.folder: Path | None = None
        self.changed = threading.Condition(threading.RLock())
        self.seats = [Seat(name) for name in names]
        self.failure = ""
        self.closed = False
        self.connection: Connection | None = None
        self._session = session
        self._ours = ours
        self._waiting: list[Newcomer] = []
        self._refused: list[str] = []
        self._numbers = itertools.count()

    # ------------------------------------------------------------ opening

    def await_all(self) -> None:
        """Wait until somebody sits on every seat.

        Raises
        ------
        ClusterError
            If that does not happen in time, or never will.
        """
        with self.changed:
            self.changed.wait_for(
                lambda: self.failure or all(seat.newcomer for seat in self.seats), START_LIMIT_S
            )
            if self.failure:
                raise ClusterError(self.failure)
            late = [seat.name for seat in self.seats if seat.newcomer is None]
            if late:
                raise ClusterError(
                    f"{len(late)} of {len(self.seats)} workers were not ready within "
                    f"{START_LIMIT_S:g} s ({', '.join(late[:3])})"
                )

    def settle(self, n_workers: int | None) -> None:
        """Make seats for the workers that are there: the first so many by name, or all.

        Raises
        ------
        ClusterError
            If there are too few.
        """
        with self.changed:
            there = sorted(self._waiting, key=lambda one: one.name)
            wanted = len(there) if n_workers is None else n_workers
            if not there or len(there) < wanted:
                why = f" ({self._refused[0]})" if self._refused else ""
                raise ClusterError(
                    f"the cluster has {len(there)} usable workers but {max(1, wanted)} are "
                    f"needed{why}; start more, or ask for fewer"
                )
            self.seats = [Seat(one.name, newcomer=one) for one in there[:wanted]]
            self._waiting = there[wanted:]

    @property
    def n_there(self) -> int:
        """How many usable workers there are, those without a seat among them."""
        with self.changed:
            return len(self.seats) + len(self._waiting)

    def newcomers(self) -> list[Newcomer]:
        """Return all usable workers, those without a seat among them."""
        with self.changed:
            seated = [seat.newcomer for seat in self.seats if seat.newcomer is not None]
            return [*seated, *self._waiting]

    # ------------------------------------------------------------ from Dask's client

    def on_joined(self, newcomer: Newcomer) -> None:
        """A worker described itself."""
        if newcomer.python != sys.version_info[:2]:
            self.on_refused(newcomer.address, "it runs another version of Python")
            return
        name = newcomer.name.rpartition(".")[0] if self._ours else newcomer.name
        with self.changed:
            empty = [seat for seat in self.seats if seat.newcomer is None]
            named = [seat for seat in empty if seat.name == name]
            if named or (empty and not self._ours):
                seat = (named or empty)[0]
                seat.newcomer = newcomer
                seat.known = set()
            elif not self._ours:
                self._waiting.append(newcomer)
            self.changed.notify_all()

    def on_refused(self, address: str, why: str) -> None:
        """A worker cannot be used."""
        words = " ".join(why.split())[:200]
        with self.changed:
            self._refused.append(f"worker {address} cannot be used: {words}")
            self.changed.notify_all()

    def on_gone(self, address: str) -> None:
        """A worker left."""
        with self.changed:
            self._waiting = [one for one in self._waiting if one.address != address]
            for seat in self.seats:
                if seat.newcomer is not None and seat.newcomer.address == address:
                    self._empty(seat)

    def on_exit(self, process: WorkerProcess, returncode: int) -> None:
        """One of our own processes ended."""
        reason = process.cause(returncode).reason
        with self.changed:
            for seat in self.seats:
                sits = seat.newcomer is not None and seat.newcomer.name == process.dask_name
                if sits:
                    self._empty(seat)
                if sits or seat.name == process.plan.name:
                    for ticket in seat.lost:
                        ticket.reason = reason
                    seat.lost = []
            self.changed.notify_all()

    def on_paused(self, address: str) -> None:
        """Nothing to do: a pool has only its seats, and goes on when Dask does."""

    def on_resumed(self, address: str) -> bool:  # noqa: ARG002 - of all alike
        """Return that it need not join anew: it kept its seat."""
        return False

    def on_lost(self) -> None:
        """The scheduler is gone."""
        self.fail("the connection to the Dask scheduler was lost")

    def fail(self, reason: str) -> None:
        """Let everybody know that no more work can be done."""
        with self.changed:
            if not self.closed:
                self.failure = self.failure or reason
            self.changed.notify_all()

    # ------------------------------------------------------------ from lanes

    def addresses(self) -> Sequence[str]:
        """Return the addresses of those who are there."""
        with self.changed:
            return [seat.newcomer.address for seat in self.seats if seat.newcomer is not None]

    def await_worker(self, seat: Seat) -> str:
        """Return the address of who sits on a seat, waiting for a new one where nobody does.

        Raises
        ------
        ClusterError
            If nobody comes.
        """
        with self.changed:
            self.changed.wait_for(
                lambda: self.failure or self.closed or seat.newcomer is not None, RETURN_LIMIT_S
            )
            if self.failure or self.closed:
                raise ClusterError(self.failure or "the pool was closed")
            if seat.newcomer is None:
                raise ClusterError(
                    f"worker {seat.name} was lost and none took its place within "
                    f"{RETURN_LIMIT_S:g} s"
                )
            return seat.newcomer.address

    def ask(
        self,
        seat: Seat,
        address: str,
        told: tuple[Any, ...],
        scattered: Sequence[Any],
    ) -> Ticket:
        """Send a parcel to a worker and wait for what becomes of it."""
        assert self.connection is not None  # noqa: S101 - open
        with self.changed:
            number = next(self._numbers)
            ticket = Ticket(number)
            if seat.newcomer is None or seat.newcomer.address != address:
                ticket.done = ticket.lost = True
                return ticket
            seat.tickets.append(ticket)
            future = self.connection.send(
                address,
                pickle.dumps(((self._mark(seat.newcomer), number), *told)),
                key=self.key_of(ticket),
                priority=-number,
                on_reply=lambda reply, error: self._on_reply(seat, ticket, reply, error),
                function=run_parcel,
                scattered=scattered,
            )
        with self.changed:
            self.changed.wait_for(lambda: ticket.done or self.failure or self.closed)
            if ticket.lost and ticket.blamed and self._ours:
                self.changed.wait_for(lambda: ticket.reason or self.failure, REASON_LIMIT_S)
        self.connection.release([future])
        return ticket

    def key_of(self, ticket: Ticket) -> str:
        """Return what Dask calls a parcel."""
        return f"parbench-{self._session}-{ticket.number}"

    def close(self) -> None:
        """Let all lanes go; idempotent."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    # ------------------------------------------------------------ under the lock

    def _on_reply(
        self, seat: Seat, ticket: Ticket, reply: Any, error: BaseException | None
    ) -> None:
        with self.changed:
            if ticket.done:
                return
            if error is not None and type(error).__name__ in _GONE:
                if ticket in seat.tickets:
                    self._empty(seat)
                return
            ticket.reply, ticket.error, ticket.done = reply, error, True
            seat.tickets.remove(ticket)
            self.changed.notify_all()

    def _empty(self, seat: Seat) -> None:
        """Note that a worker is gone, with what was on its way to it."""
        guilty = self._guilty(seat)
        seat.newcomer = None
        seat.lost, seat.tickets = seat.tickets, []
        for ticket in seat.lost:
            ticket.done = ticket.lost = True
            ticket.blamed = ticket.number == guilty
        self.changed.notify_all()

    def _mark(self, newcomer: Newcomer) -> str:
        """Return where a worker leaves word what it does; "" on another machine."""
        if self.folder is None or not (self._ours or newcomer.sees_token):
            return ""
        return str(self.folder / f"{self._session}.{newcomer.pid}.mark")

    def _guilty(self, seat: Seat) -> int:
        """Return the number of the parcel that the worker on a seat died over, -1 for none."""
        place = self._mark(seat.newcomer) if seat.newcomer is not None else ""
        if not place:
            return seat.tickets[0].number if seat.tickets else -1
        try:
            return parse_mark(Path(place).read_bytes())
        except OSError:
            return -1
