"""What every pool promises, whoever its workers are."""

import collections
import functools
import threading

import numpy as np
import psutil
import pytest
import threadpoolctl

from parbench_lab.core.batching import batched
from parbench_lab.errors import ClusterError, UnknownNameError, UsageError
from parbench_lab.execution.pools import BACKENDS, open_pool
from tests.execution.pools import parts

PARALLEL = BACKENDS[1:]


@pytest.fixture(scope="module")
def opened():
    """Pools by name, each opened at its first use."""
    pools = {}

    def get(backend):
        if backend not in pools:
            pools[backend] = open_pool(backend, 1 if backend == "serial" else 2)
        pools[backend].take_spans()
        return pools[backend]

    yield get
    for pool in pools.values():
        pool.close()


@pytest.fixture(params=BACKENDS)
def pool(request, opened):
    return opened(request.param)


@pytest.fixture(params=PARALLEL)
def parallel(request, opened):
    return opened(request.param)


def test_results_come_in_the_order_of_the_items(pool):
    results = list(pool.map(pow, range(50), [3] * 60))

    assert results == [number**3 for number in range(50)]


def test_results_are_the_same_bit_by_bit_whoever_works(pool):
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(500, 400))  # large: it goes another way than small ones
    vectors = [rng.normal(size=400) for _ in range(5)]

    def norms(vector, power):
        return np.exp(matrix @ vector / 20).sum(), np.sort(matrix[:, 3] ** power)[::2]

    results = list(pool.map(norms, vectors, [1, 2, 3, 4, 5]))

    for (total, ordered), vector, power in zip(results, vectors, [1, 2, 3, 4, 5], strict=True):
        with threadpoolctl.threadpool_limits(1):
            wanted_total, wanted = norms(vector, power)
        assert total.tobytes() == wanted_total.tobytes()
        assert ordered.tobytes() == wanted.tobytes()
        assert ordered.flags.writeable


def test_an_exception_comes_where_its_result_would_have_come(pool):
    results = pool.map(lambda divisor: 6 // divisor, [1, 2, 0, 3])

    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError) as caught:
        next(results)
    assert str(caught.value) == "integer division or modulo by zero"
    assert list(results) == []
    assert list(pool.map(abs, [-1])) == [1]


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        pytest.param(parts.Unhappy, (7, "no"), "7: no", id="odd constructor"),
        pytest.param(FileNotFoundError, (2, "gone", "a.txt"), "a.txt", id="file"),
        pytest.param(KeyError, ("k",), "'k'", id="key"),
        pytest.param(SystemExit, (3,), "3", id="exit"),
    ],
)
def test_exceptions_keep_their_type_and_words(pool, kind, arguments, words):
    def fails(_):
        raise kind(*arguments)

    with pytest.raises(kind) as caught:
        list(pool.map(fails, [1]))

    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert getattr(caught.value, "code", None) == getattr(kind(*arguments), "code", None)


def test_blas_has_one_thread_inside_and_its_own_number_outside(pool):
    before = [library["num_threads"] for library in threadpoolctl.threadpool_info()]

    inside = list(pool.map(parts.blas_threads, range(4)))

    assert all(threads for threads in inside)
    assert {number for threads in inside for number in threads} == {1}
    after = [library["num_threads"] for library in threadpoolctl.threadpool_info()]
    assert after[: len(before)] == before


def test_every_part_has_its_span(pool):
    list(pool.map(sum, [range(20_000)] * 6))

    spans = pool.take_spans()
    assert len(spans) == 6
    assert all(span.start_ns < span.end_ns for span in spans)
    assert all(span.transfer_s is not None and span.transfer_s >= 0 for span in spans)
    assert len({span.worker for span in spans}) <= pool.n_workers
    assert pool.take_spans() == ()


def test_a_free_worker_takes_the_next_part(parallel, tmp_path):
    # part 0 ends when all others have been done by the other worker; Dask's worker has one queued
    needed = 19 if parallel.backend != "dask" else 18
    job = functools.partial(parts.meets, folder=str(tmp_path), needed=needed)

    results = list(parallel.map(job, range(20)))

    assert results == list(range(20))
    busy = collections.Counter(span.worker for span in parallel.take_spans())
    assert sorted(busy.values()) == [20 - needed, needed]


def test_two_maps_at_once_do_not_mix(pool):
    doubled = pool.map(lambda number: 2 * number, range(30))
    tripled = pool.map(lambda number: 3 * number, range(30))

    both = list(zip(doubled, tripled, strict=True))

    assert both == [(2 * number, 3 * number) for number in range(30)]


def test_maps_from_several_threads_do_not_mix(parallel):
    found = {}

    def run(factor):
        found[factor] = list(parallel.map(lambda number: factor * number, range(20)))

    threads = [threading.Thread(target=run, args=(factor,)) for factor in (2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {f: [f * number for number in range(20)] for f in (2, 3, 5)}


def test_results_that_nobody_wants_end_their_map(parallel, tmp_path):
    def leaves(number, folder=str(tmp_path)):
        from pathlib import Path

        Path(folder, str(number)).touch()
        return number

    results = parallel.map(leaves, range(5000))
    assert next(results) == 0
    del results
    list(parallel.map(abs, range(8)))  # everything handed out before has been done by now

    assert len(list(tmp_path.iterdir())) < 5000


def test_a_map_over_nothing_is_empty(pool):
    assert list(pool.map(abs, [])) == []


def test_a_map_without_items_is_refused(pool):
    with pytest.raises(UsageError, match="at least one iterable"):
        pool.map(abs)


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux keeps high-water marks")
def test_the_peak_of_memory_covers_what_a_part_held(pool):
    pool.peak_memory_bytes()
    list(pool.map(abs, [1]))
    before = pool.peak_memory_bytes()

    list(pool.map(lambda size: np.ones(size).sum(), [10_000_000]))
    during = pool.peak_memory_bytes()

    assert during - before > 70e6
    assert pool.peak_memory_bytes() < during


def test_a_map_inside_a_part_of_a_thread_runs_right_there(opened):
    pool = opened("threads")

    results = list(pool.map(lambda count: sum(pool.map(abs, range(count))), range(8)))

    assert results == [sum(range(count)) for count in range(8)]


@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_a_pool_that_would_travel_is_refused_with_the_reason(opened, backend):
    pool = opened(backend)

    with pytest.raises(UsageError, match="a pool cannot be sent to workers; use the built-in map"):
        pool.map(lambda count: list(pool.map(abs, range(count))), [1])


@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_what_cannot_be_pickled_is_refused_with_the_reason(opened, backend):
    pool, lock = opened(backend), threading.Lock()

    def holds(_):
        return lock.locked()

    with pytest.raises(UsageError, match=r"function 'holds' cannot be sent .* do not close over"):
        pool.map(holds, [1])
    with pytest.raises(UsageError, match=r"item 1 for the function 'abs' cannot be sent"):
        list(pool.map(abs, [1, lock]))
    with pytest.raises(UsageError, match=r"result of type lock cannot be sent back"):
        list(pool.map(lambda _: threading.Lock(), [1]))


@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_an_exception_that_cannot_be_pickled_keeps_its_type_too(opened, backend):
    def seals(_):
        raise parts.Sealed("shut")

    with pytest.raises(parts.Sealed, match=r"^shut"):
        list(opened(backend).map(seals, [1]))


def test_workers_that_rest_have_no_parts_until_they_are_woken(parallel, tmp_path):
    parallel.use(1)
    list(parallel.map(abs, range(8)))  # what was on its way to who rests now is ended
    parallel.take_spans()
    found = list(parallel.map(abs, range(40)))
    alone = {span.worker for span in parallel.take_spans()}
    parallel.use(2)
    # the first part ends when ten others have come to another worker
    met = list(parallel.map(parts.meets, range(20), [str(tmp_path)] * 20, [10] * 20))

    assert found == met + list(range(20, 40))
    assert len(alone) == 1
    assert len({span.worker for span in parallel.take_spans()}) == 2


def test_batches_give_what_single_items_give(parallel):
    spread = batched(parallel.map, 7)

    def inverse(number):
        return 60 // (number - 30)

    assert list(spread(pow, range(40), [2] * 40)) == [number**2 for number in range(40)]
    results = spread(inverse, range(40))
    assert [next(results) for _ in range(30)] == [inverse(number) for number in range(30)]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("backend", BACKENDS[:3])
def test_a_closed_pool_refuses_and_closes_again(backend):
    pool = open_pool(backend, 1)
    pool.close()
    pool.close()

    with pytest.raises(ClusterError, match="closed"):
        list(pool.map(abs, [1]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"backend": "gpu"}, "known names are serial, threads", id="unknown"),
        pytest.param({"backend": "threads", "n_workers": 0}, "from 1 to 4,096", id="no workers"),
        pytest.param({"backend": "threads", "n_workers": 10**7}, "to 4,096", id="too many"),
        pytest.param({"backend": "serial", "n_workers": 2}, "has one worker", id="two serial"),
        pytest.param({"backend": "threads", "cluster": "tcp://a:1"}, "for backend 'dask'", id="c"),
    ],
)
def test_pools_that_make_no_sense_are_refused(arguments, words):
    with pytest.raises(UsageError, match=words) as caught:
        open_pool(**arguments)

    assert isinstance(caught.value, UnknownNameError) == (arguments["backend"] == "gpu")
