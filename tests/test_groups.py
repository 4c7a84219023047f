"""Where the suite runs in two processes, a group keeps to one; properties need no luck."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import settings


def test_a_group_is_part_of_the_name_by_which_tests_are_handed_out(request):
    if not request.config.option.__dict__.get("loadgroup"):
        pytest.skip("this run is not by groups (--dist loadgroup)")

    assert request.node.nodeid.endswith(f"@{request.path}")


def test_properties_are_tried_with_the_same_examples_however_slow_the_machine():
    assert settings.default.derandomize
    assert settings.default.deadline is None


def test_the_package_is_compiled_before_its_processes_start(request):
    source = request.config.rootpath / "parbench_lab" / "errors.py"

    compiled = Path(importlib.util.cache_from_source(str(source)))

    assert compiled.stat().st_mtime >= source.stat().st_mtime
