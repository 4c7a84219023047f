"""What a watch promises over many nights, and that wrong rules do not keep it."""

from __future__ import annotations

import numpy as np
import pytest

from parbench_lab.analysis.regression.detector import STAKES, score
from parbench_lab.analysis.regression.series import Margins, WatchedSeries
from parbench_lab.core.metric import WALL_TIME_S, Metric
from tests.analysis.regression.nights import Night, Rule, Watches, seeing_bet, share_with_alarm

pytestmark = pytest.mark.statistics

EXACT_TIES = 0.0
LAYOUTS = Night(process_sd=0.02)
THROUGHPUT = Metric(name="throughput_per_s", unit="1/s", better="higher")
EITHER_WAY = pytest.mark.parametrize("metric", [WALL_TIME_S, THROUGHPUT], ids=lambda m: m.name)


def dearer(metric, ratio):
    """Return the log ratio of values that costs so many times as much."""
    return np.log(ratio) if metric.better == "lower" else -np.log(ratio)


def watches(seed, *, n_watches=100, **parts):
    return Watches(n_watches=n_watches, rng=np.random.default_rng(seed), **parts)


def one_series(shift):
    shifts = np.zeros(20)
    shifts[7] = shift
    return shifts


@EITHER_WAY
def test_fifty_nights_of_noise_over_twenty_series_raise_no_alarm(metric):
    quiet = watches(1, metric=metric)

    alarmed = share_with_alarm(quiet, 50, 0.0)

    assert alarmed.worse <= 0.05
    assert alarmed.better <= 0.05


def test_not_even_at_tolerance_0_with_strong_layouts_where_the_rule_is_at_its_limit():
    tied = watches(2, night=LAYOUTS, rule=Rule(margin=EXACT_TIES))

    alarmed = share_with_alarm(tied, 50, 0.0)

    assert alarmed.worse <= 0.05
    assert alarmed.better <= 0.05


@EITHER_WAY
def test_a_step_of_10_percent_is_found_within_three_nights(metric):
    stepped = watches(3, night=Night(), metric=metric)
    share_with_alarm(stepped, 5, 0.0)

    found = share_with_alarm(stepped, 3, one_series(dearer(metric, 1.10)))

    assert found.worse >= 0.95
    assert found.better <= 0.05


def test_a_clear_step_is_found_in_the_first_night_of_a_watch_of_one_series():
    alone = watches(4, night=Night(n_series=1, bets=30))

    found = share_with_alarm(alone, 1, np.log(1.10))

    assert found.worse >= 0.95


@EITHER_WAY
def test_a_slow_drift_of_a_third_of_a_percent_a_night_is_found_within_forty_nights(metric):
    drifting = watches(5, metric=metric)
    step = dearer(metric, 1.003)

    found = share_with_alarm(drifting, 40, lambda night: one_series(step * night))

    assert found.worse >= 0.95


@EITHER_WAY
def test_an_improvement_is_found_as_one_and_not_as_a_regression(metric):
    improved = watches(6, metric=metric)

    found = share_with_alarm(improved, 3, one_series(dearer(metric, 1 / 1.10)))

    assert found.better >= 0.95
    assert found.worse <= 0.05


@EITHER_WAY
def test_the_simulated_rule_scores_and_bets_as_a_watched_series_does(metric):
    values = np.exp(np.random.default_rng(8).normal(0.02, 0.05, (2, 20, 10)))
    series = WatchedSeries(metric, tolerance=0.02, run_length=np.inf)
    margin, way = Margins.of(metric, 0.02).change, metric.cost(np.e)
    sums = np.zeros(len(STAKES))

    for new, base in zip(*values, strict=True):
        scores = series.observe(list(new), list(base))
        worse = score(way * np.log(new), way * np.log(base), margin)
        better = score(way * np.log(base), way * np.log(new), margin)
        sums = Rule().bet_on(sums, worse)
        assert scores == (worse, better)

    assert series.memory.regression.sums == pytest.approx(sums)
    assert Rule().margin == pytest.approx(margin)


@pytest.mark.parametrize(
    ("mutant", "nights"),
    [
        pytest.param(Rule(bet_on=seeing_bet), 10, id="the bet sees its own block"),
        pytest.param(Rule(blocks_per_bet=1), 10, id="one bet per block under layout noise"),
        pytest.param(
            Rule(margin=EXACT_TIES, corrected_series=1), 50, id="no correction for many series"
        ),
    ],
)
def test_a_wrong_rule_raises_false_alarms(mutant, nights):
    wrong = watches(7, n_watches=40, night=LAYOUTS, rule=mutant)

    alarmed = share_with_alarm(wrong, nights, 0.0)

    assert alarmed.worse > 0.1
