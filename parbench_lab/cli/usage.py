"""How busy this machine and the workers are: lines of the live view and of a stored run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.wording import amount, count, memory, percent

if TYPE_CHECKING:
    from parbench_lab.monitoring.thinning import UsageSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUsage:
    """Usage of the whole host.

    `cpu_percent` is the mean over all cores since the last look, within 0 to 100.
    """

    cpu_percent: float
    memory_used_bytes: int
    memory_total_bytes: int


def host_usage() -> HostUsage:
    """Return the usage since the last call; the first call only begins to count (CPU 0 %)."""
    import psutil  # noqa: PLC0415 - only the live view asks

    memory = psutil.virtual_memory()
    return HostUsage(
        cpu_percent=psutil.cpu_percent(interval=None),
        memory_used_bytes=memory.total - memory.available,
        memory_total_bytes=memory.total,
    )


def machine_line(scoreboard: Scoreboard, usage: HostUsage | None) -> str:
    """Return what the machine does, in one line."""
    parts = [
        f"{amount(scoreboard.blocks_per_s)} blocks/s",
        count(len(scoreboard.workers), "worker"),
        f"duty cycle {percent(scoreboard.duty_cycle)}",
    ]
    if usage is not None:
        used, total = memory(usage.memory_used_bytes), memory(usage.memory_total_bytes)
        parts += [f"CPU {usage.cpu_percent:.0f} %", f"memory {used} of {total}"]
    return " · ".join(parts)


def usage_document(summaries: Sequence[UsageSummary]) -> list[dict[str, Any]]:
    """Return what the workers of a run did as JSON values."""
    return [dataclasses.asdict(summary) for summary in summaries]


def usage_lines(
    summaries: Sequence[UsageSummary], not_measured: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what the workers of a stored run did, in at most three lines; none where nothing is.

    Means are over workers and time, maxima of any worker at any time. The host's line is about
    the machines they ran on, other programs included; it stands where they were looked at.

    Parameters
    ----------
    summaries
        From `parbench_lab.monitoring.thinning.summarize`.
    not_measured
        Of the run's result: what was not measured, and why.
    """
    if not summaries:
        return ()
    own = {"cpu_percent": "% of a core each", "rss_bytes": "each"}
    all_there = {"host_cpu_percent": "% of all cores", "host_memory_bytes": ""}
    lines = [", ".join([count(len(summaries), "worker"), *_cpu_and_memory(summaries, own)])]
    host = _cpu_and_memory(summaries, all_there)
    if host:
        lines.append(", ".join(["host with other programs", *host]))
    told = tuple(f"usage: {line}" for line in lines)
    return (*told, _gpu_line(summaries, not_measured))


def _cpu_and_memory(summaries: Sequence[UsageSummary], figures: Mapping[str, str]) -> list[str]:
    """Return mean and maximum of CPU and memory in words, without what is not known.

    Parameters
    ----------
    summaries
        As for `usage_lines`.
    figures
        The names of the CPU's figure and of the memory's, in this order, to what stands behind
        their means.
    """
    (cpu, of_what), (used, by_whom) = figures.items()
    parts = []
    if (busy := _spread(summaries, cpu)) is not None:
        parts.append(f"CPU {busy[0]:.0f} {of_what} (at most {busy[1]:.0f} %)")
    if (held := _spread(summaries, used)) is not None:
        mean = f"{memory(held[0])} {by_whom}".rstrip()
        parts.append(f"memory {mean} (at most {memory(held[1])})")
    return parts


def _gpu_line(summaries: Sequence[UsageSummary], not_measured: Mapping[str, str]) -> str:
    busy, used = _spread(summaries, "gpu_percent"), _spread(summaries, "gpu_memory_bytes")
    power, heat = _spread(summaries, "gpu_power_w"), _spread(summaries, "gpu_temperature_c")
    clock, throttled = _spread(summaries, "gpu_clock_hz"), _spread(summaries, "gpu_throttled")
    parts = []
    if busy is not None:
        parts.append(f"{busy[0]:.0f} % (at most {busy[1]:.0f} %)")
    if used is not None:
        parts.append(f"memory at most {memory(used[1])}")
    if power is not None:
        parts.append(f"{power[0]:.0f} W (at most {power[1]:.0f} W)")
    if heat is not None:
        parts.append(f"at most {heat[1]:.0f} °C")
    if clock is not None:
        parts.append(f"SM {clock[0] / 1e6:.0f} MHz (at most {clock[1] / 1e6:.0f} MHz)")
    if throttled is not None and throttled[0] > 0:
        parts.append(f"throttled in {percent(throttled[0])} of the samples")
    why = not_measured.get("gpu_utilization", "")
    if not parts:
        return f"usage: {why or 'GPU utilisation is not measured'}"
    # a GPU that is lost on the way leaves figures too: the reason says that they are not of all
    # the run, or why memory is told alone
    at_the_end = "" if busy is None else "at the end: "
    return f"usage: GPU {', '.join(parts)}" + (f" ({at_the_end}{why})" if why else "")


def _spread(summaries: Sequence[UsageSummary], name: str) -> tuple[float, float] | None:
    """Return mean over workers and maximum of a figure, None where no worker has it."""
    means = [summary.means[name] for summary in summaries if name in summary.means]
    maxima = [summary.maxima[name] for summary in summaries if name in summary.maxima]
    return (sum(means) / len(means), max(maxima)) if means else None
