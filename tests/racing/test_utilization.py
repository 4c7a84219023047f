"""The controller of GPU utilisation, against model devices; and six wrong ones that must fail."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.execution.cluster import MAX_SEATS
from parbench_lab.racing.concurrency import MOST_SEATS, Controller, Room, Why, bounded, steadied
from parbench_lab.racing.utilization import Tuning, decide
from tests.racing.gpu_model import (
    GIGABYTE,
    Device,
    drive,
    linear,
    sample,
    saturating,
    steps,
)

SHAPES = {
    "linear": linear(15),
    "steep": linear(30),
    "slow": linear(9),
    "saturating": saturating(2),
    "slowly saturating": saturating(3),
    "quickly saturating": saturating(1),
    "jumps over the band": steps(60, 99),
    "uneven": steps(30, 55, 70, 92, 99),
    "fed too slowly": steps(40, 42, 42.5, 42.5),
    "one block is enough": steps(97),
}
SETTLED_AFTER = 20


def settles(device, target, *, decider=decide, seed=0, start=1):
    """Check every promise about one course, and return it."""
    course = drive(device, target, decider=decider, seed=seed, start=start)
    rises = [b - a for a, b in itertools.pairwise(course.blocks)]
    assert max(rises) <= 1, "it rises by more than one block"
    assert course.stray(SETTLED_AFTER) <= 1, "it oscillates by more than one block"
    assert course.moves(SETTLED_AFTER) <= 2, "it does not come to rest"
    assert max(course.blocks) <= max(device.most, start), "it goes beyond what there is"
    return course


# ---------------------------------------------------------------- settling


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("target", [50.0, 80.0, 95.0])
def test_it_settles_within_twenty_decisions_and_moves_by_at_most_one_block_after(shape, target):
    devices = [Device(percent=SHAPES[shape], noise=noise) for noise in (0.0, 1.5, 3.0)]

    courses = [settles(d, target, seed=seed) for d in devices for seed in range(4)]

    assert all(course.blocks[-1] >= 1 for course in courses)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("target", [50.0, 80.0, 95.0])
def test_it_settles_within_twenty_blocks_of_three_seconds_and_within_twenty_seconds(shape, target):
    # one reading covers a second: a GPU does more than 20 shorter blocks before any can tell
    devices = [Device(percent=SHAPES[shape], noise=noise) for noise in (0.0, 1.5, 2.0)]

    courses = [drive(d, target, decisions=60, seed=seed) for d in devices for seed in range(4)]

    assert max(course.block_seconds[course.settled] / 3.0 for course in courses) <= 20
    assert max(course.seconds[course.settled] for course in courses) <= 20.0


@pytest.mark.parametrize("shape", SHAPES)
def test_it_ends_in_the_band_where_any_number_of_blocks_is_in_it(shape):
    percent, target = SHAPES[shape], 80.0
    inside = [n for n in range(1, 9) if abs(percent(n) - target) <= 4.0]

    last = settles(Device(percent=percent, noise=1.5), target).blocks[-1]

    assert not inside or abs(percent(last) - target) <= 6.0


def ends_at(off_points, *, decider=decide):
    """Begin this far off the target where one block more, or less, meets it; return the end."""
    off = 80.0 + off_points
    start, levels = (1, (off, 80.0)) if off_points < 0 else (2, (80.0, off))
    device = Device(percent=steps(*levels), noise=0.0)
    blocks = drive(device, 80.0, start=start, decisions=20, decider=decider).blocks
    return "held" if set(blocks) == {start} else "left" if blocks[-1] != start else "unsettled"


@pytest.mark.parametrize(
    ("off_points", "end"), [(-4.9, "held"), (4.9, "held"), (-5.5, "left"), (5.5, "left")]
)
def test_within_five_points_of_the_target_nothing_moves_and_beyond_them_it_does(off_points, end):
    assert ends_at(off_points) == end


@pytest.mark.parametrize("start", [1, 2, 5, 8])
def test_it_falls_from_any_number_to_one_that_holds_the_target(start):
    device = Device(percent=linear(25), noise=1.0)

    course = drive(device, 50.0, start=start, decisions=40)

    assert set(course.blocks[SETTLED_AFTER:]) == {2}
    falls = [(a, b) for a, b in itertools.pairwise(course.blocks) if b < a]
    assert all(b >= a / 2 for a, b in falls)


def test_a_change_of_the_target_while_running_is_followed():
    device = Device(percent=linear(12), noise=1.5)

    course = drive(device, lambda n: 80.0 if n < 40 else 95.0 if n < 80 else 40.0, decisions=120)

    for since, until, target in ((20, 40, 80.0), (60, 80, 95.0), (100, 120, 40.0)):
        held = course.blocks[since:until]
        assert max(held) - min(held) <= 1
        assert abs(12 * held[-1] - target) <= 6.5


def test_a_gpu_that_is_suddenly_busier_with_the_same_blocks_is_learnt_anew():
    calls = itertools.count()
    device = Device(percent=lambda n: min(100, (30 if next(calls) < 80 else 10) * n), noise=1.0)

    course = drive(device, 60.0, decisions=120)

    assert course.blocks[30] == 2
    assert course.blocks[-1] == 6


# ---------------------------------------------------------------- why the target is missed


def test_between_two_numbers_that_both_miss_it_stays_at_the_nearest_and_says_so():
    course = settles(Device(percent=steps(60, 95), noise=0.0), 80.0)

    assert course.blocks[-1] == 2
    assert course.moves(5) == 0
    assert course.controllers[-1].reason == (
        "the target lies between 1 at 60 % and 2 at 95 %; the nearest stays"
    )


def test_where_more_blocks_bring_nothing_the_fewest_that_do_as_much_stay():
    course = settles(Device(percent=steps(41, 41.5), noise=0.0), 80.0)

    assert course.blocks[-1] == 1
    assert course.controllers[-1].why is Why.FEEDING
    assert "the GPU waits for what feeds it" in course.controllers[-1].reason


def test_a_gpu_that_a_single_block_keeps_too_busy_is_said_to_be_so():
    course = settles(Device(percent=SHAPES["one block is enough"], noise=0.0), 50.0)

    assert course.controllers[-1].why is Why.LEAST
    assert course.controllers[-1].reason == "a single block keeps it so busy"


def test_a_gpu_that_nobody_uses_is_not_called_badly_fed():
    course = settles(Device(percent=steps(0.0), noise=0.0), 80.0)

    assert course.blocks[-1] == 1
    assert course.controllers[-1].reason == (
        "no candidate keeps this GPU busy; add candidates that compute on it"
    )


@pytest.mark.parametrize(
    ("device", "most", "words"),
    [
        pytest.param(
            Device(percent=linear(10), noise=0.0, seats=4), 4,
            "all 4 seats of the GPU are used; start with a higher max_concurrent",
            id="all seats are used",
        ),
        pytest.param(
            Device(percent=linear(5), noise=0.0, seats=8), 8,
            "all 8 seats of the GPU are used; 8 is the most",
            id="there can be no more seats",
        ),
        pytest.param(
            Device(percent=linear(10), noise=0.0, share=3), 3, "max_concurrent allows no more",
            id="max_concurrent is reached",
        ),
        pytest.param(
            Device(percent=linear(10), noise=0.0, base_gb=0, seat_gb=20), 3,
            "another block does not fit: 60 of 80 GB used by 3",
            id="memory is short",
        ),
        pytest.param(
            Device(percent=linear(10), noise=0.0, seats=1), 1, "the only seat of the GPU is used",
            id="there is one seat",
        ),
    ],
)  # fmt: skip
def test_where_the_target_cannot_be_reached_it_says_why(device, most, words):
    course = settles(device, 80.0)

    assert course.blocks[-1] == most
    assert words in course.controllers[-1].reason


def test_the_most_seats_are_those_that_a_cluster_gives():
    assert MOST_SEATS == MAX_SEATS


def test_full_memory_takes_one_block_back_and_never_again_more():
    growing = Device(percent=linear(10), noise=0.0, memory_gb=None)
    total = 80.0

    def in_short_supply(controller, found, at_s, **options):
        used = 79.5 if controller.blocks >= 3 else 10.0 * controller.blocks
        there = replace(found, memory_used_bytes=used * GIGABYTE, memory_bytes=total * GIGABYTE)
        return decide(controller, there, at_s, **options)

    course = drive(growing, 80.0, decider=in_short_supply, decisions=40)

    assert max(course.blocks) == 3
    assert set(course.blocks[5:]) == {2}
    assert course.controllers[-1].why is Why.MEMORY


# ---------------------------------------------------------------- what does not count


def test_what_is_not_measured_is_held_and_said_and_never_taken_for_zero():
    held = steadied(Controller(blocks=3), 0.0, steady=True)
    lost = replace(sample(Device(percent=linear(20)), 3, None), reason="GPU is lost")

    after = held
    for at_s in range(2, 40):
        after = decide(after, lost, float(at_s), target_percent=80.0, room=Room(seats=8))

    assert after.blocks == 3
    assert after.percent is None
    assert after.reason == "utilisation is not measured: GPU is lost"


def test_a_reading_that_began_before_the_last_change_took_effect_decides_nothing():
    device = Device(percent=linear(20))
    early = steadied(Controller(blocks=2), 10.0, steady=True)

    after = decide(early, sample(device, 2, 5.0), 11.9, target_percent=80.0, room=Room(seats=8))

    assert (after.blocks, after.levels) == (2, {})


def test_near_the_edge_of_the_band_one_reading_decides_nothing():
    device = Device(percent=linear(20))
    fresh = steadied(Controller(blocks=2), 0.0, steady=True)

    after = decide(fresh, sample(device, 2, 72.0), 5.0, target_percent=80.0, room=Room(seats=8))

    assert after.blocks == 2
    assert after.why is Why.LEARNING


def test_max_concurrent_holds_at_once():
    assert bounded(Controller(blocks=6), Room(seats=8, share=2)).blocks == 2
    assert bounded(Controller(blocks=1), Room(seats=8, share=0)).blocks == 1


DEVICES = st.builds(
    Device,
    percent=st.lists(st.floats(0, 40), min_size=1, max_size=8).map(
        lambda rises: steps(*[min(100.0, total) for total in itertools.accumulate(rises)])
    ),
    seats=st.integers(1, 10),
    share=st.none() | st.integers(1, 10),
    seat_gb=st.floats(0.1, 60),
    base_gb=st.floats(0, 70),
    noise=st.floats(0, 25),
)


@given(device=DEVICES, target=st.floats(1, 100), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_never_below_one_and_never_beyond_seats_max_concurrent_or_memory(device, target, seed):
    course = drive(device, target, decisions=40, seed=seed)

    assert min(course.blocks) >= 1
    assert max(course.blocks) <= device.most


# ---------------------------------------------------------------- mutants


def without_hysteresis(controller, found, at_s, **options):
    """Every reading decides, and nothing is remembered."""
    fresh = Controller(blocks=controller.blocks, steady_since_s=controller.steady_since_s)
    return decide(fresh, found, at_s, tuning=Tuning(readings=1), **options)


def wide(controller, found, at_s, **options):
    """A third further from the target is near enough."""
    return decide(controller, found, at_s, tuning=Tuning(band_points=6.5), **options)


def narrow(controller, found, at_s, **options):
    """Must be nearer to the target than was promised."""
    return decide(controller, found, at_s, tuning=Tuning(band_points=4.0), **options)


def doubling(controller, found, at_s, **options):
    """Rises by a factor."""
    after = decide(controller, found, at_s, **options)
    room = options["room"]
    most = min(room.seats, room.share or room.seats)
    rose = after.blocks > controller.blocks
    return replace(after, blocks=min(most, 2 * controller.blocks)) if rose else after


def takes_nothing_for_zero(controller, found, at_s, **options):
    """What was not measured is zero."""
    return decide(
        controller,
        replace(found, utilization_percent=found.utilization_percent or 0.0),
        at_s,
        **options,
    )


def blind_to_memory(controller, found, at_s, **options):
    """Memory is no bound."""
    return decide(controller, replace(found, memory_used_bytes=None), at_s, **options)


def keeps_its_promises(decider):
    """Check in short what the tests above check in detail."""
    for shape in ("jumps over the band", "linear", "slowly saturating"):
        for target in (50.0, 80.0):
            settles(Device(percent=SHAPES[shape], noise=2.0), target, decider=decider)
    settles(Device(percent=linear(10), base_gb=0, seat_gb=20), 80.0, decider=decider)
    for sign in (-1, 1):
        assert ends_at(5.5 * sign, decider=decider) == "left", "it rests outside of 5 points"
        assert ends_at(4.9 * sign, decider=decider) == "held", "it moves within 5 points"
    unmeasured = steadied(Controller(blocks=2), 0.0, steady=True)
    nothing = sample(Device(percent=linear(20)), 2, None)
    for at_s in range(2, 6):
        after = decider(
            unmeasured, nothing, float(at_s), target_percent=80.0, room=Room(seats=8, holding=2)
        )
        assert after.blocks == 2, "what was not measured moves it"


def test_the_shipped_controller_keeps_its_promises():
    keeps_its_promises(decide)


@pytest.mark.parametrize(
    ("mutant", "broken"),
    [
        pytest.param(without_hysteresis, "come to rest", id="no hysteresis"),
        pytest.param(wide, "rests outside of 5 points", id="a band of 6.5 points"),
        pytest.param(narrow, "moves within 5 points", id="a band of 4 points"),
        pytest.param(doubling, "more than one block", id="multiplicative increase"),
        pytest.param(takes_nothing_for_zero, "not measured moves it", id="None is zero"),
        pytest.param(blind_to_memory, "beyond what there is", id="ignores memory"),
    ],
)
def test_a_wrong_controller_is_found_out(mutant, broken):
    with pytest.raises(AssertionError, match=broken):
        keeps_its_promises(mutant)
