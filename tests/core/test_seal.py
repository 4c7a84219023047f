"""Seals: who changed data is found out, at the price of pickling them once."""

import copyreg
import threading
import tracemalloc

import numpy as np
import pytest

from parbench_lab.core.seal import Seal


def change_array(case):
    case["x"][1] = 7.0


def change_order(case):
    case["names"].sort()


def change_object(case):
    case["own"].seen = True


class Own:
    """Of this module, so that it can be pickled."""


def foreign():
    """Return an object of a class that no import finds, as a notebook's is."""
    return type("Unfound", (), {"__module__": "a_cell_of_a_notebook"})()


@pytest.mark.parametrize("make", [Own, foreign], ids=["importable", "of a notebook"])
@pytest.mark.parametrize("change", [change_array, change_order, change_object])
def test_a_seal_is_broken_by_whatever_changes_the_data(make, change):
    case = {"x": np.zeros(3), "names": ["b", "a"], "own": make()}
    seal = Seal.of(case)

    assert seal.is_intact(case)
    change(case)
    assert not seal.is_intact(case)


def test_data_that_cannot_be_pickled_are_taken_as_they_are():
    case = [threading.Lock(), 1]
    seal = Seal.of(case)

    case[1] = 2

    assert seal.digest is None
    assert seal.is_intact(case)


class Counting:
    """Counts how often it is pickled."""

    def __init__(self):
        self.n_pickled = 0

    def __reduce__(self):
        self.n_pickled += 1
        return Counting, ()


def test_what_pickles_by_names_alone_is_pickled_once_for_a_look():
    case = [Counting(), foreign()]
    seal = Seal.of(case)
    before = case[0].n_pickled

    assert seal.is_intact(case)
    assert case[0].n_pickled == before + 1


class Registered:
    """Pickled by what is registered for it, long after seals were first known."""

    def __init__(self, values):
        self.values = values

    def __reduce_ex__(self, _protocol):
        raise TypeError("by its reducer only")


def test_what_only_a_registered_reducer_can_pickle_is_sealed(monkeypatch):
    reducers = {**copyreg.dispatch_table, Registered: lambda one: (Registered, (one.values,))}
    monkeypatch.setattr(copyreg, "dispatch_table", reducers)
    data = Registered([3, 1, 2])
    seal = Seal.of(data)

    assert seal.is_intact(data)
    data.values.sort()
    assert not seal.is_intact(data)


def test_a_mapped_array_and_a_long_text_are_sealed_without_a_copy(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(2_000_000.0))
    data = {"mapped": np.load(tmp_path / "a.npy", mmap_mode="c"), "text": "x" * 1_000_000}
    tracemalloc.start()
    seal = Seal.of(data)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 4_000_000  # 17 MB are sealed
    assert seal.is_intact(data)
    data["mapped"][7] = -1.0
    assert not seal.is_intact(data)
