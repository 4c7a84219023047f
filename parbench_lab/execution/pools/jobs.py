"""Parts of maps, handed to whoever is free, and their answers, given back in order.

The one place where maps and workers meet. A part is handed out when a worker asks for one, never
before: an uneven set costs at most one part of waiting. Nothing here knows what a worker is.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from parbench_lab.errors import ClusterError

CLOSED = "the pool was closed while its map was running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one part: a value, or the exception that takes its place."""

    value: Any = None
    error: BaseException | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One map on its way.

    Parameters
    ----------
    number
        Counts the maps of a pool from 0.
    order
        The function, in the shape that the pool's workers take it.
    items
        Arguments of each part; a part's are let go when it was answered.
    end
        Parts from here on are not wanted: those after one that raised.
    """

    number: int
    order: Any
    items: list[Any]
    end: int
    handed: int = 0
    ended: bool = False
    answers: dict[int, Answer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parcel:
    """Consecutive parts of one map in a worker's hands; `returned` counts how often it came back
    undone.
    """  # noqa: D205

    job: Job
    first: int
    items: Sequence[tuple[Any, ...]]
    returned: int = 0

    @property
    def last(self) -> int:
        """Number of its last part."""
        return self.first + len(self.items) - 1


class Exchange:
    """Where maps are posted, and workers take parts and bring answers; all under one lock.

    Examples
    --------
    >>> exchange = Exchange()
    >>> job = exchange.post(abs, [(-1,), (-2,)])
    >>> parcel = exchange.take()
    >>> parcel.first, parcel.items
    (0, ((-1,),))
    >>> exchange.bring(parcel, [Answer(value=1)])
    >>> exchange.answer(job, 0).value
    1
    """

    def __init__(self) -> None:
        # a lock that its owner may take again: an iterator that is collected withdraws its map,
        # and the collector may come at any moment
        lock = threading.RLock()
        self._work = threading.Condition(lock)
        self._news = threading.Condition(lock)
        self._jobs: deque[Job] = deque()
        self._returned: deque[Parcel] = deque()
        self._live: set[int] = set()
        self._numbers = itertools.count()
        self._failure = ""
        self._closed = False
        self._in_use: int | None = None
        self._left: set[int] = set()

    def number(self) -> int:
        """Return the number of the next map."""
        return next(self._numbers)

    def post(
        self, order: Any, items: Sequence[tuple[Any, ...]], *, number: int | None = None
    ) -> Job:
        """Begin a map, under a number that was drawn for it.

        Raises
        ------
        ClusterError
            If the workers are lost, or the pool is closed.
        """
        with self._work:
            if self._failure or self._closed:
                raise ClusterError(self._failure or "this pool is closed; open another one")
            drawn = self.number() if number is None else number
            job = Job(number=drawn, order=order, items=list(items), end=len(items))
            self._jobs.append(job)
            self._live.add(job.number)
            self._work.notify_all()
        return job

    def take(
        self,
        choose: Callable[[int, int], int] | None = None,
        *,
        worker: int = 0,
        wait: bool = True,
    ) -> Parcel | None:
        """Return the next parcel; None when there is none (`wait` False) or never will be.

        Parameters
        ----------
        choose
            Given a map's number and how many of its parts are left, returns how many to take; one
            by default. 0 leaves them to others, who must ask when they are free.
        worker
            Number of the worker, from 0: the first ones are those in use.
        """
        with self._work:
            while not self._closed and not self._failure:
                parcel = self._next(choose) if self._is_in_use(worker) else None
                if parcel is not None:
                    return parcel
                if not wait:
                    break
                self._work.wait()
        return None

    def use(self, n_workers: int) -> None:
        """Give parcels to the first so many workers only, from now on; at least 1."""
        with self._work:
            self._in_use = max(1, n_workers)
            self._work.notify_all()

    def leave(self, worker: int) -> None:
        """Note that a worker comes no more: the next one takes its place."""
        with self._work:
            self._left.add(worker)
            self._work.notify_all()

    def _is_in_use(self, worker: int) -> bool:
        if self._in_use is None:
            return True
        return worker - sum(gone < worker for gone in self._left) < self._in_use

    def _next(self, choose: Callable[[int, int], int] | None) -> Parcel | None:
        parcel = self._first_returned()
        if parcel is not None:
            return parcel
        job = self._first_with_parts()
        return None if job is None else _parcel(job, choose)

    def bring(self, parcel: Parcel, answers: Sequence[Answer]) -> None:
        """Give back answers: one for each part, or up to the first one that raised."""
        job = parcel.job
        with self._news:
            if job.ended:
                return
            for number, answer in enumerate(answers, parcel.first):
                job.answers[number] = answer
                if answer.error is not None:
                    job.end = min(job.end, number + 1)
            for number in range(parcel.first, parcel.last + 1):
                job.items[number] = None
            self._news.notify_all()

    def give_back(self, parcel: Parcel) -> None:
        """Put a parcel back that its worker did not finish: the next one who asks gets it."""
        with self._work:
            self._returned.append(replace(parcel, returned=parcel.returned + 1))
            self._work.notify_all()  # one of them may rest

    def answer(self, job: Job, number: int) -> Answer | None:
        """Wait for a part's answer and return it; None after the last part."""
        with self._news:
            while number not in job.answers:
                if number >= job.end:
                    return None
                if self._failure or self._closed:
                    return Answer(error=ClusterError(self._failure or CLOSED))
                self._news.wait()
            return job.answers.pop(number)

    def withdraw(self, job: Job) -> None:
        """End a map: what was not handed out is not, what is being worked on is for nobody."""
        with self._work:
            job.ended = True
            job.end = min(job.end, job.handed)
            job.items = []
            with contextlib.suppress(ValueError):
                self._jobs.remove(job)  # or it would hold what nobody took
            self._live.discard(job.number)

    def live(self) -> frozenset[int]:
        """Return the numbers of the maps that have not ended."""
        with self._work:
            return frozenset(self._live)

    def fail(self, reason: str) -> None:
        """Answer everything that is waited for with one line: no worker is left."""
        with self._work:
            self._failure = self._failure or reason
            self._wake()

    def close(self) -> None:
        """Send workers and callers home; idempotent."""
        with self._work:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        self._work.notify_all()
        self._news.notify_all()

    def _first_returned(self) -> Parcel | None:
        while self._returned:
            parcel = self._returned.popleft()
            if not parcel.job.ended:
                return parcel
        return None

    def _first_with_parts(self) -> Job | None:
        while self._jobs:
            job = self._jobs[0]
            if job.handed < job.end:
                return job
            self._jobs.popleft()
        return None


def _parcel(job: Job, choose: Callable[[int, int], int] | None) -> Parcel | None:
    left = job.end - job.handed
    count = 1 if choose is None else min(left, choose(job.number, left))
    if count == 0:
        return None
    first = job.handed
    job.handed += count
    return Parcel(job=job, first=first, items=tuple(job.items[first : first + count]))


class Results(Iterator[Any]):
    """Results of a map in the order of its items; one that is dropped ends its map.

    Parameters
    ----------
    exchange, job
        Where the answers come in, and of which map.
    on_end
        Called once, when the last result was given, one raised, or nobody wants more.
    owner
        The pool, which must not be collected before its results.
    """

    def __init__(
        self, exchange: Exchange, job: Job, on_end: Callable[[], None], *, owner: object = None
    ) -> None:
        self._owner = owner
        self._exchange = exchange
        self._job = job
        self._next = 0
        self._end = weakref.finalize(self, _end, exchange, job, on_end)
        self._end.atexit = False

    def __next__(self) -> Any:
        if not self._end.alive:
            raise StopIteration
        try:
            answer = self._exchange.answer(self._job, self._next)
        except BaseException:  # Ctrl-C, most of all: the rest is for nobody
            self._end()
            raise
        self._next += 1
        if answer is None:
            self._end()
            raise StopIteration
        if answer.error is not None:
            self._end()
            try:
                raise answer.error
            finally:
                del answer  # or the exception would hold itself
        if self._next >= self._job.end:
            self._end()
        return answer.value

    def close(self) -> None:
        """End the map; idempotent."""
        self._end()

    def late(self) -> dict[int, Any]:
        """End the map; return what had come and was not given, by its number."""
        self._end()
        come = self._job.answers.items()
        return {number: answer.value for number, answer in come if answer.error is None}


def _end(exchange: Exchange, job: Job, on_end: Callable[[], None]) -> None:
    exchange.withdraw(job)
    on_end()
