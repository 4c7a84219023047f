"""Where figures come from: told of whatever a stored run describes, as far as it can be read."""

from __future__ import annotations

import dataclasses

import pytest

from parbench_lab.reports.origin import about_document, about_text, run_settings
from tests.analysis.comparison.figures import HERE
from tests.store.records import header

ODD = [5, "abc", [5], {"a": 5}, True, -1.5, 10**400]


@pytest.mark.parametrize("name", ["machine", "git", "settings", "candidates", "plan"])
@pytest.mark.parametrize("value", ODD, ids="{!r:.8}".format)
def test_a_header_with_a_value_of_another_type_is_told_as_far_as_it_can_be_read(name, value):
    for kind in ("race", "study"):
        odd = dataclasses.replace(header("a", seed=7, **{name: value}), kind=kind)

        assert "seed      7" in about_text(about_document(odd))
        assert run_settings(odd)["seed"] == 7


@pytest.mark.parametrize("name", ["memory_bytes", "libraries", "gpus", "logical_cores"])
@pytest.mark.parametrize("value", ODD, ids="{!r:.8}".format)
def test_a_machine_with_a_value_of_another_type_still_has_its_processor_told(name, value):
    odd = header("a", machine={**HERE.as_json(), name: value})

    assert "Abacus 3" in about_text(about_document(odd))


@pytest.mark.parametrize("value", ODD, ids="{!r:.8}".format)
def test_the_plan_of_a_study_may_hold_anything(value):
    plan = {"sizes": value, "backends": value}
    odd = dataclasses.replace(header("a", seed=7, plan=plan), kind="study")

    assert run_settings(odd)["seed"] == 7
