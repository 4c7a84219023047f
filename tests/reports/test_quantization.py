"""A stored quantisation study as text and as a page."""

from __future__ import annotations

import json

from parbench_lab.lab.quantization.fresh import run_here
from parbench_lab.lab.quantization.study import QuantizationStudy
from parbench_lab.reports import render
from parbench_lab.reports.quantization import quantization_document, quantization_text
from parbench_lab.workloads.quantization.models import model_shape


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


def test_the_text_marks_what_has_more_threads_than_cores(tmp_path):
    _, results = study_in(tmp_path / "runs.db")

    text = quantization_text(results)

    assert "64 *" in text
    assert "* more threads than" in text
    assert "the files are identical bit by bit" in text
    assert "Model sizes: 2 threads" in text
