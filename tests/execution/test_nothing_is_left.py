"""What is left in this process and on this machine when executors have come and gone."""

import contextlib
import gc
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import psutil

from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.execution.scratch import scratch_folder
from tests.execution import misdeeds
from tests.execution.desk import Desk, outcomes


def resources():
    """Return kinds of what this process holds, by name, so that a failure tells which is more."""
    gc.collect()
    children = [child.name() for child in psutil.Process().children(recursive=True)]
    return Counter(
        [
            *(f"thread {re.sub(r'[0-9]+', '', thread.name)}" for thread in threading.enumerate()),
            *(f"process {name}" for name in children),
            *(f"file {name}" for name in open_files()),
        ]
    )


def open_files():
    """Return what each descriptor of this process is, sockets and pipes without their numbers."""
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one of the folder itself
            names.append(str(link.readlink()).partition("[")[0])
    return names


def test_nothing_is_left_after_five_rounds():
    folders = []
    before = None
    for _ in range(5):
        desk = Desk(DaskExecutor(n_workers=1), misdeeds.Summing())
        folders.append(desk.executor._folder)
        assert outcomes(desk.run(misdeeds.good)) == {"good": ("ok", "")}
        desk.close()
        desk.close()
        before = before or resources()  # pools that Dask keeps for the process are there now

    assert resources() - before == Counter()
    assert not [folder for folder in folders if folder.exists()]


def test_the_folder_of_a_process_that_was_killed_is_removed_by_the_next():
    script = (
        "from parbench_lab.execution.scratch import scratch_folder; import os, signal;"
        "print(scratch_folder(1), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False
    )
    orphan = Path(killed.stdout.strip())
    assert orphan.is_dir()

    ours = [scratch_folder(1), scratch_folder(1)]

    assert not orphan.exists()
    assert all(folder.is_dir() for folder in ours)  # the living keep theirs
    for folder in ours:
        folder.rmdir()
