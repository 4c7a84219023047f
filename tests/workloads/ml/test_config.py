"""How many workers, which chunks, where."""

import pytest

from parbench_lab.errors import UsageError
from parbench_lab.hardware.cores import available_cores
from parbench_lab.workloads.ml.config import ParallelConfig


def test_without_a_word_there_is_a_worker_per_core():
    assert ParallelConfig().workers({}) == available_cores()


def test_the_environment_names_the_workers(monkeypatch):
    monkeypatch.setenv("PARBENCH_NUM_WORKERS", "5")

    assert ParallelConfig().workers() == 5


def test_an_empty_variable_is_as_good_as_none():
    assert ParallelConfig().workers({"PARBENCH_NUM_WORKERS": " "}) == available_cores()


def test_how_many_a_cluster_has_is_not_asked_of_this_machine():
    given = ParallelConfig(backend="dask", cluster="tcp://a:1")

    assert given.asked_workers({}) is None
    assert given.asked_workers({"PARBENCH_NUM_WORKERS": "5"}) == 5


def test_a_count_in_the_program_goes_before_the_environment():
    assert ParallelConfig(n_workers=2).workers({"PARBENCH_NUM_WORKERS": "5"}) == 2


def test_serial_is_one_worker_whatever_the_environment_says():
    assert ParallelConfig(backend="serial").workers({"PARBENCH_NUM_WORKERS": "5"}) == 1


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5", "9999999"])
def test_a_variable_that_is_no_count_is_refused_by_its_name(text):
    with pytest.raises(UsageError, match="PARBENCH_NUM_WORKERS must be a whole number"):
        ParallelConfig().workers({"PARBENCH_NUM_WORKERS": text})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n_workers": 0}, "n_workers must be"),
        ({"n_workers": 2.0}, "n_workers must be"),
        ({"n_workers": 9_999_999}, "n_workers must be a whole number from 1 to 4,096"),
        ({"n_workers": True}, "n_workers must be"),
        ({"chunk_size": 0}, "chunk_size must be"),
        ({"backend": "gpu"}, "backend must be one of threads, processes, dask, serial"),
        ({"backend": "serial", "n_workers": 2}, "has one worker"),
        ({"cluster": "tcp://127.0.0.1:1"}, "a cluster is for backend='dask'"),
    ],
)
def test_a_bad_value_is_refused_at_once(fields, words):
    with pytest.raises(UsageError, match=words):
        ParallelConfig(**fields)
