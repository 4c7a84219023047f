"""The job that the README gives to a project's CI, run in a scratch project with two commits."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import yaml

from tests.execution.builds.repos import Repo

README = (Path(__file__).parents[1] / "README.md").read_text()
BENCH = '''
"""Two ways to add up a list of numbers."""
from parbench_lab import candidate


class Totals:
    def make_case(self, size, rng):
        return rng.integers(100, size=size).tolist()

    def check(self, case, result):
        assert result == sum(case)


@candidate
def by_loop(case):
    total = 0
    for number in case:
        total += number
    return total


@candidate
def by_steps(case):
    total = 0
    for start in range(0, len(case), 10):
        total += sum(case[start : start + 10])
    return total
'''
# slower by much: a block is lost only where a pause of the machine takes as long
SLOW = BENCH.replace(
    "return total\n", "return total + 0 * sum(n for _ in range(8) for n in case)\n", 1
)


def project(folder: Path, after: str) -> Path:
    """Return a project whose branch changes the benchmark file into `after`."""
    repo = Repo(folder)
    good = repo.commit("begin", bench__py=BENCH)
    repo.git("update-ref", "refs/remotes/origin/main", good)
    repo.git("switch", "-q", "-c", "change")
    repo.commit("change", bench__py=after)
    return folder


def job(*, blocks: int) -> list[dict[str, str]]:
    """Return the shell steps of the README's job, but for the installation, made shorter."""
    text = README.split("<!-- the CI job -->")[1]
    steps = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["benchmark"]["steps"]
    steps = [step for step in steps if "run" in step and " pip install " not in step["run"]]
    shorter = {"--blocks 600": f"--blocks {blocks}", "seconds=20": "seconds=2"}
    for usual, short in shorter.items():
        assert any(usual in step["run"] for step in steps)
        steps = [step | {"run": step["run"].replace(usual, short)} for step in steps]
    return steps


def carried_out(steps: list[dict[str, str]], folder: Path) -> tuple[int, str]:
    """Return the exit code and the output of the job: after a failure only what always runs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {name: text for name, text in os.environ.items() if "GITHUB_" not in name}
    surroundings |= {"PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    failed, said = 0, ""
    for step in steps:
        if not failed or step.get("if") == "always()":
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=folder, env=surroundings, capture_output=True, text=True, check=False,
            )  # fmt: skip
            failed, said = failed or done.returncode, said + done.stdout + done.stderr
    return failed, said


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in (folder / "bench").iterdir()}


def test_the_job_has_ten_lines():
    text = README.split("<!-- the CI job -->")[1].split("```yaml\n")[1].split("```")[0]

    lines = text.strip().splitlines()

    assert len(lines) == 10


def test_the_job_passes_a_change_that_costs_nothing(tmp_path):
    folder = project(tmp_path / "project", BENCH + "\n# nothing else\n")

    code, said = carried_out(job(blocks=20), folder)

    assert code == 0, said
    assert left_behind(folder) >= {"race.html", "race.json", "watch.xml", "watch.md"}
    assert "no regression" in (folder / "summary.md").read_text()


def test_the_job_fails_on_a_change_that_multiplies_a_cost_and_keeps_its_files(tmp_path):
    folder = project(tmp_path / "project", SLOW)
    steps = [step for step in job(blocks=220) if "parbench report" not in step["run"]]
    (folder / "bench").mkdir()

    code, said = carried_out(steps, folder)

    assert code == 1, said
    cases = ET.parse(folder / "bench" / "watch.xml").getroot().iter("testcase")
    blamed = {case.get("name"): case.find("failure") is not None for case in cases}
    assert blamed == {"by_loop (wall_time_s)": True, "by_steps (wall_time_s)": False}
    assert "regression" in (folder / "summary.md").read_text()
