"""Matrix products and row norms: right at any size on CPU and GPU, half precision never."""

import gc
import importlib
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.errors import UsageError
from parbench_lab.testing.workload import check_workload
from parbench_lab.workloads import matrix_product, row_norms
from parbench_lab.workloads.device_arrays import Kept, torch_library
from parbench_lab.workloads.matrix_product import MatrixProduct
from parbench_lab.workloads.members import candidates_elsewhere, missing_candidates
from parbench_lab.workloads.registry import candidates_of, resolve, workload_by_name
from parbench_lab.workloads.row_norms import RowNorms
from tests.workloads.played import LIBRARIES

JOBS = ("matrix_product", "row_norms")
MODULES = {"matrix_product": matrix_product, "row_norms": row_norms}
GPUS = "parbench_lab.testing.recorded_gpus:two_gpus"


def case_of(job, size=40, seed=3):
    return job.make_case(size, np.random.default_rng(seed))


@pytest.fixture
def libraries(monkeypatch):
    """Played PyTorch and CuPy, as if they had just been installed."""
    monkeypatch.syspath_prepend(LIBRARIES)
    for library in ("torch", "cupy"):
        monkeypatch.delitem(sys.modules, library, raising=False)
    torch_library.cache_clear()
    yield {library: importlib.import_module(library) for library in ("torch", "cupy")}
    torch_library.cache_clear()
    for library in ("torch", "cupy"):
        sys.modules.pop(library, None)


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.setenv("PARBENCH_NVML", GPUS)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setenv("PARBENCH_NVML", "parbench_lab.testing.recorded_gpus:no_driver")


# ---------------------------------------------------------------- the job


@pytest.mark.parametrize("name", JOBS)
def test_the_job_keeps_the_promises_of_a_workload(name):
    check_workload(workload_by_name(name))


@pytest.mark.parametrize("name", JOBS)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(size=st.integers(1, 200), seed=st.integers(0, 2**63))
def test_every_candidate_is_right_at_any_size(name, size, seed):
    job = workload_by_name(name)
    case = case_of(job, size, seed)

    for candidate in candidates_of(job):
        job.check(case, candidate.resolve()(case))


@pytest.mark.parametrize(
    ("name", "n_flops", "n_numbers"),
    [
        ("matrix_product", 2 * 40 * 512 * 512, 40 * 512 + 512 * 512 + 40 * 512),
        ("row_norms", 2 * 40 * 512, 40 * 512 + 40),
    ],
)
def test_the_check_tells_the_operations_and_the_least_traffic(name, n_flops, n_numbers):
    job = workload_by_name(name)
    case = case_of(job)

    told = [job.check(case, c.resolve()(case)) for c in candidates_of(job)]

    # of the job, not of the candidate: it is the same for all
    assert all(one == {"single_flop_count": n_flops, "moved_bytes": 4 * n_numbers} for one in told)


@pytest.mark.parametrize("name", JOBS)
def test_four_candidates_need_nothing_that_is_optional(name):
    assert len(candidates_of(workload_by_name(name))) >= 4


@pytest.mark.parametrize("name", JOBS)
def test_a_batch_larger_than_what_is_checked_at_once_is_checked_to_its_end(name):
    job = workload_by_name(name)
    case = case_of(job, 1500)
    result = np.array(candidates_of(job)[0].resolve()(case))
    job.check(case, result)

    result[-1] *= 1.001

    with pytest.raises(ValueError, match=r"item \(?1499"):
        job.check(case, result)


def halved(array):
    return array.astype(np.float16).astype(np.float32)


def as_tf32(array):
    """Round to the 10 bits of TF32's fraction."""
    bits = array.view(np.uint32) + np.uint32(0x1000)
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


DAMAGES = {
    "inputs in half precision": lambda c: halved(c.rows) @ halved(c.weights),
    "one input in half precision": lambda c: halved(c.rows) @ c.weights,
    "inputs in TF32": lambda c: as_tf32(c.rows) @ as_tf32(c.weights),
    "the result in half precision": lambda c: halved(c.rows @ c.weights),
    "the result in double precision": lambda c: c.rows.astype(float) @ c.weights,
    "transposed weights": lambda c: c.rows @ c.weights.T,
    "rows of another batch": lambda c: np.roll(c.rows, 1, axis=0) @ c.weights,
    "one column short": lambda c: (c.rows @ c.weights)[:, :-1],
    "a product short of its last term": lambda c: c.rows[:, :-1] @ c.weights[:-1],
    "infinity": lambda c: np.where(np.eye(len(c.rows), 512) > 0, np.inf, c.rows @ c.weights),
    "a list": lambda c: (c.rows @ c.weights).tolist(),
}
NORM_DAMAGES = {
    "rows in half precision": lambda c: np.linalg.norm(halved(c.rows), axis=1),
    "squares in half precision": lambda c: np.sqrt(halved(c.rows**2).sum(axis=1)),
    "squared lengths": lambda c: (c.rows**2).sum(axis=1),
    "the sum of magnitudes": lambda c: np.abs(c.rows).sum(axis=1),
    "columns": lambda c: np.linalg.norm(c.rows, axis=0)[: len(c.rows)],
    "a row short of its last number": lambda c: np.linalg.norm(c.rows[:, :-1], axis=1),
    "double precision": lambda c: np.linalg.norm(c.rows.astype(float), axis=1),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_a_product_that_is_only_slightly_wrong_is_refused(words):
    job = MatrixProduct()
    case = case_of(job)
    wrong = np.asarray(DAMAGES[words](case)) if words != "a list" else DAMAGES[words](case)

    with pytest.raises(ValueError, match=r"should be|expected"):
        job.check(case, wrong)


@pytest.mark.parametrize("words", NORM_DAMAGES)
def test_a_length_that_is_only_slightly_wrong_is_refused(words):
    job = RowNorms()
    case = case_of(job, 300)

    with pytest.raises(ValueError, match=r"should be|expected"):
        job.check(case, NORM_DAMAGES[words](case))


def test_sums_in_the_plainest_order_stay_far_within_what_is_allowed():
    job = MatrixProduct()
    case = case_of(job, 200)
    product = np.zeros((200, 512), dtype=np.float32)
    for k in range(512):
        product += case.rows[:, k : k + 1] * case.weights[k]

    job.check(case, product)


# ---------------------------------------------------------------- GPUs


@pytest.mark.parametrize("name", JOBS)
def test_without_the_libraries_their_candidates_are_missing_and_the_race_says_which(
    name, monkeypatch
):
    for library in ("torch", "cupy"):
        monkeypatch.setitem(sys.modules, library, None)
    job = workload_by_name(name)

    missing = missing_candidates(job)

    assert set(missing.values()) == {"torch", "cupy"}
    assert not any(candidate.resources for candidate in candidates_of(job))
    for candidate, library in missing.items():
        with pytest.raises(
            UsageError, match=f"needs the library {library}.*pip install {library}"
        ):
            resolve([candidate], name)


@pytest.mark.parametrize("name", JOBS)
def test_with_libraries_and_a_gpu_those_who_compute_there_race_too(name, libraries, gpus):
    job = workload_by_name(name)
    case = case_of(job)
    racing = {candidate.name: candidate for candidate in candidates_of(job)}

    for candidate in racing.values():
        job.check(case, candidate.resolve()(case))

    needy = {n for n, candidate in racing.items() if candidate.resources == {"GPU": 1.0}}
    assert needy == {n for n in racing if "cuda" in n or "cupy" in n}
    assert len(needy) == 4
    assert candidates_elsewhere(job) == ()


@pytest.mark.parametrize("name", JOBS)
def test_without_a_gpu_they_race_only_where_they_are_named(name, libraries, no_gpu):
    job = workload_by_name(name)

    away = [candidate.name for candidate in candidates_elsewhere(job)]

    assert len(away) == 4
    assert not set(away) & {candidate.name for candidate in candidates_of(job)}
    found, chosen = resolve(away)
    assert found.name == name
    assert all(candidate.resources == {"GPU": 1.0} for candidate in chosen)


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_copies_are_part_of_a_call_but_of_those_who_find_their_data_there(
    name, library, libraries, gpus
):
    job = workload_by_name(name)
    case, copies = case_of(job), libraries[library].COPIES
    own = {c.name: c.resolve() for c in candidates_of(job) if c.resources and library in c.name}
    (staying,) = (function for n, function in own.items() if n.endswith("_resident"))
    (going,) = (function for n, function in own.items() if not n.endswith("_resident"))
    brought = sum(getattr(case, field).nbytes for field in type(case).__dataclass_fields__)

    for _ in range(3):
        going(case)
    assert sum(copies) == 3 * brought
    for _ in range(3):
        result = staying(case)
    assert sum(copies) == 4 * brought
    assert not isinstance(result, np.ndarray)
    job.check(case, result)


def test_what_was_brought_over_is_let_go_with_its_case():
    class Copy: ...

    job = RowNorms()
    copies = []
    kept = Kept(lambda case: (copies.append(case.rows.nbytes) or Copy(),))
    case = case_of(job)
    kept.of(case)

    del case
    gc.collect()

    assert len(copies) == 1
    assert not kept._there
