"""What is left in this process and on this machine when executors have come and gone."""

import gc
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.execution.scratch import scratch_folder
from tests.execution import misdeeds
from tests.execution.desk import Desk, outcomes


def resources():
    gc.collect()
    process = psutil.Process()
    return threading.active_count(), len(process.children(recursive=True)), process.num_fds()


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

    assert resources() <= before
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
