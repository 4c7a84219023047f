"""Candidates that behave, and candidates that do not."""

from __future__ import annotations

import ctypes
import os
import threading
import time

import numpy as np

KEPT = []
"""What the leaking candidate never lets go of."""


class Summing:
    """Sum the numbers of a case."""

    name = "chaos_summing"

    def make_case(self, size, rng):
        return rng.integers(0, 100, size=size)

    def check(self, case, result):
        if int(result) != int(np.add.reduce(case)):
            raise ValueError(f"the sum is {int(np.add.reduce(case))} but got {result}")


def spend(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def good(case):
    spend(0.002)
    return case.sum()


def slower(case):
    spend(0.003)
    return case.sum()


def slowest(case):
    spend(0.006)
    return case.sum()


class Sometimes:
    """A candidate that is right, until its own dice say otherwise."""

    def __init__(self, misdeed, chance, seed):
        self.misdeed = misdeed
        self.chance = chance
        self.rng = np.random.default_rng(seed)

    def __call__(self, case):
        spend(0.002)
        if self.rng.random() < self.chance:
            return self.misdeed(case)
        return case.sum()


def raises(case):
    raise RuntimeError("a misdeed")


def is_wrong(case):
    return case.sum() + 1


def sleeps(case):
    threading.Event().wait()


def spins(case):
    while True:
        pass


def exits(case):
    os._exit(3)


def segfaults(case):
    ctypes.string_at(0)


def takes_memory(case):
    return np.ones(1 << 40)


def leaks(case):
    KEPT.append(np.ones(10_000_000 // 8))
    return case.sum()


def changes_input(case):
    case[0] = 7
    return case.sum()


MISDEEDS = {
    function.__name__: function
    for function in (
        raises,
        is_wrong,
        sleeps,
        spins,
        exits,
        segfaults,
        takes_memory,
        leaks,
        changes_input,
    )
}
