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
    told = [why for usage in workers if (why := _why(usage))]
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
    the lowest clock of the multiprocessors (SM). A GPU that is not measured is in none of these:
    it is told with its own reason.

    Examples
    --------
    >>> busy = WorkerUsage(
    ...     worker="gpu-0", gpu_uuid="GPU-1", gpu_percent=87.0, gpu_power_w=310.0,
    ...     gpu_temperature_c=61.0, gpu_clock_hz=1.755e9, gpu_throttle=("power cap",))
    >>> gpu_words([busy])
    'GPU 87 %, 310 W, 61 °C, SM 1755 MHz, throttled (power cap)'
    >>> lost = WorkerUsage(
    ...     worker="gpu-1", gpu_uuid="GPU-2", not_measured=(("gpu", "GPU is lost"),))
    >>> gpu_words([WorkerUsage(worker="gpu-0", gpu_uuid="GPU-1", gpu_percent=87.0), lost])
    'GPU 87 %, 1 of 2 not measured: GPU is lost'
    """
    devices = _devices(workers)
    measured = [u for u in devices if any(_told(u))]
    if not measured:
        return f"GPU not measured: {gpu_not_measured(workers, no_gpu)}"
    name = "GPU" if len(measured) == 1 else count(len(measured), "GPU")
    others = [u for u in devices if u not in measured]
    parts = _figures(measured)
    if others:
        parts.append(f"{len(others)} of {len(devices)} not measured: {_reasons(others)}")
    return f"{name} {', '.join(parts)}"


def _devices(workers: Sequence[WorkerUsage]) -> list[WorkerUsage]:
    """Return one usage per GPU: of its seats, one that could read more than the others."""
    found: dict[str, WorkerUsage] = {}
    for usage in workers:
        uuid = usage.gpu_uuid
        if uuid and (uuid not in found or _told(usage) > _told(found[uuid])):
            found[uuid] = usage
    return list(found.values())


def _told(usage: WorkerUsage) -> tuple[bool, bool]:
    return usage.gpu_percent is not None, usage.gpu_memory_bytes is not None


def _why(usage: WorkerUsage) -> str:
    """Return why a worker does not know its GPU's utilisation, empty where it gave no reason."""
    given = dict(usage.not_measured)
    why = given.get("gpu") or given.get("gpu utilization_percent") or ""
    return "" if why == NO_GPU_WORKER else why


def _reasons(devices: Sequence[WorkerUsage]) -> str:
    return ", ".join(dict.fromkeys(_why(u) or "no reason was given" for u in devices))


def _figures(devices: Sequence[WorkerUsage]) -> list[str]:
    busy = [u.gpu_percent for u in devices if u.gpu_percent is not None]
    used = _total(u.gpu_memory_bytes for u in devices)
    power = _total(u.gpu_power_w for u in devices)
    heat = [u.gpu_temperature_c for u in devices if u.gpu_temperature_c is not None]
    clocks_hz = [u.gpu_clock_hz for u in devices if u.gpu_clock_hz is not None]
    throttled = dict.fromkeys(why for u in devices for why in u.gpu_throttle or ())
    silent = [u for u in devices if u.gpu_percent is None]
    parts = [f"{sum(busy) / len(busy):.0f} %"] if busy else []
    if silent:
        which = f"of {len(silent)} of {len(devices)} " if busy else ""
        parts.append(f"utilisation {which}not measured ({_reasons(silent)})")
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
