"""Waiting for GPUs before a clock is read, and what a run took of their memory.

A call that launches kernels returns before they have run: a clock that is read then has measured
nothing. So the frameworks that candidates of this process have imported, and used on a GPU, are
waited for before every reading: CuPy, PyTorch and Numba by their own ``synchronize`` of the
current device, once after all calls of a measurement (as ``torch.utils.benchmark`` does); JAX,
which has no such thing, by ``block_until_ready`` of every result.

Nothing is imported and no CUDA context is made here. A process without these libraries pays one
look at how many modules are loaded (0.1 microseconds). Not run on a GPU: the tests play the
frameworks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from parbench_lab.execution.meters import PeakMeter

JAX = "jax"
_PLAIN = frozenset({"builtins", "numpy"})
"""Modules whose objects are there when a call has returned..."""

_CONTAINERS = (tuple, list, dict)
"""... but for these, which may hold others."""


def _cupy_is_used(cupy: Any) -> bool:
    return bool(cupy.cuda.driver.ctxGetCurrent())  # 0 while this thread has no context


def _torch_is_used(torch: Any) -> bool:
    return bool(torch.cuda.is_initialized())


def _numba_is_used(cuda: Any) -> bool:
    driver = cuda.cudadrv.driver.driver
    if not driver.is_initialized:  # asking for the context would initialise it
        return False
    with driver.get_active_context() as context:
        return bool(context)


_USED: Mapping[str, Callable[[Any], bool]] = {
    "cupy": _cupy_is_used,
    "torch": _torch_is_used,
    "numba.cuda": _numba_is_used,
}
"""Module name to whether it has a CUDA context in this process; asking makes none."""

_SYNCHRONISE: Mapping[str, Callable[[Any], None]] = {
    "cupy": lambda cupy: cupy.cuda.Device().synchronize(),
    "torch": lambda torch: torch.cuda.synchronize(),
    "numba.cuda": lambda cuda: cuda.synchronize(),
}
FRAMEWORKS = (*_USED, JAX)


class Devices:
    """The GPUs that candidates of this process use, through whatever they have imported.

    Parameters
    ----------
    modules
        The loaded modules by name; those of this process by default.

    Examples
    --------
    >>> devices = Devices({})
    >>> devices.synchronise(), devices.waiter(), devices.end_memory()
    (None, None, {})
    """

    def __init__(self, modules: Mapping[str, Any] | None = None) -> None:
        self._modules = sys.modules if modules is None else modules
        self._used: dict[str, Any] = {}
        self._absent_at = -1
        self._held_bytes = 0.0
        self._pool_bytes: float | None = None
        self.judged_by_memory = False
        """Whether somebody is judged by memory: then CuPy's pool is emptied before every run."""

    def synchronise(self) -> None:
        """Wait until the GPUs have done all that was asked of them.

        Raises
        ------
        Exception
            Whatever the framework raises: an error of a kernel shows here.
        """
        used = self._in_use()
        if used:
            for name, module in used.items():
                _SYNCHRONISE[name](module)

    def waiter(self) -> Callable[[Any], Any] | None:
        """Return what waits for a result and returns it; None where none is needed."""
        jax = self._modules.get(JAX)
        if jax is None:
            return None
        block = getattr(jax, "block_until_ready", None)  # absent while it is being imported
        return None if block is None else partial(_waited, block)

    def begin_memory(self, *, thorough: bool = False) -> None:
        """Begin to watch what this process is handed out of device memory.

        CuPy's pool is emptied of what earlier runs left in it, or their memory would be taken
        for this run's. The run then asks the driver anew, which takes time: so this is only done
        where the time does not count, or where somebody is judged by memory.

        Parameters
        ----------
        thorough
            Whether the time of the run does not count.
        """
        used = self._in_use()
        torch, cupy = used.get("torch"), used.get("cupy")
        if torch is not None:
            torch.cuda.reset_peak_memory_stats()
            self._held_bytes = float(torch.cuda.memory_allocated())
        self._pool_bytes = 0.0 if cupy is None else None  # unused so far: it holds nothing
        if cupy is not None and (thorough or self.judged_by_memory):
            pool = cupy.get_default_memory_pool()
            pool.free_all_blocks()
            self._pool_bytes = float(pool.total_bytes())

    def end_memory(self) -> dict[str, float]:
        """Return metric name to bytes since `begin_memory`; empty where no framework tells.

        PyTorch's allocator keeps its peak. CuPy's pool never shrinks during a run, so what it
        grew by is no less than the peak of what the run used; it tells only where it was emptied
        before and grew. Numba and JAX tell neither.
        """
        used = self._in_use()
        peak_bytes = growth_bytes = 0.0
        if "torch" in used:
            peak_bytes = float(used["torch"].cuda.max_memory_allocated())
            growth_bytes = max(0.0, peak_bytes - self._held_bytes)
        total_bytes, grown_bytes = self._pool_grown()
        if "torch" not in used and not grown_bytes:
            return {}
        return {
            "peak_gpu_bytes": peak_bytes + (total_bytes if grown_bytes else 0.0),
            "peak_gpu_growth_bytes": growth_bytes + grown_bytes,
        }

    def _pool_grown(self) -> tuple[float, float]:
        """Return what CuPy's pool holds and by what it grew, in bytes; (0, 0) if not watched."""
        cupy = self._in_use().get("cupy")
        if cupy is None or self._pool_bytes is None:
            return 0.0, 0.0
        total_bytes = float(cupy.get_default_memory_pool().total_bytes())
        return total_bytes, max(0.0, total_bytes - self._pool_bytes)

    def _in_use(self) -> Mapping[str, Any]:
        """Return the frameworks with a CUDA context here; one that has it keeps it."""
        n_modules = len(self._modules)
        if n_modules == self._absent_at:  # whoever imports a framework adds modules
            return self._used
        if self._modules.keys().isdisjoint(_USED):
            self._absent_at = n_modules
            return self._used
        for name, is_used in _USED.items():
            module = self._modules.get(name)
            if module is not None and name not in self._used and _says_yes(is_used, module):
                self._used[name] = module
        return self._used


class DevicePeak:
    """A meter of memory that also tells what a run took on the GPU.

    Parameters
    ----------
    inner
        Measures main memory.
    devices
        Those of this process.
    """

    def __init__(self, inner: PeakMeter, devices: Devices) -> None:
        self._inner = inner
        self._devices = devices

    def begin(self, resident_bytes: int, *, thorough: bool) -> None:
        """Start both; main memory last, so that the other is not in it."""
        self._devices.begin_memory(thorough=thorough)
        self._inner.begin(resident_bytes, thorough=thorough)

    def end(self) -> Mapping[str, float]:
        """Return what both tell."""
        values = self._inner.end()
        on_devices = self._devices.end_memory()
        return {**values, **on_devices} if on_devices else values

    def resident_bytes(self) -> int:
        """Return what the process holds of main memory."""
        return self._inner.resident_bytes()

    def close(self) -> None:
        """Close the inner meter."""
        self._inner.close()


def _waited(block: Callable[[Any], Any], result: Any) -> Any:
    """Wait for a result unless it is one that is there anyway; returns it."""
    kind = type(result)
    if kind.__module__ not in _PLAIN or isinstance(result, _CONTAINERS):
        block(result)
    return result


def _says_yes(question: Callable[[Any], bool], module: Any) -> bool:
    """Return the answer; a library that is half imported, or finds no driver, says no."""
    try:
        return question(module)
    except Exception:  # noqa: BLE001 - each has exceptions of its own for "no driver"
        return False
