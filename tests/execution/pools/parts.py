"""Functions that parts are made of, importable here and in workers."""

import os
import threading
import time
from pathlib import Path

import numpy as np

LIMIT_S = 120.0


class Unhappy(Exception):  # noqa: N818 - a name of a user
    """Cannot be made again by calling it with its arguments."""

    def __init__(self, code, words):
        super().__init__(f"{code}: {words}")
        self.code = code


class Sealed(Exception):  # noqa: N818
    """Cannot be pickled at all."""

    def __init__(self, words):
        super().__init__(words)
        self.lock = threading.Lock()


def meets(number, folder, needed):
    """Leave a file; the part with number 0 ends when so many others have left theirs."""
    Path(folder, str(number)).touch()
    if number == 0:
        awaits(folder, needed + 1)
    return number


def awaits(folder, count):
    """Return when there are so many files."""
    end_s = time.monotonic() + LIMIT_S
    while len(os.listdir(folder)) < count:  # noqa: PTH208 - quick
        if time.monotonic() > end_s:
            raise TimeoutError(f"{len(os.listdir(folder))} of {count} parts came")  # noqa: PTH208


def blas_threads(_):
    import threadpoolctl

    np.ones((4, 4)) @ np.ones((4, 4))
    return [library["num_threads"] for library in threadpoolctl.threadpool_info()]


def described(array):
    """Return what an array is to its worker, and a number of its content."""
    return (
        type(array).__name__,
        array.flags.writeable,
        bool(array.flags.f_contiguous),
        array.dtype.str,
        array.shape,
        float(np.asarray(array, dtype=float).sum()),
    )
