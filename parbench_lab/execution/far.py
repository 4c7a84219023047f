"""Workers on other machines: their recorders are read through Dask, they are stopped by nannies.

A candidate that holds the interpreter's lock silences its worker, but not the worker's nanny,
which runs on the same machine and can read the recorder's file.
"""

from __future__ import annotations

from typing import Protocol

from parbench_lab.execution import remote
from parbench_lab.execution.connection import Connection
from parbench_lab.execution.faults import Cause
from parbench_lab.execution.flight import FlightLog, Marker, parse_flight
from parbench_lab.execution.stations import Station, now_s

RETRY_S = 1.0


class Overseer(Protocol):
    """Who decides about workers."""

    def on_sighting(self, station: Station, marker: Marker, clock_s: float) -> None:
        """Act on what a worker is seen doing, at a time of its own clock."""

    def look_again(self, station: Station, at_s: float) -> None:
        """Set when to look at a worker again."""

    def end(self, station: Station, cause: Cause) -> None:
        """Report how a dead worker's tasks ended."""


async def sight(
    overseer: Overseer, connection: Connection, station: Station, session: str
) -> None:
    """See what a worker does and tell the overseer.

    One that does not answer is given up when its first task must have overrun in every slot.
    """
    try:
        log, clock_s = await _fetch(connection, station, session)
    except Exception as error:  # noqa: BLE001 - silence has many errors; the worker may just be busy
        if now_s() > station.latest_end_s():
            reason = f"does not answer ({type(error).__name__}); ignored from now on"
            overseer.end(station, Cause(reason=reason))
        else:
            overseer.look_again(station, now_s() + RETRY_S)
        return
    station.far_log = log
    overseer.on_sighting(station, log.marker, clock_s)
    overseer.look_again(station, station.look_at_s)


async def stop(overseer: Overseer, connection: Connection, station: Station, session: str) -> None:
    """Stop a worker that cannot be killed from here, keeping what its recorder holds.

    Without a nanny nobody can: it is ignored from then on.
    """
    try:
        station.far_log, _ = await _fetch(connection, station, session)
        if station.newcomer.nanny:
            await connection.restart(station.newcomer.address)
            return
    except Exception:  # noqa: BLE001, S110 - it does not answer: the same as no nanny
        pass
    if station.cause is not None:
        overseer.end(station, station.cause)


async def _fetch(
    connection: Connection, station: Station, session: str
) -> tuple[FlightLog, float]:
    newcomer = station.newcomer
    data, clock_s = await connection.ask(
        newcomer.address, remote.look, session, newcomer.pid, nanny=newcomer.nanny
    )
    return (parse_flight(data) if data else FlightLog()), clock_s
