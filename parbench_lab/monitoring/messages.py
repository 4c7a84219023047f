"""A sample on its way from a worker to its executor: a flat dict of plain values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from parbench_lab.core.usage import WorkerUsage

KIND = "parbench-usage"
"""Under this key a message carries the session that it belongs to."""

_TEXTS = ("gpu_uuid",)
_OTHERS = ("worker", "gpu_throttle", "not_measured", *_TEXTS)
_NUMBERS = tuple(
    field.name for field in dataclasses.fields(WorkerUsage) if field.name not in _OTHERS
)


def dump_usage(usage: WorkerUsage, session: str) -> dict[str, Any]:
    """Return a sample as a message; what was not measured is not in it.

    The worker's name is under ``name``: Dask writes the worker's address over ``worker``.
    """
    message: dict[str, Any] = {KIND: session, "name": usage.worker}
    for name in (*_NUMBERS, *_TEXTS):
        value = getattr(usage, name)
        if value is not None and value != "":
            message[name] = value
    if usage.gpu_throttle is not None:
        message["gpu_throttle"] = list(usage.gpu_throttle)
    if usage.not_measured:
        message["not_measured"] = [list(pair) for pair in usage.not_measured]
    return message


def load_usage(message: Any, *, session: str, worker: str | None = None) -> WorkerUsage | None:
    """Return the sample in a message, None if there is none of this session.

    Whatever is no number, or missing, is "not measured": the other side may be of another
    version.

    Parameters
    ----------
    message
        From `dump_usage`, or anything else.
    session
        Of the executor.
    worker
        Name to give it, instead of the one it carries.

    Examples
    --------
    >>> usage = WorkerUsage(worker="w0", cpu_percent=99.5, gpu_throttle=("thermal",))
    >>> load_usage(dump_usage(usage, "s"), session="s") == usage
    True
    >>> load_usage({"action": "add-client"}, session="s") is None
    True
    """
    if not isinstance(message, Mapping) or message.get(KIND) != session:
        return None
    throttle = message.get("gpu_throttle")
    numbers: dict[str, Any] = {name: _number(message.get(name)) for name in _NUMBERS}
    return WorkerUsage(
        worker=worker or str(message.get("name", "")),
        gpu_uuid=str(message.get("gpu_uuid", "")),
        gpu_throttle=None if throttle is None else tuple(map(str, _sequence(throttle))),
        not_measured=tuple(
            (str(pair[0]), str(pair[1]))
            for pair in _sequence(message.get("not_measured"))
            if len(_sequence(pair)) == 2
        ),
        **numbers,
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
