"""Blocks come back in any order and are judged in the order of dispatch."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.core.measurement import BlockResult
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.racing.dispatch import Dispatcher, Wish
from parbench_lab.racing.ledger import Ledger
from parbench_lab.racing.roster import Entrant, Roster
from parbench_lab.racing.settings import Settings


def dispatcher(seed=0, names=("a", "b")):
    roster = Roster()
    for name in names:
        roster.enter(Entrant(name=name))
    return Dispatcher(workload="w", seed=seed, roster=roster), roster


def ledger(size=1000):
    return Ledger(batch_size=size, objectives=[WALL_TIME_S], settings=Settings())


def plans(made, book, count, names=("a", "b"), **wish):
    settings = Settings()
    return [
        made.new_plan(
            Wish(names=names, **wish),
            epoch=0,
            ledger=book,
            settings=settings,
            always_check=False,
        )
        for _ in range(count)
    ]


def result(number):
    return BlockResult(number=number, worker="w", measurements=())


@given(st.permutations(range(8)))
def test_whatever_the_order_of_arrival_blocks_are_judged_as_they_were_sent(arrivals):
    made, _ = dispatcher()
    plans(made, ledger(), 8)
    judged = []

    for number in arrivals:
        made.arrive(result(number))
        judged += [plan.block.number for plan, _ in made.judgeable()]

    assert judged == list(range(8))


def test_a_block_that_is_still_out_holds_back_those_after_it_only():
    made, _ = dispatcher()
    plans(made, ledger(), 3)

    made.arrive(result(0))
    made.arrive(result(2))

    assert [plan.block.number for plan, _ in made.judgeable()] == [0]
    assert made.waiting == 1


def test_a_void_block_holds_nobody_up():
    made, _ = dispatcher()
    old, new = ledger(), ledger(2000)
    plans(made, old, 1)
    plans(made, new, 1)

    made.give_back(0, wanted=new, settings=Settings())
    made.arrive(result(1))

    assert [plan.block.number for plan, _ in made.judgeable()] == [1]


def test_a_block_given_back_is_sent_again_without_those_who_are_out():
    made, roster = dispatcher()
    book = ledger()
    plans(made, book, 1)
    roster["b"].out = "fault"

    made.give_back(0, wanted=book, settings=Settings())
    (again,) = made.take_resends(10)

    assert [slot.candidate for slot in again.block.slots] == ["a"]
    assert again.block.number == 0


def test_a_block_that_was_to_run_alone_and_did_not_comes_back_into_company():
    made, _ = dispatcher()
    book = ledger()
    plans(made, book, 1, purpose="alone")

    made.give_back(0, wanted=book, settings=Settings())
    (again,) = made.take_resends(10)

    assert again.block.purpose == "race"


def test_a_scout_is_never_judged():
    made, _ = dispatcher()
    plans(made, ledger(), 1, purpose="scout")

    made.arrive(result(0))

    assert list(made.judgeable()) == []
    assert made.plan(0) is None


def test_the_same_seed_draws_the_same_blocks_and_another_one_others():
    first, again, other = (plans(dispatcher(seed)[0], ledger(), 20) for seed in (1, 1, 2))

    assert [p.block for p in first] == [p.block for p in again]
    assert [p.block for p in first] != [p.block for p in other]


def orders(made, count, names, **wish):
    """Return who runs when in so many blocks."""
    return [
        [(slot.candidate, slot.copy) for slot in plan.block.slots]
        for plan in plans(made, ledger(), count, names=names, **wish)
    ]


def test_neither_rank_nor_who_is_out_nor_practice_changes_the_order_of_the_others():
    everybody = ("a", "b", "c", "d")
    plain = orders(dispatcher(3, everybody)[0], 20, everybody)
    ranked = orders(dispatcher(3, everybody)[0], 20, ("d", "b", "a", "c"))
    busy, _ = dispatcher(3, everybody)
    plans(busy, ledger(), 5, names=("b",), purpose="scout")
    later = orders(busy, 20, everybody)
    fewer = orders(dispatcher(3, everybody)[0], 20, ("d", "b"), canary="d")

    assert ranked == plain
    assert later == plain
    kept = [[slot for slot in order if slot[0] in "bd"] for order in plain]
    assert [[slot for slot in order if slot != ("d", 1)] for order in fewer] == kept


def test_every_order_is_drawn_as_often_as_any_other():
    names = ("a", "b", "c")

    drawn = Counter(map(tuple, orders(dispatcher(7, names)[0], 6000, names)))

    assert len(drawn) == 6
    # 1000 of each are expected, with a standard deviation of 29
    assert all(880 < times < 1120 for times in drawn.values())


def test_the_canary_coin_tells_nothing_of_the_order():
    made = plans(dispatcher(5)[0], ledger(), 2000, canary="a")

    first = [next(s.copy for s in plan.block.slots if s.candidate == "a") for plan in made]
    same = sum(plan.counted_copy == copy for plan, copy in zip(made, first, strict=True))

    assert 880 < same < 1120
