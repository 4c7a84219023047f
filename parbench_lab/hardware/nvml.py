"""The boundary to NVML, NVIDIA's management library: the one module that imports ``pynvml``.

Everything else takes an `Nvml` as an argument. `PyNvml` is the real one. A recorded one (see
`parbench_lab.testing.recorded_gpus`) is put in its place, worker processes included, through one
door: the environment variable `DOOR`, which names a function that returns an `Nvml`::

    PARBENCH_NVML=parbench_lab.testing.recorded_gpus:two_gpus parbench doctor

Units are SI here; NVML's own milliwatts, millijoules and megahertz end in this module. The real
library was not run on a GPU while this was written.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

DOOR = "PARBENCH_NVML"
"""Environment variable: ``package.module:function`` of recorded devices; empty for the real."""

_MASK_BITS = 64

# numbers of nvmlReturn_t, from NVML's reference manual
NOT_SUPPORTED = 3
NOT_FOUND = 6
IS_LOST = 15
_WORDS: Mapping[int, str] = {
    1: "NVML was shut down",
    NOT_SUPPORTED: "this device does not tell it",
    4: "no permission to ask the NVIDIA driver",
    NOT_FOUND: "no such device",
    9: "the NVIDIA driver is not loaded",
    12: "no NVIDIA driver is installed",
    13: "the installed NVIDIA driver does not know this question",
    IS_LOST: "GPU is lost (it fell off the bus or was reset)",
    16: "the GPU needs a reset",
    18: "the NVIDIA driver and its library differ in version (restart after an update)",
}


class GpuError(Exception):
    """NVML did not answer; the text says why. Private to what measures GPUs, never the user's.

    Parameters
    ----------
    words
        Why.
    code
        NVML's number of the error, 0 where there is none.
    """

    def __init__(self, words: str, code: int = 0) -> None:
        super().__init__(words)
        self.code = code

    @property
    def lost(self) -> bool:
        """Whether the device is gone, so that no other question is worth asking."""
        return self.code == IS_LOST


class Nvml(Protocol):
    """The few questions to NVML that are asked here. Every one may raise `GpuError`.

    A device is whatever `device` or `device_of` gave: opaque, and valid as long as this is.
    """

    def driver_version(self) -> str:
        """Return the driver's version."""

    def count(self) -> int:
        """Return how many devices the driver sees, in PCI order."""

    def device(self, index: int) -> Any:
        """Return a device by its index in PCI order."""

    def device_of(self, uuid: str) -> Any:
        """Return a device, or a MIG instance, by its UUID."""

    def uuid(self, device: Any) -> str:
        """Return ``GPU-...``, or ``MIG-...`` of an instance."""

    def name(self, device: Any) -> str:
        """Return the product's name."""

    def memory_bytes(self, device: Any) -> tuple[float, float]:
        """Return memory in use and in all."""

    def utilization_percent(self, device: Any) -> float:
        """Return the share of the last sample period in which a kernel ran (1/6 s to 1 s)."""

    def power_w(self, device: Any) -> float:
        """Return the power drawn."""

    def temperature_c(self, device: Any) -> float:
        """Return the temperature of the chip in degrees Celsius."""

    def sm_clock_hz(self, device: Any) -> float:
        """Return the clock of the multiprocessors."""

    def clock_events(self, device: Any) -> int:
        """Return why the clock is not higher, as the bits of ``nvmlClocksEventReasons``."""

    def energy_j(self, device: Any) -> float:
        """Return the energy used since the driver was loaded."""

    def cpu_cores(self, device: Any) -> tuple[int, ...]:
        """Return the logical cores near the device."""

    def mig_instances(self, device: Any) -> Sequence[Any] | None:
        """Return a device's MIG instances; None where MIG is off or not known to it."""


class PyNvml:
    """NVML through ``nvidia-ml-py``; initialised when it is made, for the process's life.

    Raises
    ------
    GpuError
        If there is no driver, or NVML does not start.
    """

    def __init__(self) -> None:
        try:
            self._nvml: Any = importlib.import_module("pynvml")
        except ImportError as error:
            raise GpuError("nvidia-ml-py is not installed") from error
        self._known: dict[str, Any] = {}
        self._ask("nvmlInit")

    def driver_version(self) -> str:
        """Return the driver's version."""
        return _text(self._ask("nvmlSystemGetDriverVersion"))

    def count(self) -> int:
        """Return how many devices the driver sees."""
        return int(self._ask("nvmlDeviceGetCount"))

    def device(self, index: int) -> Any:
        """Return a device by its index."""
        return self._ask("nvmlDeviceGetHandleByIndex", index)

    def device_of(self, uuid: str) -> Any:
        """Return a device by its UUID; looked up once."""
        if uuid not in self._known:
            self._known[uuid] = self._ask("nvmlDeviceGetHandleByUUID", uuid)
        return self._known[uuid]

    def uuid(self, device: Any) -> str:
        """Return its UUID."""
        return _text(self._ask("nvmlDeviceGetUUID", device))

    def name(self, device: Any) -> str:
        """Return its name."""
        return _text(self._ask("nvmlDeviceGetName", device))

    def memory_bytes(self, device: Any) -> tuple[float, float]:
        """Return memory in use and in all."""
        found = self._ask("nvmlDeviceGetMemoryInfo", device)
        return float(found.used), float(found.total)

    def utilization_percent(self, device: Any) -> float:
        """Return its utilisation."""
        return float(self._ask("nvmlDeviceGetUtilizationRates", device).gpu)

    def power_w(self, device: Any) -> float:
        """Return its power; NVML counts milliwatts."""
        return float(self._ask("nvmlDeviceGetPowerUsage", device)) / 1e3

    def temperature_c(self, device: Any) -> float:
        """Return its temperature."""
        sensor = self._nvml.NVML_TEMPERATURE_GPU
        return float(self._ask("nvmlDeviceGetTemperature", device, sensor))

    def sm_clock_hz(self, device: Any) -> float:
        """Return its clock; NVML counts megahertz."""
        kind = self._nvml.NVML_CLOCK_SM
        return float(self._ask("nvmlDeviceGetClockInfo", device, kind)) * 1e6

    def clock_events(self, device: Any) -> int:
        """Return the bits; drivers before 535 know them as throttle reasons."""
        return int(self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", device))

    def energy_j(self, device: Any) -> float:
        """Return its energy; NVML counts millijoules."""
        return float(self._ask("nvmlDeviceGetTotalEnergyConsumption", device)) / 1e3

    def cpu_cores(self, device: Any) -> tuple[int, ...]:
        """Return the cores near it."""
        masks = -(-(os.cpu_count() or 1) // _MASK_BITS)
        return parse_core_masks(self._ask("nvmlDeviceGetCpuAffinity", device, masks))

    def mig_instances(self, device: Any) -> Sequence[Any] | None:
        """Return its instances; places without one are passed over."""
        try:
            current, _ = self._ask("nvmlDeviceGetMigMode", device)
        except GpuError as error:
            if error.code == NOT_SUPPORTED:
                return None
            raise
        if not current:
            return None
        places = range(int(self._ask("nvmlDeviceGetMaxMigDeviceCount", device)))
        found = [self._instance(device, place) for place in places]
        return [instance for instance in found if instance is not None]

    def _instance(self, device: Any, place: int) -> Any:
        try:
            return self._ask("nvmlDeviceGetMigDeviceHandleByIndex", device, place)
        except GpuError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def _ask(self, function: str, *args: Any) -> Any:
        try:
            return getattr(self._nvml, function)(*args)
        except self._nvml.NVMLError as error:
            code = int(getattr(error, "value", 0))
            raise GpuError(_WORDS.get(code) or f"NVML: {error}", code) from error
        except (AttributeError, OSError, UnicodeDecodeError) as error:
            raise GpuError(f"NVML cannot be asked ({type(error).__name__})") from error


def open_nvml(door: str | None = None) -> Nvml:
    """Return NVML: the real one, or the recorded one that the door names.

    Parameters
    ----------
    door
        ``package.module:function``; by default what the environment variable `DOOR` says, which
        worker processes inherit.

    Raises
    ------
    GpuError
        If there is none, or the door leads nowhere; the text says why.
    """
    path = os.environ.get(DOOR, "") if door is None else door
    if not path:
        return PyNvml()
    module, _, function = path.partition(":")
    try:
        recorded: Callable[[], Nvml] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise GpuError(f"{DOOR}={path} names no recorded devices ({error})") from error
    return recorded()


def parse_core_masks(masks: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of the bits set in words of 64 bits, lowest word first.

    Examples
    --------
    >>> parse_core_masks([0b1011, 0b1])
    (0, 1, 3, 64)
    """
    return tuple(
        _MASK_BITS * word + bit
        for word, mask in enumerate(masks)
        for bit in range(_MASK_BITS)
        if int(mask) >> bit & 1
    )


def _text(found: Any) -> str:
    """Return NVML's text: old versions of the library give bytes."""
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
