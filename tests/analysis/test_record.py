"""The record of an epoch: who is in it, what it knows, and what it costs to ask."""

import math

import numpy as np
import pytest

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.core.standing import VerdictKind
from parbench_lab.errors import UnknownNameError, UsageError

KNOBS = {"elimination_threshold": 20.0, "tolerance": 0.02}


def record_of(gaps, n_blocks, *, sd=0.03, seed=0, **options):
    record = EpochRecord((WALL_TIME_S,), list(gaps), **options)
    feed(record, gaps, n_blocks, sd=sd, seed=seed)
    return record


def feed(record, gaps, n_blocks, *, sd=0.03, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n_blocks):
        noise = rng.normal(0, sd, len(gaps)).tolist()
        record.judge({name: (gaps[name] + e,) for name, e in zip(gaps, noise, strict=True)})


def test_an_empty_record_answers_every_question():
    record = EpochRecord((WALL_TIME_S,), ())

    assert (record.leader, record.order(), record.ratios()) == (None, [], {})
    assert not record.decided(**KNOBS)
    assert record.progress(**KNOBS) == 0.0
    assert record.blocks_left(**KNOBS) is None
    assert record.eliminable(**KNOBS) == []
    assert record.variance_ratio() is None
    assert record.mean_disagrees() == ""
    assert record.costs().shape == (0, 0, 1)


def test_a_record_before_its_first_block_knows_nothing_about_anybody():
    record = EpochRecord((WALL_TIME_S,), ("a", "b"))

    assert record.order() == ["a", "b"]
    assert record.verdict("a", **KNOBS) is VerdictKind.UNDECIDED
    assert record.explain("a", **KNOBS) == "not judged yet"
    assert (record.ratio("a"), record.shown_slower("a", 20.0)) == (None, None)
    assert record.evidence("a", 0.02) == 1.0


def test_the_last_survivor_is_a_decided_race():
    record = record_of({"a": 0.0, "b": 1.0}, 5)
    record.remove("b")

    assert record.decided(**KNOBS)
    assert record.explain("a", **KNOBS) == "the only one that still races"
    assert record.at_most_slower("a", 20.0) is None


def test_the_removed_come_last_the_last_removed_first():
    record = record_of({"a": 0.0, "b": 0.1, "c": 0.2, "d": 0.3}, 20)
    record.remove("b")
    record.remove("d")

    assert record.order() == ["a", "c", "d", "b"]
    assert record.survivors == ("a", "c")
    assert record.verdict("b", **KNOBS) is VerdictKind.ELIMINATED


def test_a_removed_candidates_account_is_paused_and_goes_on_when_it_comes_back():
    gaps = {"a": 0.0, "b": 0.0, "c": 0.05}
    record = record_of(gaps, 10)
    record.remove("c")
    before = record.evidence("c", 0.02)
    feed(record, gaps, 20, seed=1)

    assert record.evidence("c", 0.02) == before
    assert record.blocks("c") == 10
    record.bring_back("c")
    feed(record, gaps, 200, seed=2)
    assert record.evidence("c", 0.02) > before
    assert record.blocks("c") == 210


def test_names_that_do_not_race_are_ignored():
    record = EpochRecord((WALL_TIME_S,), ("a", "b"))
    record.judge({"a": (0.0,), "stranger": (1.0,)})

    assert record.names == ("a", "b")
    with pytest.raises(UnknownNameError, match="'stranger' is not in the record; known are a, b"):
        record.blocks("stranger")


@pytest.mark.parametrize("cost", [(math.nan,), (0.0, 0.0), ()])
def test_costs_that_cannot_be_judged_are_refused_and_change_nothing(cost):
    record = EpochRecord((WALL_TIME_S,), ("a", "b"))

    with pytest.raises(UsageError, match="cost"):
        record.judge({"a": (0.0,), "b": cost})

    assert record.judged == 0


def test_thresholds_below_the_floor_count_as_the_floor():
    record = record_of({"a": 0.0, "b": 0.2}, 5, min_elimination_threshold=100.0)

    assert 1 < record.evidence("b", 0.02) < 100
    assert record.eliminable(elimination_threshold=1.0, tolerance=0.02) == []
    with pytest.raises(UsageError, match="elimination_threshold must be positive"):
        record.shown_slower("b", 0.0)


def test_evidence_reaches_the_threshold_exactly_when_shown_reaches_the_tolerance():
    record = record_of({"a": 0.0, "b": 0.05, "c": 0.2, "d": 0.9}, 60)

    for name in record.names:
        for tolerance in (0.0, 0.022, 0.1, 0.5):
            for threshold in (20.0, 1000.0):
                shown = record.shown_slower(name, threshold)
                reached = record.evidence(name, tolerance) >= threshold

                assert reached == (shown is not None and shown >= tolerance)


def test_the_true_gap_lies_between_what_is_shown():
    record = record_of({"a": 0.0, "b": math.log(1.10)}, 400)

    assert 0.05 <= record.shown_slower("b", 20.0) <= 0.10 <= record.at_most_slower("b", 20.0)
    assert record.at_most_slower("b", 20.0) <= 0.15
    assert record.at_most_slower("a", 20.0) == 0.0


def test_equal_candidates_end_as_equal_and_decided():
    gaps = {"a": 0.0, "b": 0.001, "c": 0.002}
    record = record_of(gaps, 2000, sd=0.02)

    assert record.decided(**KNOBS)
    kinds = [record.verdict(name, **KNOBS).value for name in record.order()]
    assert kinds == ["leader", "equal", "equal"]
    assert record.explain(record.order()[1], **KNOBS).endswith("equal within the tolerance")
    assert record.progress(**KNOBS) == 1.0
    assert record.blocks_left(**KNOBS) == 0.0


def test_progress_is_a_share_and_the_forecast_of_blocks_is_about_right():
    gaps = {"a": 0.0, "b": 0.05, "c": 0.06}
    knobs = {"elimination_threshold": 1000.0, "tolerance": 0.0}
    off_by = []
    for seed in range(15):
        record, rng = EpochRecord((WALL_TIME_S,), gaps), np.random.default_rng(seed)
        forecast = {}
        while not record.decided(**knobs):
            noise = rng.normal(0, 0.05, 3).tolist()
            record.judge({n: (g + e,) for (n, g), e in zip(gaps.items(), noise, strict=True)})
            forecast[record.judged] = record.blocks_left(**knobs)

            assert 0 <= record.progress(**knobs) <= 1
        assert record.progress(**knobs) == 1.0
        assert forecast[5] is None
        half = record.judged // 2
        if forecast[half] is not None:
            off_by.append(forecast[half] / (record.judged - half))

    assert len(off_by) >= 10
    assert 0.5 <= np.median(off_by) <= 2.5


def test_ratios_come_from_paired_blocks_and_hold_the_truth():
    record = record_of({"a": 0.0, "b": math.log(1.3)}, 200)

    leader, other = record.ratios().values()
    assert (leader.point, leader.low, leader.high) == (1.0, 1.0, 1.0)
    assert other.low <= 1.3 <= other.high
    assert other.high - other.low < 0.05
    assert (other.n, other.confidence) == (200, 0.95)


def test_ratios_need_two_blocks_with_finite_costs_of_both():
    record = EpochRecord((WALL_TIME_S,), ("a", "b", "c"))
    for _ in range(3):
        record.judge({"a": (0.0,), "b": (math.inf,)})
    record.judge({"a": (0.0,), "b": (0.1,), "c": (0.2,)})

    assert record.ratio("b") is None
    assert record.ratio("c") is None
    record.judge({"a": (0.0,), "b": (0.1,)})
    assert record.ratio("b").n == 2


def test_the_record_forgets_old_costs_but_no_evidence():
    record = record_of({"a": 0.0, "b": 0.3}, 250, keep=100)

    assert record.costs().shape == (100, 2, 1)
    assert record.judged == 250
    assert record.ratio("b").n == 100
    assert record.evidence("b", 0.02) > 1e30


def test_kept_costs_come_oldest_first():
    record = EpochRecord((WALL_TIME_S,), ("a",), keep=4)
    for block in range(6):
        record.judge({"a": (float(block),)})

    assert record.costs()[:, 0, 0].tolist() == [2.0, 3.0, 4.0, 5.0]


def test_memory_does_not_grow_with_the_number_of_blocks():
    gaps = {"a": 0.0, "b": 0.1}
    record = record_of(gaps, 200, keep=100)
    arrays = sorted(array.nbytes for array in arrays_in(record))
    feed(record, gaps, 1000, seed=9)

    assert sorted(array.nbytes for array in arrays_in(record)) == arrays


def arrays_in(thing, seen=None):
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        yield thing
    elif hasattr(thing, "__dict__"):
        for value in vars(thing).values():
            yield from arrays_in(value, seen)


def test_the_mean_is_heard_where_it_disagrees_with_the_duels():
    record = EpochRecord((WALL_TIME_S,), ("spiky", "steady"))
    for block in range(100):
        spike = 3.0 if block % 5 == 0 else 0.0
        record.judge({"spiky": (spike,), "steady": (0.1,)})

    assert record.leader == "spiky"
    assert record.mean_disagrees() == (
        "spiky wins most duels, but steady has the better mean wall_time_s: spiky is better in "
        "most blocks and much worse in some"
    )


def test_the_mean_is_silent_where_it_agrees():
    assert record_of({"a": 0.0, "b": 0.1}, 100).mean_disagrees() == ""


def test_sentences_say_how_far_the_evidence_is():
    record = record_of({"a": 0.0, "b": 0.04}, 25, sd=0.05)

    said = record.explain("b", elimination_threshold=1e6, tolerance=0.02)

    assert said.startswith("evidence ")
    assert "of the 1e+06 : 1 needed that it is more than 2 % slower than the best" in said


def test_many_who_join_one_by_one_are_judged_like_those_who_were_there():
    gaps = {f"c{k}": 0.05 * k for k in range(12)}
    together = record_of(gaps, 30)
    one_by_one = EpochRecord((WALL_TIME_S,), ())
    for name in gaps:
        one_by_one.join(name)
        one_by_one.order()
    feed(one_by_one, gaps, 30)

    for name in gaps:
        assert one_by_one.evidence(name, 0.02) == together.evidence(name, 0.02)
        assert one_by_one.at_most_slower(name, 20.0) == together.at_most_slower(name, 20.0)


def test_with_hundreds_of_candidates_pairs_take_turns_and_still_settle():
    gaps = {f"c{k}": 0.0 for k in range(60)}
    record = record_of(gaps, 700, sd=0.005)

    assert record.decided(elimination_threshold=20.0, tolerance=0.02)


def test_bets_over_several_blocks_move_at_their_end_only():
    record = EpochRecord((WALL_TIME_S,), ("a", "b"), epoch_blocks=10)
    evidence = []
    for _ in range(20):
        record.judge({"a": (0.0,), "b": (1.0,)})
        evidence.append(record.evidence("b", 0.02))

    assert evidence[8] == 1.0
    assert 1.0 < evidence[9] == evidence[18] < evidence[19]


def blocks_of(gaps, n_blocks, *, sd=0.03, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n_blocks):
        noise = rng.normal(0, sd, len(gaps)).tolist()
        yield {name: (gaps[name] + e,) for name, e in zip(gaps, noise, strict=True)}


def together(record, blocks, size):
    blocks = list(blocks)
    for start in range(0, len(blocks), size):
        record.judge(*blocks[start : start + size])


def test_blocks_judged_together_count_like_blocks_judged_singly():
    gaps = {"a": 0.0, "b": 0.02, "c": 0.1}
    singly = record_of(gaps, 400)
    at_once = EpochRecord((WALL_TIME_S,), list(gaps))
    together(at_once, blocks_of(gaps, 400), 20)

    assert at_once.judged == singly.judged == 400
    assert [at_once.blocks(name) for name in gaps] == [400, 400, 400]
    assert at_once.order() == singly.order()
    assert at_once.ratios() == singly.ratios()
    assert at_once.variance_ratio() == singly.variance_ratio()


def test_blocks_judged_together_need_hardly_more_blocks_to_a_decision():
    gaps = {"a": 0.0, "b": 0.03, "c": 0.03}
    singly, at_once = (EpochRecord((WALL_TIME_S,), list(gaps)) for _ in range(2))

    def blocks_needed(record, size):
        fed = blocks_of(gaps, 2000, sd=0.04, seed=3)
        for count, chunk in enumerate(iter(lambda: list(zip(range(size), fed, strict=False)), [])):
            record.judge(*(block for _, block in chunk))
            if len(record.eliminable(elimination_threshold=20.0, tolerance=0.0)) == 2:
                return (count + 1) * size
        return None

    assert blocks_needed(at_once, 20) <= 1.2 * blocks_needed(singly, 1) + 20


@pytest.mark.statistics
def test_identical_candidates_judged_together_are_rarely_told_apart():
    lost = 0
    for seed in range(300):
        record = EpochRecord((WALL_TIME_S,), ["a", "b", "c"])
        together(record, blocks_of(dict.fromkeys("abc", 0.0), 200, seed=seed), 20)
        lost += "a" in record.eliminable(elimination_threshold=20.0, tolerance=0.0)

    assert lost <= 24  # 5 % of 300, one-sided binomial, p < 0.01


def test_a_bet_that_blocks_share_is_fixed_before_the_first_of_them():
    # b loses 100 blocks to a, then wins all: a bet that saw them would not lose what this one does
    record = EpochRecord((WALL_TIME_S,), ["a", "b"])
    for _ in range(100):
        record.judge({"a": (0.0,), "b": (1.0,)})
    before = record._contest.bets.accounts.log_wealth[1, 0]
    stake = record._contest.bets.accounts.bets()[1, 0]
    record.judge(*[{"a": (1.0,), "b": (0.0,)}] * 10)
    after = record._contest.bets.accounts.log_wealth[1, 0]

    assert after - before == pytest.approx(10 * math.log1p(-stake))


def test_blocks_with_different_candidates_may_be_judged_together():
    record = EpochRecord((WALL_TIME_S,), ["a", "b"])
    both, alone = {"a": (0.0,), "b": (0.1,)}, {"a": (0.0,)}
    together(record, [both, both, alone, {}, both, alone], 6)

    assert (record.blocks("a"), record.blocks("b"), record.judged) == (5, 3, 5)
