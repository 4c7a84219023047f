"""The machine-learning operations, as ``parbench scale ml_operations`` finds them by name."""

from __future__ import annotations

from parbench_lab.workloads.ml.scalables import ml_scalables

__all__ = ["ml_scalables"]
