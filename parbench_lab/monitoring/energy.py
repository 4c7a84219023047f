"""Energy used between two moments, each figure with the name of its source.

Two counters are read. NVML's total energy of a GPU ("NVML") and the running average power limit
of a processor package ("RAPL package-0"; Linux: /sys/class/powercap). Both count the whole device,
whoever uses it, and both tick: RAPL about every millisecond, NVML about every 20 to 100
milliseconds, so a span much shorter than that says nothing. A counter that cannot be read is
absent, with its reason; never 0.

`open_energy_meters` is called once in a process, then around each measurement::

    meters.begin()
    ...
    meters.end()        # {"NVML": 12.3}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from parbench_lab.hardware.gpu import INSTANCE_SHARES, Gpu, GpuError, Nvml
from parbench_lab.monitoring.patience import Question

POWERCAP = Path("/sys/class/powercap")
NVML_SOURCE = "NVML"
RAPL_SOURCE = "RAPL"


class Unreadable(Exception):  # noqa: N818 - what a counter is, said at the place it is caught
    """A counter cannot be read; the text says why. Private to this module's counters."""


class EnergyCounter(Protocol):
    """A counter of joules that only grows, but for wrapping around."""

    @property
    def source(self) -> str:
        """Its name."""

    @property
    def wraps_at_j(self) -> float | None:
        """At which reading it starts again from zero; None for never."""

    def read_j(self) -> float:
        """Return its reading.

        Raises
        ------
        Unreadable
            If it cannot be read now.
        """


@dataclass(frozen=True, slots=True)
class RaplPackage:
    """A processor package's counter, in the files of one folder of ``/sys/class/powercap``.

    Parameters
    ----------
    folder
        ``intel-rapl:0`` (AMD's processors have the same name).
    source
        ``"RAPL package-0"``.
    wraps_at_j
        From ``max_energy_range_uj``.
    """

    folder: Path
    source: str
    wraps_at_j: float | None

    def read_j(self) -> float:
        """Return the reading of ``energy_uj``."""
        try:
            return int((self.folder / "energy_uj").read_text(encoding="ascii")) / 1e6
        except PermissionError as error:
            raise Unreadable("only root may read it (/sys/class/powercap)") from error
        except (OSError, ValueError) as error:
            raise Unreadable(f"it cannot be read ({type(error).__name__})") from error


class NvmlEnergy:
    """A GPU's counter; a driver that hangs is not waited for, or a run would be taken for hung.

    Parameters
    ----------
    nvml, gpu
        Who is asked about which device.
    source
        Its name.
    """

    wraps_at_j: float | None = None

    def __init__(self, nvml: Nvml, gpu: Gpu, source: str = NVML_SOURCE) -> None:
        self.source = source
        self._nvml = nvml
        self._gpu = gpu
        self._question = Question(self._ask)

    def read_j(self) -> float:
        """Return joules since the driver was loaded."""
        if self._gpu.parent_uuid:
            raise Unreadable(INSTANCE_SHARES)
        told = self._question.answer()
        if told is None:
            raise Unreadable("the GPU driver does not answer")
        if isinstance(told, GpuError):
            raise Unreadable(str(told)) from told
        return told

    def _ask(self) -> float | GpuError:
        try:
            return self._nvml.energy_j(self._nvml.device_of(self._gpu.uuid))
        except GpuError as error:  # raised where it is asked, in another thread than this one
            return error


class EnergyMeters:
    """What was used since `begin`, per source.

    Parameters
    ----------
    counters
        Those that could be read when they were opened.
    not_measured
        Pairs of a source and why it has no counter here.
    """

    def __init__(
        self,
        counters: Sequence[EnergyCounter],
        not_measured: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._counters = tuple(counters)
        self._began_j: dict[str, float] = {}
        self.not_measured = tuple(not_measured)
        """Pairs of a source and why it is not read."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the counters that are read; empty where there are none."""
        return tuple(counter.source for counter in self._counters)

    def begin(self) -> None:
        """Note the readings of this moment."""
        self._began_j = self._readings()

    def end(self) -> Mapping[str, float]:
        """Return source to joules since `begin`; a counter that failed meanwhile is absent."""
        if not self._counters:
            return {}
        now_j = self._readings()
        wraps = {counter.source: counter.wraps_at_j for counter in self._counters}
        used = {
            source: used_j(began, now_j[source], wraps[source])
            for source, began in self._began_j.items()
            if source in now_j
        }
        return {source: joules for source, joules in used.items() if joules is not None}

    def _readings(self) -> dict[str, float]:
        found = {}
        for counter in self._counters:
            try:
                found[counter.source] = counter.read_j()
            except Unreadable:
                continue
        return found


def open_energy_meters(
    nvml: Nvml | None = None, gpus: Sequence[Gpu] = (), *, powercap: Path = POWERCAP
) -> EnergyMeters:
    """Return meters of all that can be read: the GPUs' counters and the processor packages'.

    Parameters
    ----------
    nvml, gpus
        The GPUs whose energy counts; with several, each source is named by its UUID.
    powercap
        Where the packages' folders are; another one in tests.

    Examples
    --------
    >>> from parbench_lab.hardware.gpu import find_gpus
    >>> from parbench_lab.testing.recorded_gpus import two_gpus
    >>> nvml = two_gpus()
    >>> gpu = find_gpus(nvml, visible="0").gpus
    >>> meters = open_energy_meters(nvml, gpu, powercap=Path("/nonexistent"))
    >>> meters.begin()
    >>> meters.end()
    {'NVML': 60.0}
    >>> meters.not_measured
    (('RAPL', 'this system has no /sys/class/powercap/intel-rapl'),)
    """
    candidates: list[EnergyCounter] = []
    if nvml is not None:
        names = {gpu.uuid: f"{NVML_SOURCE} {gpu.uuid}" for gpu in gpus}
        alone = len(gpus) == 1
        candidates += [
            NvmlEnergy(nvml, gpu, NVML_SOURCE if alone else names[gpu.uuid]) for gpu in gpus
        ]
    packages = rapl_packages(powercap)
    candidates += packages
    troubles = (
        [] if packages else [(RAPL_SOURCE, "this system has no /sys/class/powercap/intel-rapl")]
    )
    counters = []
    for counter in candidates:
        try:
            counter.read_j()
        except Unreadable as error:
            troubles.append((counter.source, str(error)))
        else:
            counters.append(counter)
    return EnergyMeters(counters, troubles)


def rapl_packages(powercap: Path = POWERCAP) -> list[RaplPackage]:
    """Return the counters of the processor packages; their parts (core, dram) are left out."""
    found = []
    for folder in sorted(powercap.glob("*-rapl:*")):
        name = _text(folder / "name")
        if name.startswith("package"):
            wraps = _text(folder / "max_energy_range_uj")
            wraps_at_j = int(wraps) / 1e6 if wraps.isdecimal() else None
            found.append(RaplPackage(folder, f"{RAPL_SOURCE} {name}", wraps_at_j))
    return found


def used_j(began_j: float, ended_j: float, wraps_at_j: float | None) -> float | None:
    """Return the joules between two readings of a counter that may have wrapped around once.

    None where it fell without wrapping: the driver was loaded anew meanwhile.

    Examples
    --------
    >>> used_j(10.0, 12.5, 100.0), used_j(99.0, 1.0, 100.0)
    (2.5, 2.0)
    """
    if ended_j >= began_j:
        return ended_j - began_j
    return None if wraps_at_j is None else ended_j - began_j + wraps_at_j


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
