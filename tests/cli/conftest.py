from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from parbench_lab.cli import parbench
from tests.cli.doubles import Visitors


@pytest.fixture
def visitors():
    return Visitors()


@pytest.fixture
def shell(visitors, tmp_path, monkeypatch):
    """Run a command line in an empty folder, over doubles."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delenv("PARBENCH_STORE", raising=False)

    def run(*words, env=None):
        return CliRunner().invoke(parbench, list(words), obj=visitors.doors(), env=env)

    return run
