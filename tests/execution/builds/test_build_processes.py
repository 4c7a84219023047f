"""Real processes of builds: what they measure, how they end, and that nothing of them is left."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from parbench_lab.core.measurement import Outcome
from parbench_lab.errors import RaceError, UsageError
from parbench_lab.execution.builds import environments, trees
from parbench_lab.execution.builds.build import Build, Order
from parbench_lab.execution.builds.messages import Request
from parbench_lab.execution.builds.pairing import Pair, Plan
from parbench_lab.execution.builds.process import BuildProcess, Conditions
from tests.execution.builds import wheels
from tests.execution.builds.repos import BENCH

REGISTRY = "parbench_lab.workloads.registry"
LIMIT_S = 60.0
MISDEEDS = BENCH.replace("from work import TURNS", "TURNS = 10\nimport os, subprocess, sys") + (
    textwrap.dedent(
        """
        @pb.candidate
        def wrong(case):
            return case

        @pb.candidate
        def raises(case):
            raise ValueError("no luck")

        @pb.candidate
        def dies(case):
            os.abort()

        @pb.candidate
        def hangs(case):
            while True:
                pass

        @pb.candidate
        def begets(case):
            child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            open("child.pid", "w").write(str(child.pid))
            return case + 1
        """
    )
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bench.py").write_text(MISDEEDS)
    return tmp_path


def build_in(folder, **fields):
    known = {
        "label": "mine",
        "interpreter": sys.executable,
        "folder": folder,
        "before": trees.import_path(),
    }
    return Build(**{**known, **fields})


def process_of(build, folder, *, target="bench.py", **order):
    given = Order(target=target, registry=REGISTRY, **order)
    return BuildProcess(
        build,
        given,
        target=build.located(target, folder),
        folder=folder,
        name="p",
        conditions=Conditions(padding_bytes=100, hash_seed=7),
    )


def request(name, **fields):
    return Request(number=0, candidate=name, size=10, seed=1, **fields)


def gone(*pids):
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=LIMIT_S)
    return not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


# ---------------------------------------------------------------- measuring


def test_one_process_measures_checks_and_tells_failures(folder):
    with process_of(build_in(folder), folder) as process:
        process.start()
        hello = process.greet()
        found = {
            name: process.measure(request(name, check=True), LIMIT_S)
            for name in ("spin", "wrong", "raises")
        }

    assert hello.workload == "bench"
    assert hello.candidates == ("spin", "wrong", "raises", "dies", "hangs", "begets")
    assert found["spin"].checked
    assert found["spin"].values["wall_time_s"] > 0
    assert found["wrong"].outcome is Outcome.WRONG
    assert found["raises"].outcome is Outcome.FAILED
    assert "no luck" in found["raises"].message


def test_a_crash_is_a_measurement_and_ends_the_process(folder):
    with process_of(build_in(folder), folder) as process:
        process.start()
        process.greet()
        pid = process.pid
        found = process.measure(request("dies"), LIMIT_S)
        alive = process.alive

    assert found.outcome is Outcome.CRASHED
    assert "abort" in found.message
    assert not alive
    assert gone(pid)


def test_one_that_hangs_is_ended_at_its_time_limit(folder):
    with process_of(build_in(folder), folder) as process:
        process.start()
        process.greet()
        found = process.measure(request("hangs"), 0.2)

    assert found.outcome is Outcome.TIMED_OUT
    assert "0.2 s" in found.message


def test_children_of_a_candidate_end_with_its_process(folder):
    with process_of(build_in(folder), folder) as process:
        process.start()
        process.greet()
        process.measure(request("begets"), LIMIT_S)
        child = int((folder / "child.pid").read_text())
        lived = psutil.pid_exists(child)

    assert lived
    assert gone(child)


def test_nothing_is_left_when_the_parent_is_killed(folder):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tests.execution.builds.test_build_processes import build_in, process_of, request
        folder = Path(sys.argv[1])
        process = process_of(build_in(folder), folder)
        process.start()
        process.greet()
        print(process.pid, flush=True)
        process.measure(request("hangs"), 1000)
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        text=True,
    )
    with parent:
        pid = int(parent.stdout.readline())

        parent.send_signal(signal.SIGKILL)

        assert gone(pid)


# ---------------------------------------------------------------- what does not come up


@pytest.mark.parametrize(
    ("target", "words"),
    [("nothing.py", "no file"), ("no_such_workload", "not found")],
)
def test_a_target_that_is_not_there_is_the_users_error(folder, target, words):
    with process_of(build_in(folder), folder, target=target) as process:
        process.start()

        with pytest.raises(UsageError, match=f"mine: .*{words}"):
            process.greet()


def test_a_python_that_does_not_exist_is_told(folder):
    process = process_of(build_in(folder, interpreter="/no/python"), folder)

    with pytest.raises(RaceError, match="cannot start /no/python"):
        process.start()


def test_a_program_that_is_no_python_is_told(folder):
    with process_of(build_in(folder, interpreter="/bin/false"), folder) as process:
        process.start()

        with pytest.raises(RaceError, match="exit code 1"):
            process.greet()


def test_a_python_without_this_package_is_told_to_have_it_installed(folder):
    (folder / "parbench_lab").mkdir()
    (folder / "parbench_lab" / "__init__.py").write_text("raise ImportError('another one')")
    with process_of(build_in(folder, before=(str(folder),)), folder) as process:
        process.start()

        with pytest.raises(RaceError, match="install parbench_lab into that environment"):
            process.greet()


# ---------------------------------------------------------------- pairs


def pair_of(folder, new, baseline, **order):
    given = Order(target="bench.py", registry=REGISTRY, **order)
    return Pair(new, baseline, given, folder=folder, here=folder)


@pytest.fixture
def two(tmp_path):
    """Return two folders with a build each; the second one has other candidates too."""
    builds = []
    for name, more in (("new", ""), ("old", "\n@pb.candidate\ndef gone(case):\n    return 0\n")):
        place = tmp_path / name
        place.mkdir()
        (place / "bench.py").write_text(MISDEEDS + more)
        builds.append(build_in(place, label=name))
    return builds


def test_a_round_meets_every_candidate_in_every_block_and_names_who_is_missing(two, tmp_path):
    pair = pair_of(tmp_path, *two, algorithms=("spin", "raises", "gone"))

    meeting = pair.meet()
    duels = pair.round(0, meeting.shared, Plan(size=10, seed=3, blocks=4))

    assert meeting.shared == ("spin", "raises")
    assert meeting.notes == ("gone: only in the baseline, not compared",)
    spins = [duel for duel in duels if duel.candidate == "spin"]
    assert [duel.block for duel in spins] == [0, 1, 2, 3]
    assert {duel.new.outcome for duel in spins} == {Outcome.OK}
    # one that cannot run at all is told once, from its first run
    assert [duel.block for duel in duels if duel.candidate == "raises"] == [-1]
    assert min(pair.repeats("spin")) > 100
    assert not list(tmp_path.glob("*.words"))


def test_orders_follow_from_the_seed_and_both_builds_come_first(two, tmp_path):
    plan = Plan(size=10, seed=3, blocks=8)
    pair = pair_of(tmp_path, *two, algorithms=("spin",))

    coins = [[duel.new_first for duel in pair.round(1, ("spin",), plan)] for _ in range(2)]

    assert coins[0] == coins[1]
    assert set(coins[0]) == {True, False}


def test_builds_that_make_different_cases_do_not_compare(two, tmp_path):
    bench = two[1].folder / "bench.py"
    bench.write_text(bench.read_text().replace("integers(1000)", "integers(1000, 2000)"))
    pair = pair_of(tmp_path, *two)

    with pytest.raises(UsageError, match="different cases"):
        pair.round(0, ("spin",), Plan(size=10, seed=3, blocks=1))


def test_builds_without_a_common_candidate_do_not_compare(two, tmp_path):
    bench = two[1].folder / "bench.py"
    bench.write_text(bench.read_text().replace("def spin", "def turn"))
    pair = pair_of(tmp_path, *two, algorithms=("spin", "turn"))

    with pytest.raises(UsageError, match="share no candidate"):
        pair.meet()


# ---------------------------------------------------------------- environments


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a project that pip can install without a network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    place = tmp_path / "project"
    place.mkdir()
    (place / "mine.py").write_text("TURNS = 10\n")
    shutil.copy(wheels.__file__, place / "backend.py")
    (place / "pyproject.toml").write_text(wheels.PROJECT)
    return place


def test_an_environment_has_the_tree_installed_and_sees_our_packages(project, tmp_path):
    interpreter = environments.new_environment(tmp_path / "venv")
    environments.install_tree(interpreter, project, what="mine")
    (tmp_path / "bench.py").write_text(BENCH.replace("from work", "from mine"))
    build = build_in(tmp_path, interpreter=interpreter, before=())

    with process_of(build, tmp_path) as process:
        process.start()
        process.greet()
        found = process.measure(request("spin"), LIMIT_S)

    assert found.outcome is Outcome.OK


def test_a_tree_that_pip_cannot_build_is_told_with_the_way_out(project, tmp_path):
    (project / "backend.py").write_text("raise RuntimeError\n")
    interpreter = environments.new_environment(tmp_path / "venv")

    with pytest.raises(UsageError, match=r"^mine cannot be installed: .*; --build source runs it"):
        environments.install_tree(interpreter, project, what="mine")


def test_a_version_that_is_not_to_be_had_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    interpreter = environments.new_environment(tmp_path / "venv")

    with pytest.raises(UsageError, match=r"nothing-like-it==9 cannot be installed: No matching"):
        environments.install_version(interpreter, "nothing-like-it==9")


def test_a_program_that_is_no_python_is_no_environment(tmp_path):
    with pytest.raises(UsageError, match="no python that runs"):
        environments.environment_build("/bin/false", label="x", revision="x", folder=tmp_path)
