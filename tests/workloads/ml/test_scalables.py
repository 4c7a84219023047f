"""The operations as jobs whose time is measured."""

import contextlib

import numpy as np
import pytest

from parbench_lab.execution.cases import digest_of
from parbench_lab.execution.pools import open_pool
from parbench_lab.workloads.ml.chunks import chunk_size_for
from parbench_lab.workloads.ml.scalables import ml_scalables, with_chunk_size
from parbench_lab.workloads.ml_operations import ml_scalables as by_the_name_of_the_workload
from tests.workloads.ml.maps import every_map

NAMES = (
    "batch_inference",
    "batch_inference_with_uncertainty",
    "preprocess",
    "gradient_computation",
    "cross_validation",
    "grid_search",
    "ensemble_predict",
    "data_augmentation",
    "feature_extraction",
)
SIZES = {
    "cross_validation": 3,
    "grid_search": 2,
    "data_augmentation": 70,
    "feature_extraction": 70,
}


def small_case(name, seed=0):
    return ml_scalables()[name].make_case(SIZES.get(name, 150), np.random.default_rng(seed))


def test_all_operations_are_there():
    assert tuple(ml_scalables()) == NAMES
    assert by_the_name_of_the_workload is ml_scalables


@pytest.mark.parametrize("name", NAMES)
def test_every_map_gives_the_same_bits(name):
    case = small_case(name)

    with every_map() as maps:
        digests = {digest_of(ml_scalables()[name].run(case, map=m)) for m in maps.values()}

    assert len(digests) == 1
    assert "" not in digests


def test_processes_give_the_same_bits_of_every_operation():
    jobs, cases = ml_scalables(), {name: small_case(name) for name in NAMES}

    def results(backend, n_workers):
        with contextlib.closing(open_pool(backend, n_workers)) as pool:
            return {name: digest_of(jobs[name].run(cases[name], map=pool.map)) for name in NAMES}

    # the serial pool and not the built-in map: a product of several BLAS threads has other bits
    assert results("processes", 2) == results("serial", 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_hangs_on_its_generator_alone(name):
    job = ml_scalables()[name]

    first, again, other = (
        digest_of(job.run(small_case(name, seed), map=map)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other or name == "grid_search"  # its scores may agree on other images


@pytest.mark.parametrize("name", NAMES)
def test_there_are_parts_enough_for_sixteen_workers(name):
    job = ml_scalables()[name]
    parts = {"folds": job.default_size, "configurations": 3 * job.default_size}

    n_parts = parts.get(job.unit, job.default_size / chunk_size_for(job.default_size))

    assert n_parts >= 16


def test_rows_may_be_cut_otherwise():
    job = with_chunk_size(ml_scalables()["gradient_computation"], 10)
    seen = []

    def watching(function, /, *items):
        parts = list(zip(*items, strict=True))
        seen.extend(part[0].n_rows for part in parts)
        return iter([function(*part) for part in parts])

    job.run(job.make_case(35, np.random.default_rng(0)), map=watching)

    assert seen == [10, 10, 10, 5]
    assert (
        ml_scalables(chunk_size=10)["preprocess"].make_case(5, np.random.default_rng(0)).chunk_size
        == 10
    )
