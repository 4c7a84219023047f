"""The proof: different results are found out, and the reckoning is what the formulas say."""

import numpy as np
import pytest

from parbench_lab.analysis.repeats import estimate_positive
from parbench_lab.errors import UsageError
from parbench_lab.scaling.proof import prove
from tests.scaling.pools import CountingPool


def squares(spread):
    return [int(x) for x in spread(np.square, range(50))]


ABOUT = {"job": "squares", "unit": "numbers", "items": 50, "cores": 3, "winner": max}


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
    assert [p.speedup for p in proof.projections if p.way == "USL"] == [None] * 4


def test_a_first_parallel_run_that_differs_is_found_out_though_it_is_not_timed(pool):
    parallel_runs = 0

    def late(spread):
        nonlocal parallel_runs
        parallel_runs += spread == pool.map
        return squares(spread)[(parallel_runs == 1 and spread == pool.map) :]

    proof = prove(late, pool, **ABOUT)

    assert parallel_runs == 1  # timed runs have a map of their own around the pool's
    assert not proof.identical


class Acted:
    """A job on a clock of its own: 0.1 s outside of the map, and inside what the script says.

    The first run of each kind is the one that does not count.
    """

    backend, n_workers = "acted", 3

    def __init__(self, serial_s, parallel_s):
        self.now_ns = 0
        self._serial_s, self._parallel_s = iter(serial_s), iter(parallel_s)

    def clock_ns(self):
        return self.now_ns

    def spend(self, seconds):
        self.now_ns += round(seconds * 1e9)

    def work(self, item):
        self.spend(next(self._serial_s))
        return item

    def map(self, function, /, *items):
        self.spend(next(self._parallel_s))
        yield from items[0]

    def run(self, spread):
        self.spend(0.1)
        return list(spread(self.work, [7]))


def whole(estimate):
    return [estimate.point, estimate.low, estimate.high]


def falling(estimate, function):
    """Return what a falling function makes of an estimate: its ends change places."""
    return pytest.approx([function(x) for x in (estimate.point, estimate.high, estimate.low)])


def test_every_figure_is_what_the_formulas_make_of_the_pairs():
    serial_s, parallel_s = np.array([2.0, 2.2, 2.0]), np.array([0.8, 1.0, 0.9])
    acted = Acted([9.0, *(serial_s - 0.1)], [9.0, *(parallel_s - 0.1)])

    proof = prove(acted.run, acted, **ABOUT, clock_ns=acted.clock_ns)

    speedup, outside = estimate_positive(serial_s / parallel_s), estimate_positive(0.1 / serial_s)
    assert whole(proof.serial_s) == pytest.approx(whole(estimate_positive(serial_s)))
    assert whole(proof.parallel_s) == pytest.approx(whole(estimate_positive(parallel_s)))
    assert whole(proof.speedup) == pytest.approx(whole(speedup))
    assert whole(proof.efficiency) == pytest.approx([x / 3 for x in whole(speedup)])
    assert whole(proof.serial_fraction) == falling(
        speedup, lambda s: (1 / s - 1 / 3) / (1 - 1 / 3)
    )
    assert whole(proof.outside) == pytest.approx(whole(outside))
    assert whole(proof.amdahl) == falling(outside, lambda f: 1 / (f + (1 - f) / 3))
    assert proof.limit == pytest.approx(1 / outside.point)


def test_projections_and_their_times_for_ten_thousand_follow_from_the_pairs():
    acted = Acted([9.0, 1.9, 1.9, 1.9], [9.0, 0.9, 0.9, 0.9])

    proof = prove(acted.run, acted, **ABOUT, clock_ns=acted.clock_ns)

    fraction = (1 / 2 - 1 / 3) / (1 - 1 / 3)  # 2 s against 1 s on 3 workers
    for way, expected in (
        ("constant efficiency", lambda n: 2 / 3 * n),
        ("Amdahl from Karp-Flatt", lambda n: 1 / (fraction + (1 - fraction) / n)),
    ):
        told = [p for p in proof.projections if p.way == way]
        assert [p.speedup for p in told] == pytest.approx([expected(n) for n in (3, 7, 15, 31)])
        assert [p.time_s for p in told] == pytest.approx(
            [10_000 * (2.0 / 50) / expected(n) for n in (3, 7, 15, 31)]
        )


@pytest.mark.parametrize(
    ("parallel_s", "words"),
    [
        pytest.param([2.4, 2.5, 2.6], "parallel is slower than serial here", id="slower"),
        pytest.param([0.6, 0.6, 0.7], "is not told apart from none", id="perfect"),
        pytest.param([1.6, 2.0, 2.4], "is not told apart from all", id="nothing gained"),
        pytest.param([0.99, 1.0, 1.01], "is carried up to 6 workers", id="between"),
    ],
)
def test_what_the_data_can_carry_follows_from_the_intervals(parallel_s, words):
    acted = Acted([9.0, 1.9, 1.9, 1.9], [9.0, *(np.array(parallel_s) - 0.1)])

    carried = prove(acted.run, acted, **ABOUT, clock_ns=acted.clock_ns).carried

    measured, line, ceiling, usl = carried.split("; ")
    assert words in line
    assert "nothing beyond 6 workers" in measured
    assert (ceiling[:19], usl[:7]) == ("constant efficiency", "the USL")


@pytest.mark.parametrize(
    ("workers", "sides"),
    [
        pytest.param(2, "a ceiling for 3, 7, 15 and 31 workers", id="above"),
        pytest.param(
            8, "a floor for 3 and 7 workers and a ceiling for 15 and 31 workers", id="both"
        ),
        pytest.param(40, "a floor for 3, 7, 15 and 31 workers", id="below"),
    ],
)
def test_constant_efficiency_is_a_floor_for_fewer_workers_than_measured(workers, sides):
    acted = Acted([9.0, 1.9, 1.9, 1.9], [9.0, 0.39, 0.4, 0.41])
    acted.n_workers = workers

    proof = prove(acted.run, acted, **{**ABOUT, "cores": 64}, clock_ns=acted.clock_ns)

    told = "constant efficiency is no forecast: it denies every serial part, so it is "
    amdahl = {p.workers: p.speedup for p in proof.projections if p.way.startswith("Amdahl")}
    constant = {p.workers: p.speedup for p in proof.projections if p.way.startswith("constant")}
    assert proof.carried.split("; ")[2] == told + sides
    if workers > 4:  # a speedup of 4 on 2 has no serial part
        assert [n for n in amdahl if constant[n] < amdahl[n]] == [n for n in amdahl if n < workers]


def test_where_parallel_is_certainly_slower_no_way_projects_a_gain():
    acted = Acted([9.0, 1.9, 1.9, 1.9], [9.0, 2.3, 2.4, 2.5])

    proof = prove(acted.run, acted, **ABOUT, clock_ns=acted.clock_ns)

    assert proof.speedup.high < 1.0
    assert proof.speedup.point / 3 * 31 > 1.0  # what 32 cores would give by constant efficiency
    assert {(p.speedup, p.time_s) for p in proof.projections} == {(None, None)}
    assert "no way of reckoning makes it faster" in proof.carried
    assert "constant efficiency has no answer either: " in proof.carried


@pytest.mark.parametrize(("cores", "shared"), [(2, "2 cores"), (1, "1 core")])
def test_more_workers_than_cores_carry_no_line(cores, shared):
    acted = Acted([9.0, 1.9, 1.9, 1.9], [9.0, 0.89, 0.9, 0.91])

    proof = prove(acted.run, acted, **{**ABOUT, "cores": cores}, clock_ns=acted.clock_ns)

    line, usl = proof.carried.split("; ")
    assert line.startswith(f"3 workers share {shared}: ")
    assert "the machine's, not the program's" in line
    assert "up to" not in proof.carried
    assert {(p.speedup, p.time_s) for p in proof.projections} == {(None, None)}
    assert usl.startswith("the USL")


def test_a_result_that_differs_only_in_parallel_is_found_out(pool):
    def wrong(spread):
        found = squares(spread)
        parallel = getattr(getattr(spread, "_spread", spread), "__self__", None) is pool
        return [*found, 1] if parallel else found

    proof = prove(wrong, pool, **ABOUT)

    assert not proof.identical


def test_a_result_that_later_runs_overwrite_keeps_its_winner_and_is_found_out(pool):
    buffer = []

    def overwrites(spread):
        buffer[:] = [-len(buffer), *squares(spread)]
        return buffer

    proof = prove(overwrites, pool, **{**ABOUT, "winner": min})

    assert proof.winner == 0
    assert not proof.identical


def test_one_pair_of_runs_proves_nothing(pool):
    with pytest.raises(UsageError, match="2 pairs"):
        prove(squares, pool, **ABOUT, repeats=1)
