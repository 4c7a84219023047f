"""The state this machine is in right now, and what to change before a race.

`machine_condition` probes, `advice` judges; None always means "not readable here", never "fine".
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parbench_lab.core.wording import memory
from parbench_lab.hardware.cgroup import memory_room_bytes, quota_cores, read_text
from parbench_lab.hardware.cores import affinity_cores, usable_cores
from parbench_lab.hardware.topology import parse_cpuinfo

_CPU_FOLDER = Path("sys/devices/system/cpu")
_GIB = 2**30
N_CLOCK_READINGS = 20_000
BUSY_SHARE = 0.3
COARSE_STEP_NS = 1_000.0
LITTLE_MEMORY_BYTES = _GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What decides now how well this machine measures.

    Parameters
    ----------
    logical_cores, physical_cores
        Of the machine.
    affinity_cores
        Logical cores this process may be scheduled on.
    quota_cores
        Cores' worth of time that control groups allow; None for no limit.
    available_cores
        Workers that can run at full speed.
    smt
        Whether logical cores share physical ones at present.
    governor
        Frequency governors in use, joined with commas.
    turbo
        Whether the clock may rise above its nominal rate.
    load_1min
        Load average of the last minute, of the whole machine.
    timer_step_ns, timer_call_ns
        Smallest step of `time.perf_counter_ns`, and what a call of it costs.
    blas_threads
        Threads that numpy's linear algebra would use in this process.
    memory_available_bytes
        What can still be had, by the system and by control groups.
    container
        Whether this looks like a container.
    """

    logical_cores: int
    physical_cores: int | None
    affinity_cores: int
    quota_cores: float | None
    available_cores: int
    smt: bool | None
    governor: str | None
    turbo: bool | None
    load_1min: float | None
    timer_step_ns: float
    timer_call_ns: float
    blas_threads: int | None
    memory_available_bytes: int
    container: bool


def machine_condition(root: Path = Path("/")) -> Condition:
    """Return the present state of this machine; takes a few hundredths of a second.

    Parameters
    ----------
    root
        Of the file system in which control groups, frequencies and container marks are looked up.
    """
    import psutil  # noqa: PLC0415 - who only asks for advice does not pay for it

    cpus = parse_cpuinfo(read_text(root / "proc/cpuinfo") or "")
    quota, affinity = quota_cores(root), affinity_cores()
    free_bytes, room_bytes = psutil.virtual_memory().available, memory_room_bytes(root)
    step_ns, call_ns = timer_resolution(time.perf_counter_ns)
    return Condition(
        logical_cores=cpus.logical_cores or os.cpu_count() or 1,
        physical_cores=cpus.physical_cores or psutil.cpu_count(logical=False),
        affinity_cores=affinity,
        quota_cores=quota,
        available_cores=usable_cores(affinity=affinity, quota=quota),
        smt=_flag(root / _CPU_FOLDER / "smt/active", on="1"),
        governor=_governor(root),
        turbo=_turbo(root),
        load_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        timer_step_ns=step_ns,
        timer_call_ns=call_ns,
        blas_threads=_blas_threads(),
        memory_available_bytes=free_bytes if room_bytes is None else min(free_bytes, room_bytes),
        container=_in_container(root),
    )


def timer_resolution(clock_ns: Callable[[], int]) -> tuple[float, float]:
    """Return smallest step and cost of a call of a clock, both in nanoseconds.

    The step is the smallest difference above zero of neighbouring readings, the cost the median
    over batches of the mean per call: an interruption spoils one batch only.
    """
    readings = [clock_ns() for _ in range(N_CLOCK_READINGS)]
    steps = [b - a for a, b in itertools.pairwise(readings) if b > a]
    size = 100
    batches = zip(readings[::size], readings[size::size], strict=False)
    costs = [(end - begin) / size for begin, end in batches]
    return float(min(steps, default=0)), statistics.median(costs)


def advice(condition: Condition) -> tuple[str, ...]:
    """Return what to change before a race, most important first; empty where all is well."""
    rules = (
        _on_quota, _on_single_core, _on_load, _on_smt, _on_governor, _on_turbo, _on_timer,
        _on_blas, _on_memory,
    )  # fmt: skip
    return tuple(sentence for rule in rules if (sentence := rule(condition)))


def _on_quota(condition: Condition) -> str | None:
    quota, affinity = condition.quota_cores, condition.affinity_cores
    if quota is None or quota >= affinity:
        return None
    return (
        f"a control group allows {quota:g} of {affinity} cores and stops what exceeds it: "
        f"keep max_concurrent at {condition.available_cores}, or raise the quota"
    )


def _on_single_core(condition: Condition) -> str | None:
    if condition.available_cores > 1:
        return None
    return (
        "only one core is available: candidates and the program that judges them disturb each "
        "other; use a machine with two cores or more"
    )


def _on_load(condition: Condition) -> str | None:
    load = condition.load_1min
    if load is None or load <= BUSY_SHARE * condition.logical_cores:
        return None
    return (
        f"other work keeps about {load:.1f} of {condition.logical_cores} cores busy (load of the "
        "last minute): stop it, or lower max_concurrent"
    )


def _on_smt(condition: Condition) -> str | None:
    physical = condition.physical_cores
    if not condition.smt or physical is None or condition.available_cores <= physical:
        return None
    return (
        f"two workers may share one physical core: keep max_concurrent at {physical}, or switch "
        "SMT off (echo off | sudo tee /sys/devices/system/cpu/smt/control)"
    )


def _on_governor(condition: Condition) -> str | None:
    if condition.governor in (None, "performance"):
        return None
    return (
        f"the frequency governor is {condition.governor!r}, the clock follows the load: "
        "sudo cpupower frequency-set -g performance"
    )


def _on_turbo(condition: Condition) -> str | None:
    if not condition.turbo:
        return None
    return (
        "turbo is on, the clock falls as more cores work: harmless to a race, which compares "
        "at the same moment, but switch it off for scaling curves"
    )


def _on_timer(condition: Condition) -> str | None:
    step_ns = condition.timer_step_ns
    if not step_ns > 0:
        return "the timer did not move while it was read: times here mean nothing"
    if step_ns <= COARSE_STEP_NS:
        return None
    return (
        f"the timer moves in steps of {step_ns / 1e3:g} microseconds: set min_time_s to at least "
        f"{step_ns * 1e-6:g}, a thousand steps"
    )


def _on_blas(condition: Condition) -> str | None:
    threads, cores = condition.blas_threads, condition.available_cores
    if threads is None or threads <= cores:
        return None
    return (
        f"linear algebra would start {threads} threads on {cores} available cores: set "
        f"OMP_NUM_THREADS and OPENBLAS_NUM_THREADS to {cores} where workers are started by hand"
    )


def _on_memory(condition: Condition) -> str | None:
    free_bytes = condition.memory_available_bytes
    if free_bytes >= LITTLE_MEMORY_BYTES:
        return None
    return (
        f"only {memory(free_bytes)} of memory are free: close what needs it, or race "
        "smaller batches with fewer workers"
    )


def _governor(root: Path) -> str | None:
    files = sorted((root / _CPU_FOLDER).glob("cpu[0-9]*/cpufreq/scaling_governor"))
    names = {text.strip() for file in files if (text := read_text(file))}
    return ", ".join(sorted(names)) or None


def _turbo(root: Path) -> bool | None:
    no_turbo = _flag(root / _CPU_FOLDER / "intel_pstate/no_turbo", on="1")
    if no_turbo is not None:
        return not no_turbo
    return _flag(root / _CPU_FOLDER / "cpufreq/boost", on="1")


def _flag(path: Path, *, on: str) -> bool | None:
    text = (read_text(path) or "").strip()
    return text == on if text else None


def _blas_threads() -> int | None:
    import numpy as np  # noqa: F401, PLC0415 - a library is only seen once it is loaded
    import threadpoolctl  # noqa: PLC0415 - looks through all loaded libraries when it is used

    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return max((int(pool["num_threads"]) for pool in pools), default=None)


def _in_container(root: Path) -> bool:
    if any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv")):
        return True
    environment = read_text(root / "proc/1/environ") or ""
    groups = read_text(root / "proc/1/cgroup") or ""
    return "container=" in environment or any(
        word in groups for word in ("docker", "kubepods", "containerd", "/lxc/")
    )
