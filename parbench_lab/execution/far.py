"""Workers on other machines: their recorders are read through Dask, they are stopped by nannies.

A candidate that holds the interpreter's lock silences its worker, but not the worker's nanny,
which runs on the same machine and can read the recorder's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parbench_lab.execution import remote
from parbench_lab.execution.connection import Connection
from parbench_lab.execution.faults import Cause
from parbench_lab.execution.flight import FlightLog, parse_flight
from parbench_lab.execution.stations import Station, now_s

if TYPE_CHECKING:
    from parbench_lab.execution.floor import Floor

RETRY_S = 1.0


async def sight(floor: Floor, connection: Connection, station: Station, session: str) -> None:
    """See what a worker does and tell the floor.

    One that does not answer is given up when its first task must have overrun in every slot.
    """
    try:
        log, clock_s = await _fetch(connection, station, session)
    except Exception as error:  # noqa: BLE001 - silence has many errors; the worker may just be busy
        if now_s() > station.latest_end_s():
            reason = f"does not answer ({type(error).__name__}); ignored from now on"
            floor.end(station, Cause(reason=reason))
        else:
            floor.look_again(station, now_s() + RETRY_S)
        return
    station.far_log = log
    floor.on_sighting(station, log.marker, clock_s)
    floor.look_again(station, station.look_at_s)


async def stop(floor: Floor, connection: Connection, station: Station, session: str) -> None:
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
        floor.end(station, station.cause)


async def _fetch(
    connection: Connection, station: Station, session: str
) -> tuple[FlightLog, float]:
    newcomer = station.newcomer
    data, clock_s = await connection.ask(
        newcomer.address, remote.look, session, newcomer.pid, nanny=newcomer.nanny
    )
    return (parse_flight(data) if data else FlightLog()), clock_s
