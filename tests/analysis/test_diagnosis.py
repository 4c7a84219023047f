"""How far to trust the machine: each alarm rings when it should and stays quiet when not."""

import math

import numpy as np
import pytest

from parbench_lab.analysis.diagnosis import (
    Canary,
    VarianceRatio,
    WorkerResiduals,
    interference,
)


def test_a_canary_of_identical_code_stays_quiet():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        canary = Canary()
        for first, second in rng.normal(0, 0.05, (60, 2)).tolist():
            canary.update(first, second)
        alarms += canary.evidence >= 20

    assert alarms / 400 <= 0.06


def test_a_canary_that_is_told_apart_rings():
    canary = Canary()
    for _ in range(20):
        canary.update(0.0, 0.1)

    assert canary.blocks == 20
    assert canary.evidence > 1000


def test_two_lost_copies_are_a_tie():
    canary = Canary()
    canary.update(math.inf, math.inf)

    assert (canary.blocks, canary.evidence) == (1, 1.0)


def duels(costs):
    return np.sign(costs[:, None] - costs[None, :])


@pytest.mark.parametrize(
    ("memory", "low", "high"),
    [pytest.param(0.0, 0.7, 1.3, id="independent"), pytest.param(0.9, 1.5, 11.0, id="alike")],
)
def test_the_variance_ratio_tells_independent_blocks_from_alike_ones(memory, low, high):
    rng = np.random.default_rng(3)
    variance, state = VarianceRatio(4), np.zeros(4)
    for _ in range(1000):
        state = memory * state + rng.normal(0, 1, 4)
        variance.update(duels(state), slice(0, 4))

    assert low < variance.ratio(np.ones(4, np.bool_)) < high


def test_the_variance_ratio_needs_300_blocks_with_both():
    variance = VarianceRatio(2)
    rng = np.random.default_rng(3)
    known = []
    for _ in range(300):
        variance.update(duels(rng.normal(0, 1, 2)), slice(0, 2))
        known.append(variance.ratio(np.ones(2, np.bool_)) is not None)

    assert known == [False] * 299 + [True]
    assert variance.ratio(np.array([True, False])) is None


def test_the_variance_ratio_of_constant_outcomes_is_nothing_to_speak_of():
    variance = VarianceRatio(2)
    for _ in range(400):
        variance.update(duels(np.array([0.0, 1.0])), slice(0, 2))

    assert variance.ratio(np.ones(2, np.bool_)) is None


def fill(residuals, slow, n, *, seed=0):
    rng = np.random.default_rng(seed)
    for k in range(n):
        for name, level in (("a", 0.0), ("b", 2.0)):
            for worker in ("cpu-0", "cpu-1", "cpu-2"):
                extra = slow if worker == "cpu-1" else 0.0
                drift = 0.001 * k  # everything slows down: nobody's fault
                residuals.update(worker, name, level + extra + drift + rng.normal(0, 0.03))


def test_a_slow_worker_is_named_with_its_fraction():
    residuals = WorkerResiduals()
    fill(residuals, math.log(1.2), 100)

    slower = residuals.residuals()
    assert slower["cpu-1"] == pytest.approx(0.2, abs=0.03)
    assert all(fraction < 0 for worker, fraction in slower.items() if worker != "cpu-1")


def test_equal_workers_are_hardly_ever_reported():
    rng = np.random.default_rng(1)
    reported = 0
    for _ in range(100):
        residuals = WorkerResiduals()
        for cost in rng.normal(0, 0.03, 400).tolist():
            residuals.update(f"cpu-{rng.integers(3)}", "a", cost)
        reported += len(residuals.residuals())

    assert reported <= 3


def test_nothing_is_said_about_workers_with_little_data_or_without_others():
    residuals = WorkerResiduals()
    fill(residuals, 0.5, 5)
    alone = WorkerResiduals()
    for _ in range(100):
        alone.update("cpu-0", "a", 0.0)
    alone.update("cpu-0", "a", math.inf)

    assert residuals.residuals() == {}
    assert alone.residuals() == {}


def test_interference_is_the_fraction_slower_with_its_interval():
    rng = np.random.default_rng(5)
    alone, together = rng.normal(0, 0.03, 40), rng.normal(math.log(1.25), 0.03, 60)

    disturbed = interference(alone.tolist(), together.tolist())

    assert disturbed.low <= 0.25 <= disturbed.high
    assert disturbed.high - disturbed.low < 0.06
    assert interference([0.0] * 4, [0.1] * 50) is None
    assert interference([0.0] * 50, [math.inf] * 50) is None


@pytest.mark.statistics
def test_the_interval_of_interference_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(500):
        alone, together = rng.standard_t(3, 15), 0.5 + rng.standard_t(3, 20)
        disturbed = interference(alone.tolist(), together.tolist())
        covered += disturbed.low <= math.expm1(0.5) <= disturbed.high

    assert 0.93 <= covered / 500 <= 0.99
