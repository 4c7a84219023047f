"""Four implementations say the same, and the check refuses what is slightly wrong."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.core.candidate import import_function
from parbench_lab.testing.workload import check_workload
from parbench_lab.workloads.portfolio import candidates
from parbench_lab.workloads.portfolio.case import misfit
from parbench_lab.workloads.portfolio.definition import (
    ABSOLUTE_TOLERANCE,
    RELATIVE_TOLERANCE,
    defined_scores,
    is_close_call,
)
from parbench_lab.workloads.portfolio.market import synthetic_market
from parbench_lab.workloads.portfolio.metrics import METRIC_NAMES
from parbench_lab.workloads.portfolio.strategies import WEIGHTINGS, Configuration
from parbench_lab.workloads.portfolio_backtest import PortfolioBacktest
from parbench_lab.workloads.registry import (
    candidates_of,
    resolve,
    workload_by_name,
    workload_names,
)
from tests.workloads.portfolio.markets import backtest, configuration, market_of

ALL = (
    candidates.backtest_loop,
    candidates.backtest_numpy,
    candidates.backtest_pandas,
    candidates.backtest_vectorised,
)
QUICK = tuple(function for function in ALL if function is not candidates.backtest_pandas)
any_configuration = st.builds(
    lambda lookback, rebalance, weighting, entry, gap: Configuration(
        id=0,
        lookback=lookback,
        rebalance=rebalance,
        weighting=weighting,
        entry=entry,
        exit=entry - gap,
    ),
    st.integers(2, 40),
    st.integers(1, 60),
    st.sampled_from(WEIGHTINGS),
    st.floats(-2, 2),
    st.floats(0, 2),
)
any_market = st.builds(
    lambda periods, assets, seed: synthetic_market(
        periods=periods, assets=assets, timeframe="1d", rng=np.random.default_rng(seed)
    ),
    st.integers(17, 180),
    st.integers(1, 3),
    st.integers(0, 2**32),
)


def _require_the_definition(case, result):
    for place, chosen in enumerate(case.configurations):
        if misfit(case, chosen):
            assert np.isnan(result[place]).all()
        elif not is_close_call(case, chosen):
            np.testing.assert_allclose(
                result[place],
                defined_scores(case, chosen),
                rtol=RELATIVE_TOLERANCE,
                atol=ABSOLUTE_TOLERANCE,
            )


def test_the_workload_keeps_its_promises():
    check_workload(PortfolioBacktest(), size=24)


def test_the_candidates_are_found_by_name_and_by_import_string():
    job, found = resolve(["backtest_loop", "backtest_vectorised"])

    assert job.name == "portfolio_backtest"
    assert len(candidates_of(job)) == 4
    assert all(import_function(c.import_string) is c.function for c in found)


@pytest.mark.parametrize("implementation", ALL, ids=lambda f: f.__name__)
def test_an_implementation_gives_what_the_definitions_give(implementation):
    case = backtest(configurations=12, seed=5)

    _require_the_definition(case, implementation(case))


@pytest.mark.parametrize("implementation", QUICK, ids=lambda f: f.__name__)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    chosen=st.lists(any_configuration, min_size=1, max_size=4),
    market=any_market,
    test_windows=st.integers(1, 4),
    fee=st.sampled_from([0.0, 0.001, 0.05]),
)
def test_they_agree_on_any_market_and_configuration(
    implementation, *, chosen, market, test_windows, fee
):
    case = backtest(market, chosen, test_windows=test_windows, fee=fee)

    _require_the_definition(case, implementation(case))


@pytest.mark.parametrize("implementation", ALL, ids=lambda f: f.__name__)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_constant_prices_are_no_trouble(implementation, weighting):
    market = market_of([5] * 60, [3] * 60)
    never = configuration(0, entry=0.5, exit=0.5, weighting=weighting)
    early = configuration(1, entry=-1.0, exit=-1.0, weighting=weighting)

    result = implementation(backtest(market, [never, early], test_windows=2))

    assert not result[0].any()
    assert result[1, -1] == pytest.approx([0.0] * 6, abs=1e-12)


@pytest.mark.parametrize("implementation", ALL, ids=lambda f: f.__name__)
def test_a_lookback_that_does_not_fit_is_a_row_of_nan(implementation):
    market = synthetic_market(periods=60, rng=np.random.default_rng(0))
    case = backtest(market, [configuration(0), configuration(1, lookback=59)])

    result = implementation(case)

    assert misfit(case, case.configurations[0]) == ""
    assert "lookback of 59 periods is longer than the 24" in misfit(case, case.configurations[1])
    assert np.isfinite(result[0]).all()
    assert np.isnan(result[1]).all()


@pytest.mark.parametrize("size", [1, 2, 7, 33])
def test_the_bits_of_a_score_do_not_depend_on_what_is_scored_beside_it(size):
    case = backtest(configurations=90, seed=9)
    whole = candidates.backtest_vectorised(case)

    parts = [
        candidates.backtest_vectorised(
            case.with_configurations(case.configurations[first : first + size])
        )
        for first in range(0, 90, size)
    ]

    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_the_order_of_configurations_is_the_order_of_the_scores():
    case = backtest(configurations=30)
    mixed = np.random.default_rng(0).permutation(30)

    shuffled = candidates.backtest_vectorised(
        case.with_configurations(tuple(case.configurations[n] for n in mixed))
    )

    assert np.array_equal(shuffled, candidates.backtest_vectorised(case)[mixed])


def _times(result, place, factor):
    changed = np.array(result)
    changed[place] *= factor
    return changed


def _with(result, place, value):
    changed = np.array(result)
    changed[place] = value
    return changed


SHARPE, DRAWDOWN, TURNOVER = (
    METRIC_NAMES.index(name) for name in ("sharpe", "max_drawdown", "turnover")
)
DAMAGES = {
    "one Sharpe ratio off by 1e-5": lambda r: _times(r, (0, 3, SHARPE), 1 + 1e-5),
    "annualised by days instead of hours": lambda r: _times(r, (..., SHARPE), np.sqrt(365 / 8760)),
    "training and test windows swapped": lambda r: r[:, [5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 10]],
    "two tests of every configuration swapped": lambda r: r[
        :, [0, 1, 2, 3, 4, 6, 5, *range(7, 11)]
    ],
    "configurations shifted": lambda r: np.roll(r, 1, axis=0),
    "a return of a configuration not computed again": lambda r: _times(r, (slice(1, -1), 7, 0), 2),
    "NaN in a configuration that fits": lambda r: _with(r, (17, 2, 2), np.nan),
    "a drawdown below 0": lambda r: _with(r, (17, 2, DRAWDOWN), -0.1),
    "a drawdown above 1": lambda r: _with(r, (17, 2, DRAWDOWN), 1.1),
    "a negative turnover": lambda r: _with(r, (17, 2, TURNOVER), -1.0),
    "single precision": lambda r: r.astype(np.float32),
    "only the tests": lambda r: r[:, 5:],
    "complex numbers": lambda r: r + 0j,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_slightly_wrong_result_is_refused(damage):
    job = PortfolioBacktest()
    case = job.make_case(40, np.random.default_rng(11))
    result = candidates.backtest_vectorised(case)

    job.check(case, result)

    with pytest.raises(ValueError):  # noqa: PT011 - each damage has its own words
        job.check(case, damage(result))


def test_a_configuration_that_does_not_fit_must_be_nan():
    market = synthetic_market(periods=60, rng=np.random.default_rng(0))
    case = backtest(market, [configuration(0), configuration(8, lookback=59)])
    result = candidates.backtest_vectorised(case)

    with pytest.raises(ValueError, match="configuration 8 does not fit, so all of it must be NaN"):
        PortfolioBacktest().check(case, _with(result, 1, 0.0))


def test_the_check_computes_12_configurations_again():
    case = PortfolioBacktest().make_case(100, np.random.default_rng(0))

    assert {0, 99} < set(case.chosen)
    assert 10 <= len(case.chosen) <= 12


def test_the_names_of_the_candidates_are_no_others():
    names = [c.name for job in workload_names() for c in candidates_of(workload_by_name(job))]

    assert len(names) == len(set(names))


def test_looking_the_workload_up_loads_no_pandas():
    program = (
        "import sys\n"
        "from parbench_lab.workloads.registry import candidates_of, workload_by_name\n"
        "candidates_of(workload_by_name('portfolio_backtest'))\n"
        "print([name for name in ('pandas', 'scipy', 'dask') if name in sys.modules])\n"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert finished.stdout.strip() == "[]"
