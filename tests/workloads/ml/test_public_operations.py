"""``parbench_lab.ml``: the operations on workers that are started for them."""

import contextlib
import subprocess
import sys
import threading

import numpy as np
import pytest
from distributed import LocalCluster
from sklearn.datasets import load_digits, load_iris
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import parbench_lab as pb
from parbench_lab.core.estimate import Estimate
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.execution.cases import digest_of
from parbench_lab.execution.pools import open_pool
from parbench_lab.hardware.cores import available_cores
from parbench_lab.lab.ml.pools import open_workers

FLOWERS, KINDS = load_iris(return_X_y=True)
PIXELS, LABELS = load_digits(return_X_y=True)
MODEL = SVC().fit(PIXELS[:200], LABELS[:200])
NETWORK = pb.ml.initial_network(64, 8, 10, np.random.default_rng(0))


def one_of_everything(config):
    """Every operation once; together in one place, so that serial and parallel get the same."""
    ml = pb.ml
    images = PIXELS[:60].reshape(-1, 8, 8)
    models = [
        GaussianNB().fit(FLOWERS, KINDS),
        DecisionTreeClassifier(random_state=0).fit(FLOWERS, KINDS),
    ]
    uncertain = ml.parallel_batch_inference_with_uncertainty(
        models[0], FLOWERS, n_samples=4, config=config
    )
    parts = ml.parallel_gradient_computation(
        ml.network_gradient, NETWORK, PIXELS, LABELS, config=config
    )
    augmented = ml.parallel_data_augmentation(images, LABELS[:60], config=config)
    return {
        "inference": ml.parallel_batch_inference(MODEL, PIXELS, config=config),
        "uncertainty": np.stack([uncertain.mean, uncertain.std, uncertain.low, uncertain.high]),
        "preprocess": ml.parallel_preprocess(FLOWERS, config=config),
        "gradient": ml.aggregate_gradients(parts),
        "validation": ml.parallel_cross_validation(
            DecisionTreeClassifier(), FLOWERS, KINDS, config=config
        ),
        "grid": ml.parallel_grid_search(
            DecisionTreeClassifier(), {"max_depth": [1, 2]}, FLOWERS, KINDS, config=config
        ).best.scores,
        "ensemble": ml.parallel_ensemble_predict(models, FLOWERS, config=config),
        "augmented": np.concatenate([augmented.data.ravel(), augmented.targets]),
        "features": ml.parallel_feature_extraction(images, config=config),
    }


@pytest.fixture(scope="module")
def in_turn():
    found = one_of_everything(pb.ml.ParallelConfig(backend="serial", chunk_size=40))
    return {name: digest_of(result) for name, result in found.items()}


@pytest.mark.parametrize("n_workers", [1, 3])
def test_threads_give_the_bits_of_one_worker(in_turn, n_workers):
    config = pb.ml.ParallelConfig(n_workers=n_workers, chunk_size=40)

    found = {name: digest_of(result) for name, result in one_of_everything(config).items()}

    assert found == in_turn


def test_processes_give_the_bits_of_one_worker(in_turn):
    config = pb.ml.ParallelConfig(n_workers=2, chunk_size=40, backend="processes")

    labels = pb.ml.parallel_batch_inference(MODEL, PIXELS, config=config)
    found = pb.ml.parallel_cross_validation(
        DecisionTreeClassifier(), FLOWERS, KINDS, config=config
    )

    assert digest_of(labels) == in_turn["inference"]
    assert digest_of(found) == in_turn["validation"]


def test_the_workers_of_an_operation_end_with_it():
    before = set(threading.enumerate())

    pb.ml.parallel_preprocess(FLOWERS, config=pb.ml.ParallelConfig(n_workers=3))

    assert set(threading.enumerate()) == before


def test_an_error_of_a_worker_reaches_the_caller_as_it_is():
    def broken(rows):
        raise LookupError("no such flower")

    with pytest.raises(LookupError, match="no such flower"):
        pb.ml.parallel_batch_inference(broken, FLOWERS, config=pb.ml.ParallelConfig(n_workers=2))


def test_a_small_benchmark_measures_every_table():
    said = []

    found = pb.ml.scalability_benchmark(
        ["preprocess", "grid_search"],
        config=pb.ml.ParallelConfig(n_workers=2),
        repeats=2,
        worker_levels=[2, 1],
        batch_sizes=[100, 50],
        size_factor=0.02,
        progress=said.append,
    )

    assert [row.name for row in found.operations] == ["preprocess", "grid_search"]
    assert [row.workers for row in found.levels] == [1, 2]
    assert [row.batch_size for row in found.batch_sizes] == [50, 100]
    assert found.identical
    assert len(said) == 6
    assert all(isinstance(row.idle_share, Estimate) for row in found.operations)
    assert len(found.targets) == 3
    assert "Amdahl" in pb.ml.benchmark_text(found)


def test_levels_and_sizes_may_be_anything_that_has_several():
    found = pb.ml.scalability_benchmark(
        [],
        config=pb.ml.ParallelConfig(n_workers=2),
        repeats=2,
        worker_levels=iter([2, 1]),
        batch_sizes=np.array([100, 50]),
        size_factor=0.02,
    )

    assert [row.workers for row in found.levels] == [1, 2]
    assert [row.batch_size for row in found.batch_sizes] == [50, 100]


class OnCluster:
    """A pool of a cluster with more workers than any machine has cores; each is a thread here."""

    n_there = 100_000

    def __init__(self, config, n_workers):
        self._pool = open_pool("threads", n_workers)
        self.backend, self.n_workers = config.backend, n_workers
        self.map, self.take_spans = self._pool.map, self._pool.take_spans
        self.peak_memory_bytes, self.close = self._pool.peak_memory_bytes, self._pool.close


class OnOneMore(OnCluster):
    """A cluster with one worker more than this process may use cores."""

    n_there = available_cores() + 1


@pytest.mark.parametrize("text", ["", " "])
def test_a_blank_variable_leaves_a_benchmark_its_own_number_of_workers(monkeypatch, text):
    monkeypatch.setenv("PARBENCH_NUM_WORKERS", text)

    found = pb.ml.scalability_benchmark(
        [],
        config=pb.ml.ParallelConfig(backend="dask", cluster="tcp://a:1"),
        repeats=2,
        worker_levels=[],
        batch_sizes=[],
        open_pool=OnOneMore,
    )

    assert found.workers == found.cores == OnOneMore.n_there


def test_an_operation_takes_the_workers_that_a_cluster_has(monkeypatch, in_turn):
    monkeypatch.delenv("PARBENCH_NUM_WORKERS", raising=False)
    n_workers = 1 if available_cores() > 1 else 2  # not as many as this machine has cores

    with LocalCluster(
        n_workers=n_workers, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        config = pb.ml.ParallelConfig(chunk_size=40, backend="dask", cluster=cluster)
        with contextlib.closing(open_workers(config, config.asked_workers())) as pool:
            there = pool.n_workers
        found = pb.ml.parallel_batch_inference(MODEL, PIXELS, config=config)

    assert there == n_workers
    assert digest_of(found) == in_turn["inference"]


def test_on_a_given_cluster_its_workers_count_and_not_the_cores_here():
    beyond = available_cores() + 1

    found = pb.ml.scalability_benchmark(
        ["preprocess"],
        config=pb.ml.ParallelConfig(n_workers=beyond, backend="dask", cluster="tcp://a:1"),
        repeats=2,
        worker_levels=[1, beyond],
        batch_sizes=[],
        size_factor=0.02,
        open_pool=OnCluster,
    )

    assert found.cores == 100_000
    assert not any(row.oversubscribed for row in (*found.operations, *found.levels))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"operations": ["sorting"]}, UnknownNameError, "there are batch_inference"),
        ({"curve_operation": "sorting"}, UnknownNameError, "there are batch_inference"),
        ({"curve_operation": "grid_search", "batch_sizes": [50]}, UsageError, "does not cut rows"),
        ({"repeats": 1}, UsageError, "repeats must be a whole number from 2 on"),
        ({"size_factor": 0}, UsageError, "size_factor must be positive"),
        ({"size_factor": float("inf")}, UsageError, "size_factor must be positive and finite"),
        ({"confidence": 1}, UsageError, "confidence must be within"),
        ({"size_factor": "x"}, UsageError, "size_factor must be positive"),
        ({"confidence": "x"}, UsageError, "confidence must be within"),
        ({"operations": 5}, UsageError, "operations must be several names, or None"),
        ({"operations": "preprocess"}, UsageError, "operations must be several names, or None"),
        ({"seed": -1}, UsageError, "seed must be a whole number from 0 up but got -1"),
        ({"config": 4}, UsageError, "give ParallelConfig"),
        ({"worker_levels": 2}, UsageError, "worker_levels must be several whole numbers"),
        ({"worker_levels": [0]}, UsageError, "n_workers must be"),
        ({"batch_sizes": [0]}, UsageError, "chunk_size must be"),
    ],
)
def test_a_benchmark_of_nonsense_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        pb.ml.scalability_benchmark(
            **{"operations": [], "worker_levels": [], "batch_sizes": [], **options}
        )


def test_the_door_is_lazy():
    code = (
        "import sys, parbench_lab; print(sorted(set(sys.modules) & {'sklearn', 'dask', 'numpy'}))"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"
    assert "ml" in dir(pb)


def test_a_number_in_place_of_a_configuration_is_refused_with_what_to_give():
    with pytest.raises(UsageError, match="config must be a ParallelConfig but got 4: give"):
        pb.ml.parallel_preprocess([[1.0, 2.0], [3.0, 4.0]], config=4)
