"""On public measurements of Dask (pangeo-data/benchmarking, Apache-2.0): 1 to 16 nodes.

48 strong-scaling curves; each hides its last level, predicts it from 1, 2, 4 and 8 nodes, and is
compared with the free fit and with the guess "same as before".
"""

import csv
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import parbench_lab as pb
from parbench_lab.analysis.laws.conventions import Method
from parbench_lab.analysis.laws.curve import fit_curve
from parbench_lab.analysis.laws.observations import observe
from parbench_lab.core.wording import listed
from tests.analysis.laws import published

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


@pytest.fixture(scope="module")
def curves():
    seconds = defaultdict(dict)
    with published.reference_file("29b_pangeo_dask_strong.csv").open() as file:
        for row in csv.DictReader(file):
            name = row["dataset_GB"], row["operation"], row["chunking_scheme"]
            seconds[name][int(row["num_nodes"])] = float(row["median"])
    return [levels for levels in seconds.values() if len(levels) == 5]


@pytest.mark.parametrize(
    "notebook",
    ["03_measure_scaling", "04_amdahl_gustafson_usl", "05_why_projections_fail",
     "08_parallel_ml", "09_portfolio"],
)  # fmt: skip
def test_notebooks_restate_the_table_with_its_chunks_and_its_numbers_of_runs(notebook):
    text = (NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8")
    with published.reference_file("29b_pangeo_dask_strong.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["dataset_GB"] == "5.12"]

    for operation, chunks in (("climatology", "temporal"), ("anomaly", "spatial")):
        of_it = [r for r in rows if (r["operation"], r["chunking_scheme"]) == (operation, chunks)]
        assert ", ".join(str(float(row["median"])) for row in of_it) in text
        assert f"({listed([row['n'] for row in of_it])} on 1 to 16 machines)" in text
    assert "*climatology* with the chunking scheme `temporal`, *anomaly* with `spatial`" in text


@pytest.mark.parametrize("notebook", ["03_measure_scaling", "04_amdahl_gustafson_usl"])
def test_notebooks_restate_the_weak_curve_with_its_chunks_and_its_number_of_runs(notebook):
    text = (NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8")
    kind = {"chunk_size": "64MB", "operation": "temporal_mean", "chunking_scheme": "auto"}
    with published.reference_file("29a_pangeo_dask_weak.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if kind.items() <= row.items()]
    (runs,) = {row["n"] for row in rows}

    assert [row["num_nodes"] for row in rows] == ["1", "2", "4", "8", "16"]
    assert ", ".join(str(float(row["median"])) for row in rows) in text
    assert "*temporal mean* with the chunking scheme `auto`" in text
    assert f"medians of {runs} runs on each of 1 to 16 machines" in text


def scores(curves):
    return [pb.laws.fit(list(levels), time_s=list(levels.values())).score() for levels in curves]


def median_error(scored):
    return statistics.median(score.error for score in scored)


@pytest.mark.parametrize("convention", ["time", "throughput"])
def test_the_default_fit_predicts_better_than_the_free_one(curves, convention):
    default = median_error(scores(curves))
    free = Method(convention=convention, bounded=False)

    errors = []
    for levels in curves:
        seen = observe(list(levels), time_s=list(levels.values()))
        predicted = fit_curve(seen.without_last(), free).point(np.array([16.0]), "time_s")
        errors.append(abs(float(predicted[0]) / seen.last_value() - 1))

    assert default < 0.2 < statistics.median(errors)


def test_the_default_fit_predicts_better_than_the_same_as_before(curves):
    scored = scores(curves)

    assert median_error(scored) < statistics.median(score.naive_error for score in scored)


def test_where_the_default_fit_does_not_beat_the_naive_guess_its_words_say_so(curves):
    fits = [pb.laws.fit(list(levels), time_s=list(levels.values())) for levels in curves]

    beaten = [fit for fit in fits if not fit.score().beats_naive]

    assert 0 < len(beaten) < 0.25 * len(fits)
    assert all(any("no better than" in w for w in fit.words) for fit in beaten)


@pytest.mark.parametrize(
    ("dataset", "fraction"),
    [
        pytest.param(
            {1: 11.012717, 2: 5.272439, 4: 2.704102, 8: 1.555984, 16: 0.914267},
            (0.028563326, 0.0, 0.097512127),
            id="10.24 GB temporal_mean temporal",
        ),
        pytest.param(
            {1: 13.716358, 2: 7.133545, 4: 4.153867, 8: 3.989111, 16: 7.934997},
            (0.0, 0.031869293, 0.080802483),
            id="5.12 GB anomaly spatial",
        ),
    ],
)
def test_two_curves_fitted_in_throughput_are_as_tabulated(dataset, fraction):
    fit = pb.laws.fit(list(dataset), time_s=list(dataset.values()), convention="throughput")

    assert (fit.alpha.point, fit.beta.point, fit.gamma.point) == pytest.approx(
        fraction, rel=1e-5, abs=1e-12
    )
