from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from parbench_lab.cli import parbench
from tests.cli.doubles import Visitors


@pytest.fixture(autouse=True)
def _path_as_it_was(monkeypatch):
    # a command lets modules of its folder be imported: not by the tests that follow
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.fixture
def visitors():
    return Visitors()


@pytest.fixture
def shell(visitors, tmp_path, monkeypatch):
    """Run a command line in an empty folder, over doubles."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARBENCH_STORE", raising=False)

    def run(*words, env=None):
        return CliRunner().invoke(parbench, list(words), obj=visitors.doors(), env=env)

    return run
