"""How busy this machine is, for one line of the live view."""

from __future__ import annotations

from dataclasses import dataclass

from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.wording import amount, count, memory, percent


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
