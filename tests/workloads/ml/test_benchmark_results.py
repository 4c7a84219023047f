"""What the benchmark's figures are judged to mean, and how they are shown."""

import io
from dataclasses import replace

import numpy as np
import pytest

from parbench_lab.core.estimate import Estimate
from parbench_lab.errors import UsageError
from parbench_lab.lab.ml.amdahl import amdahl_analysis
from parbench_lab.lab.ml.results import (
    BatchRow,
    LevelRow,
    OperationRow,
    ScalabilityBenchmark,
    TargetVerdict,
    grade_of,
)
from parbench_lab.lab.ml.tables import benchmark_text, print_benchmark_results
from parbench_lab.lab.ml.timing import through, typical, typical_share


def about(point, spread=0.02):
    return Estimate(
        point=point, low=point * (1 - spread), high=point * (1 + spread), confidence=0.95, n=5
    )


def operation(speedup, *, workers=8, cores=8, idle=0.05, name="preprocess"):
    return OperationRow(
        name=name,
        unit="rows",
        size=1000,
        workers=workers,
        sequential_s=about(1.0),
        parallel_s=about(1.0 / speedup),
        speedup=about(speedup),
        efficiency=about(speedup / workers),
        idle_share=None if idle is None else about(idle),
        identical=True,
        oversubscribed=workers > cores,
    )


def level(workers, speedup, *, cores=8, spread=0.02):
    return LevelRow(
        workers=workers,
        parallel_s=about(1.0 / speedup),
        speedup=about(speedup, spread),
        efficiency=about(speedup / workers, spread),
        identical=True,
        oversubscribed=workers > cores,
    )


def benchmark(*, operations=None, levels=None, workers=8, cores=8):
    default = [level(n, 1 / (0.02 + 0.98 / n), cores=cores) for n in (1, 2, 4, 8)]
    return ScalabilityBenchmark(
        operations=tuple(
            [operation(6.0, workers=workers, cores=cores)] if operations is None else operations
        ),
        curve_operation="batch_inference",
        curve_unit="images",
        levels=tuple(default if levels is None else levels),
        batch_sizes=(
            BatchRow(
                batch_size=10,
                sequential_per_s=about(1e4),
                parallel_per_s=about(5e4),
                speedup=about(5.0),
                identical=True,
            ),
        ),
        backend="threads",
        workers=workers,
        cores=cores,
        repeats=5,
    )


def verdicts(found):
    return [target.verdict for target in found.targets]


def test_what_no_operation_was_measured_for_is_not_met():
    found = benchmark(operations=[])

    speedup, linearity, synchronisation = found.targets
    assert linearity.verdict is TargetVerdict.MET
    for target in (speedup, synchronisation):
        assert target.verdict is TargetVerdict.NOT_MEASURABLE
        assert target.found == "no operation was measured"


@pytest.mark.parametrize(
    ("efficiency", "grade"),
    [
        pytest.param(0.851, "good", id="above 85 %"),
        pytest.param(0.85, "fair", id="exactly 85 %"),
        pytest.param(0.70, "fair", id="exactly 70 %"),
        pytest.param(0.699, "poor", id="below 70 %"),
        pytest.param(1.2, "good", id="superlinear"),
    ],
)
def test_an_efficiency_has_a_grade(efficiency, grade):
    assert grade_of(efficiency) == grade


@pytest.mark.parametrize(
    ("spread", "grade"),
    [
        pytest.param(0.02, "fair", id="narrow"),
        pytest.param(0.1, "fair", id="poor or fair"),
        pytest.param(0.2, "not certain", id="poor or good"),
    ],
)
def test_an_interval_that_holds_good_and_poor_has_no_grade(spread, grade):
    found = level(8, 6.0, spread=spread)

    assert found.grade == grade
    assert f"  {grade}  " in benchmark_text(benchmark(levels=[found]))


def test_good_figures_meet_all_targets():
    found = benchmark(levels=[level(n, 0.95 * n) for n in (1, 2, 4, 8)])

    assert verdicts(found) == [TargetVerdict.MET] * 3


def test_a_speedup_beyond_eight_is_no_fault():
    found = benchmark(operations=[operation(14.0, workers=16, cores=16)], workers=16, cores=16)

    assert found.targets[0].verdict is TargetVerdict.MET


def test_one_operation_that_misses_is_named():
    found = benchmark(operations=[operation(6.0), operation(1.5, name="grid_search", idle=0.4)])

    speedup, _, waiting = found.targets
    assert speedup.verdict is waiting.verdict is TargetVerdict.MISSED
    assert speedup.found == "grid_search 1.50x"
    assert waiting.found == "grid_search 40%"


def test_an_interval_that_holds_the_target_decides_nothing():
    found = benchmark(operations=[operation(3.0, idle=0.15)])

    assert verdicts(found)[0] is TargetVerdict.UNDECIDED
    assert verdicts(found)[2] is TargetVerdict.UNDECIDED


def test_too_few_cores_measure_nothing_and_say_so():
    two = [level(1, 1.0, cores=2), level(2, 1.9, cores=2), level(8, 1.9, cores=2)]
    found = benchmark(
        operations=[operation(1.9, workers=2, cores=2)], levels=two, workers=2, cores=2
    )

    speedup, linear, waiting = found.targets
    assert speedup.verdict is linear.verdict is TargetVerdict.NOT_MEASURABLE
    assert "needs 8 workers on 8 cores; this was 2 on 2; so far: 2 workers 95%" in linear.found
    assert waiting.verdict is TargetVerdict.MET


def test_what_was_not_measured_is_told_from_what_cannot_be():
    some = benchmark(levels=[level(n, 0.95 * n) for n in (1, 2, 4)], workers=4)
    shared = benchmark(operations=[operation(3.9, workers=16)], levels=[], workers=16)

    assert "measured with 8 workers, for which there are cores" in some.targets[1].found
    assert shared.targets[0].found == "16 workers shared 8 cores: measure with 4 to 8"


def test_more_workers_than_cores_are_never_judged():
    crowded = benchmark(operations=[operation(1.9, workers=8, cores=2)], workers=8, cores=2)

    assert set(verdicts(crowded)) == {TargetVerdict.NOT_MEASURABLE}
    assert "not measurable here (more workers than cores)" in benchmark_text(crowded)


def test_no_line_is_longer_than_a_common_terminal():
    names = ("batch_inference_with_uncertainty", "grid_search")
    rows = [
        replace(operation(1.31, workers=8, cores=2, idle=0.3, name=name), speedup=about(999.0))
        for name in names
    ]
    text = benchmark_text(benchmark(operations=rows, workers=8, cores=2))

    assert max(map(len, text.splitlines())) < 80
    assert "batch_inference_with_uncertainty, 1,000 rows: results identical" in text


def test_a_backend_that_tells_no_spans_is_not_judged_for_waiting():
    found = benchmark(operations=[operation(6.0, idle=None)])

    assert found.targets[2].verdict is TargetVerdict.NOT_MEASURABLE


def test_one_different_result_shows():
    found = benchmark(operations=[replace(operation(6.0), identical=False)])

    assert not found.identical
    assert "DIFFERENT" in benchmark_text(found)


def test_amdahls_law_finds_the_serial_fraction_again():
    found = amdahl_analysis(benchmark())

    assert found.serial_fraction.point == pytest.approx(0.02)
    assert found.limit.point == pytest.approx(50.0)
    assert [row.workers for row in found.rows] == [2, 4, 8]
    expected = {row.workers: row.speedup.point for row in found.projections}
    assert expected[32] == pytest.approx(1 / (0.02 + 0.98 / 32))
    assert any("the same at all levels" in sentence for sentence in found.words)


@pytest.mark.parametrize(
    ("speedups", "words"),
    [
        pytest.param({2: 1.9, 8: 3.0}, "overhead rises", id="falls behind"),
        pytest.param({2: 1.5, 8: 7.0}, "falls with the workers", id="catches up"),
        pytest.param({2: 1.9}, "One level only", id="one level"),
        pytest.param({2: 2.2, 8: 9.0}, "No limit shows", id="superlinear"),
        pytest.param({8: 7.95}, "the data do not tell where above", id="open above"),
    ],
)
def test_the_words_say_what_the_levels_show(speedups, words):
    found = amdahl_analysis(benchmark(levels=[level(n, s) for n, s in speedups.items()]))

    assert any(words in sentence for sentence in found.words)


def test_a_speedup_that_may_be_anything_gives_no_share():
    found = benchmark(levels=[level(1, 1.0), level(2, 1.4, spread=0.5)])

    (first, *_) = amdahl_analysis(found).words

    assert first.startswith("How much of batch_inference does not speed up is not certain")


def test_a_crowded_level_is_shown_and_not_used():
    levels = [level(2, 1.9, cores=4), level(4, 3.6, cores=4), level(8, 3.6, cores=4)]

    found = amdahl_analysis(benchmark(levels=levels, workers=4, cores=4))

    assert found.serial_fraction.point == pytest.approx((1 / 3.6 - 1 / 4) / (1 - 1 / 4))
    assert found.rows[-1].oversubscribed
    assert any("Levels 8 have more workers than the 4 cores" in line for line in found.words)


def test_without_a_second_core_there_is_no_law_to_be_had():
    lonely = benchmark(levels=[level(1, 1.0, cores=1), level(2, 1.0, cores=1)], workers=1, cores=1)

    with pytest.raises(UsageError, match="no level above 1 worker"):
        amdahl_analysis(lonely)
    assert "Amdahl's law\nnot measurable here: no level above 1" in benchmark_text(lonely)


@pytest.mark.parametrize("workers", [[0, 2], [2.5], 5, "x"], ids=repr)
def test_a_projection_to_what_is_no_worker_count_is_refused(workers):
    with pytest.raises(UsageError, match="workers must be"):
        amdahl_analysis(benchmark(), workers=workers)


def test_the_printed_tables_are_aligned_and_complete():
    stream = io.StringIO()

    print_benchmark_results(benchmark(), file=stream)

    text = stream.getvalue()
    assert text.startswith("8 workers (threads) on 8 cores, 5 repetitions")
    for heading in ("operation", "Workers: batch_inference", "Batch sizes", "Targets", "Amdahl"):
        assert heading in text
    lines = text.splitlines()
    about = next(n for n, line in enumerate(lines) if line.startswith("preprocess"))
    head, row = lines[about - 1], lines[about + 1]
    assert head.index("speedup") == row.index("6.00 [5.88, 6.12]")
    assert lines[about].endswith("identical")


def test_without_levels_and_batches_their_tables_are_left_out():
    text = benchmark_text(replace(benchmark(levels=[]), batch_sizes=()))

    assert "Workers:" not in text
    assert "Batch sizes" not in text
    assert "Amdahl" not in text


@pytest.mark.statistics
def test_the_interval_of_a_ratio_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    ratios = np.exp(np.log(1.8) + 0.1 * rng.standard_normal((1500, 5)))

    held = [estimate.low <= 1.8 <= estimate.high for estimate in map(typical, ratios)]

    assert 0.93 < np.mean(held) < 0.97


def test_a_falling_function_turns_the_interval_round():
    assert through(about(2.0, 0.5), lambda x: 1 / x) == Estimate(
        point=0.5, low=1 / 3, high=1.0, confidence=0.95, n=5
    )


def test_a_share_stays_a_share():
    found = typical_share([0.9, 1.3, 0.2])

    assert 0.0 <= found.low <= found.point <= found.high <= 1.0
