"""The controller of GPU utilisation, played on a model GPU; to look at without GPU or race."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parbench_lab.errors import UsageError
from parbench_lab.racing.concurrency import Controller, Room, steadied
from parbench_lab.racing.utilization import decide
from parbench_lab.testing.model_gpu import GpuMeter, ModelGpu


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulatedSecond:
    """One reading of the GPU, and what became of it.

    Parameters
    ----------
    at_s
        Virtual seconds from the start.
    target_percent, utilization_percent
        Wanted, and read (over the second before); None where it is not measured.
    blocks
        In flight from now on.
    reason
        Why it is this number; empty where the target is held or another reading is awaited.
    """

    at_s: float
    target_percent: float
    utilization_percent: float | None
    blocks: int
    reason: str = ""


def regulate(
    gpu: ModelGpu,
    *,
    targets: Sequence[float],
    seconds_each: int = 30,
    seed: int = 0,
) -> tuple[RegulatedSecond, ...]:
    """Return how the controller holds one target after the other, one reading a second.

    There is always another block to send, and a block is there at once.

    Parameters
    ----------
    gpu
        What is regulated.
    targets
        Utilisations in percent, within 1 to 100, one after the other.
    seconds_each
        Virtual seconds for each target, at least 1.
    seed
        Of the readings' noise.

    Raises
    ------
    UsageError
        If a target or the number of seconds is out of range, or there is no target.

    Examples
    --------
    >>> gpu = ModelGpu(uuid="GPU-0", seats=6, percent=lambda busy: min(100.0, 27.0 * busy))
    >>> course = regulate(gpu, targets=[80.0])
    >>> course[0].blocks, course[-1].blocks, course[-1].utilization_percent
    (1, 3, 81.0)
    """
    _refuse_nonsense(targets, seconds_each)
    meter, names = GpuMeter(gpu, seed=seed), gpu.names(0)
    controller, most = steadied(Controller(), 0.0, steady=True), 1
    course: list[RegulatedSecond] = []
    for second in range(len(targets) * seconds_each):
        target = targets[second // seconds_each]
        meter.seen(float(second), set(names[: controller.blocks]))
        for at_s, sample in meter.until(second + 1.0):
            room = Room(seats=gpu.seats, holding=most)
            controller = decide(controller, sample, at_s, target_percent=target, room=room)
            controller = steadied(controller, at_s, steady=True)
            most = max(most, controller.blocks)
            course.append(
                RegulatedSecond(
                    at_s=at_s,
                    target_percent=target,
                    utilization_percent=sample.utilization_percent,
                    blocks=controller.blocks,
                    reason=controller.reason,
                )
            )
    return tuple(course)


def _refuse_nonsense(targets: Sequence[float], seconds_each: int) -> None:
    if not targets or not all(1 <= target <= 100 for target in targets):
        raise UsageError(f"targets must be utilisations within 1 to 100 % but got {targets}")
    if not seconds_each >= 1:
        raise UsageError(f"seconds_each must be at least 1 but got {seconds_each}")
