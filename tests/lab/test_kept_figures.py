"""What a race and a study leave in the store for histories: series, modes, commits, curves."""

from __future__ import annotations

import contextlib

import pytest

import parbench_lab as pb
from parbench_lab.errors import UsageError
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.store import open_store
from tests.racing.test_engine import race


def squares(case, *, map):
    return sum(map(abs, case))


def numbers(size, rng):
    return rng.integers(-9, 9, size).tolist()


def test_a_race_leaves_a_point_for_each_candidate_under_its_mode_and_machine(tmp_path):
    with race(store=tmp_path / "runs.db", mode="inference") as bench:
        bench.run_continuous_optimization()

    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        points = store.series(mode="inference")
        summary = store.summary("latest")

    assert {point.key.candidate for point in points} == {"best", "slow"}
    assert {point.key.machine for point in points} == {detect_machine().fingerprint}
    assert {point.run_id for point in points} == {summary.id}
    assert all(point.median.low <= point.median.point <= point.median.high for point in points)
    assert (points[0].commit, summary.mode) == (summary.commit, "inference")


def test_a_race_that_does_not_say_its_mode_is_a_batch():
    with race() as bench:
        bench.run_continuous_optimization()
        (mode,) = {point.key.mode for point in bench._store.series()}

    assert mode == "batch"


def test_a_mode_that_nobody_knows_is_refused():
    with pytest.raises(UsageError, match="known names are inference, training, batch, micro"):
        race(mode="fast")


def test_a_study_leaves_its_curves_and_their_fits(tmp_path):
    options = {"sizes": [20], "repeats": 2, "make_case": numbers, "backend": "threads"}
    path = tmp_path / "runs.db"
    with pb.ScalingStudy(squares, workers=[1, 2, 3, 4], store=path, **options) as study:
        curve = study.run()

    with contextlib.closing(open_store(path)) as store:
        curves, fits = store.curves("latest")

    times = {row.workers: row.estimate for row in curves if row.metric == "time_s"}
    assert times == {level.workers: level.time_s for level in curve.levels}
    assert {row.metric for row in curves} >= {"time_s", "speedup", "efficiency", "throughput"}
    assert {fit.law for fit in fits} <= {"usl"}
