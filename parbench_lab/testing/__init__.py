"""For those who extend the lab: shipped conformance checks, and an executor that only pretends.

Each `check_*` raises `AssertionError`, with the broken promise in words.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parbench_lab.testing.elimination import check_elimination_policy
    from parbench_lab.testing.executor_check import check_executor
    from parbench_lab.testing.executors import Fault, ScriptedExecutor
    from parbench_lab.testing.model_gpu import ModelGpu
    from parbench_lab.testing.regulated_gpu import regulate
    from parbench_lab.testing.store import check_store
    from parbench_lab.testing.workload import check_workload

__all__ = [
    "Fault",
    "ModelGpu",
    "ScriptedExecutor",
    "check_elimination_policy",
    "check_executor",
    "check_store",
    "check_workload",
    "regulate",
]

_HOMES = {
    "Fault": "executors",
    "ModelGpu": "model_gpu",
    "ScriptedExecutor": "executors",
    "check_elimination_policy": "elimination",
    "check_executor": "executor_check",
    "check_store": "store",
    "check_workload": "workload",
    "regulate": "regulated_gpu",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
