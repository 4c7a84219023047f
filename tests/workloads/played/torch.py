"""Plays PyTorch upon numpy: tensors in main memory and on a device, which must not be mixed."""

import numpy as np

COPIES = []
"""Bytes of every tensor that was brought over."""


class Tensor:
    def __init__(self, values, device="cpu"):
        self._values = values
        self.device = device

    def to(self, device):
        COPIES.append(self._values.nbytes)
        return Tensor(np.array(self._values), device)

    def cpu(self):
        return Tensor(self._values)

    def detach(self):
        return self

    def numpy(self):
        if self.device != "cpu":
            raise TypeError("can't convert a tensor on the device to numpy; use Tensor.cpu()")
        return self._values

    def norm(self, dim):
        return Tensor(np.linalg.norm(self._values, axis=dim), self.device)

    def __matmul__(self, other):
        if self.device != other.device:
            raise RuntimeError("expected all tensors to be on the same device")
        return Tensor(self._values @ other._values, self.device)


def from_numpy(array):
    return Tensor(array)


class cuda:  # noqa: N801 - as the original is called
    @staticmethod
    def is_initialized():
        return bool(COPIES)

    @staticmethod
    def synchronize():
        pass

    @staticmethod
    def reset_peak_memory_stats():
        pass

    @staticmethod
    def memory_allocated():
        return sum(COPIES)

    @staticmethod
    def max_memory_allocated():
        return sum(COPIES)
