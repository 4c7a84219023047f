"""The knobs: declared once, swapped whole, nonsense refused with the rule and the value."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.errors import SettingError
from parbench_lab.racing.settings import Settings, knobs, refuse_dead, refuse_unmeant


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("batch_size", 0, id="below the range"),
        pytest.param("batch_size", 10.5, id="not whole"),
        pytest.param("batch_size", True, id="a bool is no number"),
        pytest.param("tolerance", float("nan"), id="not a number"),
        pytest.param("tolerance", -0.01, id="negative"),
        pytest.param("tolerance", float("inf"), id="endless"),
        pytest.param("tolerance", 10**400, id="beyond every float"),
        pytest.param("batch_size", 10**400, id="beyond every size"),
        pytest.param("elimination_threshold", 0.5, id="odds below one"),
        pytest.param("target_gpu_utilization", 101, id="over 100 percent"),
        pytest.param("allocation", "nobody", id="not one of the choices"),
        pytest.param("objectives", (), id="no objective at all"),
        pytest.param("objectives", "wall_time_s", id="a text instead of a list"),
        pytest.param("prime", 1, id="not a bool"),
        pytest.param("batch_size", "1000", id="a text"),
    ],
)
def test_nonsense_is_refused_with_the_rule_and_the_value(name, value):
    with pytest.raises(SettingError, match=name):
        Settings(**{name: value})


def test_a_refused_change_leaves_the_settings_as_they_were():
    settings = Settings(batch_size=500)

    with pytest.raises(SettingError):
        settings.replace(batch_size=-1)

    assert settings.batch_size == 500


def test_an_unknown_setting_names_the_known_ones():
    with pytest.raises(SettingError, match="batch_size"):
        Settings().replace(batchsize=10)


def test_a_setting_that_is_fixed_for_a_race_says_so():
    with pytest.raises(SettingError, match="fixed"):
        refuse_dead({"epoch_blocks": 10})


def test_numbers_of_numpy_are_numbers_and_can_be_stored():
    settings = Settings(batch_size=np.int64(500), tolerance=np.float32(0.5), cap_factor=np.int8(9))

    assert Settings.from_json(json.loads(json.dumps(settings.as_json()))) == settings
    assert (settings.batch_size, settings.tolerance) == (500, 0.5)
    with pytest.raises(SettingError, match="whole number"):
        Settings(batch_size=np.float64(500))


def test_an_objective_that_comes_twice_is_refused_where_it_is_new():
    settings = Settings(objectives=("wall_time_s", "wall_time_s"))

    with pytest.raises(SettingError, match="objectives must name each metric once but got"):
        refuse_unmeant(settings, ["objectives"])
    refuse_unmeant(settings, ["batch_size"])


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"elimination_threshold": 5.0}, id="a threshold under the floor"),
        pytest.param({"min_elimination_threshold": 5000.0}, id="a floor over the threshold"),
    ],
)
def test_a_threshold_under_its_floor_is_refused_where_it_is_new_and_nowhere_else(values):
    settings = Settings(**values)

    with pytest.raises(SettingError, match=r"at least \d+ but got \d+; give a lower min_elim"):
        refuse_unmeant(settings, values)
    refuse_unmeant(settings, ["tolerance"])
    refuse_unmeant(Settings(elimination_threshold=20.0), ["elimination_threshold"])


def test_every_knob_has_words_and_every_number_a_range():
    for name, knob in knobs().items():
        assert len(knob["help"]) > 10, name
        if isinstance(knob["default"], int | float) and not isinstance(knob["default"], bool):
            assert knob["min"] <= knob["default"] <= knob["max"], name


@given(
    st.integers(1, 10**7),
    st.floats(0, 9),
    st.one_of(st.none(), st.floats(0.001, 86400)),
    st.one_of(st.none(), st.lists(st.sampled_from(["wall_time_s", "abs_error"]), min_size=1)),
)
def test_settings_survive_a_round_trip_through_json(batch_size, tolerance, timeout_s, objectives):
    settings = Settings(batch_size=batch_size, tolerance=tolerance, timeout_s=timeout_s).replace(
        objectives=objectives
    )

    again = Settings.from_json(json.loads(json.dumps(settings.as_json())))

    assert again == settings
