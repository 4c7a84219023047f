"""Two notebooks and a shell that race into one file at the same time."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys

import pytest
from jupyter_client.manager import KernelManager

from parbench_lab.store import open_store

PATIENCE_S = 120.0
OPENED = """
import time
import parbench_lab as pb

def idle(case):  # the cores are for those who write
    time.sleep(0.004)
    return sorted(case)

def idler(case):
    time.sleep(0.005)
    return sorted(case)

bench = pb.ParallelBenchmarking(
    algorithms=[idle, idler], workload="sorting", batch_size=50, policy="never",
    n_workers=1, store={store!r},
)
bench.start()
bench.wait("first_rows", timeout_s=60)
print("racing", bench.run_id)
"""
ENDED = """
result = bench.stop()
bench.close()
print("ended", bench.run_id)
"""


class Notebook:
    """A kernel, and what its cells have said."""

    def __init__(self, kernel, client):
        self.kernel = kernel
        self.client = client
        self.said = []

    def run(self, cell):
        """Run a cell to its end, and return the last word that it printed."""
        words = []

        def hear(message):
            content = message["content"]
            words.append(content.get("text", "") + "\n".join(content.get("traceback", ())))

        reply = self.client.execute_interactive(cell, timeout=PATIENCE_S, output_hook=hear)
        self.said += words
        assert reply["content"]["status"] == "ok", "".join(words)
        return "".join(words).split()[-1]


@contextlib.contextmanager
def notebook(folder):
    """Start a kernel as JupyterLab does, on sockets of its own; it is gone afterwards."""
    kernel = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "socket"))
    kernel.start_kernel(cwd=folder, extra_arguments=["--HistoryManager.enabled=False"])
    client = kernel.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE_S)
        yield Notebook(kernel, client)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def shell_race(store, folder):
    words = ["sorting", "-a", "list_sort", "-a", "heap_sort", "--seconds", "2", "--json"]
    command = [sys.executable, "-m", "parbench_lab", "race", *words]
    return subprocess.run(
        [*command, "--workers", "1", "--batch-size", "50", "--store", store],
        cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="the kernels' sockets are files")
def test_two_kernels_and_a_shell_write_to_one_file_and_no_lock_reaches_the_user(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    store = str(tmp_path / "runs.db")

    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(notebook(folder)) for folder in folders]
        began = [one.run(OPENED.format(store=store)) for one in both]
        done = shell_race(store, tmp_path)  # from its start to its end both notebooks race
        ended = [one.run(ENDED) for one in both]

    said = "".join([*both[0].said, *both[1].said, done.stderr])
    assert done.returncode == 0, done.stderr
    assert "locked" not in said
    assert began == ended
    with contextlib.closing(open_store(store)) as opened:
        shell = json.loads(done.stdout)["id"]
        statuses = {run_id: opened.summary(run_id).status for run_id in [*began, shell]}
        numbers = {run_id: [e.seq for e in opened.events(run_id)] for run_id in statuses}
    assert len(statuses) == 3
    assert "running" not in statuses.values()
    assert all(seqs == list(range(len(seqs))) and len(seqs) > 10 for seqs in numbers.values())
    with contextlib.closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
