"""What the README shows runs as it stands there."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
CELLS = [n for n, block in enumerate(BLOCKS) if block.startswith("bench.wait(")]
SCRIPTS = [
    BLOCKS[n - 1] + block if n in CELLS else block
    for n, block in enumerate(BLOCKS)
    if n + 1 not in CELLS and not block.startswith("# mymodule.py")
]
MODULE = next(block for block in BLOCKS if block.startswith("# mymodule.py"))


def run(folder, *words):
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_a_script_of_the_readme_runs_and_ends_with_a_sentence(script, tmp_path):
    (tmp_path / "script.py").write_text(script)

    done = run(tmp_path, "script.py")

    assert done.returncode == 0, done.stderr
    assert ("bit by bit" if "ScalingStudy" in script else "measurements in") in done.stdout
    assert "Traceback" not in done.stderr


def test_the_module_of_the_readme_races(tmp_path):
    (tmp_path / "mymodule.py").write_text(MODULE)

    done = run(tmp_path, "-m", "parbench_lab", "race", "mymodule.py", "--seconds", "10")

    assert done.returncode == 0, done.stderr
    assert "with_numpy wins" in done.stdout


def test_ci_finds_the_test_command_in_the_readme():
    after = README.split("<!-- the test command -->")[1]

    (command,) = re.findall(r"\A\n```sh\n(.*)\n```", after.split("```\n")[0] + "```")

    assert "pytest" in command
    assert "'.[test]'" in command


def test_every_dependency_has_its_reason_beside_it():
    text = (ROOT / "pyproject.toml").read_text()

    needed = re.findall(r'^    "([^"]*[>=<]=[^"]*)",(.*)$', text, flags=re.MULTILINE)

    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    every = [*tomllib.loads(text)["project"]["dependencies"], *itertools.chain(*extras.values())]
    assert [name for name, _ in needed] == [n for n in every if "parbench_lab[" not in n]
    assert [name for name, reason in needed if not re.match(r" +# \S", reason)] == []


@pytest.mark.parametrize("place", ["environment.yml", "binder/requirements.txt"])
def test_the_extras_that_are_installed_elsewhere_are_there(place):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    (named,) = re.findall(r"\.\[([\w,]+)\]", (ROOT / place).read_text())

    assert set(named.split(",")) <= set(extras["optional-dependencies"])
