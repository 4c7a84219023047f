from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.analysis.regression.detector import Detector, bet, score, wanted_run_length
from parbench_lab.analysis.regression.outlook import Outlook
from parbench_lab.analysis.regression.report import SeriesReport, WatchReport
from parbench_lab.analysis.regression.series import Margins, Memory, WatchedSeries, WatchVerdict
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.errors import UsageError

THROUGHPUT = Metric(name="throughput_per_s", unit="1/s", better="higher")
SCORE = Metric(name="sharpe", unit="1", better="higher", scale="interval")
RUN_LENGTH = 30_000.0


def watched(metric=WALL_TIME_S, *, tolerance=0.02, memory=None, run_length=RUN_LENGTH):
    return WatchedSeries(metric, tolerance=tolerance, run_length=run_length, memory=memory)


def after(series, new, baseline, *, rounds=30, sd=0.0, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        noise = np.exp(rng.normal(0, sd, (2, 10)))
        series.observe(list(new * noise[0]), list(baseline * noise[1]))
    return series


# ---------------------------------------------------------------- verdicts


def test_a_clear_step_is_a_regression_after_one_night():
    series = after(watched(), 1.10, 1.00, sd=0.03)

    assert series.verdict is WatchVerdict.REGRESSION
    assert series.ratio.low < 1.10 < series.ratio.high


def test_a_faster_build_is_an_improvement():
    series = after(watched(), 0.90, 1.00, sd=0.03)

    assert series.verdict is WatchVerdict.IMPROVEMENT


def test_a_metric_where_higher_is_better_has_the_mirrored_verdicts():
    worse = after(watched(THROUGHPUT), 90.0, 100.0)
    better = after(watched(THROUGHPUT), 110.0, 100.0)

    assert worse.verdict is WatchVerdict.REGRESSION
    assert worse.ratio.point == pytest.approx(100 / 90)
    assert better.verdict is WatchVerdict.IMPROVEMENT


def test_an_interval_scale_compares_differences_also_of_negative_values():
    series = after(watched(SCORE, tolerance=0.1), -0.5, 0.5)

    assert series.verdict is WatchVerdict.REGRESSION
    assert series.ratio.point == pytest.approx(1.0)


def test_equal_builds_end_as_equal():
    series = after(watched(), 1.0, 1.0, sd=0.005)

    assert series.verdict is WatchVerdict.EQUAL


def test_little_evidence_is_undecided():
    series = after(watched(), 1.10, 1.0, rounds=5)

    assert series.verdict is WatchVerdict.UNDECIDED


def test_nothing_is_equal_at_tolerance_0():
    series = after(watched(tolerance=0.0), 1.0, 1.0)

    assert series.verdict is WatchVerdict.UNDECIDED


def test_the_margin_is_snapped_up_to_the_grid_so_2_3_percent_is_no_regression_at_2_2():
    series = after(watched(tolerance=0.022), 1.023, 1.0)
    unsnapped = [score(np.full(10, math.log(1.023)), np.zeros(10), math.log(1.022))] * 30

    assert series.verdict is not WatchVerdict.REGRESSION
    mutant = Detector()
    for one in unsnapped:
        mutant = mutant.after(float(one))
    assert mutant.evidence > RUN_LENGTH


def test_a_failed_run_has_lost_its_duel_and_counts_in_no_ratio():
    series = watched()

    worse, better = series.observe([math.nan, 1.0], [1.0, 1.0])

    assert (worse, better) == (0.0, -1.0)
    assert series.ratio.point == pytest.approx(1.0)


def test_runs_that_failed_on_both_sides_are_ties():
    series = watched()

    scores = series.observe([math.nan], [math.nan])

    assert scores == (-1.0, -1.0)
    assert series.ratio is None


def test_a_tolerance_beyond_the_grid_is_refused():
    with pytest.raises(UsageError, match="tolerance"):
        Margins.of(WALL_TIME_S, 100.0)


# ---------------------------------------------------------------- how much is missing


@pytest.mark.parametrize(
    ("new", "sd", "finding"),
    [
        pytest.param(1.10, 0.03, "regression", id="slower"),
        pytest.param(0.90, 0.03, "improvement", id="faster"),
        pytest.param(1.00, 0.005, "equal", id="equal"),
    ],
)
def test_an_undecided_series_foretells_what_so_many_more_blocks_show(new, sd, finding):
    rounds, per_round = 3, RUN_LENGTH / 30
    series = after(watched(run_length=rounds * per_round), new, 1.0, rounds=rounds, sd=sd)

    outlook = series.outlook(10.0)

    longer = rounds + math.ceil(1.3 * outlook.blocks / 10)
    shown = after(watched(run_length=longer * per_round), new, 1.0, rounds=longer, sd=sd)
    assert series.verdict is WatchVerdict.UNDECIDED
    assert outlook.finding == finding
    assert shown.verdict.value == finding


def test_nothing_is_foretold_of_scores_that_lead_nowhere():
    series = after(watched(), 1.02, 1.0, rounds=6, sd=0.03)

    assert series.verdict is WatchVerdict.UNDECIDED
    assert series.outlook(10.0) is None
    assert watched().outlook(10.0) is None


def test_at_tolerance_0_equality_is_not_foretold():
    series = after(watched(tolerance=0.0), 1.0, 1.0, rounds=6)

    assert series.outlook(10.0) is None


def test_an_undecided_report_says_how_many_blocks_are_missing():
    fields = {"workload": "job", "candidate": "a", "metric": "wall_time_s", "blocks": 60}
    told = SeriesReport(
        verdict=WatchVerdict.UNDECIDED, outlook=Outlook(finding="regression", blocks=110), **fields
    )
    untold = SeriesReport(verdict=WatchVerdict.UNDECIDED, **fields)

    assert told.sentence.endswith(
        "about 110 more blocks like these would show a regression (try --blocks 200)"
    )
    assert untold.sentence.endswith("cannot be told from these")


# ---------------------------------------------------------------- over the nights


def test_nights_accumulate_through_json():
    first = after(watched(), 1.05, 1.0, rounds=12)
    kept = Memory.from_json(json.loads(json.dumps(first.memory.as_json())))

    second = after(watched(memory=kept), 1.05, 1.0, rounds=12)

    assert first.verdict is WatchVerdict.UNDECIDED
    assert second.verdict is WatchVerdict.REGRESSION


def test_a_detector_starts_anew_after_its_alarm_and_the_other_one_goes_on():
    alarmed = after(watched(), 1.10, 1.0)

    kept = alarmed.memory.settled(RUN_LENGTH)

    assert kept.regression == Detector()
    assert kept.improvement == alarmed.memory.improvement


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="empty"),
        pytest.param({"regression": {"sums": [0, 0], "bets": 1}}, id="too few sums"),
        pytest.param({"regression": {"sums": [0, 0, 0, -1], "bets": 1}}, id="a negative sum"),
        pytest.param({"regression": {"sums": [0, 0, 0, math.nan], "bets": 1}}, id="no number"),
        pytest.param({"regression": {"sums": [0, 0, 0, 0], "bets": -1}}, id="negative bets"),
        pytest.param({"regression": 7, "improvement": 7}, id="no mapping"),
    ],
)
def test_a_damaged_state_is_refused(document):
    with pytest.raises(ValueError, match=r"."):
        Memory.from_json(document)


# ---------------------------------------------------------------- the detector


@given(st.lists(st.floats(-1, 1), max_size=200))
def test_no_sum_ever_falls_below_0_or_overflows(scores):
    sums = np.zeros(4)
    for one in scores:
        sums = bet(sums, np.asarray(one))

    assert np.all(sums >= 0)
    assert np.all(np.isfinite(sums))


def test_an_endless_alarm_does_not_overflow():
    detector = Detector()

    for _ in range(3000):
        detector = detector.after(1.0)

    assert math.isfinite(detector.evidence)


@pytest.mark.parametrize("outside", [1.5, -1.01, math.nan])
def test_a_score_outside_minus_1_to_1_is_refused(outside):
    with pytest.raises(ValueError, match="within -1 to 1"):
        Detector().after(outside)


@pytest.mark.statistics
def test_the_mean_of_a_sum_grows_by_at_most_1_per_bet_while_nothing_changed():
    rng = np.random.default_rng(11)
    sums = np.zeros((200_000, 4))

    for _ in range(10):
        sums = bet(sums, rng.choice([-1.0, 1.0], 200_000))

    assert sums[:, 0].mean() == pytest.approx(10, rel=0.02)
    assert sums[:, 2].mean() == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("numbers", [(0, 20), (1, 0)])
def test_a_watch_of_nothing_has_no_run_length(numbers):
    with pytest.raises(ValueError, match="positive"):
        wanted_run_length(*numbers)


# ---------------------------------------------------------------- the report


def report_of(*series):
    return WatchReport(
        run_id="", workload="job", new="here", baseline="v1", tolerance=0.02, series=series
    )


def one(verdict, **more):
    return SeriesReport(
        workload="job", candidate="a", metric="wall_time_s", verdict=verdict, **more
    )


def test_a_regression_blocks_unless_it_is_in_quarantine():
    blocking = report_of(one(WatchVerdict.REGRESSION))
    quarantined = report_of(one(WatchVerdict.REGRESSION, quarantined="noisy"))

    assert not blocking.passed
    assert quarantined.passed
    assert "in quarantine: noisy" in quarantined.series[0].sentence
    assert "no regression that is not in quarantine (1 regression)" in quarantined.sentence


def test_on_an_interval_scale_a_verdict_tells_a_difference():
    series = after(watched(SCORE), 0.5, 0.5)
    told = one(series.verdict, ratio=series.ratio, scale=SCORE.scale)

    assert told.verdict is WatchVerdict.EQUAL
    assert (
        told.sentence == "a (wall_time_s): equal within the tolerance, 0 from the baseline's cost"
    )


@pytest.mark.parametrize("verdict", ["improvement", "equal", "undecided"])
def test_nothing_else_blocks(verdict):
    report = report_of(one(WatchVerdict(verdict)))

    assert report.passed
    assert f"1 {verdict}" in report.sentence


def test_a_failure_blocks_with_its_reason():
    report = report_of(one(WatchVerdict.FAILED, reason="wrong: expected 3"))

    assert not report.passed
    assert "wrong: expected 3" in report.sentence


def test_a_failure_in_quarantine_does_not_block_and_is_told_with_its_reason():
    report = report_of(one(WatchVerdict.FAILED, reason="crashed", quarantined="noisy"))

    assert report.passed
    assert "in quarantine: noisy" in report.series[0].sentence
    assert "crashed" in report.series[0].sentence
