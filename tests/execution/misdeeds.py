"""Candidates of the fault tests: some behave, most do not."""

import ctypes
import os
import random
import re
import sys
import threading
import time
from pathlib import Path

import numpy as np

KEPT = []
RUNS = {"late": 0}


class Summing:
    """Add up an array of whole numbers."""

    name = "summing"

    def make_case(self, size, rng):
        return rng.integers(0, 100, size=size)

    def check(self, case, result):
        if int(result) != int(np.add.reduce(case)):
            raise ValueError(f"the sum is {int(np.add.reduce(case))} but got {result}")


class Listing(Summing):
    """The same with a list, which cannot be made read-only."""

    name = "listing"

    def make_case(self, size, rng):
        return [int(number) for number in rng.integers(0, 100, size=size)]

    def check(self, case, result):
        if result != sum(case):
            raise ValueError(f"the sum is {sum(case)} but got {result}")


def good(case):
    return sum(case)


def fine(case):
    return np.add.reduce(case)


def raises(case):
    raise RuntimeError("a misdeed\nin two lines")


def leaves(case):
    raise SystemExit("I quit")


def is_wrong(case):
    return sum(case) + 1


class CannotTravel(int):
    def __reduce__(self):
        raise TypeError("cannot be pickled")


def gives_unpicklable(case):
    return CannotTravel(sum(case))


def prints_a_lot(case):
    line = "x" * 1023 + "\n"
    for _ in range(25 * 1024):
        sys.stdout.write(line)
    for _ in range(25 * 1024):
        os.write(1, line.encode())
    return sum(case)


def sleeps(case):
    threading.Event().wait()


def spins(case):
    while True:
        pass


def holds_the_lock(case):
    return re.match("(a+)+$", "a" * 40 + "b")


def exits(case):
    os._exit(3)


def segfaults(case):
    ctypes.string_at(0)


def aborts(case):
    os.abort()


def takes_memory(case):
    return np.ones(1 << 40).sum()


def eats_memory(case):
    eaten = []
    while True:
        eaten.append(np.ones(1 << 20))


def leaks(case):
    KEPT.append(np.ones(40_000_000 // 8))
    return sum(case)


def changes_input(case):
    case[0] = 7
    return sum(case)


def sorts_input(case):
    total = sum(case)
    case.sort()
    return total


def sorts_input_late(case):
    RUNS["late"] += 1
    if RUNS["late"] > 2:
        case.sort()
    return sum(case)


def orders_input(case):
    if case == sorted(case):
        raise RuntimeError("the case was sorted by somebody")
    return sum(case)


def changes_environment(case):
    os.environ["MISDEED"] = "1"
    os.chdir("/")
    np.random.seed(1)  # noqa: NPY002, TID251 - a misdeed
    random.seed(1)
    return sum(case)


def leaves_idle_thread(case):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return sum(case)


def leaves_busy_thread(case):
    threading.Thread(target=spins, args=(case,), daemon=True).start()
    return sum(case)


def forks(case):
    pid = os.fork()
    if pid == 0:
        time.sleep(3600)
    return sum(case)


def tells_environment(case):
    if "MISDEED" in os.environ or Path.cwd() == Path("/"):
        raise RuntimeError("another candidate's environment")
    return sum(case)


def kills_itself(case):
    os.kill(os.getpid(), 9)
