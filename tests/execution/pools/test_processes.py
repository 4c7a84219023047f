"""Workers in processes of their own: what is shared, who dies, what is left."""

import functools
import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from parbench_lab.errors import ClusterError
from parbench_lab.execution.pools import open_pool
from tests.execution.pools import parts, scripts


@pytest.fixture(scope="module")
def pool():
    made = open_pool("processes", 2)
    yield made
    made.close()


def proportional_bytes(pid):
    """Return a process's proportional set size: shared pages count in shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Pss")


def test_large_arrays_arrive_as_read_only_maps_and_small_ones_as_copies(pool):
    large = np.arange(500_000.0).reshape(1000, 500)
    given = [large, np.asfortranarray(large), large[::2, ::3], large[:2]]

    described = list(pool.map(parts.described, given))

    assert [one[0] for one in described] == ["memmap", "memmap", "ndarray", "ndarray"]
    assert [one[1] for one in described] == [False, False, True, True]
    assert described[1][2]
    assert [one[5] for one in described] == [float(array.sum()) for array in given]


def test_an_array_of_a_closure_arrives_as_a_map_and_is_seen_as_it_is_now(pool):
    weights = np.ones(500_000)

    def look(_):
        return type(weights).__name__, float(weights.sum())

    first = set(pool.map(look, range(4)))
    weights[:] = 2.0
    second = set(pool.map(look, range(4)))

    assert first == {("memmap", 500_000.0)}
    assert second == {("memmap", 1_000_000.0)}


def test_a_result_that_is_a_piece_of_a_map_is_an_array_of_its_own(pool):
    large = np.arange(500_000.0)

    (piece,) = pool.map(lambda array: array[:5], [large])

    assert type(piece) is np.ndarray
    assert piece.flags.writeable
    assert piece.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells proportional set sizes")
def test_four_workers_hold_a_large_input_once(tmp_path):
    large = np.ones(25_000_000)  # 200 MB

    def meet(number, folder):
        parts.meets(number, folder, 0)
        parts.awaits(folder, 4)  # so that every worker has one

    def look(number, folder):
        meet(number, folder)
        return os.getpid(), float(large.sum())

    pool = open_pool("processes", 4)
    try:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        list(pool.map(functools.partial(meet, folder=str(tmp_path / "a")), range(4)))
        pids = [lane.pid for lane in pool._lanes]
        base = sum(map(proportional_bytes, pids))
        results = list(pool.map(functools.partial(look, folder=str(tmp_path / "b")), range(4)))
        held = sum(map(proportional_bytes, pids))
    finally:
        pool.close()

    assert {pid for pid, _ in results} == set(pids)
    assert {total for _, total in results} == {25e6}
    assert large.nbytes < held < 1.25 * large.nbytes + base


def own_workers():
    return [
        child
        for child in psutil.Process().children()
        if any("parbench-process" in word for word in child.cmdline())
    ]


@pytest.mark.parametrize(
    ("death", "words"),
    [
        pytest.param(lambda: os._exit(3), "exit code 3", id="exit"),
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL", id="killed"),
        pytest.param(lambda: signal.raise_signal(signal.SIGSEGV), "segmentation", id="crash"),
        pytest.param(lambda: os.closerange(3, 50), "was lost over item 2", id="pipe"),
    ],
)
def test_a_worker_that_dies_is_named_and_replaced(pool, death, words):
    def fatal(number):
        if number == 2:
            death()
            while True:  # one that lost its pipe
                os.read(0, 1)
        return number

    results = pool.map(fatal, range(6))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ClusterError, match=r"^worker process-\d \(process \d+\) .* item 2 for the "
                       r"function 'fatal'") as caught:  # fmt: skip
        next(results)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(pool.map(abs, [-1, -2, -3])) == [1, 2, 3]


def test_what_a_worker_prints_or_reads_does_not_disturb_it(capfd):
    def talks(number):
        sys.stdout.write("hello from a part\n")
        os.write(1, b"and from below\n")
        return number, sys.stdin.read()

    pool = open_pool("processes", 1)
    results = list(pool.map(talks, range(3)))
    pool.close()

    assert results == [(number, "") for number in range(3)]
    assert capfd.readouterr().err.count("hello from a part\nand from below\n") == 3


def test_workers_that_cannot_start_are_an_error_with_their_words(monkeypatch, tmp_path):
    (tmp_path / "threadpoolctl.py").write_text("raise SystemError('a broken installation')")
    monkeypatch.syspath_prepend(tmp_path)
    before = own_workers()

    with pytest.raises(ClusterError, match=r"process-\d cannot be started: SystemError: a broken"):
        open_pool("processes", 2)

    assert own_workers() == before


def test_nothing_is_left_after_pools_have_come_and_gone():
    def resources():
        gc.collect()
        process = psutil.Process()
        return threading.active_count(), len(process.children(recursive=True)), process.num_fds()

    before = resources()
    for _ in range(2):
        made = open_pool("processes", 2)
        folder = made._shelf.folder
        with pytest.raises(ZeroDivisionError):
            list(made.map(lambda number: 1 / number, [np.ones(200_000), 0]))
        list(made.map(np.sum, [np.ones(200_000)]))
        made.close()
        made.close()

        assert not folder.exists()
        assert resources() == before


def test_close_ends_a_part_that_never_ends():
    def endless(number):
        while number:
            pass

    made = open_pool("processes", 1)
    results = made.map(endless, [0, 1])
    next(results)

    made.close()

    with pytest.raises(ClusterError, match="closed while its map was running"):
        next(results)


def test_a_pool_that_nobody_holds_is_ended():
    made = open_pool("processes", 1)
    pids = [lane.pid for lane in made._lanes]
    list(made.map(abs, [1]))

    del made
    gc.collect()

    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("backend", ["processes", "threads", "dask"])
def test_a_plain_script_needs_no_guard_and_may_open_pools_again(tmp_path, backend):
    script = tmp_path / "script.py"
    script.write_text(scripts.PLAIN.format(backend=backend))

    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True
    )

    assert ran.stdout.splitlines() == ["imported", *["[3.0, 300003.0] [4]"] * 2]
    assert ran.stderr == ""


def started(tmp_path, backend, rest):
    """Start a script whose map never ends; return it and its workers."""
    script = tmp_path / "script.py"
    script.write_text(scripts.INTERRUPTED.format(backend=backend, rest=rest))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert len(workers) >= 2
    assert process.stdout.readline() == "mapping\n"
    return process, workers


def folders_of(pid):
    return list(Path("/dev/shm").glob(f"parbench-{pid}-*"))


@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_ctrl_c_ends_a_script_and_all_its_workers(tmp_path, backend):
    process, workers = started(tmp_path, backend, scripts.LETS_IT_PASS)

    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1
    assert psutil.wait_procs(workers, timeout=120)[1] == []
    assert folders_of(process.pid) == []


def test_ctrl_c_may_be_caught_and_close_leaves_nothing(tmp_path):
    process, workers = started(tmp_path, "processes", scripts.CLOSES)

    process.send_signal(signal.SIGINT)
    lines = [process.stdout.readline() for _ in range(2)]
    left = folders_of(process.pid)
    process.communicate("\n", timeout=120)

    assert lines == ["interrupted\n", "[]\n"]
    assert left == []
    assert psutil.wait_procs(workers, timeout=120)[1] == []


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux ends children with their parent")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    process, workers = started(tmp_path, "processes", scripts.WAITS)

    process.kill()
    process.communicate()

    assert psutil.wait_procs(workers, timeout=120)[1] == []
