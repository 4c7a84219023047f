"""The proof: different results are found out, and the reckoning is what the formulas say."""

import numpy as np
import pytest

from parbench_lab.errors import UsageError
from parbench_lab.scaling.proof import prove
from tests.scaling.pools import CountingPool


def squares(spread):
    return [int(x) for x in spread(np.square, range(50))]


ABOUT = {"job": "squares", "unit": "numbers", "items": 50, "cores": 2, "winner": max}


@pytest.fixture
def pool():
    made = CountingPool([], "threads", 2)
    yield made
    made.close()


def test_equal_results_are_identical_and_every_number_follows_from_the_times(pool):
    proof = prove(squares, pool, **ABOUT)

    assert proof.identical
    assert proof.winner == 49 * 49
    assert proof.efficiency.point == pytest.approx(proof.speedup.point / 2)
    assert proof.saved_s == pytest.approx(proof.serial_s.point - proof.parallel_s.point)
    constant = [p for p in proof.projections if p.way == "constant efficiency"]
    assert [p.speedup for p in constant] == pytest.approx(
        [proof.efficiency.point * workers for workers in (3, 7, 15, 31)]
    )
    assert [p.speedup for p in proof.projections if p.way == "USL"] == [None] * 4


def test_a_result_that_differs_only_in_parallel_is_found_out(pool):
    def wrong(spread):
        found = squares(spread)
        parallel = getattr(getattr(spread, "_spread", spread), "__self__", None) is pool
        return [*found, 1] if parallel else found

    proof = prove(wrong, pool, **ABOUT)

    assert not proof.identical


def test_one_pair_of_runs_proves_nothing(pool):
    with pytest.raises(UsageError, match="2 pairs"):
        prove(squares, pool, **ABOUT, repeats=1)
