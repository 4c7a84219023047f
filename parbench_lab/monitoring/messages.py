"""Samples on their way from a worker to its executor: dicts of plain values."""

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


def dump_usages(usages: Sequence[WorkerUsage], session: str) -> dict[str, Any]:
    """Return a worker's samples, oldest first, as one message; what was not measured is not in it.

    The worker's name is under ``name``: Dask writes the worker's address over ``worker``.
    """
    name = usages[-1].worker if usages else ""
    return {KIND: session, "name": name, "samples": [_dump(usage) for usage in usages]}


def load_usages(
    message: Any, *, session: str, worker: str | None = None
) -> tuple[WorkerUsage, ...]:
    """Return the samples in a message, oldest first; none if it is not of this session.

    Whatever is no number, or missing, is "not measured": the other side may be of another
    version.

    Parameters
    ----------
    message
        From `dump_usages`, or anything else.
    session
        Of the executor.
    worker
        Name to give them, instead of the one they carry.

    Examples
    --------
    >>> usage = WorkerUsage(worker="w0", cpu_percent=99.5, gpu_throttle=("thermal",))
    >>> load_usages(dump_usages([usage], "s"), session="s") == (usage,)
    True
    >>> load_usages({"action": "add-client"}, session="s")
    ()
    """
    if not isinstance(message, Mapping) or message.get(KIND) != session:
        return ()
    name = worker or str(message.get("name", ""))
    told = _sequence(message.get("samples"))
    return tuple(_load(name, sample) for sample in told if isinstance(sample, Mapping))


def _dump(usage: WorkerUsage) -> dict[str, Any]:
    sample: dict[str, Any] = {}
    for name in (*_NUMBERS, *_TEXTS):
        value = getattr(usage, name)
        if value is not None and value != "":
            sample[name] = value
    if usage.gpu_throttle is not None:
        sample["gpu_throttle"] = list(usage.gpu_throttle)
    if usage.not_measured:
        sample["not_measured"] = [list(pair) for pair in usage.not_measured]
    return sample


def _load(worker: str, sample: Mapping[str, Any]) -> WorkerUsage:
    throttle = sample.get("gpu_throttle")
    numbers: dict[str, Any] = {name: _number(sample.get(name)) for name in _NUMBERS}
    return WorkerUsage(
        worker=worker,
        gpu_uuid=str(sample.get("gpu_uuid", "")),
        gpu_throttle=None if throttle is None else tuple(map(str, _sequence(throttle))),
        not_measured=tuple(
            (str(pair[0]), str(pair[1]))
            for pair in _sequence(sample.get("not_measured"))
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
