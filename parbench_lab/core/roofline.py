"""What a machine can do at most, as it was measured: arithmetic, memory traffic, calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.errors import UsageError

MEMORY = "memory"
"""Name of the level below all caches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """How quickly data move when they fit into one level of the memory.

    Parameters
    ----------
    level
        ``"L1d"``, ``"L2"``, ``"L3"`` or ``"memory"``.
    working_set_bytes
        All the arrays that were moved, of one core.
    one_core_bytes_per_s, all_cores_bytes_per_s
        Read and written together.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    level: str
    working_set_bytes: int
    one_core_bytes_per_s: float
    all_cores_bytes_per_s: float

    def __post_init__(self) -> None:
        _refuse_nonpositive(
            self, ("working_set_bytes", "one_core_bytes_per_s", "all_cores_bytes_per_s")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """The roofs under which every program on this machine runs.

    Parameters
    ----------
    cores
        How many were used for "all".
    one_core_flops_per_s, all_cores_flops_per_s
        Double precision, of a matrix product.
    bandwidths
        From the smallest level to the memory.
    call_overhead_s
        Of one call of a Python function that does nothing.
    array_call_overhead_s
        Of one operation on an array of a single number.
    task_overhead_s
        Of one task that does nothing, sent to a worker process and back; None: not measured.
    one_core_single_flops_per_s, all_cores_single_flops_per_s
        As above in single precision; None: not measured (a roofline of an earlier version).

    Raises
    ------
    ValueError
        If a number is not positive, or there is no bandwidth.
    """

    cores: int
    one_core_flops_per_s: float
    all_cores_flops_per_s: float
    bandwidths: tuple[Bandwidth, ...]
    call_overhead_s: float
    array_call_overhead_s: float
    task_overhead_s: float | None = None
    one_core_single_flops_per_s: float | None = None
    all_cores_single_flops_per_s: float | None = None

    def __post_init__(self) -> None:
        _refuse_nonpositive(
            self,
            (
                "cores", "one_core_flops_per_s", "all_cores_flops_per_s", "call_overhead_s",
                "array_call_overhead_s",
            ),
        )  # fmt: skip
        _refuse_nonpositive(self, [name for name in _SINGLE if getattr(self, name) is not None])
        if not self.bandwidths:
            raise ValueError("a roofline needs the bandwidth of one level at least")

    def bandwidth_at(self, working_set_bytes: float) -> Bandwidth:
        """Return the bandwidth of the smallest level that was measured with so much data.

        Examples
        --------
        >>> narrow = dict(one_core_bytes_per_s=1e9, all_cores_bytes_per_s=2e9)
        >>> roofs = Roofline(
        ...     cores=2, one_core_flops_per_s=1e10, all_cores_flops_per_s=2e10,
        ...     bandwidths=(
        ...         Bandwidth(level="L2", working_set_bytes=2**18, **narrow),
        ...         Bandwidth(level="memory", working_set_bytes=2**28, **narrow),
        ...     ),
        ...     call_overhead_s=5e-8, array_call_overhead_s=4e-7,
        ... )
        >>> roofs.bandwidth_at(1000).level, roofs.bandwidth_at(1e12).level
        ('L2', 'memory')
        """
        for bandwidth in self.bandwidths:
            if working_set_bytes <= bandwidth.working_set_bytes:
                return bandwidth
        return self.bandwidths[-1]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Roofline:
        """Return the value whose fields, as JSON, these are; unknown ones are passed over.

        Raises
        ------
        UsageError
            If it is no JSON object, or something is missing or is no number.
        """
        try:
            optional = {name: document.get(name) for name in ("task_overhead_s", *_SINGLE)}
            return cls(
                cores=int(document["cores"]),
                bandwidths=tuple(
                    Bandwidth(
                        level=str(one["level"]),
                        working_set_bytes=int(one["working_set_bytes"]),
                        one_core_bytes_per_s=float(one["one_core_bytes_per_s"]),
                        all_cores_bytes_per_s=float(one["all_cores_bytes_per_s"]),
                    )
                    for one in document["bandwidths"]
                ),
                **{name: float(document[name]) for name in _FLOATS},
                **{name: float(value) for name, value in optional.items() if value is not None},
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise UsageError(
                f"a stored roofline cannot be read ({error!r}): measure it again with "
                "parbench doctor"
            ) from error


_FLOATS = (
    "one_core_flops_per_s", "all_cores_flops_per_s", "call_overhead_s", "array_call_overhead_s",
)  # fmt: skip


_SINGLE = ("one_core_single_flops_per_s", "all_cores_single_flops_per_s")


def _refuse_nonpositive(value: Any, names: Sequence[str]) -> None:
    for name in names:
        number = getattr(value, name)
        if not (number > 0 and math.isfinite(number)):
            raise ValueError(f"{name} must be positive but got {number}")
