"""Verdicts: on either side of the tolerance, corrected for how many were asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.analysis.comparison.between import RunToRun
from parbench_lab.analysis.comparison.medians import CostMedian
from parbench_lab.analysis.comparison.verdicts import Difference, Verdict, difference, judged
from parbench_lab.core.metric import WALL_TIME_S, Metric

SCORE = Metric(name="score", unit="points", better="higher", scale="interval")


def verdict_of(point, error, *, tolerance=0.02, others=0):
    asked = [Difference(point=point, error=error, n=50)]
    asked += [Difference(point=0.02, error=0.01, n=50)] * others
    return judged(asked, metric=WALL_TIME_S, tolerance=tolerance)[0].verdict


@pytest.mark.parametrize(
    ("point", "error", "expected"),
    [
        pytest.param(0.10, 0.01, "slower", id="far beyond the margin"),
        pytest.param(-0.10, 0.01, "faster", id="far on the other side"),
        pytest.param(0.0, 0.004, "equal", id="well within the margin"),
        pytest.param(0.0198, 0.001, "undecided", id="exactly on the margin"),
        pytest.param(0.05, 0.05, "undecided", id="too noisy"),
    ],
)
def test_a_verdict_is_on_its_side_of_the_tolerance(point, error, expected):
    assert verdict_of(point, error) is Verdict(expected)


def test_nothing_is_equal_at_a_tolerance_of_zero():
    assert verdict_of(0.0, 0.001, tolerance=0.0) is Verdict.UNDECIDED
    assert verdict_of(0.01, 0.001, tolerance=0.0) is Verdict.SLOWER


def test_asking_many_questions_takes_more_for_each():
    assert verdict_of(0.045, 0.01) is Verdict.SLOWER
    assert verdict_of(0.045, 0.01, others=40) is Verdict.UNDECIDED


@given(
    point=st.floats(-1, 1),
    error=st.floats(1e-6, 0.5),
    tolerance=st.sampled_from([0.0, 0.01, 0.02, 0.1]),
)
def test_a_verdict_and_the_interval_beside_it_never_disagree(point, error, tolerance):
    (told,) = judged(
        [Difference(point=point, error=error, n=9)], metric=WALL_TIME_S, tolerance=tolerance
    )
    edge = 1 + tolerance

    inside = 1 / edge <= told.ratio.low and told.ratio.high <= edge
    outside = told.ratio.low >= edge or told.ratio.high <= 1 / edge
    assert {
        Verdict.EQUAL: inside,
        Verdict.SLOWER: outside,
        Verdict.FASTER: outside,
        Verdict.UNDECIDED: True,
    }[told.verdict]


@given(point=st.floats(-1, 1), error=st.floats(1e-6, 0.5))
def test_swapping_the_sides_mirrors_the_verdict(point, error):
    mirror = {Verdict.SLOWER: Verdict.FASTER, Verdict.FASTER: Verdict.SLOWER}

    there, back = verdict_of(point, error), verdict_of(-point, error)

    assert back is mirror.get(there, there)


@pytest.mark.statistics
@pytest.mark.parametrize("within", [0.0, 0.02], ids=["of runs alone", "of measurements, too"])
def test_an_interval_holds_the_truth_where_few_runs_tell_how_far_code_moves(within):
    rng = np.random.default_rng(5)
    n_runs, moves, n_trials, held = 5, 0.02, 4000, 0

    for _ in range(n_trials):
        # the error within a run goes into what its earlier ones differ by, as it does in a store
        earlier, sides = (rng.normal(0.0, np.hypot(moves, within), n) for n in (n_runs, 2))
        known = RunToRun(error=float(np.std(earlier, ddof=1)), runs=n_runs, free=n_runs - 1)
        medians = [CostMedian(point=float(side), error=within, n=50) for side in sides]
        (told,) = judged([difference(*medians, between=known)], metric=WALL_TIME_S, tolerance=0.0)
        held += told.ratio.low <= 1.0 <= told.ratio.high
        assert (told.verdict is Verdict.UNDECIDED) == (told.ratio.low <= 1.0 <= told.ratio.high)

    assert held >= 0.94 * n_trials


def test_errors_of_few_degrees_of_freedom_weigh_by_their_share():
    few = Difference(point=0.0, error=3.0, n=9, free=4)

    assert (few - Difference(point=0.0, error=0.0, n=9)).free == pytest.approx(4)
    assert (few - Difference(point=0.0, error=4.0, n=9)).free == pytest.approx(4 / 0.6**4)
    assert (few - few).free == pytest.approx(8)


@pytest.mark.statistics
def test_of_many_verdicts_few_are_wrong_on_average():
    rng = np.random.default_rng(3)
    truths = np.concatenate([np.full(30, 0.0198), rng.choice([0.0, 0.08, -0.08], 10)])
    wrong = []

    for _ in range(400):
        asked = [Difference(point=rng.normal(t, 0.01), error=0.01, n=40) for t in truths]
        told = judged(asked, metric=WALL_TIME_S, tolerance=0.02)
        given_ones = [(t, one.verdict) for t, one in zip(truths, told, strict=True)]
        decided = [(t, v) for t, v in given_ones if v is not Verdict.UNDECIDED]
        # on the margin itself every verdict counts as wrong
        errors = sum(abs(abs(t) - 0.0198) < 1e-9 for t, _ in decided)
        wrong.append(errors / max(1, len(decided)))

    assert np.mean(wrong) <= 0.06


def test_on_an_interval_scale_the_ratio_is_a_difference_in_the_units_of_the_metric():
    costs = [SCORE.cost(value) for value in (10.0, 7.0)]
    (told,) = judged(
        [Difference(point=costs[1] - costs[0], error=0.1, n=20)], metric=SCORE, tolerance=0.5
    )

    assert told.ratio.point == pytest.approx(3.0)
    assert told.verdict.of(SCORE) == "worse"
