"""Curves and what is read from them: each number from trials whose answer is known."""

import dataclasses
import itertools

import numpy as np
import pytest

from parbench_lab.analysis import laws
from parbench_lab.analysis.agreement import digest, largest_difference
from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.reading import read_curve
from parbench_lab.analysis.repeats import estimate_positive
from parbench_lab.analysis.trial import TimeShares, Trial, Use, are_identical, time_shares
from parbench_lab.core.pool import Span
from parbench_lab.errors import UsageError
from parbench_lab.plots.scaling import scaling_data, scaling_figures


def curve(times, *, repeats=5, noise=0.01, size=100, mode="strong", cores=64, seed=0, **options):
    """Return a curve whose level medians are about `times` (workers to seconds)."""
    rng = np.random.default_rng(seed)
    trials = [
        Trial(
            repetition=r,
            workers=n,
            size=size * (n if mode == "weak" else 1),
            outcome="ok",
            time_s=float(t * np.exp(rng.normal(0, noise))),
            digest="d",
            **options,
        )
        for r, (n, t) in itertools.product(range(repeats), times.items())
    ]
    return ScalingCurve(
        name="job", backend="threads", mode=mode, cores=cores, trials=tuple(trials)
    )


def amdahl(fraction, workers):
    return {n: fraction + (1 - fraction) / n for n in workers}


def test_the_numbers_of_a_level_follow_from_its_times():
    exact = curve({1: 8.0, 4: 4.0}, noise=0.0)
    one, four = exact.levels

    assert one.speedup.point == 1.0
    assert four.speedup.point == pytest.approx(2.0)
    assert four.efficiency.point == pytest.approx(0.5)
    assert four.throughput.point == pytest.approx(25.0)
    assert four.serial_fraction.point == pytest.approx((1 / 2 - 1 / 4) / (1 - 1 / 4))


def test_weak_scaling_measures_the_scaled_speedup():
    flat = curve({1: 2.0, 4: 2.0}, noise=0.0, mode="weak")

    assert flat.levels[1].speedup.point == pytest.approx(4.0)
    assert flat.levels[1].efficiency.point == pytest.approx(1.0)
    assert flat.levels[1].serial_fraction.point == pytest.approx(0.0)


def test_ratios_are_paired_so_a_slow_repetition_harms_none():
    slow = {0: 1.0, 1: 3.0, 2: 0.5}
    trials = [
        Trial(repetition=r, workers=n, size=1, outcome="ok", time_s=factor / n)
        for r, factor in slow.items()
        for n in (1, 2)
    ]
    paired = ScalingCurve(name="j", backend="threads", cores=2, trials=tuple(trials))

    assert paired.levels[1].speedup.low == pytest.approx(2.0)
    assert paired.levels[1].speedup.high == pytest.approx(2.0)


@pytest.mark.statistics
def test_a_95_percent_interval_of_repetitions_covers_about_95_percent():
    rng = np.random.default_rng(5)
    samples = np.exp(rng.normal(0.0, 0.05, (4000, 5)))
    found = [estimate_positive(sample) for sample in samples]
    covered = np.mean([e.low <= 1.0 <= e.high for e in found])
    naive = np.mean(
        [
            abs(np.log(s).mean()) <= 1.96 * np.log(s).std() / np.sqrt(5)  # no t, no n - 1
            for s in samples
        ]
    )

    assert 0.94 <= covered <= 0.97
    assert naive < 0.9


def test_the_size_of_a_table_may_be_a_number_of_numpy():
    (level,) = ScalingCurve.from_times([1], [2.0], size=np.int64(10)).levels

    assert (level.size, type(level.size)) == (10, int)
    with pytest.raises(UsageError, match="size must be a whole number from 1 up but got 0"):
        ScalingCurve.from_times([1], [2.0], size=0)


@pytest.mark.parametrize("values", [[], [0.0], [1.0, float("nan")], [-1.0]], ids=str)
def test_what_is_no_time_is_refused(values):
    with pytest.raises(ValueError, match="positive finite"):
        estimate_positive(values)


def on_cluster(times, workers):
    return dataclasses.replace(curve(times, cores=workers), on_cluster=True)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (curve(amdahl(0.02, (1, 2, 4))), "useful over the whole range"),
        (curve(amdahl(0.3, (1, 2, 4, 8, 16))), "useful up to 4 workers"),
        (curve(amdahl(0.1, (1, 2, 4, 8))), "looks like a serial fraction of"),
        (curve({1: 1.0, 2: 0.55, 4: 0.36, 8: 0.3}), "overhead that grows with the workers"),
        (curve({1: 1.0, 2: 0.6, 4: 0.6}), "plateau: 4 workers"),
        (curve({1: 1.0, 2: 0.6, 4: 0.8}), "retrograde: 4 workers take longer than 2"),
        (curve({1: 1.0, 2: 0.4}), "superlinear: 2 workers"),
        (curve({1: 1.0, 2: 0.4}, repeats=1), "nothing certain can be read"),
        (curve({1: 1.0}), "one level alone says nothing"),
        (curve({1: 1.0, 2: 0.51}, noise=0.2), "not told apart from none"),
        (curve({1: 1.0, 2: 0.52, 4: 0.5}, cores=2), "4 workers share 2 cores"),
        (curve({1: 1.0, 2: 0.9}, cores=1), "2 workers share 1 core: these"),
        (curve({1: 1.0, 2: 0.52}, cores=8), "worth measuring next: 4 workers"),
        (curve({1: 1.0, 2: 0.52}, cores=2), "all 2 cores of this machine are measured"),
        (curve({1: 1.0}, cores=1), "the only core of this machine is measured; more needs"),
        (
            curve({2: 1.0, 4: 0.6}, cores=1),
            "no level has a core for each worker: worth measuring next: 1 worker",
        ),
        (on_cluster({1: 1.0, 2: 0.52}, 8), "worth measuring next: 4 workers"),
        (on_cluster({1: 1.0, 2: 0.52}, 3), "worth measuring next: 3 workers, all of the cluster"),
        (on_cluster({1: 1.0, 2: 0.52}, 2), "all of the cluster, 2 workers, is measured; more"),
        (on_cluster({1: 1.0, 2: 2.0}, 2), "no further level of these is worth measuring"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_curve_is_read_aloud_as_it_is(made, words):
    told = read_curve(made)

    assert any(words in sentence for sentence in told), told


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        pytest.param((1, 8), "worth measuring next: 4 workers", id="two levels"),
        pytest.param((1, 2, 4, 8), "worth measuring next: 6 workers", id="the last one is below"),
        pytest.param((1, 2, 4, 8, 16), "worth measuring next: 6 workers", id="two are below"),
        pytest.param((1, 2, 4, 5, 8), "no further level of these", id="nothing between"),
    ],
)
def test_half_is_lost_between_the_last_useful_level_and_the_one_after_it(workers, words):
    told = read_curve(curve(amdahl(0.3, workers), noise=0.001))  # 4.33 workers are half as good

    (found,) = [text for text in told if words in text]
    assert found.endswith("falls below one half") == ("next" in found)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        pytest.param(
            {1: 1.0, 6: 0.1754, 8: 0.2083},
            "worth measuring next: 7 workers, near the best so far, 6",
            id="above the best",
        ),
        pytest.param(
            {1: 1.0, 4: 0.3, 6: 0.2, 7: 0.24, 9: 0.4},
            "worth measuring next: 5 workers, near the best so far, 6",
            id="below the best",
        ),
        pytest.param(
            {1: 1.0, 2: 0.6, 3: 0.5, 4: 0.7},
            "no further level of these is worth measuring here: the best so far is at 3 workers",
            id="all beside it tried",
        ),
    ],
)
def test_of_a_curve_that_falls_again_more_workers_are_not_worth_measuring(times, words):
    told = read_curve(curve(times, noise=0.001))

    (found,) = [text for text in told if "worth measuring" in text]
    assert found.startswith(words)
    assert any(text.startswith("retrograde") for text in told)


def test_a_curve_without_intervals_claims_nothing():
    told = read_curve(curve({1: 1.0, 2: 0.4, 4: 0.6}, repeats=1))

    assert len(told) == 1


def shares(serial):
    return TimeShares(
        compute=0.9 - serial, transfer=0.0, serial=serial, imbalance=0.05, scheduling=0.05,
        load_balance=0.9, communication=0.9,
    )  # fmt: skip


def test_where_the_time_went_is_told_with_the_factors_of_the_efficiency():
    told = TimeShares(
        compute=0.6, transfer=0.1, serial=0.05, imbalance=0.15, scheduling=0.02, unpack=0.08,
        load_balance=0.8, communication=0.75, moving=0.9, serialisation=5 / 6,
    )  # fmt: skip
    older = dataclasses.replace(told, moving=None, serialisation=None, told_by="dask")
    words, words_of_older = (
        " ".join(read_curve(curve({1: 1.0, 2: 0.6, 4: 0.4}, shares=one))) for one in (told, older)
    )

    assert (
        "at 4 workers their time went into: computing 60 %, sending parts to and fro 10 %, "
        "unpacking them 8 %, serial code 5 %, waiting for the slowest 15 %, handing out 2 % "
        "(load balance 0.80 x serialisation 0.83 x communication 0.90 = parallel efficiency 0.60)"
    ) in words
    assert "went into, by Dask's own timings: computing 60 %" in words_of_older
    assert "(load balance 0.80 x communication 0.75 = parallel efficiency" in words_of_older


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 3.0)], ids=["as long", "one is longer"])
def test_the_factors_of_several_runs_multiply_to_the_share_of_computing(weights):
    factors = [(0.5, 1.0, 1.0), (1.0, 0.8, 0.5)]  # load balance, moving, serialisation
    trials = tuple(
        Trial(
            repetition=r,
            workers=n,
            size=1,
            outcome="ok",
            time_s=weight / n,
            shares=TimeShares(
                compute=balance * moving * serialisation, transfer=0.0, serial=0.0,
                imbalance=1.0 - balance * moving * serialisation, scheduling=0.0,
                load_balance=balance, communication=moving * serialisation, moving=moving,
                serialisation=serialisation,
            ),
        )
        for r, ((balance, moving, serialisation), weight) in enumerate(
            zip(factors, weights, strict=True)
        )
        for n in (1, 2)
    )  # fmt: skip

    found = ScalingCurve(name="j", backend="threads", cores=2, trials=trials).levels[1].shares

    compute = np.average([0.5, 0.4], weights=weights)
    longest = np.average([1.0, 0.4], weights=weights)  # of the wall time
    assert found.compute == pytest.approx(compute)
    assert found.load_balance == pytest.approx(compute / longest)
    assert found.moving == pytest.approx(np.average([1.0, 0.8], weights=weights))
    assert found.serialisation == pytest.approx(longest / found.moving)
    assert found.load_balance * found.moving * found.serialisation == pytest.approx(compute)


def test_results_that_differ_are_named_with_their_levels():
    wrong = Trial(repetition=0, workers=2, size=1, outcome="differs", digest="x", difference=0.1)
    right = Trial(repetition=0, workers=1, size=1, outcome="ok", time_s=1.0, digest="d")
    made = ScalingCurve(name="j", backend="threads", cores=2, trials=(right, wrong))

    assert not made.agrees
    assert made.agreement == "results differ (by up to 0.1) at 2 workers"
    assert made.levels[1].time_s is None


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        pytest.param([(1, "a"), (1, "a")], "all 2 results are identical bit by bit", id="one"),
        pytest.param([(1, "a"), (2, "b")], "all 2 results are identical bit by bit", id="sizes"),
        pytest.param([(1, "a"), (1, "b")], "within each session, not between them", id="sessions"),
    ],
)
def test_results_are_called_identical_where_those_of_all_sessions_are(runs, words):
    trials = tuple(
        Trial(repetition=n, workers=1, size=size, outcome="ok", time_s=1.0, digest=digest)
        for n, (size, digest) in enumerate(runs)
    )

    made = ScalingCurve(name="j", backend="threads", cores=2, trials=trials)

    assert made.agreement.endswith(words)
    assert made.agrees
    assert are_identical(trials) is ("session" not in words)


def test_results_that_all_differ_from_the_serial_one_alike_are_not_called_identical():
    wrong = [
        Trial(repetition=n, workers=2, size=1, outcome="differs", digest="x", difference=0.1)
        for n in range(2)
    ]

    assert not are_identical(wrong)


def test_only_include_and_exclude_say_what_to_do_with_too_many_workers():
    with pytest.raises(UsageError, match="'exclude' or 'include'"):
        curve({1: 1.0, 2: 0.5}).fit(oversubscribed="maybe")


def span(worker, start, end, transfer_s=0.0):
    return Span(worker=worker, start_ns=start, end_ns=end, transfer_s=transfer_s)


def test_the_shares_of_time_add_up_to_all_of_it():
    spans = [span("a", 10, 50), span("a", 60, 90, 4e-9), span("b", 12, 40)]

    found = time_shares(spans, n_workers=2, start_ns=0, end_ns=100)

    assert found.compute == pytest.approx((40 + 30 + 28) / 200)
    assert found.serial == pytest.approx(0.2)
    assert found.imbalance == pytest.approx(50 / 200)
    assert found.transfer == pytest.approx(4 / 200)
    total = found.compute + found.serial + found.imbalance + found.transfer + found.scheduling
    assert total == pytest.approx(1.0)
    assert found.load_balance * found.communication == pytest.approx(found.compute)


def test_a_worker_without_a_part_is_imbalance():
    found = time_shares([span("a", 0, 100)], n_workers=2, start_ns=0, end_ns=100)

    assert found.imbalance == pytest.approx(0.5)
    assert found.load_balance == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("a", "b", "apart"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        (np.array([1.0, 4.0]), np.array([1.0, 2.0]), 0.5),
        (np.zeros(3), -np.zeros(3), np.finfo(float).eps),
        ([1, 2], [1, 3], 1 / 3),
        ({"a": 1.0}, {"b": 1.0}, np.inf),
        (np.zeros(2), np.zeros(3), np.inf),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        (np.array([np.nan, 1.0]), np.array([1.0, 1.0]), np.inf),
        (np.float32(1), np.float64(1), np.inf),
        (np.inf, -np.inf, np.inf),
        (np.array([np.inf, 1.0]), np.array([-np.inf, 1.0]), np.inf),
        (np.array([np.nan, 1.0]), np.array([np.inf, 1.0]), np.inf),
        (np.array([np.inf, 4.0]), np.array([np.inf, 2.0]), 0.5),
        (np.array([np.nan, 4.0]), np.array([-np.nan, 2.0]), 0.5),
        (np.nan, -np.nan, np.finfo(float).eps),
        (complex(np.inf, 0.0), complex(0.0, np.inf), np.inf),
        (complex(np.nan, 1.0), complex(np.nan, 2.0), np.inf),
        (np.array([complex(np.nan, 1), 2j]), np.array([complex(-np.nan, 1), 1j]), 0.5),
        (1e308, -1e308, np.inf),
    ],
    ids=str,
)
def test_the_largest_difference_tells_how_far_two_results_are_apart(a, b, apart):
    assert largest_difference(a, b) == apart
    assert (digest(a) == digest(b)) == bool(apart == 0.0)


def test_a_table_of_times_is_a_curve_with_its_repetitions():
    rows = ScalingCurve.from_times([1, 4], [[8.0, 9.0], [4.0, 4.5]], name="told", size=100)
    again = ScalingCurve.from_times([1, 4, 1, 4], [8.0, 4.0, 9.0, 4.5], name="told", size=100)
    gap = ScalingCurve.from_times([1, 4], [[8.0, 9.0], [4.0, np.nan]])

    assert rows == again
    assert rows.levels[1].speedup.point == pytest.approx(2.0)
    assert rows.levels[1].throughput.point == pytest.approx((100 / 4.0 + 100 / 4.5) / 2)
    assert [level.time_s.n for level in gap.levels] == [2, 1]
    assert not any(level.oversubscribed for level in rows.levels)


def test_a_weak_table_grows_its_work():
    found = ScalingCurve.from_times([1, 2, 4], [2.0, 2.0, 2.5], mode="weak", size=10, cores=2)

    assert [level.size for level in found.levels] == [10, 20, 40]
    assert found.levels[2].speedup.point == pytest.approx(4 * 2.0 / 2.5)
    assert [level.oversubscribed for level in found.levels] == [False, False, True]


@pytest.mark.parametrize(
    ("workers", "time_s", "words"),
    [
        ([1, 2], [1.0], "for each of the 2 worker counts but has 1"),
        ([1, 0], [1.0, 2.0], "at least 1"),
        ([1, 1.5], [1.0, 2.0], "whole numbers"),
        ([1, 2], [1.0, -2.0], "positive seconds"),
        ([1, 2], [[1.0, 2.0], [1.0]], "must be numbers"),
        ([], [], "a list of counts"),
        ([1, 2], [np.nan, np.nan], "no time at all"),
    ],
    ids=str,
)
def test_a_table_that_makes_no_sense_is_refused(workers, time_s, words):
    with pytest.raises(UsageError, match=words):
        ScalingCurve.from_times(workers, time_s)


def gustafson(fraction, workers):
    return {n: n / (n - fraction * (n - 1)) for n in workers}


@pytest.mark.parametrize(
    ("options", "words"),
    [({"confidence": 95}, "within .0, 1. but got 95"), ({"cores": "x"}, "cores must be a whole")],
    ids=str,
)
def test_a_table_with_options_that_make_no_sense_is_refused_at_once(options, words):
    with pytest.raises(UsageError, match=words):
        ScalingCurve.from_times([1, 2], [2.0, 1.0], **options)


def test_a_law_of_growing_work_is_not_fitted_to_a_curve_of_the_same_work():
    strong = curve({1: 8.0, 2: 4.2, 4: 2.3, 8: 1.4})

    with pytest.raises(UsageError, match="measure with mode='weak'"):
        strong.fit(law="gustafson")


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.3])
def test_a_weak_curve_gives_back_the_serial_fraction_it_was_made_of(fraction):
    exact = curve(gustafson(fraction, (1, 2, 4, 8)), noise=0.0, mode="weak")

    fit = exact.fit(law="gustafson")

    assert fit.alpha.point == pytest.approx(fraction, abs=1e-6)
    assert fit.predict([16], shown="speedup")[0] == pytest.approx(16 - fraction * 15, rel=1e-4)


@pytest.mark.parametrize("law", ["gustafson", "usl", "amdahl"])
def test_a_weak_curves_law_predicts_seconds_of_whole_runs(law):
    workers, time_s = [1, 2, 4, 8, 16], [0.578, 0.659, 0.705, 0.768, 0.856]
    by_hand = laws.fit(workers, time_s=time_s, law=law, mode="weak")

    fit = ScalingCurve.from_times(workers, time_s, mode="weak", size=10).fit(law=law)

    assert fit.fitted == pytest.approx(by_hand.fitted)
    assert fit.predict([32]) == pytest.approx(by_hand.predict([32]))
    assert fit.score() == by_hand.score()
    assert fit.score().naive_error == pytest.approx(0.856 / 0.768 - 1, abs=0.03)


@pytest.mark.statistics
def test_the_interval_of_a_weak_curves_fraction_covers_about_95_percent():
    truth = gustafson(0.2, (1, 2, 4, 8, 16))
    fits = [curve(truth, mode="weak", noise=0.02, seed=k).fit(law="gustafson") for k in range(200)]

    covered = np.mean([fit.alpha.low <= 0.2 <= fit.alpha.high for fit in fits])

    assert 0.90 <= covered <= 0.99


def test_a_weak_curve_over_too_few_levels_is_refused_in_words():
    with pytest.raises(UsageError, match="4"):
        curve(gustafson(0.1, (1, 2)), mode="weak").fit(law="gustafson")


def test_weak_scaling_is_read_as_what_each_worker_keeps():
    losing = read_curve(curve({1: 1.0, 2: 1.1, 4: 1.3}, mode="weak"))
    perfect = read_curve(curve({1: 1.0, 2: 1.0, 4: 1.0}, mode="weak", noise=0.05))

    assert losing[0].startswith("4 times the work on 4 workers takes 1.3")
    assert "a loss is certain from 2 workers on, and it grows with them" in losing[1]
    assert "up to 4 workers no loss is certain" in perfect[1]
    assert not any("take longer" in sentence for sentence in losing)


def test_a_loss_is_certain_from_the_level_on_from_which_all_lose():
    # the interval of four workers, held up now and then, holds 100 %
    times = {1: [1.0] * 5, 2: [1.1] * 5, 4: [0.8, 1.3, 0.9, 1.2, 1.0], 8: [1.3] * 5, 16: [1.5] * 5}
    made = ScalingCurve.from_times(
        [n for n in times for _ in range(5)],
        [second for own in times.values() for second in own],
        mode="weak",
        cores=64,
    )

    two, four = made.levels[1].efficiency, made.levels[2].efficiency
    assert two.high < 1.0 < four.high
    assert "a loss is certain from 8 workers on, and it grows" in read_curve(made)[1]


def test_intervals_too_wide_to_tell_are_no_plateau():
    sentences = read_curve(curve({1: 1.0, 2: 0.7}, noise=0.3, repeats=3))

    assert any("too wide to tell" in sentence for sentence in sentences)
    assert not any("plateau" in sentence for sentence in sentences)


def failing(made, workers, *, runs):
    """Return the curve where the last `runs` repetitions of a level failed."""
    first = max(trial.repetition for trial in made.trials) + 1 - runs
    trials = [
        dataclasses.replace(trial, outcome="failed", time_s=None, digest="", message="no memory")
        if trial.workers == workers and trial.repetition >= first
        else trial
        for trial in made.trials
    ]
    return dataclasses.replace(made, trials=tuple(trials))


@pytest.mark.parametrize("cores", [1, 2])
def test_levels_within_the_cores_that_failed_are_not_said_to_be_measured(cores):
    told = read_curve(failing(curve({1: 1.0, 3: 1.0, 6: 0.6}, cores=cores), 1, runs=5))

    (found,) = [text for text in told if "worth measuring" in text]
    assert found.startswith("no level with a core for each worker has an interval; ")


@pytest.mark.parametrize(
    ("cores", "words"),
    [
        pytest.param(8, "worth measuring next: 8 workers", id="twice as many again"),
        pytest.param(6, "worth measuring next: 6 workers, all cores", id="all cores"),
        pytest.param(4, "beyond 2 workers levels were tried", id="none is left"),
    ],
)
@pytest.mark.parametrize("runs", [5, 4], ids=["all failed", "one was good"])
def test_a_level_that_was_tried_is_not_worth_measuring_next(cores, words, runs):
    made = failing(curve({1: 1.0, 2: 0.52, 4: 0.3}, cores=cores), 4, runs=runs)

    told = read_curve(made)

    assert any(words in sentence for sentence in told), told
    assert not any("worth measuring next: 4" in sentence for sentence in told)


def test_levels_without_an_interval_are_named_and_the_others_read():
    whole = curve({1: 1.0, 2: 0.52, 4: 0.27, 8: 0.2})
    one = failing(whole, 8, runs=4)
    two = failing(one, 4, runs=4)

    told = read_curve(one)

    assert told[0] == "at 8 workers 4 runs failed, the last: no memory"
    assert told[1].startswith("8 workers: fewer than two repetitions compare this level with 1 w")
    assert told[2].startswith("scaling is useful over the whole range")
    assert told[2].endswith("at 4 workers")
    assert any("4 and 8 workers: fewer than two" in sentence for sentence in read_curve(two))


def test_where_one_run_of_the_first_level_counts_nothing_certain_is_read():
    told = read_curve(failing(curve({1: 1.0, 2: 0.52}), 1, runs=4))

    assert told[1].startswith("one run alone counts at 1 worker")
    assert len(told) == 2


def test_a_fraction_that_may_be_anything_is_not_certain():
    sentences = read_curve(curve({1: 1.0, 2: 0.7}, noise=0.9, repeats=3, seed=1))

    assert any("holds all from 0 to 100 %" in sentence for sentence in sentences), sentences
    assert not any("looks like a serial fraction" in sentence for sentence in sentences)


def test_what_is_not_told_apart_from_none_bounds_nothing():
    near_perfect = read_curve(curve({1: 1.0, 2: 0.501, 4: 0.25}, noise=0.02))
    bounded = read_curve(curve(amdahl(0.1, (1, 2, 4)), noise=0.02))

    assert "nothing is seen to bound it up to 4 workers" in near_perfect
    assert not any("looks like" in sentence for sentence in near_perfect)
    assert any("looks like a serial fraction" in sentence for sentence in bounded)


def test_a_speedup_beside_a_longer_time_is_explained_and_nothing_else_is():
    # within repetitions 1.2, 1.2 and 0.6 times as fast, but the median of the times is longer
    apart = ScalingCurve.from_times([1, 2], [[1.0, 3.0, 2.0], [1.0 / 1.2, 3.0 / 1.2, 2.0 / 0.6]])
    together = ScalingCurve.from_times([1, 2], [[1.0, 3.0, 2.0], [0.8, 2.4, 1.7]])

    assert apart.levels[1].speedup.point == pytest.approx(1.2)
    assert apart.levels[1].time_s.point > apart.levels[0].time_s.point
    assert read_curve(apart)[-1].startswith("at 2 workers speedup and time point different ways")
    assert not any("different ways" in sentence for sentence in read_curve(together))


def test_a_lost_half_is_told_as_what_it_is():
    told = " ".join(read_curve(curve({1: 1.0, 2: 1.05})))

    assert "already at 2 more than half of each one's time is lost" in told


def test_an_adaptive_curve_tells_how_many_workers_it_used_and_fits_nothing():
    uses = (
        Use(at_s=0.0, workers=4, before=4),
        Use(at_s=1.0, workers=2, before=4, reason="others use 2.0 of 4 cores"),
    )
    trials = [
        Trial(repetition=r, workers=4, size=1, outcome="ok", time_s=2.0, digest="d", uses=uses)
        for r in range(2)
    ]
    found = ScalingCurve(name="j", backend="threads", cores=4, adaptive=True, trials=tuple(trials))

    assert found.levels[0].mean_workers.point == pytest.approx(3.0)
    assert read_curve(found)[0] == (
        "2 to 4 of 4 workers in use, 3 on average; 2 changes in 2 runs, the last because others "
        "use 2.0 of 4 cores"
    )
    assert scaling_data(found).refusals
    assert scaling_figures(found) is not None


def test_workers_that_rested_before_a_run_alone_were_in_use_all_through_it():
    uses = (
        Use(at_s=0.0, workers=2, before=4, reason="others use 2.0 of 4 cores"),
        Use(at_s=0.0, workers=4, before=2, reason="others use 0.0 of 4 cores"),
    )
    run = Trial(repetition=0, workers=4, size=1, outcome="ok", time_s=2.0, digest="d", uses=uses)
    found = ScalingCurve(name="j", backend="threads", cores=4, adaptive=True, trials=(run,))

    assert (run.workers_used, run.mean_workers) == ((4,), 4.0)
    assert read_curve(found)[0] == (
        "4 of 4 workers in use all the time; 2 changes before or between the runs, the last "
        "because others use 0.0 of 4 cores"
    )


def test_a_look_after_the_end_of_a_run_does_not_count():
    uses = (Use(at_s=0.0, workers=2, before=2), Use(at_s=1.0, workers=1, before=2))
    late = Use(at_s=9.0, workers=4, before=1)

    run = Trial(repetition=0, workers=4, size=1, outcome="ok", time_s=2.0, uses=(*uses, late))

    assert run.mean_workers == pytest.approx(1.5)
