"""Baselines that are installed: the real command, real environments, and no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.execution.builds import wheels
from tests.execution.builds.repos import Repo

BENCH = textwrap.dedent(
    """
    import os
    import mine
    import parbench_lab as pb

    class Job:
        def make_case(self, size, rng):
            return int(rng.integers(1000))

        def check(self, case, result):
            assert result == case + 1
            with open(os.environ["SEEN"], "a") as seen:
                print(f"mine {mine.VERSION} {mine.WHERE}", file=seen)

    @pb.candidate
    def job(case):
        return mine.job(case)
    """
)
MINE = "VERSION = {version}\nWHERE = 'in a tree'\n\ndef job(case):\n    return case + 1\n"


@pytest.fixture
def project(tmp_path):
    """Return a repository whose last commit can be installed, with changes in its tree."""
    repo = Repo(tmp_path / "project")
    (repo.folder / "src").mkdir()
    (repo.folder / "src" / "mine.py").write_text(MINE.format(version=1.0))
    backend = Path(wheels.__file__).read_text()
    repo.commit("begin", bench__py=BENCH, backend__py=backend, pyproject__toml=wheels.PROJECT)
    (repo.folder / "src" / "mine.py").write_text(MINE.format(version=2.0))
    return repo


def watched(repo: Repo, *words: str, folder: Path) -> tuple[set[str], dict[str, Any]]:
    """Watch with the command; return what was run, and the report."""
    surroundings = {
        **os.environ,
        "PYTHONPATH": "src",  # stands for an installation that can be edited
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "SEEN": str(folder / "seen.txt"),
    }
    command = [sys.executable, "-m", "parbench_lab", "watch", "bench.py", "--blocks", "10"]
    done = subprocess.run(
        [*command, "--store", str(folder / "runs.db"), "--json", *words],
        cwd=repo.folder, env=surroundings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set((folder / "seen.txt").read_text().splitlines()), json.loads(done.stdout)


def test_a_version_of_a_package_is_installed_and_measured_beside_the_working_tree(
    project, tmp_path
):
    for version in ("1.2", "1.3"):
        source = MINE.format(version=version) + wheels.INSTALLED
        wheels.write_wheel(tmp_path, version, source)

    seen, report = watched(project, "--baseline", "mine==1.2", folder=tmp_path)

    assert seen == {"mine 2.0 in a tree", "mine 1.2 installed"}
    assert (report["baseline"], report["status"]) == ("mine==1.2", "finished")
    assert report["series"][0]["ratio"]["point"] > 0


@pytest.mark.parametrize(("build", "where"), [("venv", "installed"), ("source", "in a tree")])
def test_a_commit_runs_from_an_environment_of_its_own_or_from_its_tree(
    project, tmp_path, build, where
):
    seen, report = watched(project, "--baseline", "HEAD", "--build", build, folder=tmp_path)

    assert seen == {"mine 2.0 in a tree", f"mine 1.0 {where}"}
    assert report["status"] == "finished"
    assert any("virtual environment" in note for note in report["notes"]) == (build != "source")
    assert len(project.git("worktree", "list").splitlines()) == 1


def test_a_tree_that_cannot_be_installed_is_said_to_run_with_todays_packages(project, tmp_path):
    (project.folder / "pyproject.toml").unlink()
    project.commit("no project")

    seen, report = watched(project, "--baseline", "HEAD", folder=tmp_path)

    assert seen == {"mine 2.0 in a tree"}
    assert any("this environment's packages of today" in note for note in report["notes"])


def test_a_project_in_a_folder_of_the_repository_is_the_baseline(project, tmp_path):
    mono = Repo(tmp_path / "mono")
    shutil.copytree(project.folder, mono.folder / "part", ignore=shutil.ignore_patterns(".git"))
    mono.commit("begin")
    (mono.folder / "part" / "src" / "mine.py").write_text(MINE.format(version=3.0))
    part = SimpleNamespace(folder=mono.folder / "part")

    seen, _ = watched(part, "--baseline", "HEAD", folder=tmp_path)

    assert seen == {"mine 3.0 in a tree", "mine 2.0 installed"}
