"""NVIDIA's GPUs: which this process may use, and what one of them does at the moment.

NVML itself is behind `parbench_lab.hardware.nvml`, whose `Nvml`, `open_nvml` and `GpuError` are
offered here too. Nothing here raises: no GPU is an empty inventory with its reason, a figure that
cannot be read is None with its reason. The real library was not run on a GPU while this was
written; the tests play recorded devices.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, TypeVar

from parbench_lab.hardware.nvml import DOOR, GpuError, Nvml, open_nvml
from parbench_lab.hardware.visible import Device, may_name, parse_visible

__all__ = [
    "DOOR", "Gpu", "GpuError", "GpuInventory", "GpuSample", "Nvml", "find_gpus", "open_nvml",
    "parse_throttle", "read_gpu",
]  # fmt: skip

_T = TypeVar("_T")

VISIBLE = "CUDA_VISIBLE_DEVICES"

# bits of nvmlClocksEventReasons; idle, set clocks and synchronised boost slow down by intent
_THERMAL = 0x20 | 0x40
_POWER_CAP = 0x04
_POWER_BRAKE = 0x80
_HARDWARE = 0x08
INSTANCE_SHARES = "a MIG instance shares it with the other instances of its GPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU, or a MIG instance of one, that this process may use.

    Parameters
    ----------
    index
        Of the device in PCI order; instances of one device share it.
    uuid
        What ``CUDA_VISIBLE_DEVICES`` is set to for a worker on it.
    name
        The product's.
    memory_bytes
        Its own; an instance's share; None where it is not told.
    cores
        Logical cores near it; empty where that is not told.
    parent_uuid
        Of the device that a MIG instance is a part of; empty for a whole device.
    not_measured
        Pairs of a figure's name and why it is None.

    Raises
    ------
    ValueError
        If it has no UUID, or negative memory.
    """

    index: int
    uuid: str
    name: str
    memory_bytes: float | None
    cores: tuple[int, ...] = ()
    parent_uuid: str = ""
    not_measured: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.uuid:
            raise ValueError("a GPU needs its uuid")
        if self.memory_bytes is not None and not self.memory_bytes >= 0:
            raise ValueError(f"memory_bytes must not be negative but got {self.memory_bytes}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuInventory:
    """The GPUs that can be used, or why there are none.

    Parameters
    ----------
    gpus
        In the order in which CUDA is told them.
    reason
        Why there are none, in words that follow "no GPU: "; empty where there are some.
    driver
        The driver's version; empty where there is none.
    troubles
        Of each GPU that is there for this process but cannot be used: which, and why.
    """

    gpus: tuple[Gpu, ...] = ()
    reason: str = ""
    driver: str = ""
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSample:
    """What a GPU did at one moment; None is "not measured", never zero.

    Parameters
    ----------
    uuid
        Of the GPU.
    utilization_percent
        Share of the driver's last sample period in which a kernel ran.
    memory_used_bytes, memory_bytes
        In use by all processes, and in all.
    power_w, temperature_c, sm_clock_hz
        Of the whole device.
    throttle
        Why it is slowed down: of ``thermal, power cap, power brake, hardware slowdown``; empty
        where it is not.
    not_measured
        Pairs of a figure's name and why it is None.
    reason
        Why nothing could be read at all; empty otherwise.
    """

    uuid: str
    utilization_percent: float | None = None
    memory_used_bytes: float | None = None
    memory_bytes: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    sm_clock_hz: float | None = None
    throttle: tuple[str, ...] | None = None
    not_measured: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def find_gpus(
    nvml: Nvml | None = None, *, visible: str | EllipsisType | None = ...
) -> GpuInventory:
    """Return the GPUs that this process may use; takes about 50 ms where there are some.

    On a device with MIG on its instances are the GPUs.

    Parameters
    ----------
    nvml
        Who is asked; by default the real NVML (or what `DOOR` names).
    visible
        The value of ``CUDA_VISIBLE_DEVICES``, None for not set; by default this process's own.

    Examples
    --------
    >>> from parbench_lab.testing.recorded_gpus import two_gpus
    >>> [gpu.name for gpu in find_gpus(two_gpus(), visible=None).gpus]
    ['Recorded GPU', 'Recorded GPU']
    >>> find_gpus(two_gpus(), visible="").reason
    "CUDA_VISIBLE_DEVICES='' leaves none of the 2 GPUs visible"
    """
    asked = os.environ.get(VISIBLE) if isinstance(visible, EllipsisType) else visible
    try:
        nvml = open_nvml() if nvml is None else nvml
        count = nvml.count()
    except GpuError as error:
        return GpuInventory(reason=str(error))
    found, unusable = _all_gpus(nvml, count)
    driver = _driver(nvml)
    devices = {gpu.uuid: gpu for gpus in found.values() for gpu in gpus}
    # a GPU that the variable hides is missed by nobody
    troubles = tuple(words for index, words in unusable.items() if may_name(asked, index))
    chosen = parse_visible(asked, list(found), unusable=unusable)
    reason = ""
    if not devices:
        reason = next(iter(unusable.values()), _nothing(count))
    elif not chosen:
        many = "the GPU" if count == 1 else f"the {count} GPUs"
        hidden = f"{VISIBLE}={asked!r} leaves none of {many} visible"
        reason = "; ".join((hidden, *troubles[:1]))
    return GpuInventory(
        gpus=tuple(devices[uuid] for uuid in chosen),
        reason=reason,
        driver=driver,
        troubles=troubles,
    )


def read_gpu(nvml: Nvml, gpu: Gpu) -> GpuSample:
    """Return what a GPU does now; a figure that cannot be read is None, and a lost GPU all None.

    Of a MIG instance the memory is its own, temperature, clock and throttling are the device's
    (one chip, one clock), and utilisation and power are not measured: NVML tells them for the
    whole device only. Energy is not asked for here: a counter says something between two moments
    only, and `monitoring.energy` reads it around runs.
    """
    try:
        device = nvml.device_of(gpu.uuid)
        chip = nvml.device_of(gpu.parent_uuid) if gpu.parent_uuid else device
    except GpuError as error:
        return _unread(gpu, str(error))
    reading = _Reading(whole=not gpu.parent_uuid)
    used = reading.ask("memory_used_bytes", nvml.memory_bytes, device)
    throttle = reading.ask("throttle", nvml.clock_events, chip)
    sample = GpuSample(
        uuid=gpu.uuid,
        utilization_percent=reading.ask_whole(
            "utilization_percent", nvml.utilization_percent, chip
        ),
        memory_used_bytes=None if used is None else used[0],
        memory_bytes=None if used is None else used[1],
        power_w=reading.ask_whole("power_w", nvml.power_w, chip),
        temperature_c=reading.ask("temperature_c", nvml.temperature_c, chip),
        sm_clock_hz=reading.ask("sm_clock_hz", nvml.sm_clock_hz, chip),
        throttle=None if throttle is None else parse_throttle(throttle),
        not_measured=tuple(reading.troubles),
    )
    return _unread(gpu, reading.lost) if reading.lost else sample


def parse_throttle(bits: int) -> tuple[str, ...]:
    """Return in words why a clock is held down by heat or power; empty where it is not.

    The bits are those of ``nvmlClocksEventReasons`` (NVML reference manual). An idle GPU, clocks
    set by hand and clocks bound to each other are nobody's throttling.

    Examples
    --------
    >>> parse_throttle(0x1), parse_throttle(0x4 | 0x20)
    ((), ('thermal', 'power cap'))
    """
    named = [
        word
        for word, mask in (
            ("thermal", _THERMAL),
            ("power cap", _POWER_CAP),
            ("power brake", _POWER_BRAKE),
        )
        if bits & mask
    ]
    if bits & _HARDWARE and not bits & (_THERMAL | _POWER_BRAKE):
        named.append("hardware slowdown")  # its cause is not told
    return tuple(named)


class _Reading:
    """Asks one question after the other and keeps what went wrong."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self.troubles: list[tuple[str, str]] = []
        self.lost = ""

    def ask(self, figure: str, question: Callable[[Any], _T], device: Any) -> _T | None:
        if self.lost:
            return None
        try:
            return question(device)
        except GpuError as error:
            self.troubles.append((figure, str(error)))
            if error.lost:
                self.lost = str(error)
            return None

    def ask_whole(
        self, figure: str, question: Callable[[Any], float], device: Any
    ) -> float | None:
        """Ask what is only known of a whole device."""
        if self._whole:
            return self.ask(figure, question, device)
        self.troubles.append((figure, INSTANCE_SHARES))
        return None


def _unread(gpu: Gpu, reason: str) -> GpuSample:
    return GpuSample(uuid=gpu.uuid, reason=reason)


def _all_gpus(nvml: Nvml, count: int) -> tuple[dict[Device, list[Gpu]], dict[int, str]]:
    """Return every device with the GPUs it stands for, and by number why others have none."""
    found: dict[Device, list[Gpu]] = {}
    troubles: dict[int, str] = {}
    for index in range(count):
        try:
            device, gpus = _described(nvml, index)
        except GpuError as error:
            troubles[index] = f"GPU {index} cannot be used: {error}"
        else:
            found[device] = gpus
    return found, troubles


def _described(nvml: Nvml, index: int) -> tuple[Device, list[Gpu]]:
    device = nvml.device(index)
    uuid = nvml.uuid(device)
    cores: tuple[int, ...] = _or(nvml.cpu_cores, device, ())
    instances: Sequence[Any] | None = _or(nvml.mig_instances, device, None)
    parent_uuid = "" if instances is None else uuid
    gpus = [
        _gpu(nvml, part, index=index, cores=cores, parent_uuid=parent_uuid)
        for part in ([device] if instances is None else instances)
    ]
    names = None if instances is None else tuple(gpu.uuid for gpu in gpus)
    return Device(index=index, uuid=uuid, instances=names), gpus


def _gpu(nvml: Nvml, part: Any, *, index: int, cores: tuple[int, ...], parent_uuid: str) -> Gpu:
    reading = _Reading(whole=not parent_uuid)
    memory = reading.ask("memory_bytes", nvml.memory_bytes, part)
    return Gpu(
        index=index,
        uuid=nvml.uuid(part),
        name=nvml.name(part),
        memory_bytes=None if memory is None else memory[1],
        cores=cores,
        parent_uuid=parent_uuid,
        not_measured=tuple(reading.troubles),
    )


def _driver(nvml: Nvml) -> str:
    try:
        return nvml.driver_version()
    except GpuError:
        return ""


def _nothing(count: int) -> str:
    if count:
        return "MIG is on but there is no MIG instance"
    return "the NVIDIA driver sees no GPU"


def _or(question: Callable[[Any], _T], device: Any, otherwise: _T) -> _T:
    try:
        return question(device)
    except GpuError:
        return otherwise
