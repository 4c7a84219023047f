"""Roofs: sizes that fit the caches, rates that follow from a clock that is given."""

import itertools

import pytest

from parbench_lab.core.machine import Cache
from parbench_lab.core.roofline import MEMORY
from parbench_lab.hardware import roofline
from parbench_lab.hardware.roofline import measure_roofline, working_sets
from tests.analysis.comparison.figures import HERE

MIB = 2**20


def test_a_core_works_on_half_of_its_share_of_every_data_cache():
    caches = [
        Cache(name="L1d", size_bytes=32 * 2**10, instances=4),
        Cache(name="L1i", size_bytes=32 * 2**10, instances=4),
        Cache(name="L3", size_bytes=32 * MIB, instances=1),
    ]

    found = working_sets(caches, 2**34, cores=4)

    assert found[:2] == [("L1d", 16 * 2**10), ("L3", 4 * MIB)]
    assert found[2] == (MEMORY, 128 * MIB)


@pytest.mark.parametrize("cores", [1, 64])
def test_all_cores_together_leave_most_of_the_memory_alone(cores):
    (found,) = working_sets([], 2**30, cores=cores)

    assert found[0] == MEMORY
    assert found[1] * cores <= 2**26 or found[1] == MIB


def test_a_machine_that_shows_no_caches_has_a_memory():
    assert working_sets([], 2**34) == [(MEMORY, 32 * MIB)]


def test_rates_follow_from_the_clock():
    ticks = itertools.count(step=1_000_000)  # a millisecond for each look

    found = measure_roofline(HERE, cores=1, seconds_each=0.0, clock_ns=lambda: next(ticks))

    assert found.one_core_flops_per_s == pytest.approx(2 * roofline.MATRIX_SIDE**3 / 1e-3)
    assert found.all_cores_flops_per_s == found.one_core_flops_per_s
    assert found.one_core_single_flops_per_s == found.one_core_flops_per_s  # a clock that ticks
    assert [one.level for one in found.bandwidths] == ["L2", MEMORY]
    assert all(one.one_core_bytes_per_s > 0 for one in found.bandwidths)


def test_all_cores_do_what_one_does_at_least():
    found = measure_roofline(HERE, cores=2, seconds_each=0.0)

    assert found.all_cores_flops_per_s >= found.one_core_flops_per_s
    assert all(one.all_cores_bytes_per_s >= one.one_core_bytes_per_s for one in found.bandwidths)
    assert found.all_cores_single_flops_per_s >= found.one_core_single_flops_per_s > 0
    assert found.call_overhead_s > 0
