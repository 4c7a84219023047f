"""From configurations to a table: the same by any way, whole or interrupted."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from parbench_lab.errors import UsageError
from parbench_lab.workloads.portfolio.candidates import backtest_vectorised
from parbench_lab.workloads.portfolio.metrics import METRIC_NAMES
from parbench_lab.workloads.portfolio.optimizer import optimize, ranked
from parbench_lab.workloads.portfolio.plan import Plan
from parbench_lab.workloads.portfolio.scoring import chunk_size_for, score_chunks
from parbench_lab.workloads.portfolio_backtest import scalable
from tests.workloads.portfolio.markets import backtest, configuration


def same(left, right):
    pd.testing.assert_frame_equal(left.table, right.table, check_exact=True)
    pd.testing.assert_frame_equal(left.walk_forward, right.walk_forward, check_exact=True)
    return left.best == right.best and left.complete == right.complete


class Fussy:
    """An implementation that cannot do some configurations."""

    def __init__(self, *bad, how="raise"):
        self.bad, self.how = bad, how

    def __call__(self, case):
        result = backtest_vectorised(case)
        for place, chosen in enumerate(case.configurations):
            if chosen.id in self.bad:
                if self.how == "raise":
                    raise ZeroDivisionError(f"no price\nfor {chosen.id}")
                if self.how == "exit":
                    sys.exit(f"no price for {chosen.id}")
                result[place, 0, 0] = np.nan
        return result if self.how != "shape" else result[:, :3]


def test_the_table_has_a_row_for_each_configuration_the_best_first():
    case = backtest(configurations=60)

    found = optimize(case)

    table = found.table
    assert table.columns.tolist() == [
        *("rank", "id", "lookback", "rebalance", "weighting", "entry", "exit"),
        *METRIC_NAMES,
        *("training_sharpe", "error"),
    ]
    assert table["rank"].tolist() == list(range(1, 61))
    assert table["sharpe"].is_monotonic_decreasing
    assert set(table["id"]) == {chosen.id for chosen in case.configurations}
    assert found.best.id == table["id"].iloc[0]
    assert (found.complete, found.n_configurations) == (True, 60)


def test_the_metrics_are_those_of_all_tests_together():
    case = backtest(configurations=20)
    scores = backtest_vectorised(case)

    table = optimize(case).table.set_index("id")

    for place, chosen in enumerate(case.configurations):
        row = table.loc[chosen.id]
        assert row[list(METRIC_NAMES)].tolist() == scores[place, -1].tolist()
        assert row["training_sharpe"] == pytest.approx(scores[place, :5, 1].mean())


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_a_metric_ranks_in_its_better_direction(metric):
    values = optimize(backtest(configurations=30), metric=metric).table[metric]

    lower = metric in ("max_drawdown", "turnover")
    assert values.is_monotonic_increasing if lower else values.is_monotonic_decreasing


def test_equals_are_in_the_order_of_their_ids():
    twins = [configuration(number, lookback=9, rebalance=7) for number in (5, 3, 8)]

    assert optimize(backtest(configurations=twins)).table["id"].tolist() == [3, 5, 8]


def test_the_walk_forward_choice_is_made_in_training():
    case = backtest(configurations=50)
    scores = backtest_vectorised(case)

    forward = optimize(case).walk_forward

    assert forward["window"].tolist() == [1, 2, 3, 4, 5]
    for window in range(5):
        place = int(scores[:, window, 1].argmax())
        row = forward.iloc[window]
        assert row["id"] == case.configurations[place].id
        assert row["training_sharpe"] == scores[place, window, 1]
        assert row["sharpe"] == scores[place, 5 + window, 1]
        assert row["first_step"] == case.windows.test(window).start


@pytest.mark.parametrize("chunk_size", [1, 7, 32, 1000])
def test_chunks_of_any_size_give_the_same_bits(chunk_size):
    case = backtest(configurations=70)

    assert same(optimize(case, chunk_size=chunk_size), optimize(case))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_give_the_same_bits(workers):
    case = backtest(configurations=70)

    with ThreadPoolExecutor(workers) as pool:
        found = optimize(case, map=pool.map)

    assert same(found, optimize(case))


def test_chunks_do_not_look_at_the_number_of_workers():
    assert [chunk_size_for(n) for n in (1, 100, 1000, 10_000, 50_000)] == [8, 8, 31, 128, 128]


def test_progress_counts_configurations():
    seen = []

    optimize(backtest(configurations=20), progress=lambda *now: seen.append(now))

    assert seen == [(0, 20), (8, 20), (16, 20), (20, 20)]


@pytest.mark.parametrize(
    ("how", "error"), [("raise", "ZeroDivisionError"), ("exit", "SystemExit")]
)
def test_a_configuration_that_fails_is_a_row_with_its_error(how, error):
    case = backtest(configurations=20)
    bad = case.configurations[4].id

    found = optimize(case, implementation=Fussy(bad, how=how))

    last = found.table.iloc[-1]
    assert (last["id"], last["error"]) == (bad, f"{error}: no price for {bad}")
    assert pd.isna(last["rank"])
    assert np.isnan(last["sharpe"])
    others = found.table.iloc[:-1].reset_index(drop=True)
    right = optimize(case).table
    right = right[right["id"] != bad].reset_index(drop=True)
    pd.testing.assert_frame_equal(others.drop(columns="rank"), right.drop(columns="rank"))
    assert "1 failed" in str(found)


def test_a_metric_that_is_no_number_is_a_failure():
    case = backtest(configurations=10)
    bad = case.configurations[0].id

    found = optimize(case, implementation=Fussy(bad, how="nan"))

    assert found.table.iloc[-1]["error"] == "a metric is not a number"
    assert found.table.iloc[-1]["id"] == bad


@pytest.mark.parametrize("implementation", [backtest_vectorised, lambda case: np.ones(case.shape)])
def test_a_lookback_that_does_not_fit_is_a_row_with_the_reason(implementation):
    case = Plan(timeframe="1d", window_days=100).case(
        [configuration(2), configuration(1, lookback=90)], rng=np.random.default_rng(0)
    )

    found = optimize(case, implementation=implementation)

    assert found.best.id == 2
    assert found.table["rank"].count() == 1
    assert found.table["error"].tolist() == [
        "",
        "lookback of 90 periods is longer than the 39 before the first test",
    ]


def test_where_all_fail_there_is_no_best():
    found = optimize(backtest(configurations=10), implementation=Fussy(how="shape"))

    assert found.best is None
    assert len(found.walk_forward) == 0
    assert found.table["error"].str.contains("expected scores of shape").all()
    assert "none to choose" in str(found)


@pytest.mark.parametrize("after", [0, 8, 16])
def test_ctrl_c_keeps_what_is_done(after):
    case = backtest(configurations=40)

    def stop(done, total):
        if done == after:
            raise KeyboardInterrupt

    found = optimize(case, progress=stop)
    part = optimize(case.with_configurations(case.configurations[:after])) if after else None

    assert not found.complete
    assert len(found.table) == after
    assert found.n_configurations == 40
    assert "partial" in str(found)
    if part is not None:
        pd.testing.assert_frame_equal(found.table, part.table, check_exact=True)


class Held:
    """A map whose second chunk does not come before Ctrl-C; the others do."""

    def __init__(self, function, chunks):
        self.parts = [function(chunk) for chunk in chunks]
        self.given = iter(self.parts[:1])

    def __iter__(self):
        return self

    def __next__(self):
        for part in self.given:
            return part
        raise KeyboardInterrupt

    def close(self):
        pass

    def late(self):
        return {number: part for number, part in enumerate(self.parts) if number > 1}


def test_ctrl_c_keeps_what_came_behind_a_slow_chunk():
    case = backtest(configurations=40)

    found = optimize(case, map=Held)

    held = {chosen.id for chosen in case.configurations[8:16]}
    whole = optimize(case).table
    expected = whole[~whole["id"].isin(held)]
    assert not found.complete
    assert found.table["id"].tolist() == expected["id"].tolist()
    assert found.table["sharpe"].tolist() == expected["sharpe"].tolist()


def test_ctrl_c_closes_the_map():
    closed = []

    def endless(function, chunks):
        try:
            for chunk in chunks:
                yield function(chunk)
                raise KeyboardInterrupt
        finally:
            closed.append(True)

    found = optimize(backtest(configurations=40), map=endless)

    assert len(found.table) == 8
    assert closed == [True]


def test_what_goes_to_workers_can_be_pickled():
    case = backtest(configurations=9)
    sent = []

    def spying(function, chunks):
        sent.extend((pickle.dumps(function), pickle.dumps(chunk)) for chunk in chunks)
        return iter(())

    assert list(score_chunks(case, map=spying, chunk_size=4)) == []
    parts = [pickle.loads(function)(pickle.loads(chunk)).scores for function, chunk in sent]
    assert np.array_equal(np.concatenate(parts), backtest_vectorised(case))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"metric": "profit"}, "known names are return, sharpe", id="metric"),
        pytest.param({"chunk_size": 0}, "chunk_size must be at least 1", id="chunk size"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        optimize(backtest(configurations=5), **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"window_days": 0}, "window_days must be positive", id="no days"),
        pytest.param({"window_days": float("nan")}, "window_days", id="days that are NaN"),
        pytest.param({"window_days": 0.3}, "need 17 prices at least", id="too few days"),
        pytest.param({"window_days": 0.01}, "at least", id="no period"),
        pytest.param(
            {"test_windows": 0}, "test_windows must be a whole number from 1", id="no tests"
        ),
        pytest.param({"timeframe": "1w"}, "timeframe '1w'", id="timeframe"),
        pytest.param({"fee": -0.1}, "fee must be a share", id="negative fee"),
        pytest.param({"fee": float("nan")}, "fee must be a share", id="fee that is NaN"),
        pytest.param({"assets": 0}, "assets must be a whole number from 1", id="no assets"),
        pytest.param({"days_per_year": -1}, "days_per_year", id="year"),
        pytest.param(
            {"prices": np.ones((30, 2)), "window_days": 2}, "48 periods of 1h", id="prices too few"
        ),
    ],
)
def test_a_plan_that_cannot_work_is_refused_at_once(options, words):
    with pytest.raises(UsageError, match=words):
        Plan(**options)


def test_a_year_of_hours_is_8760_prices_and_of_days_365():
    rng = np.random.default_rng(0)

    hours, days = (Plan(window_days=365, timeframe=t).case(1, rng=rng) for t in ("1h", "1d"))

    assert len(hours.market.prices) == 8760
    assert len(days.market.prices) == 365


def test_prices_of_the_users_own_are_used_from_the_end():
    prices = np.exp(np.random.default_rng(0).normal(0, 0.01, (100, 2)).cumsum(axis=0))

    whole = Plan(prices=prices, timeframe="1d")
    part = Plan(prices=prices, timeframe="1d", window_days=40)

    assert (whole.periods, part.periods) == (100, 40)
    case = part.case(5, rng=np.random.default_rng(0))
    assert np.array_equal(case.market.prices, prices[60:])


@pytest.mark.parametrize("wrong", [[], [configuration(1), configuration(1)], ["a"]])
def test_configurations_of_the_users_own_are_looked_at(wrong):
    with pytest.raises(UsageError, match="configuration"):
        Plan(timeframe="1d").case(wrong, rng=np.random.default_rng(0))


def test_the_scalable_job_is_the_same_for_any_number_of_workers():
    job = scalable(configurations="quick", timeframe="1d")
    case = job.make_case(job.default_size, np.random.default_rng(0))

    serial = job.run(case, map=map)
    with ThreadPoolExecutor(3) as pool:
        threads = job.run(case, map=pool.map)

    assert (job.name, job.unit, job.tolerance) == ("portfolio_backtest", "configurations", 0.0)
    assert job.default_size == 100
    assert serial.shape == (100, 11, 6)
    assert threads.tobytes() == serial.tobytes()


def test_one_seed_makes_one_case_also_in_another_process():
    job = scalable(timeframe="1d", test_windows=3)
    copy = cloudpickle.loads(cloudpickle.dumps(job))

    first, second = (j.make_case(10, np.random.default_rng(4)) for j in (job, copy))

    assert np.array_equal(first.market.prices, second.market.prices)
    assert first.configurations == second.configurations


def test_ranked_places_leave_the_failed_out():
    case = backtest(configurations=5)
    scores = backtest_vectorised(case)
    scores[2] = np.nan

    places = ranked(case, scores)

    assert sorted(places) == [0, 1, 3, 4]
    assert places[0] == int(np.nanargmax(scores[:, -1, 1]))
