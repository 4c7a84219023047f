"""The worker processes of this process, told from other children that libraries start."""

from __future__ import annotations

import psutil

WORKER_NAME = "cpu-"


def own_workers() -> list[psutil.Process]:
    """Return the running worker processes that this process started, oldest first."""
    found = []
    for child in psutil.Process().children():
        try:
            command = " ".join(child.cmdline())
        except psutil.NoSuchProcess:
            continue
        if "parbench_lab" in command and WORKER_NAME in command:
            found.append(child)
    return found
