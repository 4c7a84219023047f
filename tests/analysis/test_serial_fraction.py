"""Serial fractions of curves that were made of a known one."""

import itertools
import json
import math

import numpy as np
import pytest

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.laws import amdahl_speedup, gustafson_speedup, karp_flatt
from parbench_lab.analysis.serial_fraction import fractions_of, serial_fraction
from parbench_lab.core.estimate import Estimate
from parbench_lab.plots import scaling_data
from parbench_lab.racing.result import jsonable

FRACTIONS = [0.0, 0.05, 0.4, 1.0]


def amdahl_times(share, workers):
    return [1.0 / float(amdahl_speedup(serial_fraction=share, workers=n)) for n in workers]


def gustafson_times(share, workers):
    return [n / float(gustafson_speedup(serial_fraction=share, workers=n)) for n in workers]


def fractions(workers, time_s, mode="strong"):
    base, *others = ScalingCurve.from_times(workers, time_s, mode=mode).levels
    assert base.serial_fraction is None
    return [level.serial_fraction.point for level in others]


@pytest.mark.parametrize("share", FRACTIONS)
@pytest.mark.parametrize("workers", [(1, 2, 4, 8), (2, 3, 8), (4, 8, 64)], ids=str)
def test_every_level_gives_the_serial_fraction_back_whatever_the_base(share, workers):
    strong = fractions(workers, amdahl_times(share, workers))
    weak = fractions(workers, gustafson_times(share, workers), mode="weak")

    assert strong == pytest.approx([share] * (len(workers) - 1))
    assert weak == pytest.approx([share] * (len(workers) - 1))


def test_with_one_worker_as_the_base_it_is_karp_and_flatts_to_the_last_bit():
    speedup = np.exp(np.random.default_rng(1).normal(0.5, 1.0, 500))
    workers = np.tile([2.0, 3.0, 5.0, 16.0, 48.0], 100)

    found = fractions_of(speedup, workers, weak=False)

    assert found.tolist() == karp_flatt(speedup=speedup, workers=workers).tolist()


@pytest.mark.parametrize("base", [1, 2, 4])
@pytest.mark.parametrize("weak", [False, True])
def test_the_fraction_falls_where_the_speedup_is_larger_so_its_ends_change_places(base, weak):
    speedups = np.linspace(0.05, 40.0, 400)
    found = fractions_of(speedups, np.full(400, 8.0), base=base, weak=weak)

    def of(low, point, high):
        speedup = Estimate(point=point, low=low, high=high, confidence=0.9, n=7)
        return serial_fraction(speedup, workers=8, base=base, weak=weak)

    fraction = of(4.6, 5.0, 5.5)
    ends = [of(speedup, speedup, speedup).point for speedup in (5.5, 5.0, 4.6)]

    assert all(a >= b for a, b in itertools.pairwise(found))
    assert [fraction.low, fraction.point, fraction.high] == ends
    assert (fraction.confidence, fraction.n) == (0.9, 7)


def test_a_level_that_no_fraction_explains_has_none_and_an_end_that_none_explains_no_bound():
    def of(low, point, high, *, weak):
        speedup = Estimate(point=point, low=low, high=high, confidence=0.95, n=5)
        return serial_fraction(speedup, workers=4, base=2, weak=weak)

    # 1.5 workers' worth on four, over two: Amdahl's law takes T(4) / T(2) to at most 1
    assert of(1.2, 1.3, 1.3, weak=False) is None
    assert of(1.2, 2.0, 2.1, weak=False).high == math.inf
    assert of(6.5, 6.5, 6.5, weak=True) is None
    assert of(3.9, 4.1, 6.5, weak=True).low == -math.inf


def test_a_fraction_without_a_bound_is_told_as_that_and_kept_as_json():
    # four workers are somewhere between faster than two and a good deal slower
    made = ScalingCurve.from_times([2, 4], [[1.0, 1.0, 1.0], [0.9, 1.6, 0.7]])

    (points,) = scaling_data(made).points.values()
    assert points["serial_fraction_told"][1].endswith(", no bound]")
    assert json.dumps(jsonable(made.table()), allow_nan=False)
