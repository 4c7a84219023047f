"""Recorded GPUs: devices that play a list of moments in the place of NVML.

For machines without a GPU, and for faults that no GPU shows when it is asked to. The figures are
made up; what they look like, and which questions an instance or a lost device answers, follows
NVML's reference manual. Nothing here looks at a clock: a device moves to its next moment when
`RecordedNvml.advance` says so, or with every reading (a look-up by UUID) where `by_reading`.

The functions without parameters are doors for worker processes and the shell::

    PARBENCH_NVML=parbench_lab.testing.recorded_gpus:two_gpus parbench doctor
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from parbench_lab.hardware.nvml import IS_LOST, NOT_FOUND, NOT_SUPPORTED, GpuError

GIB = 2**30
SW_THERMAL, POWER_CAP = 0x20, 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a device answers at one moment.

    Parameters
    ----------
    utilization_percent, memory_used_bytes, power_w, temperature_c, sm_clock_hz
        Its figures; None: the device does not tell it.
    clock_events
        Bits of ``nvmlClocksEventReasons``.
    energy_j
        Since the driver was loaded.
    error
        Raised in place of every answer.
    """

    utilization_percent: float | None = 50.0
    memory_used_bytes: float | None = 2.0 * GIB
    power_w: float | None = 300.0
    temperature_c: float | None = 50.0
    sm_clock_hz: float | None = 1.98e9
    clock_events: int | None = 0
    energy_j: float | None = 1000.0
    error: GpuError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDevice:
    """A device and its moments; after the last one it stays there.

    Parameters
    ----------
    uuid
        ``GPU-...``, or ``MIG-...`` of an instance.
    moments
        At least one.
    memory_bytes
        In all; None: the device does not tell its memory.
    instances
        MIG instances; None where MIG is off.
    gone
        Raised when it is asked for by its number: a device lost before the start.
    """

    uuid: str
    moments: tuple[Moment, ...] = (Moment(),)
    name: str = "Recorded GPU"
    memory_bytes: float | None = 80.0 * GIB
    cores: tuple[int, ...] = (0, 1)
    instances: tuple[RecordedDevice, ...] | None = None
    gone: GpuError | None = None


class RecordedNvml:
    """An `Nvml` that plays recordings.

    Parameters
    ----------
    devices
        By index.
    by_reading
        Whether a device moves on with every look-up by UUID but the first; otherwise only
        `advance` moves all.
    driver
        The version that is told.

    Examples
    --------
    >>> nvml = RecordedNvml([RecordedDevice(uuid="GPU-a", moments=(Moment(), Moment(power_w=9)))])
    >>> device = nvml.device_of("GPU-a")
    >>> before = nvml.power_w(device)
    >>> nvml.advance()
    >>> before, nvml.power_w(device)
    (300.0, 9.0)
    """

    def __init__(
        self,
        devices: Sequence[RecordedDevice],
        *,
        by_reading: bool = False,
        driver: str = "000.00 (recorded)",
    ) -> None:
        self._devices = tuple(devices)
        self._by_reading = by_reading
        self._driver = driver
        parts = [part for device in devices for part in device.instances or ()]
        self._by_uuid = {device.uuid: device for device in (*devices, *parts)}
        self._at = dict.fromkeys(self._by_uuid, 0)
        self._looked_up: set[str] = set()

    def advance(self, moments: int = 1) -> None:
        """Move all devices on."""
        for uuid in self._at:
            self._at[uuid] += moments

    def driver_version(self) -> str:
        """Return what was given."""
        return self._driver

    def count(self) -> int:
        """Return the number of devices."""
        return len(self._devices)

    def device(self, index: int) -> RecordedDevice:
        """Return a device by index."""
        if not 0 <= index < len(self._devices):
            raise GpuError("no such device", NOT_FOUND)
        device = self._devices[index]
        if device.gone is not None:
            raise device.gone
        return device

    def device_of(self, uuid: str) -> RecordedDevice:
        """Return a device or an instance by its UUID."""
        if uuid not in self._by_uuid:
            raise GpuError("no such device", NOT_FOUND)
        if self._by_reading and uuid in self._looked_up:
            self._at[uuid] += 1
        self._looked_up.add(uuid)
        return self._by_uuid[uuid]

    def uuid(self, device: RecordedDevice) -> str:
        """Return its UUID."""
        return device.uuid

    def name(self, device: RecordedDevice) -> str:
        """Return its name."""
        return device.name

    def memory_bytes(self, device: RecordedDevice) -> tuple[float, float]:
        """Return its memory in use and in all."""
        used = self._told(device, "memory_used_bytes")
        if device.memory_bytes is None:
            raise GpuError("this device does not tell it", NOT_SUPPORTED)
        return used, device.memory_bytes

    def utilization_percent(self, device: RecordedDevice) -> float:
        """Return its utilisation; an instance has none."""
        if device.uuid.startswith("MIG-"):
            raise GpuError("this device does not tell it", NOT_SUPPORTED)
        return float(self._told(device, "utilization_percent"))

    def power_w(self, device: RecordedDevice) -> float:
        """Return its power."""
        return float(self._told(device, "power_w"))

    def temperature_c(self, device: RecordedDevice) -> float:
        """Return its temperature."""
        return float(self._told(device, "temperature_c"))

    def sm_clock_hz(self, device: RecordedDevice) -> float:
        """Return the clock of its multiprocessors."""
        return float(self._told(device, "sm_clock_hz"))

    def clock_events(self, device: RecordedDevice) -> int:
        """Return its bits."""
        return int(self._told(device, "clock_events"))

    def energy_j(self, device: RecordedDevice) -> float:
        """Return its energy."""
        return float(self._told(device, "energy_j"))

    def cpu_cores(self, device: RecordedDevice) -> tuple[int, ...]:
        """Return the cores near it."""
        return device.cores

    def mig_instances(self, device: RecordedDevice) -> Sequence[RecordedDevice] | None:
        """Return its instances."""
        return device.instances

    def _told(self, device: RecordedDevice, figure: str) -> Any:
        moment = device.moments[min(self._at[device.uuid], len(device.moments) - 1)]
        if moment.error is not None:
            raise moment.error
        told = getattr(moment, figure)
        if told is None:
            raise GpuError("this device does not tell it", NOT_SUPPORTED)
        return told


def working(n_moments: int = 50) -> tuple[Moment, ...]:
    """Return moments of a device at work: 60 J between two of them (300 W at 5 a second)."""
    return tuple(
        Moment(utilization_percent=80.0 + step % 5, energy_j=1000.0 + 60.0 * step)
        for step in range(n_moments)
    )


def two_gpus() -> RecordedNvml:
    """Return two GPUs at work."""
    return RecordedNvml(
        [
            RecordedDevice(uuid="GPU-11111111-recorded", moments=working(), cores=(0,)),
            RecordedDevice(uuid="GPU-22222222-recorded", moments=working(), cores=(1,)),
        ],
        by_reading=True,
    )


def mig_gpu() -> RecordedNvml:
    """Return a whole GPU beside one that is split into two MIG instances."""
    parts = tuple(
        RecordedDevice(
            uuid=f"MIG-{number}-recorded", name="Recorded GPU MIG 3g.40gb", memory_bytes=40.0 * GIB
        )
        for number in (1, 2)
    )
    whole = RecordedDevice(uuid="GPU-11111111-recorded", moments=working())
    split = RecordedDevice(uuid="GPU-33333333-recorded", moments=working(), instances=parts)
    return RecordedNvml([whole, split], by_reading=True)


def throttled_gpu() -> RecordedNvml:
    """Return a GPU that is hot from its 6th to its 15th moment, with a lower clock."""
    cool = working()
    hot = [
        replace(moment, clock_events=SW_THERMAL, temperature_c=88.0, sm_clock_hz=1.2e9)
        for moment in cool[5:15]
    ]
    device = RecordedDevice(uuid="GPU-44444444-recorded", moments=(*cool[:5], *hot, *cool[15:]))
    return RecordedNvml([device], by_reading=True)


def lost_gpu() -> RecordedNvml:
    """Return two GPUs, the first of which is lost from its 6th moment on."""
    words = "GPU is lost (it fell off the bus or was reset)"
    gone = Moment(error=GpuError(words, IS_LOST))
    return RecordedNvml(
        [
            RecordedDevice(uuid="GPU-55555555-recorded", moments=(*working(5), gone)),
            RecordedDevice(uuid="GPU-22222222-recorded", moments=working()),
        ],
        by_reading=True,
    )


def failing_gpu() -> RecordedNvml:
    """Return a GPU whose power cannot be read, and nothing of it from its 6th to 10th moment."""
    mute = [replace(moment, power_w=None) for moment in working()]
    failing = [Moment(error=GpuError("NVML: Unknown Error", 999))] * 5
    device = RecordedDevice(
        uuid="GPU-66666666-recorded", moments=(*mute[:5], *failing, *mute[10:])
    )
    return RecordedNvml([device], by_reading=True)


def no_driver() -> RecordedNvml:
    """Raise what a machine without a driver raises."""
    raise GpuError("no NVIDIA driver is installed", 12)
