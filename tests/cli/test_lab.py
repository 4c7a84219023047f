"""``parbench lab``: a copy of the notebooks that is the user's, and a server that ends with us."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

from parbench_lab.cli.lab import (
    FIRST,
    FOLDER,
    copied_notebooks,
    server_environment,
    shipped_notebooks,
)
from parbench_lab.cli.shell import parbench
from tests.browser.jupyter import free_port

LIMIT_S = 90.0


def status(url):
    """Return a page's status; a server may say that it is there a moment before it listens."""
    end_s = time.monotonic() + LIMIT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
                return answer.status
        except urllib.error.URLError:
            assert time.monotonic() < end_s


def run(*words):
    return CliRunner().invoke(parbench, words)


def test_every_notebook_is_copied_and_the_first_is_among_them(tmp_path):
    folder, added = copied_notebooks(tmp_path)

    assert folder == tmp_path / FOLDER
    assert added == len(shipped_notebooks())
    assert json.loads((folder / FIRST).read_text())["nbformat"] == 4


def test_what_a_user_changed_is_never_overwritten_and_what_is_missing_comes_back(tmp_path):
    folder, _ = copied_notebooks(tmp_path)
    (folder / FIRST).write_text("mine")
    removed = folder / shipped_notebooks()[-1].name
    removed.unlink()

    _, added = copied_notebooks(tmp_path)

    assert (folder / FIRST).read_text() == "mine"
    assert added == 1
    assert removed.exists()


def test_a_fresh_copy_gets_a_folder_of_its_own(tmp_path):
    copied_notebooks(tmp_path)
    second, added = copied_notebooks(tmp_path, fresh=True)
    third, _ = copied_notebooks(tmp_path, fresh=True)

    assert [second.name, third.name] == [f"{FOLDER}-2", f"{FOLDER}-3"]
    assert added == len(shipped_notebooks())


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / FOLDER).write_text("a file in the way")
    monkeypatch.chdir(tmp_path)

    result = run("lab", "--no-browser")

    assert result.exit_code == 2
    assert "cannot be copied" in result.output


def test_a_workload_without_voila_and_an_unknown_one_are_refused():
    without, unknown = run("lab", "sorting"), run("lab", "--voila", "sortin")

    assert (without.exit_code, unknown.exit_code) == (2, 2)
    assert "--voila" in without.output
    assert "sorting" in unknown.output


def test_notebooks_are_not_copied_for_a_panel_alone():
    found = run("lab", "--voila", "--fresh")

    assert found.exit_code == 2
    assert "--fresh copies notebooks" in found.output


def test_a_server_gets_the_store_of_the_configuration_unless_the_environment_names_one(tmp_path):
    by_file = server_environment(str(tmp_path / "x.db"), {"HOME": "/"})
    by_environment = server_environment("x.db", {"PARBENCH_STORE": "mine.db"})

    assert by_file == {"HOME": "/", "PARBENCH_STORE": str(tmp_path / "x.db")}
    assert by_environment == {"PARBENCH_STORE": "mine.db"}
    assert server_environment(None, {"HOME": "/"}) == {"HOME": "/"}


@pytest.mark.parametrize(
    ("words", "ready"),
    [
        pytest.param((), r"http://127\.0\.0\.1:{port}/lab\S*", id="lab"),
        pytest.param(("--voila",), r"http://127\.0\.0\.1:{port}/", id="voila"),
    ],
)
def test_a_server_answers_and_ends_with_the_command(words, ready, tmp_path):
    port = free_port()
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "PYTHONUNBUFFERED": "1"}
    env |= {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "d"),
    }
    command = [sys.executable, "-m", "parbench_lab", "lab", *words, "--no-browser"]
    process = subprocess.Popen(
        [*command, f"--port={port}"], cwd=tmp_path, env=env, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        told = []
        for line in process.stdout:
            told.append(line)
            if found := re.search(ready.format(port=port), line):
                break
        assert found, "".join(told)
        assert status(found.group(0)) == 200
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(LIMIT_S) in (0, -signal.SIGTERM, 128 + signal.SIGTERM, 1)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)


def test_the_wheel_would_carry_the_notebooks():
    names = [path.name for path in shipped_notebooks()]

    assert names[0] == FIRST
    numbered = [name for name in names if name != "teaching_guide.ipynb"]
    assert all(re.match(r"\d\d_\w+\.ipynb", name) for name in numbered)
