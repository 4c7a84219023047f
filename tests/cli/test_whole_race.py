"""The shell over the real thing: worker processes, a store on disk, signals."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

import parbench_lab as pb
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import ExecutorFailed
from parbench_lab.store import open_store
from parbench_lab.testing import ScriptedExecutor
from tests.cli.test_processes import read_until, started

MODULE = """
from parbench_lab import candidate


class Doubling:
    default_batch_size = 2000

    def make_case(self, size, rng):
        return rng.random(size).tolist()

    def check(self, case, result):
        if result != [x + x for x in case]:
            raise ValueError("not doubled")


@candidate
def comprehension(case):
    return [2 * x for x in case]


@candidate
def thrice(case):
    for _ in range(3):
        result = [2 * x for x in case]
    return result


@candidate
def tripled(case):
    return [3 * x for x in case]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "doubling.py").write_text(MODULE)
    return tmp_path


def command(*words):
    return [sys.executable, "-m", "parbench_lab", *words, "--workers", "1"]


def finished(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "parbench_lab", *words],
        capture_output=True, check=False, cwd=folder, encoding="utf-8", timeout=250,
    )  # fmt: skip


def racing(folder, *words):
    return started(
        command("race", "doubling.py", "--forever", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=folder,
    )


def test_a_module_is_raced_and_its_result_is_kept(folder):
    done = finished(
        folder, "race", "doubling.py", "--workers", "1", "--json", "--output", "result.json"
    )
    shown = finished(folder, "show", "latest", "--json")

    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["winner"] == "comprehension"
    assert json.loads((folder / "result.json").read_text()) == result
    assert json.loads(shown.stdout)["result"]["sentence"] == result["sentence"]
    assert [s["outcome"] for s in result["scoreboard"]["standings"]].count("wrong") == 1
    assert sorted(p.name for p in folder.iterdir() if p.name != "__pycache__") == [
        ".parbench", "doubling.py", "result.json",
    ]  # fmt: skip


def test_a_dry_run_tells_who_would_race_at_what_size_and_leaves_nothing_behind(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()

    for store in ([], ["--store", str(tmp_path / "new" / "runs.db")]):
        done = finished(empty, "race", "sorting", "--dry-run", "--batch-size", "777", *store)

        assert done.returncode == 0, done.stderr
        assert "list_sort" in done.stdout
        assert "777" in done.stdout
        assert list(tmp_path.rglob("*")) == [empty]


def test_the_doctor_really_races_identical_code_and_counts_false_eliminations(folder):
    done = finished(folder, "doctor", "--seconds", "2", "--workers", "1", "--json")

    document = json.loads(done.stdout)
    found = document["identical_code"]
    assert found["copies"] == 4
    assert found["false_eliminations"] in range(4)  # a noisy machine is one; the last never is
    assert found["faults"] == []
    assert found["blocks"] >= 5
    assert 0 < found["largest_difference"] < 9  # of real times: no two medians are the same
    assert done.returncode == (0 if document["passed"] else 1), done.stderr


def test_ctrl_c_ends_a_real_race_with_what_was_measured(folder):
    with racing(folder) as process:
        read_until(process.stdout, "tripled is out")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=120)

    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "measurements in" in rest.splitlines()[-1]


def test_a_race_that_was_killed_goes_on_where_it_was(folder):
    with racing(folder) as process:
        read_until(process.stdout, "tripled is out")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=120)
    before = measurements(folder)
    interrupted = finished(folder, "show")

    resumed = finished(
        folder, "race", "doubling.py", "--resume", "latest", "--workers", "1", "--json"
    )

    assert "running or interrupted" in interrupted.stdout
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert result["winner"] == "comprehension"
    assert result["scoreboard"]["measurements"] >= before
    assert len(json.loads(finished(folder, "runs", "--json").stdout)) == 1


def measurements(folder):
    with contextlib.closing(sqlite3.connect(folder / ".parbench" / "runs.db")) as database:
        return database.execute("select count(*) from measurement").fetchone()[0]


def test_a_workload_that_all_candidates_fail_at_is_a_failed_race(folder):
    (folder / "doubling.py").write_text(MODULE.replace("2 * x", "4 * x"))

    done = finished(folder, "race", "doubling.py", "--workers", "1", "--seconds", "4")

    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("No winner")


def test_a_race_begun_on_another_machine_is_refused_in_one_line(tmp_path):
    path = tmp_path / "runs.db"
    timings = dict.fromkeys(("list_sort", "heap_sort"), lambda _rng, _case, _block: 0.01)
    with pb.ParallelBenchmarking(
        list(timings), "sorting", store=path, executor=ScriptedExecutor(timings)
    ) as bench:
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        bench.start()
        assert bench.wait("finished", timeout_s=60)
    with contextlib.closing(open_store(path)) as store:
        header = store.header(bench.run_id)
        there = Machine.from_json(header.document["machine"])
        there = dataclasses.replace(there, cpu_model="Abacus 3")
        document = {**header.document, "machine": there.as_json()}
        store.create_run(dataclasses.replace(header, id="elsewhere", document=document))
        store.append("elsewhere", list(store.events(header.id)))
        before = list(store.events("elsewhere"))

    refused = finished(
        tmp_path, "race", "--resume", "elsewhere", "--workers", "1", "--store", str(path)
    )

    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "race elsewhere was begun on another machine (cpu_model: Abacus 3 and " in line
    with contextlib.closing(open_store(path)) as store:
        assert list(store.events("elsewhere")) == before
