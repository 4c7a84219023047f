"""Candidates that each do one thing no candidate should do, or one odd thing that is allowed."""

from __future__ import annotations

import collections
import ctypes
import itertools
import os
import random
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from tests.chaos.candidates import spend

PRINTED_BYTES = 90_000_000
"""In a run; nobody is out by evidence before its 12th, so that it is a gigabyte in a race."""

KEPT = []
"""What the leaking candidates never let go of."""
RUNS = collections.Counter()
"""How often a candidate ran in this process."""


class ListSumming:
    """Sum a list of whole numbers; every result is checked against its own reference."""

    name = "list_summing"

    def make_case(self, size, rng):
        return [int(number) for number in rng.integers(0, 100, size=size)]

    def check(self, case, result):
        if result != sum(case):
            raise ValueError(f"the sum is {sum(case)} but got {result}")


class Total(int):
    """A sum that refuses to be pickled."""

    def __reduce__(self):
        raise TypeError("a total is not pickled")


def raises(case):
    raise RuntimeError("the table 'prices' is empty")


def is_wrong(case):
    return case.sum() + 1


def wrong_from_its_20th_run(case):
    spend(0.001)
    RUNS["late"] += 1
    return case.sum() + (RUNS["late"] >= 20)


def wrong_in_1_of_100_cases(case):
    spend(0.001)
    total = int(case.sum())
    return total + (total % 100 == 7)


def returns_unpicklable(case):
    spend(0.006)
    return Total(case.sum())


def prints(case):
    spend(0.006)
    text = "x" * (PRINTED_BYTES // 9)
    print(text)  # noqa: T201 - the misdeed
    print(text, file=sys.stderr)  # noqa: T201 - the misdeed
    for descriptor in (1, 2) * 3:
        os.write(descriptor, text.encode())
    ctypes.CDLL(None).puts(text.encode())
    return case.sum()


def sleeps(case):
    threading.Event().wait()


def spins_in_python(case):
    while True:
        pass


def spins_in_c(case):
    """Consume an endless iterator in one call of C code, which never gives the GIL away."""
    collections.deque(itertools.repeat(None), maxlen=0)


def exits(case):
    os._exit(3)


def segfaults(case):
    ctypes.string_at(0)


def eats_memory(case):
    pieces = []
    while True:
        pieces.append(np.ones(64_000_000 // 8))


def leaks(case):
    KEPT.append(np.ones(10_000_000 // 8))
    return case.sum()


def changes_list(case):
    case.sort()
    return sum(case)


def changes_array(case):
    case[0] += 7
    return case.sum()


def changes_array_below(case):
    """Write through the buffer's address, where no flag of numpy is in the way."""
    ctypes.memset(case.ctypes.data, 0, 8)
    return case.sum()


def changes_environ(case):
    spend(0.006)
    os.environ["OMP_NUM_THREADS"] = "64"
    return case.sum()


def seeds_globally(case):
    spend(0.006)
    np.random.seed(0)  # noqa: NPY002, TID251 - the misdeed
    random.seed(0)
    return case.sum()


def changes_folder(case):
    spend(0.006)
    os.chdir(tempfile.gettempdir())
    return case.sum()


def wants_it_untouched(case):
    """Raise where another candidate's changes can be seen."""
    spend(0.003)
    if os.environ.get("OMP_NUM_THREADS") == "64":
        raise RuntimeError("another candidate's environment is here")
    if Path.cwd().samefile(tempfile.gettempdir()):
        raise RuntimeError("another candidate's working folder is here")
    return case.sum()


def leaves_idle_threads(case):
    spend(0.006)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return case.sum()


def burn():
    while True:
        pass


def leaves_burning_threads(case):
    threading.Thread(target=burn, daemon=True).start()
    return case.sum()


def unhurried(case):
    spend(0.008)
    return case.sum()


def very_unhurried(case):
    spend(0.012)
    return case.sum()


def list_sum(case):
    spend(0.002)
    return sum(case)


def slower_list_sum(case):
    spend(0.003)
    return sum(case)
