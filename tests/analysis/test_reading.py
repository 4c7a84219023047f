"""What curves are said to tell, where one sentence depends on several levels."""

import dataclasses
import itertools

import numpy as np
import pytest

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.reading import read_curve
from parbench_lab.analysis.trial import TimeShares, Trial


def curve(times, *, mode="strong", noise=0.01, **options):
    """Return a curve of five repetitions whose level medians are about `times`."""
    rng = np.random.default_rng(0)
    trials = [
        Trial(
            repetition=r,
            workers=n,
            size=100 * (n if mode == "weak" else 1),
            outcome="ok",
            time_s=float(t * np.exp(rng.normal(0, noise))),
            **options,
        )
        for r, (n, t) in itertools.product(range(5), times.items())
    ]
    return ScalingCurve(name="job", backend="threads", mode=mode, cores=64, trials=tuple(trials))


def amdahl(share, workers):
    return {n: share + (1 - share) / n for n in workers}


def gustafson(share, workers):
    return {n: n / (n - share * (n - 1)) for n in workers}


def with_efficiencies(efficiencies, **options):
    return curve({n: 1.0 / (n * e) for n, e in efficiencies.items()}, **options)


def shares(serial):
    return TimeShares(
        compute=0.9 - serial, transfer=0.0, serial=serial, imbalance=0.05, scheduling=0.05,
        load_balance=0.9, communication=0.9,
    )  # fmt: skip


def said(made, words):
    (found,) = [text for text in read_curve(made) if words in text]
    return found


def test_a_level_below_one_half_is_told_where_a_later_one_is_useful_again():
    found = said(with_efficiencies({1: 1.0, 2: 0.4, 4: 0.625}, noise=0.001), "scaling is useful")

    assert found.startswith("scaling is useful over the whole range")
    assert "; but at 2 workers (efficiency 40 % [" in found
    assert found.endswith("more than half of each one's time is lost")


def test_a_level_that_may_be_below_one_half_does_not_hide_what_is_certain_after_it():
    unsure = ScalingCurve.from_times(
        [1, 2, 4], [[1.0] * 5, [0.8, 1.3, 0.9, 1.2, 1.0], [0.3, 0.31, 0.3, 0.3, 0.31]]
    )
    found = said(unsure, "scaling is useful")

    assert found.startswith("scaling is useful over the whole range: efficiency 8")
    assert "; at 2 workers (efficiency 50 % [" in found
    assert found.endswith("that is not certain")


def test_a_level_that_may_be_worth_it_is_told_beside_how_far_scaling_is_useful():
    unsure = ScalingCurve.from_times(
        [1, 2, 4], [[1.0] * 5, [0.55, 0.56, 0.55, 0.54, 0.55], [0.4, 0.65, 0.45, 0.6, 0.5]]
    )

    assert "useful up to 2 workers (efficiency 9" in said(unsure, "whether 4 workers are worth it")


def test_an_efficiency_of_exactly_one_half_is_not_said_to_be_less():
    exact = ScalingCurve.from_times([1, 2, 4], [[1.0, 1.0], [0.6, 0.6], [0.5, 0.5]])

    assert "whether 4 workers are worth it is not certain" in read_curve(exact)[0]


@pytest.mark.parametrize(
    ("efficiencies", "begin"),
    [
        ({1: 1.0, 2: 1.2, 4: 1.1, 8: 0.8}, "what bounds it is overhead"),
        ({1: 1.0, 2: 1.2, 4: 1.1, 8: 0.55}, "plateau"),
        ({1: 1.0, 2: 1.2, 4: 1.1, 8: 0.4}, "retrograde"),
    ],
    ids=["overhead", "plateau", "retrograde"],
)
def test_superlinear_levels_are_told_beside_what_bounds_the_last_one(efficiencies, begin):
    found = said(with_efficiencies(efficiencies, noise=0.04), "superlinear at 2 and 4 workers")

    assert found.startswith(begin)


def test_superlinear_levels_of_a_weak_curve_are_told_too():
    made = curve({1: 1.0, 2: 0.8, 4: 1.3}, mode="weak")

    assert said(made, "a loss is certain").endswith(
        "; superlinear at 2 workers: usually more cache, or a first level that was held up"
    )


def test_superlinear_over_more_workers_than_one_is_told_over_those():
    made = curve({2: 1.0, 4: 0.4})

    assert "4 workers are more than 2 times as fast as 2;" in said(made, "superlinear")


def test_weak_scaling_is_useful_as_far_as_a_worker_keeps_half_its_speed():
    far = curve(gustafson(0.2, (1, 2, 4)), mode="weak")
    near = curve({1: 1.0, 2: 1.3, 4: 2.6}, mode="weak")

    assert said(far, "useful over the whole range").endswith("at 4 workers")
    assert "useful up to 2 workers" in said(near, "beyond that more than half")


ALONE = "one level alone says nothing about scaling"


@pytest.mark.parametrize("mode", ["strong", "weak"])
def test_that_one_level_alone_says_nothing_is_said_once(mode):
    assert read_curve(curve({1: 1.0}, mode=mode)).count(ALONE) == 1


@pytest.mark.parametrize(
    ("made", "words"),
    [
        pytest.param(
            curve(amdahl(0.2, (1, 2, 4, 8))),
            "is not told by times alone: it does not rise measurably, so it may be",
            id="flat",
        ),
        pytest.param(
            curve({1: 1.0, 2: 0.55, 4: 0.36, 8: 0.3}),
            "a serial fraction is not believable: it rises with the workers",
            id="rising",
        ),
        pytest.param(
            curve({1: 1.0, 2: 0.7}),
            "is not told by times alone: measure more worker counts",
            id="one fraction",
        ),
        pytest.param(
            curve({1: 1.0, 2: 1.2}),
            "a serial fraction is not believable: 2 workers take longer than with any share",
            id="above all",
        ),
        pytest.param(
            curve({2: 1.0, 4: 1.6}),
            "a serial fraction is not believable: 4 workers take longer than with any share",
            id="above all, over two workers",
        ),
        pytest.param(
            curve({1: 1.0, 2: 0.4}),
            "a serial fraction is not believable: 2 workers are faster than with any share",
            id="superlinear",
        ),
        pytest.param(
            curve(gustafson(0.2, (1, 2, 4, 8)), mode="weak"),
            "whether a scaled serial fraction (Gustafson's) of 2",
            id="weak, flat",
        ),
        pytest.param(
            curve({1: 1.0, 2: 1.05, 4: 1.4, 8: 2.5}, mode="weak"),
            "a scaled serial fraction (Gustafson's) is not believable as a constant one: it rises",
            id="weak, rising",
        ),
        pytest.param(
            curve({1: 1.0, 2: 1.0, 4: 1.0}, mode="weak", noise=0.03),
            "a scaled serial fraction (Gustafson's) is not told apart from none",
            id="weak, none",
        ),
        pytest.param(
            ScalingCurve.from_times([1, 2], [[1.0] * 4, [0.7, 0.62, 0.75, 0.95]]),
            "a serial fraction is not certain: its interval is",
            id="half of all that there are",
        ),
        pytest.param(
            curve({2: 1.0, 4: 0.6}, mode="weak"),
            "4 workers are faster than with any share",
            id="weak, too fast for any",
        ),
    ],
)
def test_whether_a_serial_fraction_is_believable_is_told_of_every_curve(made, words):
    assert any(words in text for text in read_curve(made)), read_curve(made)


def test_a_serial_fraction_that_no_serial_code_explains_is_not_believed():
    memory_bound = curve({1: 1.0, 2: 0.7, 4: 0.5}, shares=shares(0.001))
    serial_code = curve({1: 1.0, 2: 0.7, 4: 0.5}, shares=shares(0.66))

    assert "only 0.05 % of the time on 1 worker" in said(memory_bound, "do not take a serial")
    assert "33 % of the time on 1 worker" in said(serial_code, "is believable")


LOCK = "threads that wait for the interpreter's lock (GIL), which counts as computing"


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({1: 1.0, 2: 0.9, 4: 0.8}, "do not take a serial fraction"),
        ({1: 1.0, 2: 1.2}, "2 workers take longer than with any share"),
    ],
    ids=["little gain", "a loss"],
)
def test_threads_that_compute_all_the_time_and_gain_little_may_wait_for_the_interpreter(
    times, words
):
    threads = curve(times, shares=shares(0.001))
    processes = dataclasses.replace(threads, backend="processes")

    assert said(threads, words).endswith(LOCK)
    assert LOCK not in said(processes, words)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(curve({1: 1.0, 2: 0.6, 4: 0.32}, shares=shares(0.001)), id="much gain"),
        pytest.param(curve({1: 1.0, 2: 0.9, 4: 0.8}, shares=shares(0.2)), id="little computing"),
    ],
)
def test_threads_that_gain_much_or_compute_little_are_not_said_to_wait_for_it(made):
    assert LOCK not in said(made, "do not take a serial fraction")


def test_serial_code_that_was_seen_does_not_explain_that_a_fraction_rises():
    made = curve({1: 1.0, 2: 0.55, 4: 0.36, 8: 0.3}, shares=shares(0.6))

    assert "18 % of the time on 1 worker" in said(made, "believable in part")


def test_what_was_seen_on_more_workers_than_one_is_a_share_of_the_time_on_one():
    made = curve(amdahl(0.2, (2, 4, 8)), shares=shares(2 / 3))  # 0.2 of 0.3 on eight

    assert "is believable: 20 % of the time on 1 worker was" in said(made, "is believable")


@pytest.mark.parametrize(
    ("serial", "words"),
    [
        (0.2, "is believable: 20 % of the time on 8 workers was outside of the map"),
        (0.01, "only 1 % of the time on 8 workers was outside of the map"),
    ],
)
def test_a_scaled_fraction_is_believed_by_the_time_on_its_own_workers(serial, words):
    made = curve(gustafson(0.2, (1, 2, 4, 8)), mode="weak", shares=shares(serial))

    assert "scaled serial fraction (Gustafson's) of 2" in said(made, words)
