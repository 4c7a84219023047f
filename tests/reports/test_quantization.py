"""A stored quantisation study as text and as a page."""

from __future__ import annotations

import json
import re

from parbench_lab.analysis.quantization.results import Asked, QuantizationResults
from parbench_lab.analysis.quantization.runs import Configuration, QuantizationRun
from parbench_lab.analysis.quantization.targets import sentence
from parbench_lab.lab.quantization.fresh import run_here
from parbench_lab.lab.quantization.study import QuantizationStudy
from parbench_lab.reports import render
from parbench_lab.reports.quantization import quantization_document, quantization_text
from parbench_lab.workloads.quantization.models import ModelShape, model_shape


def study_in(place):
    with QuantizationStudy(
        cores=[1, 2, 64], model_size="2x64x256", model_sizes=["3x64x256"], threads=2,
        streaming_comparison=True, comparison=model_shape("4x64x256"), repeats=2, store=place,
        measure=run_here,
    ) as study:  # fmt: skip
        return study.run_id, study.run()


def test_a_report_of_a_stored_study_has_its_tables_and_measures_nothing(tmp_path):
    place = str(tmp_path / "runs.db")
    _, results = study_in(place)

    report = render("quantize", {"run": "latest", "store": place}, tmp_path)

    content = json.loads(report.document.read_text())["results"]
    assert report.failure is None
    assert content["quantization"]["all_results"] == quantization_document(results)["all_results"]
    assert "Streaming against batch: 4x64x256" in report.text.read_text()


def test_the_name_7b_never_stands_without_saying_that_it_is_not_that_large(tmp_path):
    tiny = ModelShape(name="7B", matrices=((64, 256),) * 2, about="not 7 B")
    found = [
        QuantizationStudy(
            streaming_comparison=True, comparison=tiny, threads=2, repeats=2,
            store=tmp_path / "runs.db", measure=run_here,
        )
        for _ in range(2)
    ]  # fmt: skip

    for study in found:
        with study:
            results = study.run()
    report = render("quantize", {"run": "latest", "store": str(tmp_path / "runs.db")}, tmp_path)

    told = [report.text.read_text(), *results.hints, *results.notes, sentence(results)]
    named = [line for text in told for line in text.splitlines() if re.search(r"\b7B\b", line)]
    assert len(results.hints) == 2
    assert len(named) > len(results.hints)
    assert [line for line in named if "not 7 B" not in line] == []


def runs_of(threads, pace):
    one = Configuration(
        model="100M", title="100M (104.9 M parameters)", n_weights=104_857_600,
        scheme="int8 per channel", threads=threads,
    )  # fmt: skip
    return [
        QuantizationRun(
            configuration=one, repetition=number, outcome="ok", time_s=8.0 * slow / pace,
            compute_s=6.0 * slow / threads, baseline_memory_bytes=10**8,
            peak_memory_bytes=6 * 10**8, digest="same",
        )
        for number, slow in enumerate((1.0, 1.01, 0.99))
    ]  # fmt: skip


def test_laws_are_fitted_to_a_curve_with_four_levels_within_the_cores():
    paces = {1: 1.0, 2: 1.9, 4: 3.5, 8: 6.0}
    runs = [run for threads, pace in paces.items() for run in runs_of(threads, pace)]
    results = QuantizationResults(
        asked=Asked(scaling_model="100M", cores=tuple(paces)),
        planned=tuple(dict.fromkeys(run.configuration for run in runs)),
        repeats=3,
        runs=tuple(runs),
        cores=8,
    )

    text = quantization_text(results)
    document = quantization_document(results)

    assert "amdahl: " in text
    assert "usl: " in text
    assert "quantising alone, without reading and writing: 8.00 times as fast" in text
    assert "4-8x at 8 cores: passed (6.00x)" in text
    assert document["reports"]["core_scaling"]["laws"]["amdahl"]["alpha"]["point"] > 0.02
    assert [row["quantization_memory_mb"] for row in document["all_results"]] == [500.0] * 4


def test_the_text_marks_what_has_more_threads_than_cores(tmp_path):
    _, results = study_in(tmp_path / "runs.db")

    text = quantization_text(results)

    assert "64 *" in text
    assert "* more threads than" in text
    assert "the files are identical bit by bit" in text
    assert "Model sizes: 2 threads" in text
