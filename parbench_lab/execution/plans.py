"""Which worker processes the local cluster has, and on which cores each stays. Pure.

A GPU has several processes, its *seats*: as many blocks can be in flight on it as it has seats,
and each process holds a CUDA context of its own. Where there are enough cores, half of them at
most are kept for the seats, near their device, so that they and the CPU workers do not meet.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from parbench_lab.execution.processes import WorkerPlan

if TYPE_CHECKING:
    from parbench_lab.hardware.gpu import Gpu

GPU = "GPU"
"""The resource that a GPU worker offers one of."""

VISIBLE = "CUDA_VISIBLE_DEVICES"


def own_cores() -> tuple[int, ...]:
    """Return the cores that this process may run on, empty where the system does not tell."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def worker_plans(
    n_workers: int,
    memory_limit_bytes: int | None,
    *,
    cores: Sequence[int] | None = None,
    beside_gpus: bool = False,
) -> tuple[WorkerPlan, ...]:
    """Return the workers ``cpu-0, cpu-1, ...``, each on a core of its own where there are enough.

    Parameters
    ----------
    n_workers
        How many.
    memory_limit_bytes
        Of each; None for none.
    cores
        Best first; by default all that this process may run on.
    beside_gpus
        Whether there are GPU workers too: then no GPU is visible to these, so that a candidate
        that uses one without saying so fails here instead of racing in two places.

    Examples
    --------
    >>> [plan.name for plan in worker_plans(2, None)]
    ['cpu-0', 'cpu-1']
    """
    room = own_cores() if cores is None else cores
    pinned = n_workers <= len(room)
    return tuple(
        WorkerPlan(
            name=f"cpu-{index}",
            cores=(room[index],) if pinned else (),
            memory_limit_bytes=memory_limit_bytes,
            env={VISIBLE: ""} if beside_gpus else {},
        )
        for index in range(n_workers)
    )


def gpu_plans(
    gpus: Sequence[Gpu], *, seats: int, cores: Sequence[tuple[int, ...]]
) -> tuple[WorkerPlan, ...]:
    """Return the workers of every GPU: ``gpu-0, gpu-1, ..., gpu-0.1, gpu-1.1, ...``.

    They have no limit of memory: the kernel's (``RLIMIT_DATA``) counts every private writable
    mapping, the CUDA driver's too, used or not, and a driver that meets it fails with an error of
    its own instead of a `MemoryError`. The watch over what is resident stays.

    Parameters
    ----------
    gpus
        Devices or MIG instances.
    seats
        Processes of each.
    cores
        Of each GPU's processes; empty for all.

    Examples
    --------
    >>> from parbench_lab.hardware.gpu import Gpu
    >>> plans = gpu_plans([Gpu(index=0, uuid="GPU-a", name="A", memory_bytes=8e9)], seats=2,
    ...                   cores=[(6, 7)])
    >>> [(plan.name, plan.gpu, plan.cores, dict(plan.env)) for plan in plans]
    [('gpu-0', 'GPU-a', (6, 7), {'CUDA_VISIBLE_DEVICES': 'GPU-a'}), \
('gpu-0.1', 'GPU-a', (6, 7), {'CUDA_VISIBLE_DEVICES': 'GPU-a'})]
    """
    return tuple(
        WorkerPlan(
            name=f"gpu-{index}.{seat}" if seat else f"gpu-{index}",
            cores=cores[index],
            resources={GPU: 1.0},
            env={VISIBLE: gpu.uuid},
            gpu=gpu.uuid,
        )
        for seat in range(seats)
        for index, gpu in enumerate(gpus)
    )


def cores_of_gpus(
    near: Sequence[Collection[int]], *, seats: int, ours: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Return the cores on which the processes of each GPU stay.

    As many as it has seats, near it first, and no core twice, while half of the cores are left to
    others; on a smaller machine all that are near it. Never an empty set where `ours` has any.

    Parameters
    ----------
    near
        Cores that the driver calls near each GPU; empty where it does not tell.
    seats
        Processes of each GPU.
    ours
        Cores that may be used at all.

    Examples
    --------
    >>> cores_of_gpus([(0, 1, 2, 3), (4, 5, 6, 7)], seats=2, ours=range(8))
    ((2, 3), (6, 7))
    >>> cores_of_gpus([(0, 1), (64, 65)], seats=4, ours=(0, 1))
    ((0, 1), (0, 1))
    """
    each = min(seats, len(ours) // 2 // len(near)) if near else 0
    if each < 1:
        return tuple(tuple(core for core in ours if core in own) or tuple(ours) for own in near)
    free = list(ours)
    found = []
    for own in near:
        close = [core for core in free if core in own]
        # from the end: the first ones are where a system's own work lands
        taken = sorted([*(core for core in free if core not in close), *close][-each:])
        free = [core for core in free if core not in taken]
        found.append(tuple(taken))
    return tuple(found)


def left_first(
    ours: Sequence[int], taken: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], int]:
    """Return the cores with those first that no GPU has to itself, and how many these are.

    Examples
    --------
    >>> left_first(range(6), [(1,), (5,)])
    ((0, 2, 3, 4, 1, 5), 4)
    >>> left_first((0, 1), [(0, 1), (0, 1)])
    ((0, 1), 2)
    """
    used = [core for cores in taken for core in cores]
    if len(set(used)) < len(used) or len(used) >= len(ours):
        return tuple(ours), len(ours)  # they are shared anyway
    left = [core for core in ours if core not in used]
    return (*left, *sorted(used)), len(left)
