"""How busy workers are, in words: one line for all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parbench_lab.core.usage import WorkerUsage
from parbench_lab.core.wording import count, memory

NO_GPU_WORKER = "not a GPU worker"
"""What a worker that is given no GPU says of its GPU's figures."""


def gpu_not_measured(workers: Sequence[WorkerUsage], no_gpu: str = "") -> str:
    """Return why no GPU's utilisation is measured, empty where one is.

    Parameters
    ----------
    workers
        Their newest usage.
    no_gpu
        Why this machine has no GPU, for the case that no worker has one.

    Examples
    --------
    >>> gpu_not_measured([WorkerUsage(worker="cpu-0")], "no NVIDIA driver")
    'there are no GPU workers (no NVIDIA driver)'
    >>> gpu_not_measured([WorkerUsage(worker="gpu-0", gpu_percent=0.0)])
    ''
    """
    if any(usage.gpu_percent is not None for usage in workers):
        return ""
    told = [
        why
        for usage in workers
        for what, why in usage.not_measured
        if what in ("gpu", "gpu utilization_percent") and why != NO_GPU_WORKER
    ]
    if told:
        return told[0]
    return "there are no GPU workers" + (f" ({no_gpu})" if no_gpu else "")


def workers_line(workers: Sequence[WorkerUsage], no_gpu: str = "") -> str:
    """Return what all workers do together, in one line; empty where nothing is known of any.

    Examples
    --------
    >>> busy = [WorkerUsage(worker=f"cpu-{n}", cpu_percent=98.0, rss_bytes=2e8) for n in (0, 1)]
    >>> workers_line(busy)
    'workers: CPU 196 %, memory 400 MB · GPU not measured: there are no GPU workers'
    """
    if not workers:
        return ""
    cpu, rss = _total(u.cpu_percent for u in workers), _total(u.rss_bytes for u in workers)
    parts = ["CPU not measured" if cpu is None else f"CPU {cpu:.0f} %"]
    parts.append("memory not measured" if rss is None else f"memory {memory(rss)}")
    return f"workers: {', '.join(parts)} · {gpu_words(workers, no_gpu)}"


def gpu_words(workers: Sequence[WorkerUsage], no_gpu: str = "") -> str:
    """Return what the workers' GPUs do; workers on one device are told of once.

    Of several GPUs: the mean utilisation, memory and power together, the hottest temperature and
    the lowest clock of the multiprocessors (SM).

    Examples
    --------
    >>> gpu_words([WorkerUsage(
    ...     worker="gpu-0", gpu_uuid="GPU-1", gpu_percent=87.0, gpu_power_w=310.0,
    ...     gpu_temperature_c=61.0, gpu_clock_hz=1.755e9, gpu_throttle=("power cap",))])
    'GPU 87 %, 310 W, 61 °C, SM 1755 MHz, throttled (power cap)'
    """
    reason = gpu_not_measured(workers, no_gpu)
    devices = list({u.gpu_uuid: u for u in workers if u.gpu_uuid}.values())
    if not devices or (reason and all(u.gpu_memory_bytes is None for u in devices)):
        return f"GPU not measured: {reason}"
    name = "GPU" if len(devices) == 1 else count(len(devices), "GPU")
    return f"{name} {', '.join(_figures(devices, reason))}"


def _figures(devices: Sequence[WorkerUsage], reason: str) -> list[str]:
    busy = [u.gpu_percent for u in devices if u.gpu_percent is not None]
    used = _total(u.gpu_memory_bytes for u in devices)
    power = _total(u.gpu_power_w for u in devices)
    heat = [u.gpu_temperature_c for u in devices if u.gpu_temperature_c is not None]
    clocks_hz = [u.gpu_clock_hz for u in devices if u.gpu_clock_hz is not None]
    throttled = dict.fromkeys(why for u in devices for why in u.gpu_throttle or ())
    parts = [f"{sum(busy) / len(busy):.0f} %" if busy else f"utilisation not measured ({reason})"]
    parts += [] if used is None else [memory(used)]
    parts += [] if power is None else [f"{power:.0f} W"]
    parts += [f"{max(heat):.0f} °C"] if heat else []
    parts += [f"SM {min(clocks_hz) / 1e6:.0f} MHz"] if clocks_hz else []
    parts += [f"throttled ({', '.join(throttled)})"] if throttled else []
    return parts


def _total(values: Iterable[float | None]) -> float | None:
    """Return the sum of what is known, None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
