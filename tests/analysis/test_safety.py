"""The best is safe: simulated races at exact ties, where every elimination of it is an error.

At threshold 20 and tolerance 0 the best may go in at most 5 % of the races. The check is one-sided
(binomial, p < 0.01, 2000 races), so each of these tests fails by bad luck for 1 seed in 100 at
most; the seeds are fixed.
"""

import numpy as np
import pytest

from parbench_lab.analysis.leader_bets import LeaderBets
from tests.analysis import mutants
from tests.analysis.simulation import (
    NOISES,
    Drifting,
    Plan,
    check_the_best_is_safe,
    lognormal,
    p_value,
    simulate,
)

pytestmark = pytest.mark.statistics

BLOCKS = {3: 300, 5: 250, 10: 150, 20: 80}
MARGINS = (0.0, 0.01, 0.02, 0.05, 0.1)
THRESHOLDS = (20.0, 100.0, 1000.0)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", BLOCKS)
def test_the_best_is_safe_among_equals(n, noise):
    check_the_best_is_safe(Plan(gaps=[0.0] * n, blocks=BLOCKS[n], noise=NOISES[noise]()))


@pytest.mark.parametrize("noise", NOISES)
def test_the_best_is_safe_while_the_tolerance_slider_jumps_about(noise):
    places = np.random.default_rng(5).integers(0, len(MARGINS), 150).tolist()

    check_the_best_is_safe(
        Plan(
            gaps=[0.0] * 5,
            blocks=150,
            noise=NOISES[noise](),
            margins=MARGINS,
            tolerance_index=lambda block: places[block],
        )
    )


@pytest.mark.parametrize("noise", NOISES)
def test_the_best_is_safe_while_the_threshold_slider_jumps_about(noise):
    # the lowest of the thresholds is 20, whose chance is what is promised
    thresholds = np.random.default_rng(6).choice(THRESHOLDS, 150).tolist()

    check_the_best_is_safe(
        Plan(
            gaps=[0.0] * 5,
            blocks=150,
            noise=NOISES[noise](),
            threshold_of=lambda block: thresholds[block],
        )
    )


def test_the_best_is_safe_while_both_sliders_jump_about():
    rng = np.random.default_rng(5)
    places = rng.integers(0, len(MARGINS), 150).tolist()
    thresholds = rng.choice(THRESHOLDS, 150).tolist()

    check_the_best_is_safe(
        Plan(
            gaps=[0.0] * 5,
            blocks=150,
            noise=Drifting(),
            margins=MARGINS,
            tolerance_index=lambda block: places[block],
            threshold_of=lambda block: thresholds[block],
        )
    )


def test_a_jumping_threshold_does_not_save_a_wrong_variant_from_the_check():
    thresholds = np.random.default_rng(6).choice(THRESHOLDS, 100).tolist()

    with pytest.raises(AssertionError, match="the best was eliminated in"):
        check_the_best_is_safe(
            Plan(gaps=[0.0] * 5, blocks=100, threshold_of=lambda block: thresholds[block]),
            mutants.FourTimesLooser,
        )


def test_the_best_is_safe_when_blocks_depend_on_each_other_and_bets_are_rare():
    class Rare(LeaderBets):
        def __init__(self, n, margins, *, batch=(), epoch_blocks=1):
            super().__init__(n, margins, batch=batch, epoch_blocks=30)

    # noise that belongs to a candidate for a while: no rule that bets block by block survives it
    class Sticky:
        def __init__(self):
            self.state = 0.0

        def __call__(self, rng, shape):
            self.state = 0.8 * self.state + rng.normal(0, 0.02, shape)
            return self.state

    plan = {"gaps": [0.0] * 3, "blocks": 300, "races": 1000, "shuffled": False}

    every_block = simulate(Plan(noise=Sticky(), **plan)).best_lost.mean()
    rarely = simulate(Plan(noise=Sticky(), **plan), Rare).best_lost.mean()

    assert every_block > 0.2
    assert rarely < 0.08


@pytest.mark.parametrize(
    "newcomer", [0, 1], ids=["the best is new", "an equal of the best is new"]
)
def test_a_challenger_at_block_50_is_judged_as_fairly_as_the_others(newcomer):
    check_the_best_is_safe(Plan(gaps=[0.0] * 5, blocks=200, joins_at={newcomer: 50}))


def test_a_faster_challenger_at_block_50_wins_and_a_slower_one_goes():
    faster = simulate(Plan(gaps=[0.0, 0.05, 0.05, 0.05], blocks=400, joins_at={0: 50}, races=400))
    slower = simulate(Plan(gaps=[0.0, 0.0, 0.05], blocks=400, joins_at={2: 50}, races=400))

    assert faster.best_lost.mean() <= 0.02
    assert faster.eliminated[:, 1:].mean() >= 0.99
    assert slower.best_lost.mean() <= 0.05
    assert slower.eliminated[:, 2].mean() >= 0.99


@pytest.mark.parametrize(
    "mutant",
    [mutants.BetSeesItsOwnBlock, mutants.LeaderOfTheSameBlock, mutants.FourTimesLooser],
)
@pytest.mark.parametrize("n", [3, 5, 10])
def test_a_wrong_variant_fails_the_check(n, mutant):
    with pytest.raises(AssertionError, match="the best was eliminated in"):
        check_the_best_is_safe(Plan(gaps=[0.0] * n, blocks=100), mutant)


def test_a_fixed_order_fails_the_check_where_slots_differ():
    drifting = Drifting()

    with pytest.raises(AssertionError, match="the best was eliminated in"):
        check_the_best_is_safe(
            Plan(
                gaps=[0.0] * 5,
                blocks=100,
                shuffled=False,
                noise=lambda rng, shape: drifting(rng, shape)[:, ::-1],
            )
        )


def test_the_cost_of_a_3_percent_gap_is_as_designed():
    # The design names 148, 227, 422 and 796 measurements for 3, 5, 10 and 20 candidates but not
    # the noise. Reproduced here within 10 % with log-normal noise of 4.3 % and the others spread
    # evenly from 3 % to 6.5 % behind the best. If *all* others are exactly 3 % behind, costs
    # grow faster with their number (3 % noise: about 100, 185, 390, 840), whatever the noise.
    designed = {3: 148, 5: 227, 10: 422, 20: 796}

    measured = {
        n: simulate(
            Plan(
                gaps=[0.0, *np.log1p(np.linspace(0.03, 0.065, n - 1))],
                races=600,
                blocks=2500,
                noise=lambda rng, shape: rng.normal(0.0, 0.043, shape),
                seed=3,
            )
        ).measurements.mean()
        for n in designed
    }

    for n, designed_cost in designed.items():
        assert measured[n] == pytest.approx(designed_cost, rel=0.10), measured


def test_all_others_3_percent_behind_cost_what_was_measured_before():
    costs = {
        n: simulate(
            Plan(
                gaps=[0.0] + [np.log1p(0.03)] * (n - 1),
                races=300,
                blocks=1500,
                noise=lambda rng, shape: rng.normal(0.0, 0.03, shape),
            )
        )
        for n in (3, 10)
    }

    assert costs[3].measurements.mean() == pytest.approx(98, rel=0.1)
    assert costs[10].measurements.mean() == pytest.approx(392, rel=0.1)
    assert all(outcome.best_lost.mean() < 0.02 for outcome in costs.values())


def test_the_binomial_check_is_right():
    assert p_value(0, 10, 0.3) == pytest.approx(1.0)
    assert p_value(8, 10, 0.5) == pytest.approx(56 / 1024)
    assert lognormal(np.random.default_rng(0), (4, 3)).shape == (4, 3)
