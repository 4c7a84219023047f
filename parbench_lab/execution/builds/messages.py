"""What a build's process and its parent tell each other: JSON, but for the user's own objects."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.core.metric import Metric

READY = b"ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a build's process found.

    Parameters
    ----------
    workload
        Its name.
    candidates
        Names, in order.
    metrics
        What the workload's check returns.
    objectives
        Metrics the workload is about.
    default_batch_size
        Items of a case.
    mode
        What the workload stands for, see `parbench_lab.core.series.Mode`.
    libraries
        Whose versions the workload says matter.
    software
        Versions of Python and numpy: cases of unlike ones are not compared byte by byte.
    """

    workload: str
    candidates: tuple[str, ...]
    metrics: tuple[Metric, ...]
    objectives: tuple[str, ...]
    default_batch_size: int
    software: str
    mode: str = "batch"
    libraries: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Hello:
        """Return what `as_json` gave."""
        return cls(
            workload=document["workload"],
            candidates=tuple(document["candidates"]),
            metrics=tuple(Metric(**metric) for metric in document["metrics"]),
            objectives=tuple(document["objectives"]),
            default_batch_size=document["default_batch_size"],
            software=document["software"],
            mode=document["mode"],
            libraries=tuple(document["libraries"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One measurement that is asked for.

    Parameters
    ----------
    number
        Of the block.
    candidate, size, seed
        Who solves which case.
    repeats
        Calls in one measurement.
    check
        Whether the result is checked (the first of a process always is).
    memory
        Whether its memory is measured however short it is.
    """

    number: int
    candidate: str
    size: int
    seed: int
    repeats: int = 1
    check: bool = False
    memory: bool = False


def packed(document: Mapping[str, Any]) -> bytes:
    """Return a message; infinities and NaN are kept."""
    return json.dumps(document).encode()


def unpacked(message: bytes | bytearray) -> dict[str, Any]:
    """Return a message's document.

    Raises
    ------
    ValueError
        If it is none.
    """
    document = json.loads(message)
    if not isinstance(document, dict):
        raise ValueError(f"not a message: {document!r}")  # noqa: TRY004 - the value of bytes
    return document


def measurement_from_json(document: Mapping[str, Any]) -> Measurement:
    """Return a measurement that was sent as its fields."""
    return Measurement(**{**document, "outcome": Outcome(document["outcome"])})
