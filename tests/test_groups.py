"""Where the suite runs in several processes, a group keeps to one and the others give way."""

import os
import sys

import pytest
from hypothesis import settings

from tests.conftest import GIVE_WAY, N_GROUPS


def test_a_group_is_part_of_the_name_by_which_tests_are_handed_out(request):
    if not request.config.option.__dict__.get("loadgroup"):
        pytest.skip("this run is not by groups (--dist loadgroup)")

    assert request.node.nodeid.endswith(f"@{request.path}")


def test_what_only_computes_gives_way_to_what_measures():
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) <= N_GROUPS:
        pytest.skip("this run has no process beside those of the groups")

    assert os.nice(0) >= GIVE_WAY


def test_properties_are_tried_with_the_same_examples_however_slow_the_machine():
    assert settings.default.derandomize
    assert settings.default.deadline is None


def test_the_package_is_compiled_before_its_processes_start(request):
    source = request.config.rootpath / "parbench_lab" / "errors.py"

    compiled = source.parent / "__pycache__" / f"errors.{sys.implementation.cache_tag}.pyc"

    assert compiled.stat().st_mtime >= source.stat().st_mtime
