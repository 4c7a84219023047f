"""The laws as formulas: published values, limits, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parbench_lab as pb
from parbench_lab.errors import UsageError
from tests.analysis.laws import published

fractions = st.floats(0, 1)
counts = st.floats(1, 1e6)


def test_a_chip_of_256_equal_cores_speeds_99_percent_parallel_code_up_by_72():
    speedup = pb.laws.hill_marty_symmetric(parallel_fraction=0.99, base_cores=256, core_size=1)

    assert round(float(speedup)) == 72


# Hill and Marty's formulas with perf(r) = sqrt(r), evaluated elsewhere
@pytest.mark.parametrize(
    ("chip", "printed"),
    [
        ((16, 0.5, 2), (2.5142, 2.5907, 2.5987)),
        ((16, 0.9, 4), (6.1538, 8.7500, 9.4118)),
        ((16, 0.999, 16), (4.0, 4.0, 15.9521)),
        ((256, 0.975, 64), (29.7674, 125.0, 144.2254)),
        ((256, 0.99, 1), (72.1127, 72.1127, 72.1127)),
        ((256, 0.999, 256), (16.0, 16.0, 252.2167)),
    ],
)
def test_symmetric_asymmetric_and_dynamic_chips_have_their_tabulated_speedups(chip, printed):
    n, f, r = chip
    laws = (
        pb.laws.hill_marty_symmetric,
        pb.laws.hill_marty_asymmetric,
        pb.laws.hill_marty_dynamic,
    )

    speedups = [float(law(parallel_fraction=f, base_cores=n, core_size=r)) for law in laws]

    assert tuple(round(speedup, 4) for speedup in speedups) == printed


@pytest.mark.parametrize(
    ("speedup", "printed"),
    [
        pytest.param(
            published.QUINN_A,
            [0.0989, 0.1, 0.0996, 0.1001, 0.1, 0.0997, 0.0998],
            id="a serial part: flat",
        ),
        pytest.param(
            published.QUINN_B,
            [0.0695, 0.0747, 0.0795, 0.0851, 0.0899, 0.0949, 0.0998],
            id="overhead: rising",
        ),
    ],
)
def test_karp_flatt_tells_a_serial_part_from_overhead(speedup, printed):
    fraction = pb.laws.karp_flatt(speedup=speedup, workers=published.QUINN_N)

    assert fraction.round(4).tolist() == printed


def test_karp_flatt_of_pi_is_that_of_the_lesson():
    t = np.array(published.PI_STRONG_S)

    fraction = pb.laws.karp_flatt(speedup=t[0] / t[1:], workers=published.PI_N[1:])

    # the lesson cuts its decimals off (0.032980957 is printed 0.0329809): one unit of the last one
    assert np.round(t[0] / t[1:], 2).tolist() == [1.94, 3.72, 5.82, 11.44]
    parallel = np.array([*(1 - fraction), (1 - fraction).mean()])
    assert (parallel * 1e6).astype(int).tolist() == [967019, 974678, 946380, 973424, 965375]
    printed = [0.0329809, 0.0253212, 0.0536198, 0.0265752]
    assert fraction == pytest.approx(printed, abs=1e-7)
    # its mean, printed 0.0346242, is that of the fractions as printed, and cut off again
    assert fraction.mean() == pytest.approx(np.mean(printed), abs=1e-7)
    assert int(np.mean(printed) * 1e7) == 346242
    assert round(float(pb.laws.amdahl_limit(serial_fraction=fraction.mean()))) == 29


def test_amdahl_projects_pi_to_4096_cores_as_the_lesson_does():
    n = 2.0 ** np.arange(1, 13)
    # the lesson reckons with a parallel part of 0.965365, a slip for the 0.965375 of its table, so
    # that its parts make a little less than one run: only thus do all printed digits follow
    serial, parallel = 0.0346242, 0.965365
    whole = serial + parallel

    time_s = pb.laws.usl_time(n, alpha=serial / whole, beta=0.0, t1_s=3.99667 * whole)
    speedup = pb.laws.amdahl_speedup(serial_fraction=serial / whole, workers=n) / whole

    # fmt: off
    assert time_s.round(6).tolist() == [
        2.067504, 1.102943, 0.620662, 0.379522, 0.258952, 0.198667, 0.168524, 0.153453, 0.145917,
        0.142149, 0.140265, 0.139323,
    ]
    assert speedup.round(6).tolist() == [
        1.933089, 3.623642, 6.439365, 10.530804, 15.434038, 20.117475, 23.715726, 26.044951,
        27.389997, 28.115998, 28.493625, 28.686268,
    ]
    # fmt: on


@pytest.mark.parametrize(
    ("parallel", "limit"),
    [(0.0, 1.0), (0.1, 1.11), (0.5, 2.0), (0.9, 10.0), (0.95, 20.0), (0.99, 100.0)],
)
def test_the_limit_is_one_over_the_serial_fraction(parallel, limit):
    assert round(float(pb.laws.amdahl_limit(serial_fraction=1 - parallel)), 2) == limit


@pytest.mark.parametrize(
    ("jumbo_h", "concorde_h", "speedup", "efficiency", "limit"),
    [
        pytest.param(12, 20 / 3, 1.8, 0.6, 3.0, id="New York"),
        pytest.param(28, 12, 2.3, 0.78, 7.0, id="Sydney"),
    ],
)
def test_concorde_is_as_much_quicker_as_the_lesson_says(
    jumbo_h, concorde_h, speedup, efficiency, limit
):
    """Three times as fast in the air, four hours on the ground (UNIVERSE-HPC, CC BY 4.0)."""
    ground_h = 4

    by_amdahl = pb.laws.amdahl_speedup(serial_fraction=ground_h / jumbo_h, workers=3)
    by_gustafson = pb.laws.gustafson_speedup(serial_fraction=ground_h / concorde_h, workers=3)

    assert by_amdahl == pytest.approx(by_gustafson)
    assert round(float(by_amdahl), 1) == speedup
    assert round(float(by_amdahl) / 3, 2) == efficiency
    assert pb.laws.amdahl_limit(serial_fraction=ground_h / jumbo_h) == pytest.approx(limit)


@given(alpha=fractions, n=counts)
def test_the_usl_without_coherency_is_amdahls_law(alpha, n):
    usl = pb.laws.usl_speedup(n, alpha=alpha, beta=0)

    assert usl == pytest.approx(pb.laws.amdahl_speedup(serial_fraction=alpha, workers=n))


@given(s=fractions, n=st.floats(1.01, 1e4))
def test_karp_flatt_finds_the_serial_fraction_of_amdahls_law(s, n):
    speedup = pb.laws.amdahl_speedup(serial_fraction=s, workers=n)

    assert pb.laws.karp_flatt(speedup=speedup, workers=n) == pytest.approx(s, abs=1e-9)


@given(alpha=st.floats(0, 0.9), beta=st.floats(1e-6, 0.1))
def test_nothing_is_faster_than_the_peak(alpha, beta):
    peak = pb.laws.usl_peak_workers(alpha=alpha, beta=beta)

    around = pb.laws.usl_speedup([peak * 1.1, peak], alpha=alpha, beta=beta)

    assert around[0] <= around[1]


def test_time_and_throughput_are_each_others_inverse():
    n = [1, 7, 30]

    time_s = pb.laws.usl_time(n, alpha=0.1, beta=0.01, t1_s=5.0)

    assert 1 / time_s == pytest.approx(pb.laws.usl_throughput(n, alpha=0.1, beta=0.01, gamma=0.2))


def test_scaled_speedup_grows_with_the_workers_for_ever():
    speedup = pb.laws.gustafson_speedup(serial_fraction=0.1, workers=[1, 10, 1000])

    assert speedup.tolist() == [1.0, 9.1, 900.1]


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: pb.laws.amdahl_speedup(serial_fraction=1.5, workers=2), "within \\[0, 1\\]"),
        (lambda: pb.laws.amdahl_speedup(serial_fraction=0.1, workers=0), "must be positive"),
        (lambda: pb.laws.amdahl_speedup(serial_fraction=float("nan"), workers=2), "finite"),
        (lambda: pb.laws.gustafson_speedup(serial_fraction=-0.1, workers=2), "within"),
        (lambda: pb.laws.usl_speedup([1, -3], alpha=0, beta=0), "positive but got -3"),
        (lambda: pb.laws.usl_speedup(100, alpha=-0.1, beta=0), "for every N"),
        (lambda: pb.laws.usl_time(2, alpha=0, beta=0, t1_s=0), "t1_s must be positive"),
        (lambda: pb.laws.usl_peak_workers(alpha=0, beta=-1), "must not be negative"),
        (lambda: pb.laws.karp_flatt(speedup=1, workers=1), "above 1"),
        (
            lambda: pb.laws.amdahl_speedup(serial_fraction="x", workers=2),
            "serial_fraction must be numbers but got 'x'",
        ),
        (
            lambda: pb.laws.karp_flatt(speedup=[1, 2, 3], workers=[2, 4]),
            "speedup and workers must be single numbers or lists of one length but have 3 and 2",
        ),
        (lambda: pb.laws.gustafson_speedup(serial_fraction=[0.1] * 2, workers=[1] * 3), "2 and 3"),
        (lambda: pb.laws.usl_time([1, 2], alpha=0, beta=0, t1_s=[1] * 3), "3 and 2 entries"),
        (
            lambda: pb.laws.hill_marty_symmetric(
                parallel_fraction=[0.1] * 2, base_cores=[1] * 3, core_size=1
            ),
            "parallel_fraction, base_cores and core_size must be single numbers or lists",
        ),
        (
            lambda: pb.laws.hill_marty_dynamic(parallel_fraction=1, base_cores=4, core_size=5),
            "core_size must not be above base_cores but got 5",
        ),
    ],
)
def test_what_no_law_has_is_refused_in_one_line(call, rule):
    with pytest.raises(UsageError, match=rule) as refusal:
        call()

    assert "\n" not in str(refusal.value)
