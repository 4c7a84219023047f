"""What a task runs, as the code that measures sees it, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from parbench_lab.core.measurement import BlockResult, Measurement
from parbench_lab.core.ports import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A workload and its candidates.

    Parameters
    ----------
    token
        Stands for the workload: equal tokens, equal workloads.
    resolve
        Turns a candidate's name into its callable; may raise anything (its import is the
        candidate's own code), which is a failure of that candidate.
    """

    token: str
    workload: Workload
    resolve: Callable[[str], Callable[[Any], Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """What became of a task in a process that lived to tell.

    Parameters
    ----------
    results, unrun
        As in `TaskEnded`.
    retire
        Why this process should be replaced, "" if it need not be.
    broken
        Why the workload itself cannot go on, "" if it can.
    """

    results: tuple[BlockResult, ...] = ()
    unrun: tuple[int, ...] = ()
    retire: str = ""
    broken: str = ""


class Progress(Protocol):
    """Told what is going on, so that somebody outside knows when this process dies or hangs."""

    def begin_task(self, task: int) -> None:
        """A task begins."""

    def making(self, block: int) -> None:
        """The block's case is being made (or looked up)."""

    def made(self, block: int, seconds: float) -> None:
        """The block's case is there."""

    def running(self, block: int, slot: int) -> None:
        """The slot's candidate runs from now on."""

    def starting(self, block: int, slot: int) -> None:
        """The slot's candidate runs for the first time in this process, imports and all."""

    def checking(self, block: int, slot: int) -> None:
        """The slot's result is being checked from now on."""

    def resting(self) -> None:
        """No candidate runs."""

    def measured(self, block: int, measurement: Measurement) -> None:
        """A slot is done."""

    def end_task(self) -> None:
        """The task is done."""

    def recalled(self, task: int) -> bool:
        """Return whether this task was asked to stop."""


class Silent:
    """Progress that nobody watches; `stop_at` recalls tasks up to that number."""

    def __init__(self) -> None:
        self.stop_at = -1

    def begin_task(self, task: int) -> None:
        """Tell nobody."""

    def making(self, block: int) -> None:
        """Tell nobody."""

    def made(self, block: int, seconds: float) -> None:
        """Tell nobody."""

    def running(self, block: int, slot: int) -> None:
        """Tell nobody."""

    def starting(self, block: int, slot: int) -> None:
        """Tell nobody."""

    def checking(self, block: int, slot: int) -> None:
        """Tell nobody."""

    def resting(self) -> None:
        """Tell nobody."""

    def measured(self, block: int, measurement: Measurement) -> None:
        """Tell nobody."""

    def end_task(self) -> None:
        """Tell nobody."""

    def recalled(self, task: int) -> bool:
        """Return whether the task is recalled."""
        return task <= self.stop_at
