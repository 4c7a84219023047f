"""Plays CuPy upon numpy: arrays that must be brought over and taken back, and a context."""

import numpy as np

_CONTEXTS = []
COPIES = []
"""Bytes of every array that was brought over."""


class ndarray:  # noqa: N801 - as the original is called
    def __init__(self, on_device):
        self._on_device = on_device

    def __matmul__(self, other):
        return ndarray(self._on_device @ other._on_device)

    def get(self):
        return self._on_device


def asarray(array):
    _CONTEXTS.append(True)
    COPIES.append(array.nbytes)
    return ndarray(np.array(array))


def get_default_memory_pool():
    return _Pool


class _Pool:
    @staticmethod
    def total_bytes():
        return sum(COPIES)

    @staticmethod
    def free_all_blocks():
        pass


class linalg:  # noqa: N801
    @staticmethod
    def norm(array, axis):
        return ndarray(np.linalg.norm(array._on_device, axis=axis))


class cuda:  # noqa: N801
    class driver:  # noqa: N801
        @staticmethod
        def ctxGetCurrent():  # noqa: N802
            return len(_CONTEXTS)

    class Device:
        def synchronize(self):
            pass
