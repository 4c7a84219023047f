"""The one Dask client of an executor, and the little that is asked of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import distributed
from distributed.comm.core import CommClosedError

from parbench_lab.core.machine import Machine, together
from parbench_lab.errors import ClusterError
from parbench_lab.execution import remote
from parbench_lab.execution.address import knock
from parbench_lab.execution.logs import forgive_timeouts, quiet_logs
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.monitoring.events import begin_sampling

ANSWER_TIMEOUT_S = 10.0
_LARGE_BYTES = 8_000_000
# Dask is annotated in part only
_Client: Any = distributed.Client
_connect: Any = distributed.comm.core.connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A worker that Dask knows of, as it described itself."""

    address: str
    name: str
    resources: dict[str, float]
    nanny: bool
    pid: int
    host: str
    python: tuple[int, int]
    sees_token: bool
    started: int
    gpu: str = ""
    threads: int = 1
    """So many tasks it runs at a time; of ours one."""
    memory_limit_bytes: int = 0
    """At a share of it Dask pauses the worker; 0 for none."""


class Listener(Protocol):
    """Who is told what happens on the cluster; always in the client's own thread."""

    def on_joined(self, newcomer: Newcomer) -> None:
        """A worker is there."""

    def on_refused(self, address: str, why: str) -> None:
        """A worker is there that cannot be used."""

    def on_gone(self, address: str) -> None:
        """A worker left the cluster."""

    def on_paused(self, address: str) -> None:
        """Dask begins nothing on a worker, until it is resumed: its memory is nearly used up."""

    def on_resumed(self, address: str) -> bool:
        """Dask begins tasks on a worker again; returns whether it shall join anew."""

    def on_lost(self) -> None:
        """The scheduler's connection broke."""


class Connection:
    """A client of our own to a scheduler that may be anybody's.

    Parameters
    ----------
    address
        Of the scheduler.
    security
        Dask's ``Security``, for TLS.
    session
        The executor's own text, and a file that holds it, by which workers show that they share
        this machine.

    Raises
    ------
    ClusterError
        If nobody answers there.
    """

    def __init__(
        self, address: str, *, security: Any, session: str, token_path: str, ours: bool
    ) -> None:
        self._session = session
        self._token_path = token_path
        self._seen: set[str] = set()
        self._departures: Counter[str] = Counter()
        self._followed: set[str] = set()
        self._paused: set[str] = set()
        self._closing = False
        self._listener: Listener | None = None
        self._sentinel: Any = None
        self._stock: Any = None
        self._hears_usage = False
        self._dashboard: tuple[str | None] | None = None
        options = {} if security is None else {"security": security}
        if not ours:
            knock(address, security)
        try:
            self._client: Any = _Client(
                address, set_as_default=False, timeout=ANSWER_TIMEOUT_S, name="parbench", **options
            )
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise ClusterError(
                f"the Dask scheduler at {address} does not take us ({type(error).__name__})"
            ) from error
        self._loop = self._client.loop.asyncio_loop
        if ours:
            self._client.scheduler_comm.interval = 0.002  # seconds between two batches

    @property
    def dashboard_link(self) -> str | None:
        """Address of the dashboard, None where there is none; the scheduler is asked once."""
        if self._dashboard is None:
            try:
                self._dashboard = (self._client.dashboard_link,)
            except (KeyError, OSError, ValueError, RuntimeError):  # or the client is closing
                return None
        return self._dashboard[0]

    def listen(self, listener: Listener) -> None:
        """Tell the listener of the workers that are there, and of every change from now on."""
        self._listener = listener
        self._client.subscribe_topic("all", self._heard)
        self._stock = self.run(self._take_stock())
        self._sentinel = self.run(self._watch_scheduler())

    def hear_usage(self, on_usage: Callable[[str, Any], None]) -> None:
        """Tell of every sample that a worker sends: its address and the message."""

        def heard(event: tuple[float, Any]) -> None:
            message = event[1]
            if isinstance(message, dict) and not self._closing:
                on_usage(str(message.get("worker", "")), message)

        self._client.subscribe_topic(self._client.id, heard)
        self._hears_usage = True

    def sample(self, address: str, sample_hz: float) -> None:
        """Let a worker send samples from now on; one that cannot sends none."""
        self.tell([address], begin_sampling, self._session, self._client.id, sample_hz)

    def await_stock(self, timeout_s: float) -> None:
        """Wait until every worker that was there has described itself.

        Raises
        ------
        ClusterError
            If the scheduler does not say who is there.
        """
        try:
            self._stock.result(timeout_s)
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"the scheduler does not say who its workers are: {error}"
            ) from error

    def send(
        self,
        address: str,
        order: bytes,
        *,
        key: str,
        priority: int,
        on_reply: Callable[[Any, BaseException | None], None],
        function: Callable[..., Any] = remote.run_order,
        scattered: Sequence[Any] = (),
    ) -> Any:
        """Queue an order on one worker; returns its future at once.

        `function` is called there with the order and what was `scattered` before.
        """
        with contextlib.ExitStack() as stack:
            if len(order) > _LARGE_BYTES:  # Dask warns of large tasks; this one is sent once
                stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            future = self._client.submit(
                function,
                order,
                *scattered,
                key=key,
                workers=[address],
                allow_other_workers=False,
                pure=False,
                retries=0,
                priority=priority,
            )
        self.run(self._follow(future, on_reply))
        return future

    def scatter(self, thing: Any, addresses: Sequence[str], *, broadcast: bool) -> Any:
        """Put a thing on one of these workers, or on all; returns its future."""
        return self._client.scatter(
            thing, workers=list(addresses), broadcast=broadcast, hash=False
        )

    def release(self, futures: Sequence[Any]) -> None:
        """Let go of futures, whatever became of them; Dask drops what nobody waits for."""
        for future in futures:
            future.release()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the client's thread; returns a concurrent future at once."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def ask(self, address: str, function: Any, *args: Any, nanny: bool = False) -> Any:
        """Call a function on a worker, or its nanny, beside its tasks."""
        answers = await asyncio.wait_for(
            self._client.run(function, *args, workers=[address], nanny=nanny, asynchronous=True),
            ANSWER_TIMEOUT_S,
        )
        return answers[address]

    def answers(
        self, addresses: Sequence[str], function: Any, *args: Any, limit_s: float
    ) -> list[Any]:
        """Return what a function returns on each worker, None for one that does not answer.

        Parameters
        ----------
        limit_s
            For each, beside `ANSWER_TIMEOUT_S`.
        """
        asked = [self.run(self.ask(address, function, *args)) for address in addresses]
        found: list[Any] = []
        for one in asked:
            try:
                found.append(one.result(limit_s))
            except Exception:  # noqa: BLE001 - it is gone, or busy
                found.append(None)
        return found

    def machine(self, newcomers: Iterable[Newcomer], libraries: Sequence[str]) -> Machine:
        """Return what the workers' machines are together; one worker of each host is asked.

        Parameters
        ----------
        libraries
            See `parbench_lab.hardware.detect.detect_machine`.

        Returns
        -------
        Machine
            This one together with unknown ones where no worker says what it is on.
        """
        of_hosts = {newcomer.host: newcomer.address for newcomer in newcomers}
        told = self.answers(
            [*of_hosts.values()], remote.machine_here, [*libraries], limit_s=ANSWER_TIMEOUT_S
        )
        machines: list[Machine | None] = []
        for document in told:
            try:
                machines.append(Machine.from_json(document))
            except ValueError:
                machines.append(None)
        return together(machines if any(machines) else [detect_machine(libraries), None])

    def tell(
        self, addresses: Sequence[str], function: Any, *args: Any, wait: bool = False
    ) -> None:
        """Call a function on workers, whether or not they hear it; `wait` until they answered."""

        async def ask_all() -> None:
            asked = [self.ask(address, function, *args) for address in addresses]
            await asyncio.gather(*asked, return_exceptions=True)

        told = self.run(ask_all())
        if wait:
            with contextlib.suppress(TimeoutError):
                told.result(ANSWER_TIMEOUT_S)

    def workers_told(self, timeout_s: float) -> Mapping[str, Any]:
        """Return address to what the scheduler knows of each worker, empty where it is silent."""

        async def ask_scheduler() -> Any:
            return await asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), timeout_s)

        if self._closing or self._client.status != "running":
            return {}
        try:
            told: Mapping[str, Any] = self.run(ask_scheduler()).result(timeout_s)["workers"]
        except (OSError, TimeoutError, RuntimeError, KeyError):
            return {}  # it is going, or busy: not measured now
        return told

    def task_stream(self, count: int, timeout_s: float) -> Sequence[Mapping[str, Any]]:
        """Return what the scheduler noted of the last `count` tasks, empty where it is silent.

        It begins to note them when it is first asked.
        """

        async def ask_scheduler() -> Any:
            asked = self._client.scheduler.get_task_stream(count=count)
            return await asyncio.wait_for(asked, timeout_s)

        if self._closing or self._client.status != "running":
            return ()
        try:
            told: Sequence[Mapping[str, Any]] = self.run(ask_scheduler()).result(timeout_s)
        except Exception:  # noqa: BLE001 - a scheduler of another version may not know this
            return ()
        return told

    async def restart(self, address: str) -> None:
        """Ask a worker's nanny to replace its process."""
        await self._client.restart_workers([address], timeout=60, raise_for_error=False)

    def close(self) -> None:
        """Close the client; the cluster stays."""
        self._closing = True
        if self._sentinel is not None:
            self._sentinel.cancel()
        if self._listener is not None and self._client.status == "running":
            # or the scheduler tells a client that is gone of its own going
            for topic in ("all", *self._followed):
                self._client.unsubscribe_topic(topic)
            if self._hears_usage:
                self._client.unsubscribe_topic(self._client.id)
        forgive_timeouts(self._loop)
        with quiet_logs():  # a client whose scheduler is gone tells at length that it gives up
            self._client.close()

    # ------------------------------------------------------------ in the client's thread

    def _heard(self, event: tuple[float, Any]) -> None:
        message = event[1]
        action = message.get("action") if isinstance(message, dict) else None
        if action == "add-worker":
            asyncio.ensure_future(self._take_stock_again())  # noqa: RUF006 - ends by itself
        elif action == "remove-worker":
            address = message["worker"]
            self._seen.discard(address)
            self._departures[address] += 1
            self._followed.discard(address)
            self._paused.discard(address)
            if self._listener is not None and not self._closing:
                self._listener.on_gone(address)

    def _follow_status(self, address: str) -> None:
        """Hear whether Dask pauses a worker; each has a topic of its own for that."""
        self._followed.add(address)
        self._client.subscribe_topic(address, functools.partial(self._heard_status, address))

    def _heard_status(self, address: str, event: tuple[float, Any]) -> None:
        message, listener = event[1], self._listener
        if not isinstance(message, dict) or message.get("action") != "worker-status-change":
            return
        if listener is None or self._closing:
            return
        if message["status"] == "paused":
            self._paused.add(address)
            listener.on_paused(address)
        elif message["status"] == "running" and message["prev-status"] == "paused":
            self._paused.discard(address)
            if listener.on_resumed(address):
                self._seen.discard(address)
            asyncio.ensure_future(self._take_stock_again())  # noqa: RUF006 - ends by itself

    async def _take_stock(self) -> None:
        """Welcome every worker that was not seen before, and is not paused."""
        before = Counter(self._departures)
        identity = await self._client.scheduler.identity(n_workers=-1)
        new = {
            address: told
            for address, told in identity["workers"].items()
            if address not in self._seen and self._departures[address] == before[address]
        }
        first = new.keys() - self._followed
        for address in first:
            self._follow_status(address)
        ready = {a: told for a, told in new.items() if told.get("status") != "paused"}
        if first - ready.keys():  # one may have been resumed before it was followed
            asyncio.ensure_future(self._take_stock_again())  # noqa: RUF006 - ends by itself
        self._seen |= ready.keys()
        await asyncio.gather(
            *(self._welcome(address, told, before[address]) for address, told in ready.items())
        )

    async def _take_stock_again(self) -> None:
        with contextlib.suppress(OSError):  # the scheduler went; the sentinel tells
            await self._take_stock()

    async def _welcome(self, address: str, told: dict[str, Any], departures: int) -> None:
        """Let a worker join that describes itself, unless it leaves meanwhile.

        Its end is told then, and will not be told again; who comes to its address is another.
        """
        listener = self._listener
        if listener is None or self._closing:
            return
        try:
            described = await self.ask(address, remote.describe, self._session, self._token_path)
        except Exception as error:  # noqa: BLE001 - whatever the worker's interpreter says
            if self._departures[address] == departures:
                listener.on_refused(address, f"{type(error).__name__}: {error}")
            return
        if self._departures[address] != departures:
            return
        if described.pop("paused") or address in self._paused:
            self._seen.discard(address)
            if address not in self._paused:  # the scheduler knows better by now, or will tell
                asyncio.ensure_future(self._take_stock_again())  # noqa: RUF006 - ends by itself
            return
        listener.on_joined(
            Newcomer(
                address=address,
                name=str(told.get("name", address)),
                resources={k: float(v) for k, v in told.get("resources", {}).items()},
                nanny=bool(told.get("nanny")),
                **described,
            )
        )

    async def _follow(
        self, future: Any, on_reply: Callable[[Any, BaseException | None], None]
    ) -> None:
        try:
            reply = await self._client.gather(future, asynchronous=True)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the listener judges
            on_reply(None, error)
        else:
            on_reply(reply, None)
        finally:
            future.release()

    async def _watch_scheduler(self) -> None:
        """Hold a connection on which nothing is ever said: it breaks when the scheduler goes."""
        sentinel = None
        try:
            sentinel = await _connect(
                self._client.scheduler.address, **self._client.connection_args
            )
            await sentinel.read()
        except (CommClosedError, OSError):
            if self._listener is not None and not self._closing:
                self._listener.on_lost()
        finally:  # who closes may come before it is there
            if sentinel is not None:
                sentinel.abort()
