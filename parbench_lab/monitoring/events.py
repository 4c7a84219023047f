"""The sampler of a Dask worker: a callback on its loop that sends what it sees with Dask's events.

`begin_sampling` and `end_sampling` are what an executor calls in its workers. The topic is the id
of the executor's own client: nobody else reads it, and Dask throws its events away with the
client. A sampler rests when its session had no task for `REST_AFTER_S`, so that a client that
vanished costs a worker of others nothing; the next task (`at_work`) wakes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from tornado.ioloop import PeriodicCallback

from parbench_lab.core.usage import WorkerUsage
from parbench_lab.monitoring.messages import dump_usages
from parbench_lab.monitoring.sampling import Sampler, gpu_at_hand

REST_AFTER_S = 60.0
SEND_EVERY_S = 1.0
"""A worker without a GPU gathers its samples for so long: a message costs ten times a sample. What
a GPU does is sent at once: it decides how many blocks the GPU gets."""


class WorkerSampling:
    """The samples of one worker for one session; lives on the worker's loop.

    Parameters
    ----------
    worker
        The Dask worker.
    sampler
        Tells what its process does.
    topic, session
        Where the samples are sent, and whose they are.
    sample_hz
        So many a second.
    rest_after_s
        It rests after so long without a task.
    send_every_s
        It gathers samples without a GPU for so long.
    """

    def __init__(
        self,
        worker: Any,
        sampler: Sampler,
        *,
        topic: str,
        session: str,
        sample_hz: float,
        rest_after_s: float = REST_AFTER_S,
        send_every_s: float = SEND_EVERY_S,
    ) -> None:
        self._worker = worker
        self._sampler = sampler
        self._topic = topic
        self._session = session
        self._rest_after_s = rest_after_s
        self._send_every_s = send_every_s
        self._callback = PeriodicCallback(self.tick, 1000.0 / sample_hz)
        sampler.sample()  # the first one only begins to count CPU time
        self._lock = threading.Lock()
        self._gathered: list[WorkerUsage] = []
        self._sent_s = time.monotonic()
        self._tasks = 0
        self._idle_since_s = time.monotonic()
        self._ended = False

    @property
    def running(self) -> bool:
        """Whether it samples now."""
        return self._callback.is_running()

    def start(self) -> None:
        """Sample from now on, unless it was ended."""
        if not self._ended and not self._callback.is_running():
            self._callback.start()

    def end(self) -> None:
        """Stop for good."""
        self._ended = True
        self._callback.stop()

    def tick(self) -> None:
        """Take one sample and send what is due, or rest where nothing was to do for long."""
        with self._lock:
            idle_s = 0.0 if self._tasks else time.monotonic() - self._idle_since_s
        if not self._tasks and idle_s > self._rest_after_s:
            self._callback.stop()
            return
        self._gathered.append(self._sampler.sample())
        now_s = time.monotonic()
        if self._sampler.has_gpu or now_s - self._sent_s >= self._send_every_s:
            message = dump_usages(self._gathered, self._session)
            self._gathered, self._sent_s = [], now_s
            self._worker.log_event(self._topic, message)

    def begin_task(self) -> None:
        """Note that a task begins; from the task's thread."""
        with self._lock:
            self._tasks += 1
        if not self._callback.is_running():
            self._worker.loop.add_callback(self.start)

    def end_task(self) -> None:
        """Note that a task ended."""
        with self._lock:
            self._tasks -= 1
            self._idle_since_s = time.monotonic()


_SAMPLING: dict[str, dict[str, WorkerSampling]] = {}
"""Session to worker address to its sampling: workers may be threads of one process."""


async def begin_sampling(
    session: str, topic: str, sample_hz: float, dask_worker: Any = None
) -> None:
    """Begin to sample a worker for a session; does nothing where it does so already.

    The driver is looked for in a thread: it may take a second to wake up.
    """
    address = dask_worker.address
    if address in _SAMPLING.get(session, {}):
        return
    at_hand = await asyncio.to_thread(gpu_at_hand, dask_worker.state.total_resources)
    limit = getattr(dask_worker.memory_manager, "memory_limit", None)
    sampler = Sampler(
        str(dask_worker.name),
        at_hand=at_hand,
        memory_limit_bytes=float(limit) if limit else None,
    )
    sampling = WorkerSampling(
        dask_worker, sampler, topic=topic, session=session, sample_hz=sample_hz
    )
    if _SAMPLING.setdefault(session, {}).setdefault(address, sampling) is sampling:
        sampling.start()


def end_sampling(session: str, dask_worker: Any = None) -> None:
    """Stop sampling for a session: this worker, or all of this process."""
    there = _SAMPLING.get(session, {})
    addresses = list(there) if dask_worker is None else [dask_worker.address]
    for address in addresses:
        sampling = there.pop(address, None)
        if sampling is not None:
            sampling.end()
    if not there:
        _SAMPLING.pop(session, None)


@contextlib.contextmanager
def at_work(session: str) -> Iterator[None]:
    """Keep the session's samplers in this process awake while a task runs."""
    samplings = tuple(_SAMPLING.get(session, {}).values())
    for sampling in samplings:
        sampling.begin_task()
    try:
        yield
    finally:
        for sampling in samplings:
            sampling.end_task()
