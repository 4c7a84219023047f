"""Where somebody's cluster is, and whether a scheduler answers there."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import dask
import distributed
from dask.utils import parse_timedelta
from distributed.comm.addressing import get_address_host_port, parse_address

from parbench_lab.errors import ClusterError, UsageError

CONNECT_LIMIT_S = 5.0
"""How long to knock at a scheduler that is not ours; Dask's configuration may say otherwise."""

_CONNECT_KEY = "distributed.comm.timeouts.connect"
_FIRST_SHARE = 5
"""Dask's first attempt to connect gets this part of the limit. One that is cut off leaves its
socket to the garbage collector, so ours gets the whole limit, which we keep ourselves."""
# Dask is annotated in part only
_connect: Any = distributed.comm.core.connect
_send_recv: Any = distributed.core.send_recv
_Security: Any = distributed.Security


def connect_limit_s() -> float:
    """Return how many seconds a scheduler has to answer.

    Dask's own default of 30 s is meant for clusters that are just being started; where a user
    set another one in Dask's configuration, that holds.
    """
    told = dask.config.get(_CONNECT_KEY)
    usual = dask.config.get(_CONNECT_KEY, config=dask.config.merge(*dask.config.defaults))
    return CONNECT_LIMIT_S if told == usual else float(parse_timedelta(told))


def address_and_security(cluster: Any, security: Any) -> tuple[str, Any]:
    """Return how to reach a cluster that is given as an address, a client or a cluster object.

    Raises
    ------
    UsageError
        If it is none of these, or the address is none.
    """
    if isinstance(cluster, str):
        return _checked_address(cluster), security
    scheduler = getattr(cluster, "scheduler", None)
    address = getattr(cluster, "scheduler_address", None) or getattr(scheduler, "address", None)
    if not isinstance(address, str):
        raise UsageError(
            "cluster must be None, a scheduler's address ('tcp://host:8786'), a Dask client or a "
            f"running Dask cluster but got {type(cluster).__name__}"
        )
    return address, security if security is not None else getattr(cluster, "security", None)


def _checked_address(address: str) -> str:
    try:
        if parse_address(address)[0] != "inproc":
            get_address_host_port(address)
    except ValueError as error:
        raise UsageError(
            f"cluster {address!r}: {error}; give a scheduler's address like tcp://host:8786"
        ) from error
    return address


def knock(address: str, security: Any) -> None:
    """Return once a scheduler has answered at the address.

    Asked before a client is made of it: Dask's client waits for ever for somebody who takes the
    connection and stays silent, and one that was made half complains when the process ends.

    Raises
    ------
    ClusterError
        If nobody answers in time, or somebody who is no scheduler does; if an address that speaks
        TLS comes without certificates.
    """
    if parse_address(address)[0] == "inproc":
        return
    limit_s = connect_limit_s()
    answer: Future[str] = Future()
    threading.Thread(
        target=_ask, args=(address, security, limit_s, answer), name="parbench-knock", daemon=True
    ).start()
    try:
        kind = answer.result(limit_s + 1.0)  # it keeps the limit itself, where it can
    except ClusterError:
        raise
    except MemoryError as error:  # a stranger's first bytes, read as the length of a message
        raise ClusterError(
            f"no Dask scheduler answers at {address}: who does speaks another protocol; is it the "
            "scheduler's own address, not its dashboard's?"
        ) from error
    except Exception as error:
        # the text of an error may quote a certificate's path or what a stranger sent: its kind
        # is enough
        raise ClusterError(
            f"no Dask scheduler answers at {address} within {limit_s:g} s "
            f"({type(error).__name__}); is it running, and does it speak "
            + ("TLS?" if security is not None else "plain TCP?")
            + f" (a slow network: raise Dask's {_CONNECT_KEY})"
        ) from error
    if kind != "Scheduler":
        raise ClusterError(
            f"at {address} answers a Dask {kind.lower()}: give the address of its scheduler"
        )


def _ask(address: str, security: Any, limit_s: float, answer: Future[str]) -> None:
    """Put into `answer` what a peer says it is; runs in a thread with a loop of its own."""
    try:
        asyncio.run(_told(address, security, limit_s, answer))
    except BaseException as error:  # noqa: BLE001 - a stranger's bytes break Dask in any way
        if not answer.done():
            answer.set_exception(error)


async def _told(address: str, security: Any, limit_s: float, answer: Future[str]) -> None:
    arguments = (security or _Security()).get_connection_args("client")
    if parse_address(address)[0] == "tls" and arguments.get("ssl_context") is None:
        raise ClusterError(
            f"no connection to {address}: tls:// needs certificates: "
            "security=distributed.Security(...), or distributed.comm.tls in Dask's configuration"
        )

    async def identity() -> Any:
        comm = await _connect(address, timeout=_FIRST_SHARE * limit_s, **arguments)
        try:
            return await _send_recv(comm, op="identity")
        finally:
            comm.abort()

    told = await asyncio.wait_for(identity(), limit_s)
    # before the loop is closed: that waits for name servers
    answer.set_result(str(told["type"]))
