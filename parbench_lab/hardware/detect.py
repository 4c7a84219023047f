"""Probing what this machine is. Slow changes only: its present state is in `condition`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parbench_lab.core.machine import BASE_LIBRARIES, Machine
from parbench_lab.hardware.accelerators import detect_accelerators
from parbench_lab.hardware.cgroup import read_text
from parbench_lab.hardware.gpus import detect_gpus
from parbench_lab.hardware.topology import parse_caches, parse_cpuinfo, read_caches

DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "ahocorasick": ("pyahocorasick",),
    "cupy": ("cupy", "cupy-cuda13x", "cupy-cuda12x"),
    "sklearn": ("scikit-learn",),
}
"""Under which names packages are installed whose modules are called otherwise."""


def detect_machine(libraries: Sequence[str] = ()) -> Machine:
    """Return hardware and software of this machine; takes about 0.1 s, most of it numpy's import.

    Parameters
    ----------
    libraries
        Names of packages whose versions tell machines apart, beside those that are always
        there: what a run's workload and candidates use (`core.libraries.libraries_of`). What
        else is installed does not count.

    Examples
    --------
    >>> machine = detect_machine()
    >>> machine == detect_machine() and len(machine.fingerprint)
    12
    """
    import numpy as np  # noqa: PLC0415 - heavy; who only counts cores does not pay for it
    import psutil  # noqa: PLC0415 - not needed by the pure functions here

    cpus = parse_cpuinfo(read_text(Path("/proc/cpuinfo")) or "")
    logical_cores = cpus.logical_cores or os.cpu_count() or 1
    physical_cores = cpus.physical_cores or psutil.cpu_count(logical=False) or None
    return Machine(
        cpu_model=cpus.model or platform.processor() or platform.machine(),
        physical_cores=physical_cores,
        logical_cores=logical_cores,
        smt=None if physical_cores is None else logical_cores > physical_cores,
        caches=parse_caches(read_caches()),
        memory_bytes=psutil.virtual_memory().total,
        os=_os_name(),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        blas=parse_blas(np.show_config(mode="dicts") or {}),
        gpus=(*detect_gpus(), *(found.name for found in detect_accelerators())),
        libraries=library_versions(importlib.metadata.version, further=libraries),
    )


def parse_blas(config: Mapping[str, Any]) -> str:
    """Return name and version of the linear algebra library numpy was built with.

    What happens to be loaded is not asked: it depends on what was imported before.

    Examples
    --------
    >>> parse_blas({"Build Dependencies": {"blas": {"name": "openblas", "version": "0.3.30"}}})
    'openblas 0.3.30'
    >>> parse_blas({})
    ''
    """
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', '')} {blas.get('version', '')}".strip()


def library_versions(
    version_of: Callable[[str], str], *, further: Sequence[str] = ()
) -> dict[str, str]:
    """Return the version of every library that is installed, of those that count.

    Parameters
    ----------
    version_of
        As `importlib.metadata.version`.
    further
        Names of packages or modules to ask for, beside those that are always there.
    """
    found = {}
    asked = (*BASE_LIBRARIES, *(n for name in further for n in DISTRIBUTIONS.get(name, (name,))))
    for name in sorted(set(asked)):
        try:
            found[name] = version_of(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
