"""Energy of single runs: what `monitoring.energy` reads, where a run is long enough to tell.

The counters are those of whole devices: whatever else ran there meanwhile is in the figure, so
race for energy with ``max_concurrent=1``. They tick, so a short run is not measured rather than
measured wrongly: keeping only the readings that happen to hold a tick would be far too high. A
longer ``min_time_s`` makes a measurement of short calls long enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from parbench_lab.monitoring.energy import (
    NVML_SOURCE,
    RAPL_SOURCE,
    EnergyMeters,
    open_energy_meters,
)
from parbench_lab.monitoring.patience import Question
from parbench_lab.monitoring.sampling import gpu_at_hand

MIN_RUN_S: Mapping[str, float] = {RAPL_SOURCE: 0.02, NVML_SOURCE: 1.0}
"""Shortest run per source: ten to twenty of its counter's ticks (about 1 ms; up to 100 ms)."""

OPENING_LIMIT_S = 1.0
"""So long a driver may keep the first run waiting: below every time limit of our own choosing."""

_SHORTEST_S = min(MIN_RUN_S.values())

METRICS: Mapping[str, str] = {RAPL_SOURCE: "cpu_energy_j", NVML_SOURCE: "gpu_energy_j"}


class RunEnergy:
    """Reads the counters around runs that are expected to be long enough.

    Parameters
    ----------
    opened
        Returns the meters; asked before the first such run. Where it does not answer in time,
        that run's energy is not measured, and it is asked again once it has answered.
    limit_s
        How long an answer is waited for.

    Examples
    --------
    >>> energy = RunEnergy(lambda: EnergyMeters(()))
    >>> energy.begin(expected_s=5.0)
    >>> energy.end(run_s=5.0, repeats=1)
    {}
    """

    def __init__(
        self, opened: Callable[[], EnergyMeters], *, limit_s: float = OPENING_LIMIT_S
    ) -> None:
        self._opened = Question(opened, limit_s=limit_s)
        self._meters: EnergyMeters | None = None
        self._reading = False

    def begin(self, *, expected_s: float) -> None:
        """Note the counters where a run will probably last so long that they can tell."""
        self._reading = expected_s >= _SHORTEST_S
        if not self._reading:
            return
        if self._meters is None:
            self._meters = self._opened.answer()
        if self._meters is not None:
            self._meters.begin()

    def end(self, *, run_s: float, repeats: int) -> dict[str, float]:
        """Return metric name to joules per call, empty where nothing can be told.

        Parameters
        ----------
        run_s
            How long all calls took together.
        repeats
            How many there were.
        """
        if not self._reading or self._meters is None:
            return {}
        values: dict[str, float] = {}
        for source, joules in self._meters.end().items():
            kind = source.split()[0]  # "RAPL package-0": all packages count together
            if joules > 0 and run_s >= MIN_RUN_S[kind]:
                name = METRICS[kind]
                values[name] = values.get(name, 0.0) + joules / repeats
        return values


def own_energy_meters(resources: Mapping[str, float]) -> EnergyMeters:
    """Return the meters of this process: its packages', and its GPU's where it has one.

    Parameters
    ----------
    resources
        What the worker of this process offers, by name; ``GPU`` among them says that it has one.
    """
    at_hand = gpu_at_hand(resources)
    return open_energy_meters(at_hand.nvml, () if at_hand.gpu is None else (at_hand.gpu,))
