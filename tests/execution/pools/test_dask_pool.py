"""Workers of Dask clusters: far ones, given ones, and those that die."""

import itertools
import os
import signal
import sys
import time

import numpy as np
import pytest
from distributed import Client, LocalCluster

from parbench_lab.analysis.trial import time_shares
from parbench_lab.core.pool import Span
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.connection import Newcomer
from parbench_lab.execution.pools import open_pool
from parbench_lab.execution.pools.dask import DaskPool
from parbench_lab.execution.pools.dask_timings import parse_task_stream, told_spans
from parbench_lab.execution.pools.seats import Seats
from tests.execution.pools import parts


@pytest.fixture(scope="module")
def pool():
    made = open_pool("dask", 2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def given():
    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as cluster:
        yield cluster


def test_large_arrays_are_mapped_where_workers_share_our_files(pool):
    large = np.arange(500_000.0)

    def look(array):
        return [parts.described(array), parts.described(large)]

    assert list(pool.map(look, [large])) == [
        [("memmap", False, True, "<f8", (500_000,), float(large.sum()))] * 2
    ]


def test_workers_of_a_given_cluster_take_turns_and_stay(given):
    with Client(given, set_as_default=False) as client:
        for cluster in (client, given, given.scheduler_address):
            pool = open_pool("dask", cluster=cluster)
            results = list(pool.map(pow, range(10), [2] * 10))
            spans = sorted(pool.take_spans(), key=lambda span: span.start_ns)
            pool.close()
            assert pool.n_workers == 2
            assert results == [number**2 for number in range(10)]
            # threads of one process here: never two parts at once in it
            assert all(one.end_ns <= two.start_ns for one, two in itertools.pairwise(spans))

        assert client.submit(sum, [1, 2]).result() == 3


def test_arrays_for_far_workers_come_once_and_read_only(given):
    large = np.arange(500_000.0)
    pool = DaskPool(2, cluster=given, far=True)
    sent = []
    scatter = pool._site.connection.scatter

    def counted(thing, addresses, *, broadcast):
        sent.append(thing.nbytes)
        return scatter(thing, addresses, broadcast=broadcast)

    pool._site.connection.scatter = counted

    def look(array):
        return [parts.described(array), parts.described(large)]

    results = list(pool.map(look, [large] * 6))
    left = len(pool._trade.shelf._entries)
    spans = pool.take_spans()
    pool.close()

    assert results == [[("ndarray", False, True, "<f8", (500_000,), float(large.sum()))] * 2] * 6
    assert sent == [large.nbytes]
    assert left == 0
    assert all(span.end_ns > span.start_ns for span in spans)


def test_a_cluster_with_too_few_workers_is_refused_with_the_number(given):
    with pytest.raises(ClusterError, match="has 2 usable workers but 5 are needed"):
        open_pool("dask", 5, cluster=given)
    with pytest.raises(UsageError, match="cluster must be None, a scheduler's address"):
        open_pool("dask", cluster=7)


@pytest.mark.parametrize(
    ("death", "words"),
    [
        pytest.param(lambda: os._exit(3), "exit code 3", id="exit"),
        # in this very thread, as a real one: os.kill may hit another thread when this one is done
        pytest.param(lambda: signal.raise_signal(signal.SIGSEGV), "segmentation", id="crash"),
    ],
)
def test_a_worker_that_dies_is_named_and_nobody_else_is_blamed(pool, death, words):
    def fatal(number):
        if number == 1:
            death()
        return number

    results = pool.map(fatal, range(3))
    assert next(results) == 0
    with pytest.raises(ClusterError, match=r"^worker cpu-\d was lost over .*'fatal'") as caught:
        next(results)

    assert words in str(caught.value)
    assert list(pool.map(abs, range(20))) == list(range(20))


# ------------------------------------------------------------ seats, with nobody behind them


class Unanswered:
    """A connection on which nobody answers; what happens instead is given."""

    def __init__(self, happens):
        self._happens = happens

    def send(self, address, data, **_):
        self._happens()

    def release(self, futures):
        pass


def newcomer(name, *, address="tcp://a:1", sees_token=False, python=None):
    return Newcomer(
        address=address,
        name=name,
        resources={},
        nanny=False,
        pid=1,
        host="h",
        python=python or tuple(sys.version_info[:2]),
        sees_token=sees_token,
        started=0,
    )


def test_of_a_far_worker_that_is_gone_the_oldest_parcel_is_blamed():
    seats = Seats([], session="s", ours=False)
    seats.on_joined(newcomer("w"))
    seats.settle(None)
    (seat,) = seats.seats
    seats.connection = Unanswered(lambda: seats.on_gone("tcp://a:1"))

    held = [seats.ask(seat, "tcp://a:1", (), ()) for _ in range(2)]  # the second finds it gone

    assert [(ticket.lost, ticket.blamed) for ticket in held] == [(True, True), (True, False)]


def test_a_worker_that_comes_back_takes_its_seat_and_knows_nothing():
    seats = Seats([], session="s", ours=False)
    seats.on_joined(newcomer("w"))
    seats.settle(None)
    (seat,) = seats.seats
    seat.known = {1, 2}

    seats.on_gone("tcp://a:1")
    empty = seats.addresses()
    seats.on_joined(newcomer("w", address="tcp://a:2"))

    assert list(empty) == []
    assert seats.await_worker(seat) == "tcp://a:2"
    assert seat.known == set()


def test_a_worker_with_another_python_is_refused_with_the_reason():
    seats = Seats([], session="s", ours=False)

    seats.on_joined(newcomer("w", python=(2, 7)))

    with pytest.raises(ClusterError, match="another version of Python"):
        seats.settle(None)


def test_who_asks_is_let_go_when_the_scheduler_is_lost():
    seats = Seats([], session="s", ours=False)
    seats.on_joined(newcomer("w"))
    seats.settle(None)
    seats.connection = Unanswered(seats.on_lost)

    ticket = seats.ask(seats.seats[0], "tcp://a:1", (), ())

    assert not ticket.lost
    with pytest.raises(ClusterError, match="connection to the Dask scheduler was lost"):
        seats.await_worker(seats.seats[0])


def shares_of(pool, function, items):
    """Return where the workers' time of one map went."""
    pool.take_spans()
    start_ns = time.perf_counter_ns()
    list(pool.map(function, items))
    end_ns = time.perf_counter_ns()
    return time_shares(pool.take_spans(), n_workers=2, start_ns=start_ns, end_ns=end_ns)


class Heavy:
    """Takes a while to unpickle, and nothing to work on."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __reduce__(self):
        return _slowly, (self.seconds,)


def _slowly(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return Heavy(seconds)


def test_dasks_own_timings_tell_computing_from_unpacking(pool):
    pool.take_spans()  # from here on Dask notes them

    # what a busy machine adds between the parts is neither: only the two are compared
    unpacked = shares_of(pool, lambda heavy: heavy.seconds, [Heavy(0.2)] * 8)
    computed = shares_of(pool, lambda seconds: _slowly(seconds).seconds, [0.2] * 8)

    assert unpacked.told_by == computed.told_by == "dask"
    assert unpacked.unpack > unpacked.compute
    assert computed.compute > computed.unpack
    for shares in (unpacked, computed):
        parts = (
            shares.compute, shares.transfer, shares.unpack, shares.serial, shares.imbalance,
            shares.scheduling,
        )  # fmt: skip
        assert sum(parts) == pytest.approx(1.0)
        product = shares.load_balance * shares.serialisation * shares.moving
        assert product == pytest.approx(shares.compute)


def test_parts_on_a_far_cluster_are_told_by_its_timings(given):
    large = np.random.default_rng(0).random(4_000_000)
    pool = DaskPool(2, cluster=given, far=True)
    pool.take_spans()

    list(pool.map(lambda _, array=large: float(array[0]), range(2)))
    told = pool.take_spans()
    pool.close()

    assert {span.told_by for span in told} == {"dask"}


def test_without_dasks_timings_our_own_stand():
    parcels = [("a", [Span(worker="w", start_ns=0, end_ns=10, transfer_s=0.5)])]

    assert told_spans(parcels, {}) == tuple(parcels[0][1])
    assert parse_task_stream([{"key": "a", "startstops": []}, {"key": "b"}]) == {}
