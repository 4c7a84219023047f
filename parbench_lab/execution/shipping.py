"""How candidates and workloads get to workers: pickled once, by value where they must be."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from parbench_lab.core.candidate import Candidate, import_function
from parbench_lab.errors import UnknownNameError, UsageError

_REGISTRY = threading.Lock()
"""cloudpickle's list of modules to pickle by value belongs to the whole process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A pickled object and the digest of its content."""

    digest: str
    data: bytes


def ship(thing: Any, *, what: str, same_files: bool) -> Payload:
    """Pickle a workload or a candidate.

    Parameters
    ----------
    what
        Names the thing in errors.
    same_files
        Whether workers see this process's files under the same import path. Where they do, only
        what cannot be imported travels by value; where they do not, every module of the user.

    Raises
    ------
    UsageError
        If it cannot be pickled either way.
    """
    if not same_files:
        thing = _with_function(thing)
    try:
        with by_value(same_files=same_files):
            data = cloudpickle.dumps(thing, protocol=5)
    except Exception as error:  # noqa: BLE001 - pickling runs the objects' own code
        try:
            data = cloudpickle.dumps(thing, protocol=5)
        except Exception:  # noqa: BLE001 - the first error is the one to tell
            words = " ".join(str(error).split())[:300]
            raise UsageError(
                f"{what} cannot be sent to the workers ({type(error).__name__}: {words}); "
                "do not close over open files, locks or connections: make them inside the "
                "function, or give 'package.module:function'"
            ) from error
    return Payload(digest=hashlib.blake2b(data, digest_size=16).hexdigest(), data=data)


def _with_function(thing: Any) -> Any:
    """Return a candidate of an import string with its function, so that it can travel by value."""
    if not isinstance(thing, Candidate) or not isinstance(thing.function, str):
        return thing
    try:
        function = import_function(thing.function)
    except UnknownNameError:
        return thing  # the workers may have what we have not
    return Candidate(
        name=thing.name,
        function=function,
        parameters=thing.parameters,
        resources=thing.resources,
    )


@contextlib.contextmanager
def by_value(*, same_files: bool) -> Iterator[Sequence[ModuleType]]:
    """Let cloudpickle take the modules by value that workers cannot import; yields these."""
    with _REGISTRY:
        registered: list[ModuleType] = []
        listed = cloudpickle.list_registry_pickle_by_value()
        try:
            for name, module in list(sys.modules.items()):
                if name not in listed and _travels(name, module, same_files=same_files):
                    cloudpickle.register_pickle_by_value(module)
                    registered.append(module)
            yield registered
        finally:
            for module in registered:
                cloudpickle.unregister_pickle_by_value(module)


def _travels(name: str, module: Any, *, same_files: bool) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(module, ModuleType) or not isinstance(file, str) or name == "__main__":
        return False  # cloudpickle takes __main__ by value anyway
    if module.__name__ != name or name.partition(".")[0] in ("parbench_lab", "__mp_main__"):
        return False
    if file.startswith(_installed_roots()):
        return False
    return not same_files or not _is_importable(name, file)


@functools.cache
def _installed_roots() -> tuple[str, ...]:
    return tuple(
        str(Path(sysconfig.get_path(kind)))
        for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    )


def _is_importable(name: str, file: str) -> bool:
    """Return whether another process with this import path would find the same file."""
    top = name.partition(".")[0]
    if top != name and top in sys.modules:  # a submodule is found where its package is
        parent = getattr(sys.modules[top], "__file__", None)
        return not isinstance(parent, str) or _is_importable(top, parent)
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, None)
        except Exception:  # noqa: BLE001, S112 - somebody else's finder
            continue
        if spec is not None:
            return spec.origin == file
    return False
