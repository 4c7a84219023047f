"""What other processes, and their deaths, may do to a store."""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from parbench_lab.errors import StoreError
from parbench_lab.store import open_store
from tests.store.records import event, header
from tests.store.writer import EVENTS_PER_BATCH, MEASUREMENTS_PER_EVENT

ROOT = Path(__file__).parents[2]
FOR_EVER = 10**9
BATCH_S = 0.004
FIRST_BATCH_S = 0.03
"""About what they take, the first one with the tables: kills fall anywhere within."""


def writer(
    location: object, run_id: str, n_batches: int, *, max_file_bytes: int = 0, user: int = 0
) -> subprocess.Popen[str]:
    numbers = [str(number) for number in (n_batches, max_file_bytes, user)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.writer", str(location), run_id, *numbers],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        assert broken == []
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


@pytest.fixture
def nursery(tmp_path):
    """Return a function that begins a run, kills its writer after so many batches and counts.

    It is killed within the next batch: so many seconds later, or when that one is told.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.store.nursery", str(tmp_path / "runs.db")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )

    def killed(run_id, n_batches, later_s):
        child.stdin.write(f"{run_id}\n")
        pid = int(child.stdout.readline())
        lines = [child.stdout.readline() for _ in range(n_batches)]
        select.select([child.stdout], [], [], later_s)
        os.kill(pid, signal.SIGKILL)
        lines += iter(child.stdout.readline, "gone\n")
        return len(lines)

    with child:
        yield killed
        child.stdin.close()


def test_fifty_kills_lose_at_most_the_batch_in_flight(tmp_path, nursery):
    rng = random.Random(50)
    path = tmp_path / "runs.db"

    for kill in range(50):
        told = nursery(f"run-{kill}", rng.randrange(1, 12), rng.uniform(0, BATCH_S))

        assert integrity(path) == "ok"
        with contextlib.closing(open_store(path)) as store:
            events = list(store.events(f"run-{kill}"))
            assert store.summary(f"run-{kill}").status == "running"
        assert len(events) in (told * EVENTS_PER_BATCH, (told + 1) * EVENTS_PER_BATCH)
        assert events == [
            event(i, n_measurements=MEASUREMENTS_PER_EVENT) for i in range(len(events))
        ]


def test_kills_before_the_first_batch_leave_a_store_that_works(tmp_path, nursery):
    rng = random.Random(10)
    path = tmp_path / "runs.db"

    for kill in range(10):
        nursery(f"run-{kill}", 0, rng.uniform(0, FIRST_BATCH_S))

        with contextlib.closing(open_store(path)) as store:
            store.create_run(header(f"after-{kill}"))
            store.finish_run(f"after-{kill}", "finished", {})
        assert integrity(path) == "ok"


def test_a_run_goes_on_after_its_process_was_killed(tmp_path):
    path = tmp_path / "runs.db"
    with writer(path, "a", FOR_EVER) as child:
        child.stdout.readline()
        child.kill()

    with contextlib.closing(open_store(path)) as store:
        n = len(list(store.events("a")))
        store.append("a", [event(n)])
        store.finish_run("a", "finished", {})

        assert len(list(store.events("a"))) == n + 1
        assert store.summary("a").status == "finished"


def test_several_processes_that_begin_at_once_on_a_new_file_all_get_through(tmp_path):
    path = tmp_path / "new" / "runs.db"
    children = [writer(path, f"run-{i}", 25) for i in range(5)]

    ends = [
        (child.communicate(timeout=120)[0].splitlines()[-1], child.returncode)
        for child in children
    ]

    assert ends == [("24", 0)] * 5
    with contextlib.closing(open_store(path)) as store:
        counts = [len(list(store.events(f"run-{i}"))) for i in range(5)]
    assert counts == [25 * EVENTS_PER_BATCH] * 5


def test_readers_see_whole_batches_while_another_process_writes(tmp_path):
    path = tmp_path / "runs.db"
    seen = []

    with writer(path, "a", 12) as child, contextlib.closing(open_store(path)) as store:
        seen.extend(len(list(store.events("a"))) for _ in child.stdout)

    assert seen == sorted(seen)
    assert {n % EVENTS_PER_BATCH for n in seen} == {0}
    assert all(n >= (line + 1) * EVENTS_PER_BATCH for line, n in enumerate(seen))


def test_two_processes_cannot_write_the_same_run(tmp_path):
    first, second = open_store(tmp_path / "runs.db"), open_store(tmp_path / "runs.db")
    with contextlib.closing(first), contextlib.closing(second):
        first.create_run(header("a"))
        second.append("a", [event(0)])

        with pytest.raises(StoreError, match="another process writing the same run"):
            first.append("a", [event(0)])


def test_a_writer_waits_for_another_one_to_end_its_transaction(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a"))
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=store.append, args=("a", [event(0)]))
        waiting.start()
        assert list(store.events("a")) == []

        other.execute("COMMIT")
        other.close()
        waiting.join()

        assert list(store.events("a")) == [event(0)]


def test_a_full_disk_is_told_in_one_line_and_costs_only_the_last_batch(tmp_path):
    path = tmp_path / "runs.db"

    with writer(path, "a", FOR_EVER, max_file_bytes=300_000) as child:
        *told, error = child.stdout.read().splitlines()

    assert error.startswith(f"StoreError: store {path} cannot")
    assert "free some space, or give another place with --store" in error
    assert integrity(path) == "ok"
    with contextlib.closing(open_store(path)) as store:
        assert len(list(store.events("a"))) == len(told) * EVENTS_PER_BATCH
        n = len(told) * EVENTS_PER_BATCH
        store.append("a", [event(n)])


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of 400 kB; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    mounted = (
        shutil.which("mount")
        and subprocess.run(["mount", *options], check=False, stderr=-3).returncode
    )
    if mounted != 0:
        pytest.skip("a small disk cannot be mounted here: needs root and its rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_costs_only_the_last_batch_and_nothing_else(small_disk):
    path = small_disk / "runs.db"
    with writer(path, "a", FOR_EVER) as child:
        *told, error = child.stdout.read().splitlines()
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        file.write(b"x" * 1_000_000)

    assert error.startswith(f"StoreError: store {path} cannot")
    assert "free some space, or give another place with --store" in error
    with contextlib.closing(open_store(path)) as store:
        assert len(list(store.events("a"))) == len(told) * EVENTS_PER_BATCH
        # the summaries of what was killed cannot be kept now, and are told all the same
        assert store.series() != []
    assert integrity(path) == "ok"


@pytest.fixture
def locked(tmp_path_factory):
    """Return a store with a run, and who may read it, but not write beside it."""
    folder = tmp_path_factory.mktemp("shared")
    path = folder / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a"))
        store.append("a", [event(0, n_measurements=MEASUREMENTS_PER_EVENT)])
    for parent in (folder, *folder.parents[:-1]):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o555)
    path.chmod(0o444)
    folder.chmod(0o555)
    # root may write everywhere: the child becomes nobody then
    yield path, 65534 if os.geteuid() == 0 else 0
    folder.chmod(0o755)


def test_a_file_of_somebody_else_is_told_to_be_read_only(locked):
    path, nobody = locked
    before = path.read_bytes()

    with writer(path, "b", 1, user=nobody) as child:
        said = child.stdout.read()

    assert said.startswith(f"StoreError: store {path} cannot be")
    assert "or give another place with --store or PARBENCH_STORE" in said
    assert "make the file and its folder writable" in said
    assert said.count("\n") == 1
    assert path.read_bytes() == before


def test_a_store_in_a_folder_of_somebody_else_can_be_read(locked):
    path, nobody = locked
    place = f"sqlite:///{path}?mode=ro"

    said = subprocess.run(
        [sys.executable, "-m", "tests.store.visitor", place, str(nobody)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert said == "a 5\n"
    assert sorted(path.parent.iterdir()) == [path]


def test_a_reader_that_was_there_first_sees_what_is_written_later(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a"))
    reader = open_store(f"sqlite:///{path}?mode=ro")
    before = [run.id for run in reader.runs()]

    with contextlib.closing(open_store(path)) as store, contextlib.closing(reader):
        store.create_run(header("b"))

        assert (before, [run.id for run in reader.runs()]) == (["a"], ["a", "b"])


def test_a_reader_in_the_middle_of_reading_keeps_no_writer_waiting(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a"))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM run").fetchone()

            store.create_run(header("b"))

            assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert [run.id for run in store.runs()] == ["a", "b"]
