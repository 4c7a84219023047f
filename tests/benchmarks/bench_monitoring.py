"""What watching the workers costs: a share of one core, in the worker and in the client.

A sample is taken, packed and handed to Dask many times in a row (CPU time of the process over the
number of samples); then a cluster of one idle worker runs with and without sampling, in turn, and
what the worker and the client (scheduler included) used beyond their idling is told. On a GPU the
real driver is asked; where there is none that is "not measured", and recorded devices only show
the cost of our own code.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.hardware.gpu import find_gpus, open_nvml
from parbench_lab.hardware.nvml import GpuError
from parbench_lab.monitoring.messages import dump_usages
from parbench_lab.monitoring.sampling import SAMPLE_HZ, GpuAtHand, Sampler
from parbench_lab.testing.recorded_gpus import two_gpus
from tests.execution import misdeeds
from tests.execution.desk import Desk

TARGET_PERCENT = 1.0
ROUNDS, SAMPLES = 7, 300
CLUSTER_ROUNDS, IDLE_S = 3, 3.0
BUSY_HZ = 50.0


def cost_of(sampler: Sampler) -> list[float]:
    """Return microseconds of CPU per sample, packed for its way, of each round."""
    found = []
    for _ in range(ROUNDS):
        began_ns = time.process_time_ns()
        for _ in range(SAMPLES):
            dump_usages([sampler.sample()], "session")
        found.append((time.process_time_ns() - began_ns) / SAMPLES / 1e3)
    return found


def real_gpu() -> tuple[Sampler | None, str]:
    """Return a sampler on the first real GPU, or why there is none."""
    try:
        nvml = open_nvml("")
    except GpuError as error:
        return None, str(error)
    inventory = find_gpus(nvml)
    if not inventory.gpus:
        return None, inventory.reason
    gpu = inventory.gpus[0]
    return Sampler("real", at_hand=GpuAtHand(nvml=nvml, gpu=gpu)), gpu.name


def recorded_gpu() -> Sampler:
    """Return a sampler on a recorded GPU."""
    nvml = two_gpus()
    gpu = find_gpus(nvml, visible=None).gpus[0]
    return Sampler("recorded", at_hand=GpuAtHand(nvml=nvml, gpu=gpu))


def used_s(pid: int) -> float:
    """Return the CPU seconds that all threads of a process have used (Linux)."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def idle_share(sample_hz: float) -> tuple[float, float]:
    """Return the share of a core that an idle worker and its client use, in percent."""
    desk = Desk(DaskExecutor(n_workers=1, sample_hz=sample_hz), misdeeds.Summing())
    try:
        desk.worker()
        pid = desk.executor._floor.stations["cpu-0"].newcomer.pid
        time.sleep(1.0)  # what a start stirs up comes to rest
        began_s, before = time.perf_counter(), (used_s(pid), used_s(os.getpid()))
        time.sleep(IDLE_S)
        passed_s = time.perf_counter() - began_s
        after = used_s(pid), used_s(os.getpid())
    finally:
        desk.close()
    worker, client = (100 * (b - a) / passed_s for a, b in zip(before, after, strict=True))
    return worker, client


def rows() -> Iterator[tuple[str, list[float]]]:
    """Yield what was sampled and the cost of each round in microseconds."""
    yield "process and host", cost_of(Sampler("cpu-0"))
    yield "with a recorded GPU", cost_of(recorded_gpu())
    real, name = real_gpu()
    if real is None:
        print(f"with a real GPU: not measured ({name})")
    else:
        yield f"with {name}", cost_of(real)


def spread(values: list[float], form: Callable[[float], str]) -> str:
    """Return median, smallest and largest."""
    return f"{form(statistics.median(values))} ({form(min(values))} to {form(max(values))})"


def main() -> None:
    """Print both tables."""
    for what, costs_us in rows():
        share = SAMPLE_HZ * statistics.median(costs_us) / 1e4
        words = spread(costs_us, "{:.0f} µs".format)
        print(f"{what}: {words} of CPU a sample; {share:.3f} % of a core at {SAMPLE_HZ:g} Hz")
    pairs = [(idle_share(0.0), idle_share(BUSY_HZ)) for _ in range(CLUSTER_ROUNDS)]
    for place, who in enumerate(("worker", "client with scheduler")):
        extra = [(on[place] - off[place]) * SAMPLE_HZ / BUSY_HZ for off, on in pairs]
        words = spread(extra, "{:.2f} %".format)
        print(f"on a cluster, {who}: {words} of a core at {SAMPLE_HZ:g} Hz and worker")
    print(f"target: under {TARGET_PERCENT:g} % of a core")


if __name__ == "__main__":
    main()
