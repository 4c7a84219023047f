"""Waiting for GPUs before a clock is read, and what a run took of their memory.

A call that launches kernels returns before they have run: a clock that is read then has measured
nothing. So the frameworks that candidates of this process have imported, and used on a GPU, are
waited for before every reading: CuPy, PyTorch and Numba by their own ``synchronize`` of the
current device, once after all calls of a measurement (as ``torch.utils.benchmark`` does); JAX,
which has no such thing, by ``block_until_ready`` of every result.

Nothing is imported and no CUDA context is made here. A process without these libraries pays one
look at how many modules are loaded (0.1 microseconds). Not run on a GPU: the tests play the
frameworks.

Of device memory each tells what it knows: PyTorch's allocator its peak, CuPy's pool what it grew
by, JAX's allocator the highest peak of its process so far (`memory_stats`; nothing sets it back,
so only a run that raises it tells). Numba allocates through the driver and counts nothing. What
NVML says of a process stands for none of them: it holds the CUDA context and what allocators keep
(JAX takes three quarters of the device at once), and it is sampled, not a peak.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from parbench_lab.execution.meters import PeakMeter

JAX = "jax"
_JAX_BACKENDS = "jax._src.xla_bridge"
"""Where JAX tells whether it uses a device yet; its public functions would make it do so."""

_JAX_GPUS = frozenset({"gpu", "cuda", "rocm"})
_Answer = TypeVar("_Answer")
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
        self._jax_before = (0.0, 0.0)
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
        self._jax_before = self._jax_bytes() or (0.0, 0.0)

    def end_memory(self) -> dict[str, float]:
        """Return metric name to bytes since `begin_memory`; empty where no framework tells.

        Where several do, they are added up.
        """
        told = [took for took in (self._by_torch(), self._by_cupy(), self._by_jax()) if took]
        if not told:
            return {}
        return {
            "peak_gpu_bytes": sum(peak_bytes for peak_bytes, _ in told),
            "peak_gpu_growth_bytes": sum(growth_bytes for _, growth_bytes in told),
        }

    def _by_torch(self) -> tuple[float, float] | None:
        """Return the peak of PyTorch's allocator and how far it lies above what was held."""
        torch = self._in_use().get("torch")
        if torch is None:
            return None
        peak_bytes = float(torch.cuda.max_memory_allocated())
        return peak_bytes, max(0.0, peak_bytes - self._held_bytes)

    def _by_cupy(self) -> tuple[float, float] | None:
        """Return what CuPy's pool holds and what it grew by; None unless emptied before and grown.

        It never shrinks during a run, so that is no less than the peak of what the run used.
        """
        cupy = self._in_use().get("cupy")
        if cupy is None or self._pool_bytes is None:
            return None
        total_bytes = float(cupy.get_default_memory_pool().total_bytes())
        grown_bytes = total_bytes - self._pool_bytes
        return (total_bytes, grown_bytes) if grown_bytes > 0 else None

    def _by_jax(self) -> tuple[float, float] | None:
        """Return the peak of JAX's allocator and how far above what was held, if it is a new one.

        A run that stays below an earlier one's peak is not measured: how far is not known.
        """
        found, (held_bytes, before_bytes) = self._jax_bytes(), self._jax_before
        if found is None or found[1] <= before_bytes:
            return None
        return found[1], max(0.0, found[1] - held_bytes)

    def _jax_bytes(self) -> tuple[float, float] | None:
        """Return what JAX holds on GPUs, and the most it ever did; None if it does not tell."""
        jax, backends = self._modules.get(JAX), self._modules.get(_JAX_BACKENDS)
        if jax is None or backends is None:
            return None
        return _answer(partial(_jax_in_use, jax, backends))

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
            if module is not None and name not in self._used and _answer(partial(is_used, module)):
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


def _jax_in_use(jax: Any, backends: Any) -> tuple[float, float] | None:
    """Return bytes in use and their highest number so far, over the GPUs that JAX uses."""
    if not backends.backends_are_initialized():
        return None
    gpus = [device for device in jax.local_devices() if device.platform in _JAX_GPUS]
    found = [device.memory_stats() for device in gpus]
    if not found:
        return None
    held_bytes = sum(float(stats["bytes_in_use"]) for stats in found)
    return held_bytes, sum(float(stats["peak_bytes_in_use"]) for stats in found)


def _answer(question: Callable[[], _Answer]) -> _Answer | None:
    """Return the answer; None of a library that is half imported, or finds no driver."""
    try:
        return question()
    except Exception:  # noqa: BLE001 - each has exceptions of its own for "no driver"
        return None
