"""Files of runs, of this program or of another tool, as records that a store can take in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.runs import (
    CurveRow,
    EventRecord,
    FitRow,
    MeasurementRow,
    RunHeader,
    RunRecord,
    UsageRow,
)
from parbench_lab.core.series import Mode
from parbench_lab.errors import StoreError, UsageError
from parbench_lab.store.exchange.checking import parsed, refuse_malformed
from parbench_lab.store.exchange.writing import FORMAT
from parbench_lab.store.importers import IMPORTERS, About, importer_of, records_of

DEFAULT_MAX_BYTES = 256 * 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file holds: runs, and which tool wrote them (``"parbench"``, ``"hyperfine"``, ...).

    The ids of another tool's runs follow from what is in the file: the same file is recognised.
    """

    tool: str
    records: tuple[RunRecord, ...]


def read_file(
    path: Path,
    *,
    name: str | None = None,
    mode: Mode = Mode.MICRO,
    machine: str = "",
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Found:
    """Return the runs of a file; what kind of file it is, its content tells.

    Parameters
    ----------
    path
        Of the file.
    name
        Of the workload, where another tool's file does not name it; None: the file's own name.
    mode, machine
        What another tool's figures stand for, and the user's name of their machine (``""``:
        what the file says). When they were measured is the file's time where it does not say.
    max_bytes
        Larger files are refused unread.

    Raises
    ------
    UsageError
        If the file cannot be read or is too large.
    StoreError
        If it is malformed; names the file and the JSON path.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
            written_s = path.stat().st_mtime
    except OSError as error:
        raise UsageError(f"{path}: cannot read ({error.strerror or error})") from error
    if len(data) > max_bytes:
        raise UsageError(
            f"{path}: has more than {max_bytes} bytes; allow more with --max-bytes, or export "
            "fewer runs into a file"
        )
    about = About(
        name=path.stem if name is None else name,
        # the file's own name, given or not, is one
        named=name not in (None, path.stem),
        started=dt.datetime.fromtimestamp(written_s, dt.UTC),
        mode=mode,
        machine=machine,
    )
    return read_runs(data, source=str(path), about=about)


def read_runs(data: bytes, *, source: str, about: About) -> Found:
    """Return the runs that bytes hold; see `read_file`.

    Parameters
    ----------
    data
        The file.
    source
        Names it in messages.
    about
        What another tool's file does not say.

    Raises
    ------
    StoreError
        If it is malformed.
    """
    document = parsed(data, source=source)
    if isinstance(document, dict) and document.get("format") == FORMAT:
        refuse_malformed(document, source=source)
        runs = enumerate(document["runs"])
        records = tuple(_run(run, f"{source}: $.runs[{number}]") for number, run in runs)
        _refuse_twice(records, source)
        return Found(tool="parbench", records=records)
    importer = importer_of(document)
    if importer is None:
        known = ", ".join(one.NAME for one in IMPORTERS)
        raise StoreError(f"{source}: is neither a file of parbench export nor of {known}")
    try:
        return Found(tool=importer.NAME, records=records_of(importer, document, about))
    except StoreError as error:
        raise StoreError(f"{source}: {error}") from error


def _refuse_twice(records: tuple[RunRecord, ...], source: str) -> None:
    seen: set[str] = set()
    for number, record in enumerate(records):
        if record.header.id in seen:
            raise StoreError(f"{source}: $.runs[{number}].header.id is there twice")
        seen.add(record.header.id)


def _run(run: Mapping[str, Any], where: str) -> RunRecord:
    return RunRecord(
        header=RunHeader(**run["header"]),
        status=run["status"],
        result=run["result"],
        events=tuple(_event(event) for event in run["events"]),
        usage=tuple(UsageRow(**row) for row in run["usage"]),
        curves=tuple(
            CurveRow(
                **{**row, "estimate": _estimate(row["estimate"], f"{where}.curves[{number}]")}
            )
            for number, row in enumerate(run["curves"])
        ),
        fits=tuple(
            FitRow(**{**row, "estimate": _estimate(row["estimate"], f"{where}.fits[{number}]")})
            for number, row in enumerate(run["fits"])
        ),
    )


def _event(event: Mapping[str, Any]) -> EventRecord:
    measured = tuple(MeasurementRow(**row) for row in event["measurements"])
    return EventRecord(**{**event, "measurements": measured})


def _estimate(given: Mapping[str, Any], where: str) -> Estimate:
    try:
        return Estimate(**given)
    except ValueError as error:
        raise StoreError(f"{where}.estimate: {error}") from None
