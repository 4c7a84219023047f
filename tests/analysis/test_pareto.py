"""Races about several objectives: who is on the front stays, and says why."""

import math

import numpy as np
import pytest

from parbench_lab.analysis.pair_bets import PairBets, ParetoBets
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.standing import VerdictKind
from tests.analysis.simulation import p_value

ERROR = Metric(name="abs_error", unit="1", floor=1e-16)
SCORE = Metric(name="score", unit="1", better="higher", scale="interval")
KNOBS = {"elimination_threshold": 1000.0, "tolerance": 0.02}
NAMES = ("fast_v1", "accurate_v2", "hybrid_v3", "clumsy_v4")
LEVELS = np.log([[1e-4, 1e-2], [1e-2, 1e-10], [1e-3, 1e-6], [2e-3, 1e-4]])


def race(levels, *, names=NAMES, metrics=(WALL_TIME_S, ERROR), blocks=200, sd=0.05, seed=1):
    """Race until decided; the evidence eliminates."""
    rng = np.random.default_rng(seed)
    record = EpochRecord(metrics, names)
    for _ in range(blocks):
        costs = levels + rng.normal(0, sd, np.shape(levels))
        record.judge(dict(zip(names, map(tuple, costs.tolist()), strict=True)))
        for name in record.eliminable(**KNOBS):
            record.remove(name)
        if record.decided(**KNOBS):
            break
    return record


def front_losses(gaps, *, races=2000, blocks=120, joins_at=None, seed=2):
    """Return how often candidate 0, who is on the front, is eliminated at 20 : 1."""
    rng = np.random.default_rng(seed)
    gaps = np.asarray(gaps)
    shape = (races, *gaps.shape)
    pairs = PairBets(len(gaps), [[0.0]] * gaps.shape[1], batch=(races,))
    pareto = ParetoBets(pairs)
    for block in range(blocks):
        alive = np.ones(shape[:2], np.bool_)
        for candidate, start in (joins_at or {}).items():
            alive[:, candidate] = block >= start
        costs = gaps + rng.normal(0, 0.05, shape)
        pareto.meet(alive)
        pareto.learn(pairs.observe(costs, alive, alive), alive)
    return int((pareto.log_peak[:, 0, 0] >= math.log(20.0)).sum())


@pytest.mark.statistics
@pytest.mark.parametrize(
    ("gaps", "joins_at"),
    [
        pytest.param([[0, 0.3], [0, 0], [0, 0], [0, 0]], None, id="equal in one of two"),
        pytest.param([[0, 0.3], [0, 0], [0.3, 0], [0, 0]], None, id="a different one with each"),
        pytest.param([[0, 0], [0, 0], [0, 0], [0, 0]], None, id="equal in both"),
        pytest.param([[0, 0.3], [0, 0], [0, 0], [0, 0]], {2: 20, 3: 40}, id="opponents that join"),
    ],
)  # fmt: skip
def test_a_candidate_on_the_front_is_eliminated_in_5_percent_of_races_at_most(gaps, joins_at):
    lost = front_losses(gaps, joins_at=joins_at)

    assert p_value(lost, 2000, 0.05) >= 0.01, lost


@pytest.mark.statistics
def test_the_check_of_the_front_has_teeth():
    lost = front_losses([[0.02, 0.3], [0, 0], [0, 0], [0, 0]], blocks=150)

    assert p_value(lost, 2000, 0.05) < 0.01, lost


def test_the_weights_of_a_candidates_opponents_never_exceed_one():
    pareto = ParetoBets(PairBets(40, [[0.0], [0.0]]))
    for present in (2, 3, 5, 30, 40):
        pareto.meet(np.arange(40) < present)

        assert pareto.weights.sum(axis=1).max() <= 1.0
    assert (pareto.weights > 0).sum() == 40 * 39


def test_three_that_differ_are_on_the_front_and_the_dominated_one_is_out():
    record = race(LEVELS)

    assert record.decided(**KNOBS)
    assert [record.verdict(name, **KNOBS) for name in NAMES] == [VerdictKind.FRONT] * 3 + [
        VerdictKind.ELIMINATED
    ]


def test_everyone_has_a_sentence_that_says_why():
    record = race(LEVELS)

    said = {name: record.explain(name, **KNOBS) for name in NAMES}

    assert said["fast_v1"].startswith("no survivor beats it in both: ")
    assert "x faster than accurate_v2" in said["fast_v1"]
    assert "x smaller abs_error than fast_v1" in said["accurate_v2"]
    assert said["clumsy_v4"].startswith("hybrid_v3 beats it in both: ")
    assert "(evidence " in said["clumsy_v4"]


def test_a_twin_of_a_front_candidate_is_equal_and_the_race_is_decided():
    levels = np.log([[1e-4, 1e-2], [1.001e-4, 1.001e-2], [1e-2, 1e-10]])

    record = race(levels, names=("one", "twin", "other"), sd=0.02, blocks=1500)

    assert record.decided(**KNOBS)
    kinds = {name: record.verdict(name, **KNOBS) for name in record.names}
    assert sorted(kinds.values()) == ["equal", "front", "front"]
    equal = next(name for name, kind in kinds.items() if kind is VerdictKind.EQUAL)
    assert record.explain(equal, **KNOBS).startswith("equal to ") or "on the front" in (
        record.explain(equal, **KNOBS)
    )


def test_a_score_on_an_interval_scale_is_compared_by_differences():
    levels = np.array([[0.0, -0.95], [1.0, -0.97], [2.0, -0.90]])

    record = race(
        levels, names=("a", "b", "c"), metrics=(WALL_TIME_S, SCORE), sd=0.003, blocks=400
    )

    verdicts = [record.verdict(name, **KNOBS) for name in "abc"]
    assert verdicts == ["front", "undecided", "eliminated"]  # 0.02 apart: exactly on the margin
    assert record.explain("b", **KNOBS) == (
        "so far no survivor beats it in both: score higher by 0.02 than a"
    )


def test_a_deterministic_objective_settles_at_once():
    levels = np.array([[0.0, 3.0], [1.0, 0.0]])

    record = race(levels, names=("quick", "exact"), sd=0.0)

    assert record.decided(**KNOBS)
    assert record.judged < 20


def test_a_time_out_loses_in_every_objective():
    record = EpochRecord((WALL_TIME_S, ERROR), ("a", "b"))
    for _ in range(30):
        record.judge({"a": (math.inf, math.inf), "b": (0.0, 0.0)})

    assert record.eliminable(**KNOBS) == ["a"]
