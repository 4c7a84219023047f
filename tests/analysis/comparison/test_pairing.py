"""Two runs against each other: like with like, across machines only beside the calibration."""

import dataclasses
from array import array
from dataclasses import replace

import pytest

from parbench_lab.analysis.comparison.between import RunToRun, run_to_run
from parbench_lab.analysis.comparison.bottleneck import Limit
from parbench_lab.analysis.comparison.machines import (
    machine_differences,
    speed_ratio,
    tracked_kernel,
)
from parbench_lab.analysis.comparison.pairing import compare_figures
from parbench_lab.analysis.comparison.samples import Sample, samples_of, stretches_of
from parbench_lab.analysis.comparison.verdicts import Verdict
from parbench_lab.core.metric import PEAK_RSS_BYTES, WALL_TIME_S, Metric
from parbench_lab.core.runs import EventRecord
from parbench_lab.errors import UsageError
from tests.analysis.comparison.figures import HERE, THERE, calibration, point, run, sample, times_s
from tests.store.records import measurement

BEFORE = {"quick": 1e-3, "merge": 2e-3, "heap": 3e-3}
KERNELS = {"loop": 4.0, "matmul": 2.0, "triad": 3.0, "sort": 5.0}


def verdicts(comparison):
    return {(pair.candidate, pair.size): pair.verdict.value for pair in comparison.pairs}


def test_every_candidate_gets_a_ratio_and_a_verdict():
    after = {"quick": 1e-3, "merge": 2.4e-3, "heap": 2.1e-3}

    found = compare_figures(run("a", BEFORE), run("b", after))

    assert verdicts(found) == {
        ("quick", 1000): "equal",
        ("merge", 1000): "slower",
        ("heap", 1000): "faster",
    }
    (merge,) = [pair for pair in found.pairs if pair.candidate == "merge"]
    assert merge.judgement.ratio.low < 1.2 < merge.judgement.ratio.high
    assert "1 equal, 1 faster, 1 slower of 3 pairs" in found.sentence
    assert [pair.candidate for pair in found.worse] == ["merge"]


def test_only_the_same_batch_size_is_compared():
    before = {("quick", 100): 1e-4, ("quick", 1000): 1e-3}
    after = {("quick", 1000): 1e-3, ("quick", 10_000): 1e-2}

    found = compare_figures(run("a", before), run("b", after))

    assert [(pair.candidate, pair.size) for pair in found.pairs] == [("quick", 1000)]
    assert found.only_baseline == (("quick", 100),)
    assert found.only_new == (("quick", 10_000),)


def test_runs_without_anything_in_common_say_so():
    found = compare_figures(run("a", {"quick": 1e-3}), run("b", {"heap": 1e-3}))

    assert not found.pairs
    assert "no candidate at the same batch size" in found.sentence


def test_few_measurements_are_undecided_without_a_ratio():
    few = {"quick": sample(1e-3, n=5)}

    (pair,) = compare_figures(run("a", few), run("b", {"quick": 1e-3})).pairs

    assert pair.judgement is None
    assert (pair.verdict, pair.baseline.n) == (Verdict.UNDECIDED, 5)


def test_who_fails_only_in_the_new_run_is_worse():
    broken = {"quick": sample(1e-3, faults={"wrong": 3})}

    found = compare_figures(run("a", {"quick": 1e-3}), run("b", broken))

    assert [pair.candidate for pair in found.worse] == ["quick"]
    assert found.pairs[0].new.faults == {"wrong": 3}


@pytest.mark.parametrize(
    ("field", "value"), [("workload", "json_parsing"), ("mode", "training")], ids=str
)
def test_runs_of_different_workloads_or_modes_are_refused(field, value):
    with pytest.raises(UsageError, match=f"differ in their {field}"):
        compare_figures(run("a", BEFORE), run("b", BEFORE, **{field: value}))


def test_a_run_without_measurements_is_refused():
    with pytest.raises(UsageError, match="no judged measurements"):
        compare_figures(run("a", BEFORE), run("b", {}))


def test_a_tolerance_that_is_none_is_refused():
    with pytest.raises(UsageError, match="tolerance must be within 0 to 10"):
        compare_figures(run("a", BEFORE), run("b", BEFORE), tolerance=float("nan"))


def test_another_metric_is_compared_by_its_own_values():
    heavy = {"quick": sample(1e-3, peak_rss_bytes=2e8)}
    light = {"quick": sample(1e-3, peak_rss_bytes=1e8)}

    found = compare_figures(run("a", light), run("b", heavy), metric=PEAK_RSS_BYTES)

    assert found.pairs[0].judgement.ratio.point == pytest.approx(2.0)
    assert "1 worse" in found.sentence
    assert not found.opportunities


# ---------------------------------------------------------------- two machines


def test_two_machines_are_compared_only_with_words_about_them():
    quicker = {name: 0.7 * seconds for name, seconds in BEFORE.items()}

    found = compare_figures(run("a", BEFORE), run("b", quicker, THERE))

    assert not found.same_machine
    assert found.machine_differences[0] == "cpu_model: Abacus 3 and Abacus 4"
    assert all(pair.relative is None for pair in found.pairs)
    assert any("parbench race calibration" in note for note in found.notes)


def test_less_the_calibration_a_candidate_is_what_its_code_is():
    speed = speed_ratio(
        calibration("a", KERNELS),
        calibration("b", {name: 0.7 * ms for name, ms in KERNELS.items()}),
    )
    after = {"quick": 0.7e-3, "merge": 2 * 0.7e-3 * 1.3, "heap": 3 * 0.7e-3}

    found = compare_figures(run("a", BEFORE), run("b", after, THERE), speed=speed)

    told = {pair.candidate: pair.relative.verdict.value for pair in found.pairs}
    assert told == {"quick": "equal", "merge": "slower", "heap": "equal"}
    assert verdicts(found)["quick", 1000] == "faster"
    assert [pair.candidate for pair in found.worse] == ["merge"]
    assert "0.7 times as long" in found.notes[0]


def test_kernels_that_disagree_leave_the_relative_ratio_undecided():
    factors = {"loop": 0.9, "matmul": 0.5, "triad": 0.7, "sort": 0.8}
    speed = speed_ratio(
        calibration("a", KERNELS),
        calibration("b", {name: factors[name] * ms for name, ms in KERNELS.items()}),
    )

    found = compare_figures(run("a", {"q": 1e-3}), run("b", {"q": 0.7e-3}, THERE), speed=speed)

    assert found.pairs[0].relative.verdict is Verdict.UNDECIDED
    assert found.pairs[0].tracks == "triad_v1"


def test_what_a_verdict_is_of_is_said():
    speed = speed_ratio(calibration("a", KERNELS), calibration("b", KERNELS))
    heavy = {"q": sample(1e-3, peak_rss_bytes=1e8)}
    few = {"q": sample(1e-3, n=5)}
    sides = {
        "the ratio": compare_figures(run("a", heavy), run("b", heavy)),
        "too few measurements": compare_figures(run("a", few), run("b", heavy)),
        "two machines, and no calibration of both": compare_figures(
            run("a", heavy), run("b", heavy, THERE)
        ),
        "the ratio less the calibration": compare_figures(
            run("a", heavy), run("b", heavy, THERE), speed=speed
        ),
        "the calibration tells of times only": compare_figures(
            run("a", heavy), run("b", heavy, THERE), speed=speed, metric=PEAK_RSS_BYTES
        ),
    }

    assert {found.basis(found.pairs[0]): words for words, found in sides.items()} == {
        words: words for words in sides
    }


def test_a_verdict_on_a_difference_is_not_said_to_be_of_a_ratio():
    score = Metric(name="score", unit="1", better="higher", scale="interval")
    scored = {"q": sample(1e-3, score=0.5)}

    found = compare_figures(run("a", scored), run("b", scored), metric=score)

    assert found.basis(found.pairs[0]) == "the cost difference"


def test_versions_of_the_calibration_do_not_meet():
    old = [
        dataclasses.replace(p, key=dataclasses.replace(p.key, candidate=f"{p.key.candidate}0"))
        for p in calibration("a", KERNELS)
    ]

    assert speed_ratio(old, calibration("b", KERNELS)) is None


def test_the_newest_calibration_counts():
    old = calibration("b", {name: 9 * ms for name, ms in KERNELS.items()}, day=1)

    speed = speed_ratio(calibration("a", KERNELS), [*old, *calibration("b", KERNELS, day=2)])

    assert speed.overall.point == pytest.approx(1.0)
    assert tracked_kernel(speed.overall, None) is None


def test_a_calibration_of_some_kernels_counts_for_these_beside_the_older_of_the_others():
    a = [*calibration("a", KERNELS, day=1), *calibration("a", {"sort": 6.0}, day=2)]

    speed = speed_ratio(a, calibration("b", KERNELS, day=1))

    assert {name: ratio.point for name, ratio in speed.kernels.items()} == pytest.approx(
        {"loop_v1": 1.0, "matmul_v1": 1.0, "triad_v1": 1.0, "sort_v1": 5 / 6}
    )
    assert speed.baseline_run == "run-2"


def test_who_failed_is_recommended_nowhere():
    wrong = sample(1e-3, faults={"wrong": 1})
    fine = {"quick": sample(1e-3), "other": sample(2e-3)}

    same = compare_figures(run("a", fine), run("b", {**fine, "quick": wrong}))
    elsewhere = compare_figures(
        run("a", {"quick": sample(3e-3), "other": sample(3e-3)}),
        run("b", {**fine, "quick": wrong}, THERE),
    )

    at_another_size = compare_figures(
        run("a", {("quick", 10): 3e-3, ("quick", 1000): 3e-3}),
        run("b", {("quick", 10): wrong, ("quick", 1000): 1e-3}, THERE),
    )

    several = (same, elsewhere, at_another_size)
    told = [one.what for found in several for one in found.opportunities]
    assert not [what for what in told if "quick" in what]
    assert "run other on the new machine" in told
    assert [one.what for one in compare_figures(run("a", fine), run("b", fine)).opportunities] == [
        "use quick at 1000 items"
    ]


@pytest.mark.parametrize(
    ("at_10", "at_1000", "advised"),
    [
        ({}, {}, ["give quick larger batches of 1000"]),
        ({}, {"out_of_memory": 2}, []),
        ({"timed_out": 1}, {}, ["give quick larger batches of 1000"]),
        ({"wrong": 1}, {}, []),
        ({}, {"wrong": 1}, []),
    ],
)
def test_a_size_is_recommended_only_where_the_candidate_works_there(at_10, at_1000, advised):
    figures = {
        ("quick", 10): sample(1e-3, faults=at_10),
        ("quick", 1000): sample(2e-3, faults=at_1000),
    }

    found = compare_figures(run("a", figures), run("b", figures)).opportunities

    assert [one.what for one in found if "batches" in one.what] == advised


def test_who_is_wrong_at_one_size_is_chosen_at_no_other():
    figures = {
        ("quick", 10): sample(1e-3, faults={"wrong": 1}),
        ("quick", 1000): sample(1e-3),
        ("other", 1000): sample(2e-3),
    }

    found = compare_figures(run("a", figures), run("b", figures)).opportunities

    assert not [one.what for one in found if "quick" in one.what]


def test_who_only_ran_out_of_memory_is_limited_by_it():
    never = Sample(values={}, epochs=(), faults={"out_of_memory": 3})

    (pair,) = compare_figures(run("a", {"q": 1e-3}), run("b", {"q": never})).pairs

    assert pair.bottleneck.limit is Limit.MEMORY_CAPACITY
    assert pair.bottleneck.evidence == "ran out of memory 3 times"


def test_a_run_that_does_not_describe_its_machine_is_not_on_the_same_one():
    found = compare_figures(run("a", BEFORE, None), run("b", BEFORE, None))

    assert not found.same_machine
    assert machine_differences(HERE, HERE) == ()
    boot = replace(HERE, memory_bytes=HERE.memory_bytes - 2**20)
    assert machine_differences(HERE, boot) == ()


# ---------------------------------------------------------------- how far to trust it


def test_everybody_going_the_same_way_looks_like_the_machine():
    slower = {name: 1.1 * seconds for name, seconds in BEFORE.items()}

    found = compare_figures(run("a", BEFORE), run("b", slower))

    assert any("looks like the machine" in note for note in found.notes)


SCORE = Metric(name="score", unit="1", scale="interval")


def scored(name, scores):
    noisy = {
        candidate: Sample(
            values={"score": array("d", [score + noise for noise in times_s(0.01, seed=s)])}
        )
        for s, (candidate, score) in enumerate(scores.items())
    }
    return run(name, noisy)


@pytest.mark.parametrize(
    ("after", "noted"),
    [
        ({"a": 0.2, "b": -0.9, "c": 0.7}, False),
        ({"a": 0.0, "b": -0.9, "c": 0.8}, True),
    ],
    ids=["two lower, one higher", "all lower"],
)
def test_differences_go_the_same_way_where_all_are_on_one_side_of_0(after, noted):
    before = {"a": 0.5, "b": -0.1, "c": 0.9 if noted else 0.4}

    found = compare_figures(scored("a", before), scored("b", after), metric=SCORE)

    told = [note for note in found.notes if "looks like the machine" in note]
    assert bool(told) is noted
    assert not any("%" in note for note in told)


def test_how_far_a_difference_moves_by_itself_is_said_in_its_unit():
    notes = compare_figures(
        scored("a", {"q": 0.5}),
        scored("b", {"q": 0.5}),
        metric=replace(SCORE, unit="K"),
        run_to_run=RunToRun(error=0.012, runs=6),
    ).notes

    assert any("moved by 0.012 K (standard deviation)" in note for note in notes)


def test_what_runs_of_one_commit_differ_by_widens_the_intervals():
    earlier = [
        point(name, 1e-3 * factor, day=day, commit="abc", run_id=f"run-{day}")
        for day, factor in enumerate([1.0, 1.05, 0.95, 1.08, 0.93, 1.0])
        for name in ("quick", "merge")
    ]
    known = run_to_run(earlier, WALL_TIME_S)
    after = {**BEFORE, "merge": 2.1e-3}

    alone = compare_figures(run("a", BEFORE), run("b", after))
    wiser = compare_figures(run("a", BEFORE), run("b", after), run_to_run=known)

    assert known.runs == 6
    assert 0.04 < known.error < 0.08
    assert verdicts(alone)["merge", 1000] == "slower"
    assert verdicts(wiser)["merge", 1000] == "undecided"
    assert any("6 earlier runs" in note for note in wiser.notes)


@pytest.mark.parametrize(
    "fields", [{"commit": ""}, {"commit": "abc", "dirty": True}], ids=["no commit", "with changes"]
)
def test_runs_of_unknown_code_do_not_tell_how_far_code_moves_by_itself(fields):
    points = [point("quick", 1e-3 * (1 + day / 50), day=day, **fields) for day in range(9)]

    assert run_to_run(points, WALL_TIME_S) == RunToRun()


def test_a_time_of_zero_does_not_tell_how_far_code_moves_by_itself():
    points = [point("quick", 1e-3 * (1 + day / 50), day=day, commit="abc") for day in range(9)]
    zero = replace(points[0], median=replace(points[0].median, point=0.0, low=0.0))

    assert run_to_run([*points, zero], WALL_TIME_S) == run_to_run(points, WALL_TIME_S)


# ---------------------------------------------------------------- samples


def test_a_time_of_zero_is_passed_over_in_words_and_the_others_are_compared():
    odd = sample(1e-3, cpu_time_s=1e-3)
    odd.values["wall_time_s"][3] = 0.0

    found = compare_figures(run("a", BEFORE), run("b", {**BEFORE, "quick": odd}))

    assert set(verdicts(found).values()) == {"equal"}
    assert (
        "quick at 1000 in run b: 1 measurement of 200 passed over, wall_time_s must be positive "
        "to be compared by ratios"
    ) in found.notes


def test_where_many_times_are_zero_the_others_are_not_judged_for_all():
    coarse = sample(1e-3, cpu_time_s=1e-3)
    for index in range(100):
        coarse.values["wall_time_s"][index] = 0.0

    found = compare_figures(run("a", BEFORE), run("b", {**BEFORE, "quick": coarse}))

    (pair,) = [pair for pair in found.pairs if pair.candidate == "quick"]
    assert (pair.judgement, pair.new.n) == (None, 0)
    assert any("100 measurements of 200 too many to judge the others" in n for n in found.notes)


def test_samples_leave_out_warm_ups_faults_and_blocks_of_another_purpose():
    def row(block, **fields):
        return dataclasses.replace(measurement(block, 0), **fields)

    sent = {"blocks": [{"number": 1, "purpose": "scout"}, {"number": 2, "purpose": "race"}]}
    events = [
        EventRecord(seq=0, at_s=0.0, kind="TaskSent", payload=sent),
        EventRecord(
            seq=1,
            at_s=1.0,
            kind="TaskEnded",
            payload={},
            measurements=(
                row(1), row(2), row(2, warm_up=True), row(2, outcome="timed_out"),
                row(3, epoch=2), row(3, size=50), row(3, size=0),
            ),
        ),
    ]  # fmt: skip

    found = samples_of(events)

    assert set(found) == {("candidate_0", 1000), ("candidate_0", 50)}
    main = found["candidate_0", 1000]
    assert len(main.values["wall_time_s"]) == 2
    assert (main.epochs, main.faults) == ((0, 2), {"timed_out": 1})


@pytest.mark.parametrize(
    ("outcome", "faults"), [("wrong", {"wrong": 1}), ("timed_out", {})], ids=str
)
def test_of_first_runs_beside_judged_ones_only_a_wrong_result_counts(outcome, faults):
    sent = EventRecord(
        seq=0, at_s=0.0, kind="TaskSent", payload={"blocks": [{"number": 2, "purpose": "scout"}]}
    )
    rows = (measurement(1, 0), dataclasses.replace(measurement(2, 0), outcome=outcome))
    ended = EventRecord(seq=1, at_s=1.0, kind="TaskEnded", payload={}, measurements=rows)

    found = samples_of([sent, ended])["candidate_0", 1000]

    assert found.faults == faults
    assert len(found.values["wall_time_s"]) == 1


def test_a_return_to_a_batch_size_is_a_stretch_of_its_own():
    def row(block, epoch, size, candidate="quick"):
        return dataclasses.replace(
            measurement(block, 0), epoch=epoch, size=size, candidate=candidate
        )

    rows = (
        row(1, 0, 10), row(2, 1, 10), row(3, 2, 500), row(4, 3, 10), row(5, 0, 10, "other"),
        row(6, 2, 500, "other"), row(7, -1, -1),
    )  # fmt: skip
    ended = EventRecord(seq=0, at_s=1.0, kind="TaskEnded", payload={}, measurements=rows)

    found = samples_of([ended])

    assert [part.epochs for part in found["quick", 10].parts] == [(0, 1), (3,)]
    assert [len(part.values["wall_time_s"]) for part in found["quick", 10].parts] == [2, 1]
    assert len(found["quick", 10].values["wall_time_s"]) == 3
    assert found["quick", 500].parts == (found["quick", 500],)
    assert found["other", 10].parts == (found["other", 10],)
    assert ("quick", -1) not in found  # of a block whose plan is not known


@pytest.mark.parametrize(
    ("why", "parts"),
    [
        ("candidate_1, candidate_2 became slower", [(0,), (1, 2)]),
        ("candidate_1 came back", [(0, 1, 2)]),
        ("objectives wall_time_s -> peak_rss_bytes", [(0, 1, 2)]),
    ],
)
def test_only_where_somebody_became_slower_epochs_of_one_stay_are_told_apart(why, parts):
    rows = tuple(replace(measurement(epoch + 1, 0), epoch=epoch) for epoch in (0, 1, 2))
    opened = [
        EventRecord(
            seq=epoch, at_s=0.0, kind="EpochOpened", payload={"epoch": epoch, "why": reason}
        )
        for epoch, reason in ((1, why), (2, "objectives a -> b"))
    ]
    ended = EventRecord(seq=3, at_s=1.0, kind="TaskEnded", payload={}, measurements=rows)

    found = samples_of([*opened, ended])["candidate_0", 1000]

    assert [part.epochs for part in found.parts] == parts


def test_who_became_slower_in_an_epoch_without_figures_is_told_apart_in_the_next_one():
    assert stretches_of([(0, 10), (2, 10)], slower={1}) == {(0, 10): 0, (2, 10): 1}


def test_every_stretch_of_either_run_is_in_a_pair():
    twice = dataclasses.replace(
        sample(1e-3), stretches=(sample(1e-3), dataclasses.replace(sample(2e-3), epochs=(2,)))
    )
    before = {("quick", 10): twice, ("slow", 10): sample(4e-3), ("slow", 50): sample(9e-3)}
    after = {place: sample(1e-3) for place in before}

    found = compare_figures(run("a", before), run("b", after))

    told = [(pair.label, pair.verdict.value) for pair in found.pairs]
    assert told == [
        ("quick at 10 (epochs 0 and 0)", "equal"),
        ("quick at 10 (epochs 2 and 0)", "faster"),
        ("slow at 10 (epochs 0 and 0)", "faster"),
        ("slow at 50", "faster"),
    ]
    assert any("came back to a batch size" in note for note in found.notes)


def test_runs_without_a_batch_size_in_common_are_told_both():
    found = compare_figures(
        run("a", {("q", 10): 1e-3, ("q", 50): 1e-3}), run("b", {("q", 100): 1e-3})
    )

    assert "no batch size in common (baseline 10, 50, new 100)" in found.sentence
