"""What is compared: a metric knows its unit, its direction and its scale, once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Better = Literal["lower", "higher"]
Scale = Literal["ratio", "interval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One measured quantity.

    Parameters
    ----------
    name
        Key of the value in `Measurement.values`; ends in its unit (``wall_time_s``).
    unit
        SI unit for axes and tables; ``"1"`` for a pure number.
    better
        Which way is better. Nobody else asks.
    scale
        ``"ratio"``: positive, compared by ratios (logarithms). ``"interval"``: any real number,
        compared by differences; margins are then in the metric's own unit.
    floor
        Smallest value that is told apart on a ratio scale; smaller ones (an error of exactly
        zero) count as the floor. Required where a ratio-scale value may be zero.

    Raises
    ------
    ValueError
        If the name is empty or the floor is not positive.
    """

    name: str
    unit: str
    better: Better = "lower"
    scale: Scale = "ratio"
    floor: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a metric needs a name")
        if self.floor is not None and not self.floor > 0:
            raise ValueError(f"metric {self.name!r}: floor must be positive but got {self.floor}")

    def cost(self, value: float) -> float:
        """Return `value` on the scale on which lower is better and differences compare.

        Log of the value on a ratio scale, the value itself on an interval scale, sign turned
        where higher is better. ``inf`` stands for "lost to everything measured".

        Raises
        ------
        ValueError
            If the value is not a number, or not positive on a ratio scale without a floor.
        """
        if math.isnan(value):
            raise ValueError(f"metric {self.name!r}: the value is not a number")
        sign = 1.0 if self.better == "lower" else -1.0
        if self.scale == "interval":
            return sign * value
        if self.floor is not None:
            value = max(value, self.floor)
        if not value > 0:
            raise ValueError(f"metric {self.name!r} must be positive but got {value}")
        return sign * math.log(value)

    def can_hold(self, value: float) -> bool:
        """Return whether `value` has a place on the metric's scale: whether `cost` takes it.

        Examples
        --------
        >>> WALL_TIME_S.can_hold(0.0), CPU_TIME_S.can_hold(0.0)
        (False, True)
        """
        if math.isnan(value):
            return False
        return self.scale == "interval" or self.floor is not None or value > 0

    def margin(self, fraction: float) -> float:
        """Return a relative margin (0.02 for 2 %) on the scale of `cost`.

        On an interval scale the margin is a difference in the metric's unit.
        """
        return math.log1p(fraction) if self.scale == "ratio" else fraction

    @property
    def neutral(self) -> float:
        """What `ratio` makes of equal costs: 1, or 0 on an interval scale."""
        return self.ratio(0.0)

    @property
    def change(self) -> str:
        """What `ratio` returns: a ``"ratio"``, or a ``"cost difference"`` (plus is worse)."""
        return "ratio" if self.scale == "ratio" else "cost difference"

    @property
    def unit_suffix(self) -> str:
        """What stands behind a number of its unit: ``" s"``, nothing behind a pure number."""
        return "" if self.unit == "1" else f" {self.unit}"

    @property
    def change_suffix(self) -> str:
        """What stands behind a number that `ratio` returns: nothing behind a ratio."""
        return "" if self.scale == "ratio" else self.unit_suffix

    def ratio(self, cost_difference: float) -> float:
        """Turn a difference of costs back into "times worse" (an interval scale keeps it)."""
        if self.scale == "interval":
            return cost_difference
        return math.exp(min(cost_difference, 700.0))

    @classmethod
    def from_json(cls, document: object) -> Metric:
        """Return the metric that a stored run describes by its fields.

        Raises
        ------
        ValueError
            If it describes none.

        Examples
        --------
        >>> Metric.from_json({"name": "abs_error", "unit": "1", "floor": 1e-12}).floor
        1e-12
        """
        if not isinstance(document, Mapping):
            raise ValueError("a metric is described by its fields")  # noqa: TRY004 - bad content
        try:
            found = cls(**document)
        except TypeError as error:
            raise ValueError(f"not the description of a metric: {error}") from error
        if not (isinstance(found.name, str) and isinstance(found.unit, str)):
            raise ValueError("a metric's name and unit must be texts")  # noqa: TRY004 - as above
        if found.better not in get_args(Better) or found.scale not in get_args(Scale):
            raise ValueError(f"metric {found.name!r}: unknown direction or scale")
        return found


WALL_TIME_S = Metric(name="wall_time_s", unit="s")
CPU_TIME_S = Metric(name="cpu_time_s", unit="s", floor=1e-9)
PEAK_RSS_GROWTH_BYTES = Metric(name="peak_rss_growth_bytes", unit="B", floor=1.0)
PEAK_RSS_BYTES = Metric(name="peak_rss_bytes", unit="B", floor=1.0)

PEAK_GPU_BYTES = Metric(name="peak_gpu_bytes", unit="B", floor=1.0)
PEAK_GPU_GROWTH_BYTES = Metric(name="peak_gpu_growth_bytes", unit="B", floor=1.0)
GPU_ENERGY_J = Metric(name="gpu_energy_j", unit="J", floor=1e-6)
CPU_ENERGY_J = Metric(name="cpu_energy_j", unit="J", floor=1e-6)

DEVICE_METRICS = {
    metric.name: metric
    for metric in (PEAK_GPU_BYTES, PEAK_GPU_GROWTH_BYTES, GPU_ENERGY_J, CPU_ENERGY_J)
}
"""What only some machines can measure, and only of some runs; absent elsewhere, never 0."""

MEASURED_METRICS = {
    metric.name: metric
    for metric in (
        WALL_TIME_S, CPU_TIME_S, PEAK_RSS_GROWTH_BYTES, PEAK_RSS_BYTES, *DEVICE_METRICS.values(),
    )
}  # fmt: skip
"""The metrics that are measured whatever the workload; the last four where they can be."""


def described_metrics(document: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metrics of a stored run by name: the measured ones and those it describes.

    Parameters
    ----------
    document
        Of the run's header. What is no description of a metric in it is passed over: some runs
        list names only, and another version may describe what this one does not know.

    Examples
    --------
    >>> described = {"metrics": [{"name": "abs_error", "unit": "1"}, {"name": "x", "y": 1}]}
    >>> [name for name in described_metrics(described) if name not in MEASURED_METRICS]
    ['abs_error']
    """
    known = dict(MEASURED_METRICS)
    described = document.get("metrics")
    for one in described if isinstance(described, list) else ():
        with contextlib.suppress(ValueError):
            metric = Metric.from_json(one)
            known[metric.name] = metric
    return known


SOURCES = {
    "wall_time_s": "the monotonic clock, read when the GPUs in use have done their work",
    "cpu_time_s": "CPU time of the process, all its threads",
    "peak_rss_growth_bytes": "the kernel's high-water mark, less what was resident before",
    "peak_rss_bytes": "the kernel's high-water mark of the process",
    "peak_gpu_bytes": (
        "device memory of this process: the peak of PyTorch's allocator, CuPy's pool where it "
        "grew during the run, and JAX's allocator where the run raised its highest peak; Numba "
        "and other frameworks do not tell"
    ),
    "peak_gpu_growth_bytes": (
        "the peak of PyTorch's allocator, or a new one of JAX's, less what it held before, and "
        "the growth of CuPy's pool"
    ),
    "gpu_energy_j": (
        "NVML's counter of the whole device (ticks every 20 to 100 ms), of runs of 1 s or more"
    ),
    "cpu_energy_j": (
        "RAPL, all processor packages together (ticks every 1 ms), of runs of 20 ms or more"
    ),
}
"""Where each of them comes from, in a sentence."""
