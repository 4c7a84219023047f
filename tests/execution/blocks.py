"""Blocks and tasks for tests, with little to say."""

from parbench_lab.core.block import Block, Case, Slot, Task


def block(number, *names, size=10, check=False, timeout_s=1.0, repeats=1):
    slots = tuple(
        Slot(candidate=name, check=check, timeout_s=timeout_s, repeats=repeats) for name in names
    )
    return Block(number=number, epoch=0, case=Case(workload="w", size=size, seed=1), slots=slots)


def task(number, *blocks, worker="w", **options):
    return Task(number=number, worker=worker, blocks=blocks, **options)
