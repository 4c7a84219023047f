"""What ``parbench doctor`` says of GPUs, other accelerators, and what tells energy."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parbench_lab.core.wording import memory

if TYPE_CHECKING:
    from parbench_lab.hardware.accelerators import Accelerator
    from parbench_lab.hardware.gpu import Gpu, GpuInventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What beside its processor a machine has.

    Parameters
    ----------
    gpus
        NVIDIA's, or why none can be used.
    accelerators
        Of other makers.
    energy_sources
        Counters of energy that can be read.
    energy_not_measured
        Pairs of a source and why it cannot.
    """

    gpus: GpuInventory
    accelerators: tuple[Accelerator, ...] = ()
    energy_sources: tuple[str, ...] = ()
    energy_not_measured: tuple[tuple[str, str], ...] = ()


def look_at_devices() -> Devices:
    """Return the devices of this machine; asks the NVIDIA driver where there is one."""
    from parbench_lab.hardware.accelerators import (  # noqa: PLC0415 - only the doctor asks
        detect_accelerators,
    )
    from parbench_lab.hardware.gpu import (  # noqa: PLC0415
        GpuError,
        GpuInventory,
        find_gpus,
        open_nvml,
    )
    from parbench_lab.monitoring.energy import open_energy_meters  # noqa: PLC0415

    try:
        nvml = open_nvml()
    except GpuError as error:
        nvml, gpus = None, GpuInventory(reason=str(error))
    else:
        gpus = find_gpus(nvml)
    meters = open_energy_meters(nvml, gpus.gpus)
    return Devices(
        gpus=gpus,
        accelerators=detect_accelerators(),
        energy_sources=meters.sources,
        energy_not_measured=meters.not_measured,
    )


def device_lines(devices: Devices) -> list[tuple[str, str]]:
    """Return title and text of each line for a person; no GPU is no reason to warn."""
    from parbench_lab.hardware.accelerators import NOT_MEASURED  # noqa: PLC0415

    lines = [("GPU", _gpu(gpu, devices.gpus.driver)) for gpu in devices.gpus.gpus]
    if not lines:
        lines = [("GPU", f"none: {devices.gpus.reason}")]
    reason = devices.gpus.reason
    lines += [("GPU", trouble) for trouble in devices.gpus.troubles if trouble not in reason]
    names = [found.name for found in devices.accelerators]
    others = [
        f"{names.count(name)} x {name}" if names.count(name) > 1 else name
        for name in dict.fromkeys(names)
    ]
    if others:
        lines.append(("other accelerators", f"{', '.join(others)} ({NOT_MEASURED})"))
    lines += [("energy", source) for source in devices.energy_sources]
    lines += [
        ("energy", f"not measured: {source}: {why}") for source, why in devices.energy_not_measured
    ]
    return lines


def devices_document(devices: Devices) -> dict[str, Any]:
    """Return the devices as JSON values."""
    return {
        "gpus": [_gpu_document(gpu) for gpu in devices.gpus.gpus],
        "gpu_reason": devices.gpus.reason,
        "gpu_troubles": list(devices.gpus.troubles),
        "gpu_driver": devices.gpus.driver,
        "accelerators": [dataclasses.asdict(found) for found in devices.accelerators],
        "energy_sources": list(devices.energy_sources),
        "energy_not_measured": dict(devices.energy_not_measured),
    }


def _gpu(gpu: Gpu, driver: str) -> str:
    part = f"a part of {gpu.parent_uuid}, " if gpu.parent_uuid else ""
    why = dict(gpu.not_measured).get("memory_bytes", "no reason was given")
    told = f"memory not measured ({why})" if gpu.memory_bytes is None else memory(gpu.memory_bytes)
    return f"{gpu.name}, {told}, driver {driver or 'unknown'} ({part}{gpu.uuid})"


def _gpu_document(gpu: Gpu) -> dict[str, Any]:
    return {**dataclasses.asdict(gpu), "not_measured": dict(gpu.not_measured)}
