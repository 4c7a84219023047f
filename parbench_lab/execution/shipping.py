"""How candidates and workloads get to workers: pickled once, by value where they must be."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import site
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
        words = in_words(error)
        try:
            # the workers may have what does not travel; where they have not, this is the reason
            data = cloudpickle.dumps(ByName(cloudpickle.dumps(thing, protocol=5), words))
        except Exception:  # noqa: BLE001 - the first error is the one to tell
            raise UsageError(
                f"{what} cannot be sent to the workers ({words}); "
                "do not close over open files, locks or connections: make them inside the "
                "function, or give 'package.module:function'"
            ) from error
    return Payload(digest=hashlib.blake2b(data, digest_size=16).hexdigest(), data=data)


def load(data: bytes) -> Any:
    """Return what was shipped; in a worker.

    Raises
    ------
    ImportError
        If this process lacks what was sent by name only, with what to do about it.
    Exception
        Whatever else the thing's own code raises.
    """
    try:
        return cloudpickle.loads(data)
    except (ImportError, AttributeError) as error:
        if not _is_missing(error):
            raise
        raise ImportError(
            f"{error}; install it on the workers, or client.upload_file(...); what is under "
            "functools.cache is sent by name only"
        ) from error


def _is_missing(error: Exception) -> bool:
    """Return whether unpickling did not find a thing by its name: no fault of its own code."""
    return isinstance(error, ModuleNotFoundError) or "Can't get attribute" in str(error)


class ByName:
    """Something that went by name, for by value it could not: unpickled it is the thing itself.

    Parameters
    ----------
    data
        The thing, pickled by name.
    why
        Why it could not go by value; told where unpickling does not find it.
    """

    def __init__(self, data: bytes, why: str) -> None:
        self._given = data, why

    def __reduce__(self) -> tuple[Any, tuple[bytes, str]]:
        return _found_by_name, self._given


def in_words(error: Exception) -> str:
    """Return an error as one line of at most 300 characters."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _found_by_name(data: bytes, why: str) -> Any:
    try:
        return cloudpickle.loads(data)
    except (ImportError, AttributeError) as error:
        if not _is_missing(error):
            raise
        told = f"{error} (it was sent by name, for by value: {why})"
        raise ModuleNotFoundError(told) from error


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
    roots = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    # a distribution's own packages, and those of `pip install --user`
    roots += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(str(Path(root)) for root in roots)


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
