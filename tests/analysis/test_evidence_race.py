"""The sign race on its own: what goes in, what comes out, what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.analysis.evidence import MARGINS, EvidenceRace
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.standing import VerdictKind
from parbench_lab.errors import UnknownNameError, UsageError


def blocks_of(gaps, n_blocks, *, sd=0.04, seed=0):
    rng = np.random.default_rng(seed)
    seconds = np.exp(np.asarray(gaps) + rng.normal(0, sd, (n_blocks, len(gaps))))
    return seconds.tolist()


def run(race, names, blocks):
    for block in blocks:
        race.update(dict(zip(names, block, strict=True)))
    return race


def test_the_margins_are_the_designed_grid():
    assert len(MARGINS) == 30
    assert list(MARGINS) == sorted(set(MARGINS))
    assert (MARGINS[0], MARGINS[-1]) == (0.0, 9.0)


def test_the_slower_ones_go_and_equals_end_as_equal():
    names = ["best", "twin", "slow", "slower"]
    race = EvidenceRace(names, elimination_threshold=20, tolerance=0.02)

    run(race, names, blocks_of([0.0, 0.001, 0.1, 0.5], 800))

    verdicts = race.verdicts()
    assert verdicts["slow"] is verdicts["slower"] is VerdictKind.ELIMINATED
    assert sorted([verdicts["best"], verdicts["twin"]]) == ["equal", "leader"]
    assert race.shown()["slower"] > race.shown()["slow"] >= 0.02
    assert race.record.decided(elimination_threshold=20, tolerance=0.02)


def test_update_returns_who_is_eliminated_now():
    race = EvidenceRace(["a", "b"], elimination_threshold=20, tolerance=0.0)

    said = [race.update({"a": 1.0, "b": 2.0}) for _ in range(20)]

    assert said.count({"b"}) == 1
    assert said.count(set()) == 19
    assert race.survivors == ("a",)


def test_nothing_is_equal_at_tolerance_zero():
    names = ["a", "b"]
    race = EvidenceRace(names, elimination_threshold=20, tolerance=0.0)
    for _ in range(200):
        race.update({"a": 1.0, "b": 1.0})

    assert set(race.verdicts().values()) == {VerdictKind.LEADER, VerdictKind.UNDECIDED}
    race.tolerance = 0.02
    assert set(race.verdicts().values()) == {VerdictKind.LEADER, VerdictKind.EQUAL}


def test_moving_the_tolerance_back_and_forth_changes_what_counts_not_what_is_known():
    names = ["best", "slow"]
    race = EvidenceRace(names, elimination_threshold=20, tolerance=0.5)
    run(race, names, blocks_of([0.0, 0.1], 100))
    known = race.shown()["slow"]

    race.tolerance = 0.02
    out = race.update({"best": 1.0, "slow": 1.1})

    assert 0.02 <= known < 0.5
    assert out == {"slow"}


def test_a_time_out_loses_its_duels_and_two_of_them_tie():
    race = EvidenceRace(["a", "b", "c"], elimination_threshold=1000, tolerance=0.02)
    for _ in range(60):
        race.update({"a": 1.0, "b": math.inf, "c": math.inf})

    assert race.survivors == ("a",)
    alone = EvidenceRace(["b", "c"], elimination_threshold=20, tolerance=0.0)
    for _ in range(60):
        alone.update({"b": math.inf, "c": math.inf})
    assert alone.survivors == ("b", "c")
    assert alone.record.evidence("b", 0.0) == 1.0


def test_who_is_missing_is_not_measured_and_pays_nothing():
    race = EvidenceRace(["a", "b", "c"], elimination_threshold=20, tolerance=0.0)
    for _ in range(30):
        race.update({"a": 1.0, "b": 2.0})

    assert race.survivors == ("a", "c")
    assert race.record.blocks("c") == 0
    assert race.record.evidence("c", 0.0) == 1.0


def test_a_block_of_one_teaches_nothing():
    race = EvidenceRace(["a", "b"])
    for _ in range(50):
        race.update({"a": 1.0})

    assert race.record.evidence("a", 0.0) == race.record.evidence("b", 0.0) == 1.0


def test_a_newcomer_cannot_lead_before_its_fifth_block():
    race = EvidenceRace(["old"])
    for _ in range(5):
        race.update({"old": 1.0})
    race.add("new")
    leaders = []
    for _ in range(8):
        race.update({"old": 2.0, "new": 1.0})
        leaders.append(race.leader)

    assert leaders == ["old"] * 4 + ["new"] * 4


@pytest.mark.parametrize(
    ("seconds", "error", "words"),
    [
        ({"a": 0.0}, UsageError, "seconds must be positive"),
        ({"a": -1.0}, UsageError, "seconds must be positive"),
        ({"a": math.nan}, UsageError, "seconds must be positive"),
        ({"z": 1.0}, UnknownNameError, "'z' is not in the race; known are a, b"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(seconds, error, words):
    race = EvidenceRace(["a", "b"])

    with pytest.raises(error, match=words):
        race.update(seconds)

    assert race.record.judged == 0


@pytest.mark.parametrize("value", [0.0, 1.0, 19.0, math.inf, math.nan, -5.0])
def test_a_threshold_below_the_floor_is_refused(value):
    race = EvidenceRace(["a", "b"])

    with pytest.raises(UsageError, match="min_elimination_threshold"):
        race.elimination_threshold = value

    assert race.elimination_threshold == 1000.0
    EvidenceRace(["a", "b"], elimination_threshold=5, min_elimination_threshold=5)


@pytest.mark.parametrize("value", [-0.1, 9.1, math.nan, math.inf])
def test_a_tolerance_off_the_grid_is_refused(value):
    race = EvidenceRace(["a", "b"])

    with pytest.raises(UsageError, match="tolerance must be within 0 to 9"):
        race.tolerance = value

    assert race.tolerance == 0.02


@pytest.mark.parametrize("name", ["tolerance", "elimination_threshold"])
@pytest.mark.parametrize("value", [None, "x"])
def test_what_is_no_number_is_refused_in_words(name, value):
    race = EvidenceRace(["a", "b"])

    with pytest.raises(UsageError, match=f"{name} must be a number but got {value!r}"):
        setattr(race, name, value)
    with pytest.raises(UsageError, match=f"{name} must be a number"):
        EvidenceRace(["a", "b"], **{name: value})


@pytest.mark.parametrize(
    ("block", "said"),
    [
        pytest.param([1, 2], "seconds by candidate but got .1, 2.", id="a list"),
        pytest.param({"a": "1"}, "'a': seconds must be a number but got '1'", id="a text"),
        pytest.param({"a": None}, "'a': seconds must be a number but got None", id="nothing"),
    ],
)
def test_what_is_no_block_is_refused_and_not_judged(block, said):
    race = EvidenceRace(["a", "b"])

    with pytest.raises(UsageError, match=said):
        race.update(block)

    assert race.record.judged == 0


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (3, {}, "names must be a list but got 3"),
        ("ab", {}, "names must be a list but got 'ab'"),
        (["a", "b"], {"epoch_blocks": "3"}, "epoch_blocks must be a whole number"),
    ],
)
def test_what_a_race_cannot_begin_with_is_refused_in_words(names, options, said):
    with pytest.raises(UsageError, match=said):
        EvidenceRace(names, **options)


def test_a_name_may_come_once():
    with pytest.raises(UsageError, match="'a' is in the record already"):
        EvidenceRace(["a", "a"])


gaps = st.lists(st.sampled_from([0.0, 0.01, 0.05, 0.2, 1.0]), min_size=2, max_size=6)


@settings(max_examples=25, deadline=None)
@given(gaps=gaps, seed=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_renaming_and_reordering_change_nothing(gaps, seed, order):
    names = [f"c{k}" for k in range(len(gaps))]
    shuffled = names[:]
    order.shuffle(shuffled)
    to = dict(zip(names, shuffled, strict=True))
    plain = EvidenceRace(names, elimination_threshold=20, tolerance=0.01)
    other = EvidenceRace(sorted(names, reverse=True), elimination_threshold=20, tolerance=0.01)
    for block in blocks_of(gaps, 40, seed=seed):
        plain_out = plain.update(dict(zip(names, block, strict=True)))
        other_out = other.update(dict(zip(shuffled, block, strict=True)))

        assert other_out == {to[name] for name in plain_out}

    assert other.verdicts() == {to[name]: kind for name, kind in plain.verdicts().items()}
    assert other.shown() == {to[name]: shown for name, shown in plain.shown().items()}


@settings(max_examples=25, deadline=None)
@given(gaps=gaps, seed=st.integers(0, 10**6))
def test_a_mirror_image_metric_gives_the_mirror_verdicts(gaps, seed):
    speed = Metric(name="items_per_s", unit="1/s", better="higher")
    names = [f"c{k}" for k in range(len(gaps))]
    plain, mirror = EpochRecord((WALL_TIME_S,), names), EpochRecord((speed,), names)
    knobs = {"elimination_threshold": 20.0, "tolerance": 0.02}
    for block in blocks_of(gaps, 40, seed=seed):
        seconds = dict(zip(names, block, strict=True))
        plain.judge({name: (WALL_TIME_S.cost(s),) for name, s in seconds.items()})
        mirror.judge({name: (speed.cost(1 / s),) for name, s in seconds.items()})

    assert mirror.order() == plain.order()
    for name in names:
        assert mirror.verdict(name, **knobs) == plain.verdict(name, **knobs)
        assert mirror.shown_slower(name, 20.0) == plain.shown_slower(name, 20.0)
        assert mirror.at_most_slower(name, 20.0) == plain.at_most_slower(name, 20.0)


@settings(max_examples=25, deadline=None)
@given(
    blocks=st.lists(
        st.dictionaries(
            st.sampled_from("abcd"),
            st.one_of(st.floats(1e-9, 1e9), st.just(math.inf)),
        ),
        max_size=60,
    )
)
def test_whatever_happens_somebody_survives_and_evidence_never_falls(blocks):
    race = EvidenceRace(list("abcd"), elimination_threshold=20, tolerance=0.0)
    best_known = dict.fromkeys("abcd", 1.0)
    for block in blocks:
        race.update(block)

        assert race.survivors
        for name, known in best_known.items():
            assert race.record.evidence(name, 0.0) >= known
            best_known[name] = race.record.evidence(name, 0.0)
