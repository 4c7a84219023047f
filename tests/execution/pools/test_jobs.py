"""How parts are handed out and answered; no workers, no time."""

import heapq

import numpy as np
import pytest

from parbench_lab.errors import ClusterError
from parbench_lab.execution.pools.jobs import Answer, Exchange, Results
from parbench_lab.execution.pools.packing import Packing


def simulated_s(durations_s, n_workers, *, ahead=1, packing=None):
    """Return when the last part of a map ends, with workers that only pass simulated time."""
    exchange = Exchange()
    exchange.post(abs, [(duration_s,) for duration_s in durations_s])
    free = [(0.0, slot, worker) for slot in range(ahead) for worker in range(n_workers)]
    ends_s = [0.0] * n_workers
    while free:
        now_s, slot, worker = heapq.heappop(free)

        def choose(job, left, busy=ends_s[worker] > now_s):
            return packing.choose(job, left, busy=busy) if packing else 1

        parcel = exchange.take(choose, wait=False)
        if parcel is None:
            continue
        spent_s = [item for (item,) in parcel.items]
        ends_s[worker] = max(now_s, ends_s[worker]) + sum(spent_s)
        if packing:
            packing.note(parcel.job.number, spent_s)
        heapq.heappush(free, (ends_s[worker], slot, worker))
    assert exchange.take(wait=False) is None
    return max(ends_s)


@pytest.mark.parametrize("n_workers", [2, 4, 8])
@pytest.mark.parametrize("shape", ["random", "rising", "falling", "one in ten"])
@pytest.mark.parametrize("way", ["one by one", "two ahead, packed"])
def test_a_tenfold_uneven_set_loses_at_most_15_percent(n_workers, shape, way):
    # whoever knows nothing of the parts may lose up to the longest of them: it must not be a
    # large share of the whole
    rng, count = np.random.default_rng(3), 40 * n_workers
    durations_s = {
        "random": rng.uniform(0.02, 0.2, count),
        "rising": np.linspace(0.02, 0.2, count),
        "falling": np.linspace(0.2, 0.02, count),
        "one in ten": np.where(np.arange(count) % 10 == 9, 0.2, 0.02),
    }[shape]
    options = {} if way == "one by one" else {"ahead": 2, "packing": Packing(2 * n_workers)}

    took_s = simulated_s(list(durations_s), n_workers, **options)

    assert took_s <= 1.15 * durations_s.sum() / n_workers


def test_the_simulation_sees_what_a_fixed_share_per_worker_would_lose():
    durations_s = np.linspace(0.02, 0.2, 80)

    shares = durations_s.reshape(4, 20).sum(axis=1)

    assert shares.max() > 1.15 * durations_s.sum() / 4


def test_parts_that_last_go_alone_and_tiny_ones_together():
    packing = Packing(4)

    packing.note(0, [1.0])
    alone = packing.choose(0, 1000)
    packing.note(1, [0.0001] * 10)

    assert alone == 1
    assert 1990 <= packing.choose(1, 100_000) <= 2000  # 0.2 s at most
    assert packing.choose(1, 8000) == 1000  # a share of what is left
    assert packing.choose(1, 8) == 4  # half for each worker: 50 ms are not there any more
    assert packing.choose(2, 1000) == 1  # another map: its parts are not known yet


def test_parts_near_the_end_go_together_unless_they_are_long():
    packing = Packing(4)

    packing.note(0, [0.01] * 5)
    together = [packing.choose(0, left) for left in (40, 12, 3)]
    packing.note(1, [0.03] * 5)
    long = [packing.choose(1, left) for left in (12, 4, 1)]

    assert together == [5, 5, 2]
    assert long == [2, 1, 1]


def test_the_last_long_parts_are_left_to_workers_that_are_free():
    exchange, packing = Exchange(), Packing(4)
    job = exchange.post(abs, [(number,) for number in range(5)])
    packing.note(job.number, [1.0])

    def busy(number, left):
        return packing.choose(number, left, busy=True)

    assert exchange.take(busy, wait=False).first == 0
    assert exchange.take(busy, wait=False).first == 1
    assert exchange.take(busy, wait=False).first == 2
    assert exchange.take(busy, wait=False) is None  # two are left for two workers
    assert exchange.take(packing.choose, wait=False).first == 3


def test_nothing_more_is_handed_out_after_a_part_that_raised():
    exchange = Exchange()
    job = exchange.post(abs, [(number,) for number in range(10)])
    first, second = exchange.take(), exchange.take()

    exchange.bring(second, [Answer(error=ValueError("no"))])

    assert exchange.take(wait=False) is None
    exchange.bring(first, [Answer(value=0)])
    assert exchange.answer(job, 0).value == 0
    assert isinstance(exchange.answer(job, 1).error, ValueError)
    assert exchange.answer(job, 2) is None


def test_the_first_of_two_exceptions_is_the_one_that_is_raised():
    exchange = Exchange()
    results = Results(exchange, exchange.post(abs, [(0,), (1,)]), lambda: None)
    first, second = exchange.take(), exchange.take()

    exchange.bring(second, [Answer(error=ValueError("later"))])
    exchange.bring(first, [Answer(error=ValueError("earlier"))])

    with pytest.raises(ValueError, match="earlier"):
        next(results)
    assert list(results) == []


def test_what_had_come_behind_one_that_did_not_is_not_lost():
    exchange = Exchange()
    job = exchange.post(abs, [(-1,), (-2,), (-3,), (-4,)])
    results = Results(exchange, job, lambda: None)
    first, *_, slow, quick = [exchange.take() for _ in range(4)]
    exchange.bring(first, [Answer(value=1)])
    exchange.bring(quick, [Answer(value=4)])

    assert next(results) == 1
    assert results.late() == {3: 4}
    exchange.bring(slow, [Answer(value=3)])
    assert results.late() == {3: 4}
    assert list(results) == []


def test_a_dropped_iterator_withdraws_its_map_and_says_so_once():
    exchange, ends = Exchange(), []
    results = Results(exchange, exchange.post(abs, [(0,), (1,)]), lambda: ends.append("end"))
    parcel = exchange.take()

    del results
    exchange.bring(parcel, [Answer(value=0)])  # for nobody

    assert ends == ["end"]
    assert exchange.take(wait=False) is None
    assert exchange.live() == frozenset()


def test_a_parcel_that_came_back_is_the_next_to_be_taken():
    exchange = Exchange()
    exchange.post(abs, [(0,), (1,)])
    parcel = exchange.take()

    exchange.give_back(parcel)

    again = exchange.take()
    assert (again.first, again.returned) == (0, 1)
    assert exchange.take().first == 1


def test_maps_are_served_in_the_order_they_began():
    exchange = Exchange()
    jobs = [exchange.post(abs, [(0,), (1,)]) for _ in range(2)]

    taken = [exchange.take().job for _ in range(4)]

    assert taken == [jobs[0], jobs[0], jobs[1], jobs[1]]


@pytest.mark.parametrize("ending", ["close", "fail"])
def test_who_waits_is_told_when_no_answer_can_come(ending):
    exchange = Exchange()
    job = exchange.post(abs, [(0,)])
    exchange.take()

    exchange.close() if ending == "close" else exchange.fail("all workers are gone")

    wanted = "closed" if ending == "close" else "all workers are gone"
    assert wanted in str(exchange.answer(job, 0).error)
    assert exchange.take() is None
    with pytest.raises(ClusterError, match=wanted):
        exchange.post(abs, [(1,)])


def test_who_is_not_in_use_gets_no_parcel_and_moves_up_when_another_leaves():
    exchange = Exchange()
    exchange.post(abs, [(number,) for number in range(9)])
    exchange.use(1)

    before = [exchange.take(worker=worker, wait=False) for worker in (1, 0, 2)]
    exchange.leave(0)
    after = [exchange.take(worker=worker, wait=False) for worker in (2, 1)]

    assert [parcel is not None for parcel in before] == [False, True, False]
    assert [parcel is not None for parcel in after] == [False, True]


def test_what_somebody_else_has_cut_is_not_packed_again():
    packing = Packing(4)
    packing.keep_whole(0)
    packing.note(0, [0.001])

    assert packing.choose(0, 1000) == 1
    packing.forget(0)
    assert packing.choose(0, 1000) > 1
