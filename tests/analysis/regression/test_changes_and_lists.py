from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from parbench_lab.analysis.regression.bisection import Bisection, Trial
from parbench_lab.analysis.regression.changes import breaks, hints, strongest
from parbench_lab.analysis.regression.many import adjusted
from parbench_lab.analysis.regression.quarantine import Quarantine, parse_quarantine
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.errors import UsageError

METRICS = {
    "wall_time_s": WALL_TIME_S,
    "rate": Metric(name="rate", unit="1/s", better="higher"),
}
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def key(candidate="a", metric="wall_time_s"):
    return SeriesKey(workload="job", candidate=candidate, size=10, machine="m", metric=metric)


def points(values, of=None):
    of = of or key()
    return [
        SeriesPoint(
            run_id=f"run{n}",
            started=START + dt.timedelta(days=n),
            key=of,
            median=Estimate(point=v, low=v, high=v, confidence=0.95, n=9),
            commit=f"c{n}",
        )
        for n, v in enumerate(values)
    ]


def noisy(levels, *, seed=0, sd=0.02):
    rng = np.random.default_rng(seed)
    return np.asarray(levels) * np.exp(rng.normal(0, sd, len(levels)))


# ---------------------------------------------------------------- change points


def test_a_step_in_stored_figures_is_a_hint_with_its_place_and_size():
    stepped = points(noisy([1.0] * 15 + [1.2] * 10, seed=1))

    (hint,) = hints({key(): stepped}, METRICS, rng=np.random.default_rng(1))

    assert (hint.before.commit, hint.after.commit) == ("c14", "c15")
    assert hint.worse
    assert hint.ratio.low < 1.2 < hint.ratio.high
    assert hint.q_value < 0.01


def test_figures_of_no_name_are_taken_for_times():
    nameless = key(metric="")
    stepped = points(noisy([1.0] * 15 + [1.2] * 10, seed=1), of=nameless)

    (hint,) = hints({nameless: stepped}, METRICS, rng=np.random.default_rng(1))

    assert hint.worse


@pytest.mark.parametrize("untold", [0.0, -1.0])
def test_figures_that_have_no_place_on_a_ratio_scale_are_passed_over(untold):
    levels = noisy([1.0] * 15 + [1.2] * 10, seed=1)
    told, all_of_them = points(levels), points([*levels[:3], untold, *levels[3:]])

    (hint,) = hints({key(): told}, METRICS, rng=np.random.default_rng(1))
    (same,) = hints({key(): all_of_them}, METRICS, rng=np.random.default_rng(1))

    assert same.ratio == hint.ratio
    assert same.after.commit == "c16"  # one was put before it


def test_a_metric_where_higher_is_better_gives_the_mirrored_hint():
    of = key(metric="rate")

    (hint,) = hints(
        {of: points([10.0] * 8 + [12.0] * 8, of)}, METRICS, rng=np.random.default_rng(1)
    )

    assert not hint.worse
    assert hint.ratio.point == pytest.approx(10 / 12)


def test_a_hint_knows_that_its_size_is_a_difference():
    score = Metric(name="score", unit="1", scale="interval")
    of = key(metric="score")
    stepped = points(noisy([0.1] * 15 + [0.2] * 10, seed=1), of)

    (hint,) = hints({of: stepped}, {"score": score}, rng=np.random.default_rng(1))

    assert hint.worse
    assert hint.scale == "interval"
    assert hint.ratio.point == pytest.approx(0.1, rel=0.1)


def test_two_steps_are_two_hints_in_order():
    costs = np.log(noisy([1.0] * 12 + [1.3] * 12 + [0.9] * 12))

    found = breaks(costs, rng=np.random.default_rng(2))

    assert [one.place for one in found] == [12, 24]


def test_a_change_within_the_tolerance_is_passed_over():
    small = points([1.0] * 10 + [1.01] * 10)

    assert not hints({key(): small}, METRICS, rng=np.random.default_rng(3), tolerance=0.02)


@pytest.mark.parametrize("values", [[], [1.0] * 7, [1.0] * 30], ids=["none", "few", "constant"])
def test_too_few_or_constant_figures_say_nothing(values):
    assert not hints({key(): points(values)}, METRICS, rng=np.random.default_rng(4))


@pytest.mark.statistics
def test_noise_over_many_series_has_few_hints():
    rng = np.random.default_rng(5)
    with_hints = 0

    for _ in range(20):
        series = {
            key(f"c{n}"): points(np.exp(rng.normal(0, 0.05, 20)), key(f"c{n}")) for n in range(10)
        }
        with_hints += bool(hints(series, METRICS, rng=rng))

    assert with_hints <= 4  # 5 % of 20 studies is 1; four or more in one of 40 repetitions


def test_one_plain_step_among_a_hundred_series_is_a_hint():
    rng = np.random.default_rng(8)
    levels = [[1.0] * 24] * 100
    levels[37] = [1.0] * 12 + [1.5] * 12
    many = {
        key(f"c{n}"): points(noisy(level, seed=200 + n), key(f"c{n}"))
        for n, level in enumerate(levels)
    }

    found = hints(many, METRICS, rng=rng)

    assert {hint.key.candidate for hint in found} == {"c37"}
    assert any(hint.after.commit == "c12" and hint.q_value <= 0.05 for hint in found)


def test_a_hundred_series_of_noise_have_no_hint():
    many = {
        key(f"c{n}"): points(noisy([1.0] * 24, seed=200 + n), key(f"c{n}")) for n in range(100)
    }

    assert not hints(many, METRICS, rng=np.random.default_rng(8))


def test_a_false_discovery_rate_near_zero_ends_the_drawing():
    stepped = points(noisy([1.0] * 12 + [1.5] * 12, seed=1))

    assert not hints({key(): stepped}, METRICS, rng=np.random.default_rng(8), q=1e-12)


@pytest.mark.statistics
def test_the_p_value_of_noise_is_honest():
    rng = np.random.default_rng(6)

    p = np.array([strongest(rng.normal(size=16), rng=rng).p_value for _ in range(300)])

    assert np.mean(p <= 0.05) <= 0.08
    assert 0.4 <= np.median(p) <= 0.6


def test_a_false_discovery_rate_out_of_range_is_refused():
    with pytest.raises(ValueError, match="within"):
        hints({}, METRICS, rng=np.random.default_rng(0), q=1.5)


# ---------------------------------------------------------------- many series


def test_q_values_are_those_of_benjamini_and_hochberg():
    # checked by hand: p * m / rank, made monotone from the largest down
    assert adjusted([0.001, 0.008, 0.039, 0.041, 0.042]) == pytest.approx(
        [0.005, 0.02, 0.042, 0.042, 0.042]
    )


def test_no_questions_have_no_answers():
    assert adjusted([]) == ()


def test_a_p_value_that_is_none_is_refused():
    with pytest.raises(ValueError, match="within 0 to 1"):
        adjusted([float("nan")])


# ---------------------------------------------------------------- bisection


def hunted(n, first_bad, undecided=()):
    search = Bisection(commits=tuple(map(str, range(n))))
    steps = 0
    while len(search.suspects) > 1 and (place := search.next_place) is not None:
        bad = Trial.BAD if place >= first_bad else Trial.GOOD
        search = search.after(place, Trial.UNDECIDED if place in undecided else bad)
        steps += 1
    return search, steps


@pytest.mark.parametrize("first_bad", range(16))
def test_the_first_bad_of_sixteen_commits_is_found_in_four_steps(first_bad):
    search, steps = hunted(16, first_bad)

    assert search.suspects == (str(first_bad),)
    assert steps <= 5


def test_an_undecided_commit_has_its_neighbours_tried():
    search, _ = hunted(9, 6, undecided={4})

    assert search.suspects == ("6",)


def test_undecided_neighbours_of_the_culprit_stay_under_suspicion():
    search, _ = hunted(9, 6, undecided={5, 6})

    assert search.suspects == ("5", "6", "7")


def test_without_commits_there_is_nothing_to_search():
    with pytest.raises(UsageError, match="no commit"):
        Bisection(commits=())


# ---------------------------------------------------------------- quarantine


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("[[quarantine]\n", "TOML", id="not TOML"),
        pytest.param('[[quarantine]]\nseries = "a"\n', "exactly", id="lacks reason and date"),
        pytest.param('[[quarantined]]\nseries = "a"\n', "only", id="another table"),
        pytest.param("quarantine = 3", "only", id="no list"),
        pytest.param(
            '[[quarantine]]\nseries = "a"\nreason = ""\nuntil = 2026-01-01',
            "reason",
            id="no words",
        ),
        pytest.param(
            '[[quarantine]]\nseries = "a"\nreason = "b"\nuntil = "soon"', "date", id="no date"
        ),
    ],
)
def test_a_wrong_quarantine_list_is_refused_with_its_place(text, words):
    with pytest.raises(UsageError, match=rf"list\.toml.*{words}"):
        parse_quarantine(text, source="list.toml")


def test_a_pattern_names_a_candidate_with_or_without_the_metric():
    (entry,) = parse_quarantine(
        '[[quarantine]]\nseries = "job/*"\nreason = "r"\nuntil = 2026-06-01', source="f"
    )

    assert entry.holds("job/a/wall_time_s", dt.date(2026, 6, 1))
    assert not entry.holds("other/a/wall_time_s", dt.date(2026, 6, 1))
    assert not entry.holds("job/a/wall_time_s", dt.date(2026, 6, 2))


@pytest.mark.parametrize("pattern", ["job/sort[fast]", "job/sort[*", "job/*[fast]/wall_time_s"])
def test_a_candidate_with_brackets_is_named_by_its_own_name(pattern):
    entry = Quarantine(series=pattern, reason="r", until=dt.date(2026, 6, 1))

    assert entry.holds("job/sort[fast]/wall_time_s", dt.date(2026, 6, 1))
    assert not entry.holds("job/sortf/wall_time_s", dt.date(2026, 6, 1))
