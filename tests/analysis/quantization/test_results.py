"""Points, ratios and targets of a quantisation study."""

from __future__ import annotations

import pytest

from parbench_lab.analysis.quantization.results import Asked, QuantizationResults
from parbench_lab.analysis.quantization.runs import Configuration, QuantizationRun
from parbench_lab.analysis.quantization.targets import failed, sentence, targets
from parbench_lab.errors import UsageError

MB = 10**6


def one(model="100M", threads=1, *, streaming=False):
    title = f"{model} (1 M parameters)"
    return Configuration(
        model=model, title=title, n_weights=MB, scheme="int8 per channel", threads=threads,
        streaming=streaming,
    )  # fmt: skip


def runs_of(configuration, times_s, *, memory_mb=100.0, digest="same", **fields):
    return [
        QuantizationRun(
            configuration=configuration,
            repetition=number,
            outcome="ok",
            time_s=time_s,
            baseline_memory_bytes=50 * MB,
            peak_memory_bytes=int((50 + memory_mb) * MB),
            digest=digest,
            **fields,
        )
        for number, time_s in enumerate(times_s)
    ]


def results_of(*runs, cores=8, **asked):
    made = [run for some in runs for run in some]
    return QuantizationResults(
        asked=Asked(**asked),
        planned=tuple(dict.fromkeys(run.configuration for run in made)),
        repeats=3,
        runs=tuple(made),
        cores=cores,
    )


def results_over(speedup, *, cores=8):
    paces = {1: 1.0, 2: 2.0, 8: speedup}
    runs = [
        runs_of(one(threads=n), [8.0 * slow / pace for slow in (1, 1.01, 0.99)])
        for n, pace in paces.items()
    ]
    made = [run for some in runs for run in some]
    return QuantizationResults(
        asked=Asked(scaling_model="100M", cores=(1, 2, 8)),
        planned=tuple(dict.fromkeys(run.configuration for run in made)),
        repeats=3,
        runs=tuple(made),
        cores=cores,
    )


def verdicts(results):
    return {target.name: target.verdict.value for target in targets(results)}


SPEEDUP, EFFICIENCY = "4-8x at 8 cores", "efficiency above 50 % at 8 cores"


@pytest.mark.parametrize(
    ("speedup", "cores", "wanted"),
    [
        pytest.param(6.0, 8, "passed", id="six times on eight cores"),
        pytest.param(3.0, 8, "failed", id="three times on eight cores"),
        pytest.param(6.0, 2, "not measurable here", id="six times, but on two cores"),
        pytest.param(3.0, 2, "not measurable here", id="three times on two cores"),
    ],
)
def test_a_speedup_counts_only_where_there_are_the_cores(speedup, cores, wanted):
    found = verdicts(results_over(speedup, cores=cores))

    assert found[SPEEDUP] == wanted
    assert found[EFFICIENCY] == wanted


def test_speedups_are_paired_within_repetitions():
    slow_day = [1.0, 2.0, 1.5]
    results = results_of(
        runs_of(one(threads=1), slow_day),
        runs_of(one(threads=2), [s / 1.8 for s in slow_day]),
    )

    point = results.point(one(threads=2))

    assert point.speedup.low == pytest.approx(1.8)
    assert point.efficiency.point == pytest.approx(0.9)
    assert point.time_s.high > 2 * point.time_s.low


def test_without_one_thread_there_is_no_speedup():
    results = results_of(runs_of(one(threads=8), [1.0, 1.1, 0.9]))

    point = results.point(one(threads=8))

    assert point.time_s.point == 1.0
    assert point.speedup is None


def test_memory_is_the_peak_less_the_loaded_baseline():
    results = results_of(runs_of(one(), [1.0, 1.0], memory_mb=70.0))

    point = results.point(one())

    assert point.quantization_memory_bytes.point == 70 * MB
    assert point.peak_memory_bytes.point == 120 * MB


@pytest.mark.parametrize(
    ("times_s", "cores", "wanted"),
    [
        ([10.0, 11.0, 10.5], 2, "passed"),
        ([130.0, 131.0, 132.0], 8, "failed"),
        ([110.0, 130.0, 121.0], 8, "undecided"),
        ([130.0, 131.0, 132.0], 2, "not measurable here"),
    ],
)
def test_a_time_limit_is_judged_by_the_whole_interval(times_s, cores, wanted):
    configuration = one("100M", 8)
    results = results_of(
        runs_of(configuration, times_s), cores=cores, size_models=("100M",), threads=8
    )

    (name,) = (name for name in verdicts(results) if name.startswith("100M"))

    assert verdicts(results)[name] == wanted
    assert (failed(results) != ()) is (wanted == "failed")


def test_streaming_is_compared_with_batch_run_by_run():
    results = results_of(
        runs_of(one(threads=8), [1.0, 2.0, 1.5], memory_mb=100.0),
        runs_of(one(threads=8, streaming=True), [1.1, 2.2, 1.65], memory_mb=20.0),
        comparison_model="100M",
    )

    found = verdicts(results)

    assert results.comparison.time_ratio.low == pytest.approx(1.1)
    assert results.comparison.same_bytes is True
    assert found["streaming memory under 50 % of batch"] == "passed"
    assert found["streaming time at most 15 % over batch"] == "passed"


def test_streaming_that_takes_too_much_memory_or_time_fails_its_targets():
    results = results_of(
        runs_of(one(threads=8), [1.0, 2.0, 1.5], memory_mb=100.0),
        runs_of(one(threads=8, streaming=True), [1.2, 2.4, 1.8], memory_mb=60.0),
        comparison_model="100M",
    )

    missed = {target.name for target in failed(results)}

    assert missed == {
        "streaming memory under 50 % of batch", "streaming time at most 15 % over batch",
    }  # fmt: skip


def test_files_that_differ_are_said_to():
    results = results_of(
        runs_of(one(threads=8), [1.0], digest="a"),
        runs_of(one(threads=8, streaming=True), [1.0], digest="b"),
        comparison_model="100M",
    )

    assert results.comparison.same_bytes is False


def test_what_failed_does_not_count_and_is_named():
    dead = QuantizationRun(
        configuration=one(), repetition=1, outcome="killed", message="its process was killed"
    )
    results = results_of([*runs_of(one(), [2.0]), dead])

    assert results.point(one()).time_s.point == 2.0
    assert results.failures == (f"{one().name}: its process was killed",)
    assert "1 run failed" in sentence(results)


def test_nothing_measured_is_no_error():
    results = results_of(cores=2)

    assert results.curve is None
    assert set(verdicts(results).values()) == {"not measured", "not measurable here"}


def test_zero_threads_are_refused():
    with pytest.raises(UsageError, match="from 1 to 4,096 but got 0"):
        one(threads=0)
