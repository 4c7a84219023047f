"""The composition root: the one room that knows every part."""

from __future__ import annotations

from parbench_lab.lab.bench import ParallelBenchmarking
from parbench_lab.lab.demo import demo
from parbench_lab.lab.stored import load_history
from parbench_lab.racing.result import RaceResult

__all__ = ["ParallelBenchmarking", "RaceResult", "demo", "load_history"]
