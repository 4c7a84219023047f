"""The knobs as widgets: they pass on, follow, and return where they are refused."""

from __future__ import annotations

import math

import pytest

from parbench_lab.errors import SettingError
from parbench_lab.panel.controls import SETTLE_S, Controls
from parbench_lab.racing.settings import Settings, knobs
from tests.panel.races import EVIL, RememberingRace


def controls_of(race, **options):
    given = {
        "metric_names": race.metric_names,
        "policy_names": race.policy_names,
        "n_workers": race.most_workers,
        **options,
    }
    return Controls(race.settings, race.change, **given)


def test_every_control_has_the_words_of_help_as_its_tooltip():
    found = controls_of(RememberingRace())

    for name, control in found.controls.items():
        assert control.tooltip == knobs()[name]["help"]
        assert control.description


@pytest.mark.parametrize(
    ("name", "moved", "told"),
    [
        pytest.param("batch_size", 5011.87, 5000, id="a batch size is round and whole"),
        pytest.param("batch_size", 1.0, 1, id="one item"),
        pytest.param("elimination_threshold", 19952.6, 20000.0, id="a threshold is round"),
        pytest.param("tolerance", 0.05, 0.05, id="a tolerance is as it is"),
        pytest.param("max_concurrent", 2, 2, id="workers"),
        pytest.param("policy", "never", "never", id="a policy"),
        pytest.param("objectives", ("cpu_time_s",), ("cpu_time_s",), id="an objective"),
    ],
)
def test_what_a_user_sets_is_passed_on_once(name, moved, told):
    race = RememberingRace()
    found = controls_of(race)

    found.controls[name].value = moved

    assert race.told == [("change", {name: told})]
    assert getattr(race.settings, name) == told


def test_no_objective_chosen_means_those_of_the_workload():
    race = RememberingRace()
    race.settings = race.settings.replace(objectives=["cpu_time_s"])
    found = controls_of(race)

    found.controls["objectives"].value = ()

    assert race.settings.objectives is None


def test_what_comes_to_a_race_can_be_chosen_and_what_is_chosen_stays():
    race = RememberingRace()
    found = controls_of(race)
    race.settings = race.settings.replace(policy="mine")

    found.offer(
        metric_names=["wall_time_s", "cpu_time_s", "gpu_time_s"],
        policy_names=["mine", "evidence", "never"],
        n_workers=8,
    )
    found.follow(race.settings)

    shown = found.controls
    assert shown["objectives"].options == ("wall_time_s", "cpu_time_s", "gpu_time_s")
    assert shown["policy"].value == "mine"
    assert (shown["max_concurrent"].max, shown["max_concurrent"].value) == (8, 8)
    assert race.told == []


def test_a_chosen_objective_stays_when_others_come():
    race = RememberingRace()
    race.settings = race.settings.replace(objectives=["cpu_time_s"])
    found = controls_of(race)

    found.offer(
        metric_names=["wall_time_s", "cpu_time_s", "gpu_time_s"], policy_names=["evidence"],
        n_workers=2,
    )  # fmt: skip

    assert found.controls["objectives"].value == ("cpu_time_s",)
    assert found.controls["max_concurrent"].max == race.most_workers


def test_the_threshold_is_read_as_odds():
    found = controls_of(RememberingRace())
    before = found.odds.value

    found.controls["elimination_threshold"].value = 20000.0

    assert "1,000 : 1" in before
    assert "20,000 : 1" in found.odds.value


def test_a_refused_value_returns_and_the_message_stands_beside_it_as_text():
    race = RememberingRace()
    race.refusal = SettingError(f"tolerance must be small but got {EVIL}")
    found = controls_of(race)

    found.controls["tolerance"].value = 0.3

    assert found.controls["tolerance"].value == 0.02
    assert "tolerance must be small" in found.messages["tolerance"].value
    assert "<img" not in found.messages["tolerance"].value
    assert len(race.told) == 1


def test_a_message_goes_when_the_next_value_is_taken():
    race = RememberingRace()
    race.refusal = SettingError("no")
    found = controls_of(race)
    found.controls["tolerance"].value = 0.3

    race.refusal = None
    found.controls["tolerance"].value = 0.1

    assert found.messages["tolerance"].value == ""
    assert race.settings.tolerance == 0.1


def test_changes_from_elsewhere_are_followed_and_not_sent_back():
    race = RememberingRace()
    found = controls_of(race)

    changed = Settings(
        batch_size=50, elimination_threshold=5e8, tolerance=0.7, max_concurrent=2, policy="never",
        objectives=("cpu_time_s",), timeout_s=3.0,
    )  # fmt: skip
    found.follow(changed)

    for name in ("batch_size", "tolerance", "max_concurrent", "policy", "objectives", "timeout_s"):
        assert found.controls[name].value == getattr(changed, name), name
    assert "5e+08 : 1" in found.odds.value
    assert not found.adaptive.value
    assert race.told == []


def test_no_limit_of_workers_is_shown_as_all_there_are():
    race = RememberingRace()
    found = controls_of(race)

    found.follow(Settings(max_concurrent=2))
    found.follow(Settings(max_concurrent=None))

    assert found.controls["max_concurrent"].value == race.most_workers
    assert race.told == []


def test_a_control_that_is_being_dragged_follows_nothing():
    race = RememberingRace()
    found = controls_of(race)

    found.controls["tolerance"].value = 0.1
    found.follow(Settings(tolerance=0.4, batch_size=70))

    assert found.controls["tolerance"].value == 0.1
    assert found.controls["batch_size"].value == 70


def test_a_control_follows_again_once_it_was_let_go():
    race = RememberingRace()
    found = controls_of(race)
    found.controls["tolerance"].value = 0.1

    found._touched_s["tolerance"] -= 2 * SETTLE_S
    found.follow(Settings(tolerance=0.4))

    assert found.controls["tolerance"].value == 0.4


def test_the_time_limit_is_adaptive_until_it_is_set():
    race = RememberingRace()
    found = controls_of(race)
    was_disabled = found.controls["timeout_s"].disabled

    found.adaptive.value = False
    found.controls["timeout_s"].value = 5.0
    found.adaptive.value = True

    assert was_disabled
    assert [told["timeout_s"] for _, told in race.told] == [10.0, 5.0, None]
    assert found.controls["timeout_s"].disabled


def test_a_gpu_that_is_measured_after_all_gets_its_target_back():
    found = controls_of(RememberingRace(), gpu_reason="there are no GPU workers")

    found.tell_gpu("")

    assert not found.controls["target_gpu_utilization"].disabled
    assert found.messages["target_gpu_utilization"].value == ""


def test_without_a_gpu_its_target_is_shown_disabled_with_the_reason_as_text():
    found = controls_of(RememberingRace(), gpu_reason=f"no GPU {EVIL}")

    assert found.controls["target_gpu_utilization"].disabled
    assert found.controls["target_gpu_utilization"].layout.display is None
    assert ">no GPU &lt;img" in found.messages["target_gpu_utilization"].value
    assert "<img" not in found.messages["target_gpu_utilization"].value


@pytest.mark.parametrize(("name", "typed"), [("batch_size", 5000), ("batch_size", 1234)])
def test_a_typed_number_is_taken_and_shown_as_it_is(name, typed):
    race = RememberingRace()
    found = controls_of(race)

    found.boxes[name].value = typed
    found.controls[name].value = 10 ** (round(20 * math.log10(typed)) / 20)  # the page's own step

    assert race.told == [("change", {name: typed})]
    assert found.boxes[name].value == typed


ENDS = [
    (name, knobs()[name][end])
    for name in ("batch_size", "elimination_threshold", "tolerance", "timeout_s")
    for end in ("min", "max")
]


@pytest.mark.parametrize(("name", "end"), ENDS)
def test_every_legal_value_can_be_set_from_the_panel(name, end):
    race = RememberingRace()
    found = controls_of(race)
    found.adaptive.value = False

    found.boxes[name].value = end

    assert getattr(race.settings, name) == end
    assert found.controls[name].value == pytest.approx(end)
    assert found.messages[name].value == ""


@pytest.mark.parametrize("name", ["batch_size", "target_gpu_utilization"])
def test_a_slider_goes_from_end_to_end_where_all_of_it_is_used(name):
    slider = controls_of(RememberingRace()).controls[name]

    ends = [10**end if hasattr(slider, "base") else end for end in (slider.min, slider.max)]

    assert ends == [knobs()[name]["min"], knobs()[name]["max"]]


@pytest.mark.parametrize(
    ("name", "typed", "shown"),
    [
        ("elimination_threshold", 1234.5, 1258.925),
        ("tolerance", 0.0123, 0.01),
        pytest.param("tolerance", 0.0125, 0.015, id="a page rounds half a step up"),
        pytest.param("tolerance", 0.0125, 0.01, id="or down, by its floating point"),
    ],
)
def test_the_pages_own_step_beside_a_typed_value_changes_nothing(name, typed, shown):
    race = RememberingRace()
    found = controls_of(race)

    found.boxes[name].value = typed
    found.controls[name].value = shown

    assert race.told == [("change", {name: typed})]
    assert found.boxes[name].value == typed


@pytest.mark.parametrize(
    ("name", "started", "shown"),
    [
        ("tolerance", 0.0025, 0.005),
        ("tolerance", 0.0125, 0.015),
        ("tolerance", 0.0225, 0.025),
        ("target_gpu_utilization", 82.5, 83.0),
        pytest.param("timeout_s", 0.00123, 10**-2.910094888560602, id="an end of its own"),
    ],
)
def test_the_step_that_a_page_shows_at_the_start_changes_nothing(name, started, shown):
    race = RememberingRace()
    race.settings = race.settings.replace(**{name: started})
    found = controls_of(race)

    found.controls[name].value = shown

    assert race.told == []


@pytest.mark.parametrize(
    ("name", "started", "steps"),
    [
        pytest.param("tolerance", 0.0123, (0.01, 0.015), id="the next step"),
        pytest.param("tolerance", 0.0125, (0.015, 0.01), id="the other one as near"),
        pytest.param("elimination_threshold", 1188.5, (10**3.1, 10**3.05), id="powers of ten"),
    ],
)
def test_who_moves_on_from_the_step_that_a_page_shows_is_heard(name, started, steps):
    race = RememberingRace()
    race.settings = race.settings.replace(**{name: started})
    found = controls_of(race)

    for step in steps:
        found.controls[name].value = step

    assert race.told == [("change", {name: pytest.approx(steps[-1], rel=0.03)})]


@pytest.mark.parametrize(
    ("name", "in_force", "shown"),
    [
        ("batch_size", 1234, 10**3.1),
        ("elimination_threshold", 1234.5, 10**3.1),
        ("tolerance", 0.0123, 0.01),
        ("tolerance", 0.0125, 0.015),
        ("timeout_s", 12.34, 10**1.1),
        ("target_gpu_utilization", 82.4, 82.0),
    ],
)
def test_a_slider_stays_on_the_step_that_a_page_gave_it(name, in_force, shown):
    race = RememberingRace()
    race.settings = race.settings.replace(**{name: in_force})
    found = controls_of(race)
    found.controls[name].value = shown

    found.follow(race.settings)

    assert found.controls[name].value == shown
    assert race.told == []


def test_a_value_between_two_steps_is_followed_though_another_such_one_is_near():
    found = controls_of(RememberingRace())
    for exponent in (3.076, 3.052):  # a page shows 3.1, and then 3.05
        found.follow(Settings(elimination_threshold=10**exponent))

    assert found.controls["elimination_threshold"].value == 10**3.052


def test_the_odds_follow_the_threshold_in_force_where_the_slider_need_not_move():
    found = controls_of(RememberingRace())

    found.follow(Settings(elimination_threshold=1040.0))
    between = found.odds.value
    found.controls["elimination_threshold"].value = 1000.0  # the page's own step
    found.follow(Settings(elimination_threshold=1000.0))

    assert "1,040 : 1" in between
    assert "1,000 : 1" in found.odds.value


def test_a_tolerance_typed_into_the_sliders_readout_is_taken():
    race = RememberingRace()
    found = controls_of(race)

    found.controls["tolerance"].value = 0.019

    assert race.settings.tolerance == found.boxes["tolerance"].value == 0.019


def test_the_box_beside_a_slider_shows_the_value_in_force():
    race = RememberingRace()
    found = controls_of(race)

    found.controls["batch_size"].value = 5011.87
    after_a_move = found.boxes["batch_size"].value
    found.follow(Settings(batch_size=77, timeout_s=2.5))

    assert after_a_move == 5000
    assert found.boxes["timeout_s"].value == 2.5
    assert not found.boxes["timeout_s"].disabled


@pytest.mark.parametrize("typed", [10**9, 0, -5])
def test_a_typed_number_that_is_refused_goes_back(typed):
    race = RememberingRace()
    race.refusal = SettingError("batch_size must be small")
    found = controls_of(race)

    found.boxes["batch_size"].value = typed

    assert found.boxes["batch_size"].value == 1000
    assert "must be small" in found.messages["batch_size"].value
