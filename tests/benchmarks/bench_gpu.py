"""What a GPU is worth here: crossovers over batch sizes, utilisation held, the cost of watching.

For a machine with an NVIDIA GPU and PyTorch or CuPy; on any other it says why and measures
nothing. The figures belong to the device whose name is printed first; notebook 07 shows the same
with plots. Not run on a GPU while it was written.
"""

from __future__ import annotations

import statistics
import time

import parbench_lab as pb
from parbench_lab.core.wording import memory
from parbench_lab.hardware.gpu import GpuInventory, find_gpus
from parbench_lab.monitoring.sampling import SAMPLE_HZ, Sampler, gpu_at_hand
from parbench_lab.workloads.members import is_installed
from parbench_lab.workloads.registry import candidates_of, workload_by_name

SIZES = {
    "matrix_product": (1, 8, 64, 512, 4096, 32_768),
    "row_norms": (8, 64, 512, 4096, 32_768, 262_144),
}
SECONDS_PER_SIZE = 12.0
TARGETS = (80.0, 95.0)
BUSY_ROWS = 16_384
SECONDS_PER_TARGET = 60.0
COMPANY_SECONDS = 20.0
SAMPLES = 500


def main() -> None:
    found = find_gpus()
    why = why_not(found)
    if why:
        print(f"not measured: {why}")
        return
    for gpu in found.gpus:
        print(f"{gpu.name}, {memory(gpu.memory_bytes)}, driver {found.driver}")
    for workload in SIZES:
        over_sizes(workload, resident=False)
        over_sizes(workload, resident=True)
    holding()
    company()
    watching()


def why_not(found: GpuInventory) -> str:
    """Return why nothing can be measured, empty where something can."""
    if not found.gpus:
        return f"no GPU can be used: {found.reason}"
    if not (is_installed("torch") or is_installed("cupy")):
        return "neither torch nor cupy is installed"
    return ""


def over_sizes(workload: str, *, resident: bool) -> None:
    """Race those whose data travel, or those whose data stay, with the CPU over all sizes."""
    job = workload_by_name(workload)
    racing = [c for c in candidates_of(job) if not c.resources or _stays(c) == resident]
    sizes = SIZES[workload]
    with pb.ParallelBenchmarking(
        racing, job, batch_size=sizes[0], prime=resident, store=":memory:"
    ) as bench:
        bench.start()
        bench.wait("first_rows", timeout_s=300)
        for size in sizes:
            bench.change(batch_size=size)
            bench.wait("decided", timeout_s=SECONDS_PER_SIZE)
        shown = bench.sizes()
    print(f"\n{workload}, on the GPU the data {'stay there' if resident else 'travel'}")
    print(f"{'rows':>9}  {'candidate':<28} {'rows/s (95 % interval)':<36} times the leader's time")
    for summary in shown:
        print(*_lines(summary), sep="\n")
    crossovers = pb.plots.sizes_data(shown).crossovers
    columns = (crossovers[name] for name in ("size", "what", "shown"))
    for rows, what, shown in zip(*columns, strict=True):
        doubt = "" if shown else " (not shown: an interval of the two holds 1)"
        print(f"crossover at about {rows:.0f} rows: {what}{doubt}")
    if not crossovers["size"]:
        print("no crossover between these sizes")


def _lines(summary) -> list[str]:
    found = []
    for name, time_s in sorted(summary.times_s.items(), key=lambda item: item[1].point):
        rows, ratio = summary.batch_size, summary.ratios.get(name)
        speed = f"{rows / time_s.point:.4g} ({rows / time_s.high:.4g} to {rows / time_s.low:.4g})"
        found.append(f"{rows:9d}  {name:<28} {speed:<36} {ratio or 'not met'}")
    return found


def _stays(candidate) -> bool:
    return candidate.name.endswith("_resident")


def _gpu_candidates(*, resident: bool):
    job = workload_by_name("matrix_product")
    return job, [c for c in candidates_of(job) if c.resources and _stays(c) == resident]


def holding() -> None:
    """Let the controller hold each target; print what the second half of its time came to."""
    job, racing = _gpu_candidates(resident=True)
    options = {"batch_size": BUSY_ROWS, "prime": True, "policy": "never", "store": ":memory:"}
    print(f"\nutilisation held, {', '.join(c.name for c in racing)}, {BUSY_ROWS} rows")
    with pb.ParallelBenchmarking(racing, job, **options) as bench:
        bench.start()
        bench.wait("first_rows", timeout_s=300)
        for target in TARGETS:
            bench.change(target_gpu_utilization=target)
            since_s = bench.scoreboard.elapsed_s + SECONDS_PER_TARGET / 2
            bench.wait("finished", timeout_s=SECONDS_PER_TARGET)
            for load in bench.scoreboard.gpus:
                read = _read(bench.history().usage, load.gpu, since_s)
                blocks = f"{load.blocks} of {load.seats} blocks in flight"
                print(
                    f"  target {target:g} %: {read}, {blocks}; {load.reason or 'held, or sought'}"
                )
        for line in bench.log_lines:
            if line.kind.startswith("Concurrency"):
                print(f"  {line.at_s:6.1f} s  {line.sentence}")


def _read(usage, gpu: str, since_s: float) -> str:
    told = [
        {worker.gpu_uuid: worker.gpu_percent for worker in moment.workers}.get(gpu)
        for moment in usage
        if moment.at_s >= since_s
    ]
    read = [percent for percent in told if percent is not None]
    if not read:
        return "utilisation not measured"
    return (
        f"{statistics.mean(read):.1f} % ({min(read):.0f} to {max(read):.0f}, {len(read)} samples)"
    )


def company() -> None:
    """Print what blocks that share the GPU cost each other."""
    job, racing = _gpu_candidates(resident=False)
    with pb.ParallelBenchmarking(
        racing, job, batch_size=BUSY_ROWS, policy="never", interference_every_s=0.5,
        store=":memory:",
    ) as bench:  # fmt: skip
        bench.start()
        bench.wait("finished", timeout_s=COMPANY_SECONDS)
        trust = bench.scoreboard.trust
    print(f"\nin company against alone on the GPU: {trust.interference or 'not measured'}")
    print(*trust.warnings, sep="\n")


def watching(n_samples: int = SAMPLES) -> None:
    """Print what the sampler of a worker with this GPU takes (target: under 1 % of a core)."""
    sampler = Sampler("here", at_hand=gpu_at_hand({"GPU": 1.0}))
    # of the whole process: the driver is asked in another thread than this one
    began_ns, spent_ns = time.perf_counter_ns(), time.process_time_ns()
    for _ in range(n_samples):
        sampler.sample()
    lasted_s = (time.perf_counter_ns() - began_ns) / 1e9 / n_samples
    spent_s = (time.process_time_ns() - spent_ns) / 1e9 / n_samples
    print(
        f"\nwatching: a sample takes {1e3 * lasted_s:.2f} ms, {1e3 * spent_s:.2f} ms of it CPU; "
        f"{SAMPLE_HZ:g} a second are {SAMPLE_HZ * spent_s:.2%} of a core (target: under 1 %)"
    )


if __name__ == "__main__":
    main()
