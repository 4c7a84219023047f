"""What goes over a pool's borders, pickled: functions and items out, values and errors back."""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

import cloudpickle
import numpy as np

from parbench_lab.errors import UsageError
from parbench_lab.execution.pools.arrays import open_array
from parbench_lab.execution.pools.jobs import Answer
from parbench_lab.execution.pools.shelf import LARGE_BYTES, Hold, Shelf, Slip
from parbench_lab.execution.shipping import ByName, by_value, in_words

KEPT_COUNTS = 64
_TOLD_BYTES = 300
_nothing_travels: dict[tuple[int, bool], bool] = {}
"""Whether every module can be imported elsewhere, by how many are loaded: looking takes 5 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Pickled bytes, and the arrays that were left out of them."""

    data: bytes
    slips: tuple[Slip, ...] = ()
    holds: tuple[Hold, ...] = ()

    def release(self) -> None:
        """Let go of the arrays."""
        for hold in self.holds:
            hold.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A map's function, pickled, and what to call it."""

    name: str
    packed: Packed


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, with large arrays on a shelf."""

    def __init__(self, file: io.BytesIO, shelf: Shelf, job: int) -> None:
        super().__init__(file, protocol=5)
        self._shelf = shelf
        self._job = job
        self.slips: list[Slip] = []
        self.holds: list[Hold] = []

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) in (np.ndarray, np.memmap):
            if thing.nbytes >= LARGE_BYTES and not thing.dtype.hasobject:
                placed = self._shelf.place(thing, self._job)
                if placed is not None:
                    self.slips.append(placed[0])
                    self.holds.append(placed[1])
                    return open_array, (placed[0],)
            return np.asarray(thing).__reduce_ex__(5)
        return super().reducer_override(thing)


class _Unmapper(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle for results: what is mapped here is an array of its own where it arrives."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is np.memmap or (type(thing) is np.ndarray and not thing.flags.writeable):
            return np.array(thing).__reduce_ex__(5)
        return super().reducer_override(thing)


def pack(thing: Any, shelf: Shelf, *, job: int, what: str, same_files: bool) -> Packed:
    """Pickle a function or items for workers.

    Parameters
    ----------
    shelf
        Takes large arrays out.
    job
        Number of the map.
    what
        Names the thing in errors.
    same_files
        Whether workers import from the same files; where not, modules of the user travel too.

    Raises
    ------
    UsageError
        If it cannot be pickled.
    """
    try:
        return _packed(thing, shelf, job, same_files=same_files)
    except Exception as error:  # pickling runs the objects' own code
        words = " ".join(str(error).split())[:_TOLD_BYTES]
        raise UsageError(
            f"{what} cannot be sent to the workers ({type(error).__name__}: {words}); do not "
            "close over open files, locks, connections or pools: make them inside the function"
        ) from error


def _packed(thing: Any, shelf: Shelf, job: int, *, same_files: bool) -> Packed:
    key = (len(sys.modules), same_files)
    if _nothing_travels.get(key):
        return _dumped(thing, shelf, job)
    with by_value(same_files=same_files) as travelling:
        if len(_nothing_travels) > KEPT_COUNTS:
            _nothing_travels.clear()
        _nothing_travels[key] = not travelling
        if not travelling:
            return _dumped(thing, shelf, job)
        try:
            return _dumped(thing, shelf, job)
        except Exception as error:  # noqa: BLE001 - a module of theirs may hold what cannot travel
            why = in_words(error)
    found = _dumped(thing, shelf, job)
    # the workers may have what does not travel; where they have not, this is the reason
    return replace(found, data=cloudpickle.dumps(ByName(found.data, why)))


def _dumped(thing: Any, shelf: Shelf, job: int) -> Packed:
    file = io.BytesIO()
    packer = _Packer(file, shelf, job)
    try:
        packer.dump(thing)
    except BaseException:
        for hold in packer.holds:
            hold.release()
        raise
    return Packed(data=file.getvalue(), slips=tuple(packer.slips), holds=tuple(packer.holds))


def unpack(data: bytes | bytearray | memoryview) -> Any:
    """Return what was packed; in a worker."""
    return pickle.loads(data)  # noqa: S301 - from the process that started this one


def dump_answer(answer: Answer) -> memoryview:
    """Pickle an answer in a worker; one that cannot be pickled is an answer that says so."""
    if answer.error is None:
        try:
            return _dump(b"v", answer.value)
        except Exception as error:  # noqa: BLE001 - pickling runs the objects' own code
            words = " ".join(str(error).split())[:_TOLD_BYTES]
            answer = Answer(
                error=UsageError(
                    f"a result of type {type(answer.value).__name__} cannot be sent back "
                    f"({type(error).__name__}: {words}); return plain values and arrays"
                )
            )
    assert answer.error is not None  # noqa: S101 - an answer has one of the two
    return _dump_error(answer.error)


def load_answer(data: bytes | bytearray | memoryview) -> Answer:
    """Return the answer that a worker dumped."""
    view = memoryview(data)
    try:
        if bytes(view[:1]) == b"v":
            return Answer(value=pickle.loads(view[1:]))  # noqa: S301 - from our own worker
        return Answer(error=_load_error(view[1:]))
    except Exception as error:  # noqa: BLE001 - unpickling runs the objects' own code
        words = " ".join(str(error).split())[:_TOLD_BYTES]
        return Answer(
            error=UsageError(
                "a result cannot be unpickled in this process "
                f"({type(error).__name__}: {words}); return plain values and arrays"
            )
        )


def _dump(mark: bytes, thing: Any) -> memoryview:
    file = io.BytesIO()
    file.write(mark)
    _Unmapper(file, protocol=5).dump(thing)
    return file.getbuffer()


def _dump_error(error: BaseException) -> memoryview:
    """Pickle an exception by its own recipe; where that fails, as type, arguments and state.

    Many exceptions cannot be made again by calling their type with their arguments. The recipe is
    asked for here, because a library that Dask loads registers another one for all exceptions,
    which loses what is not in their arguments (the code of an exit).
    """
    kind, text = type(error), _text_of(error)
    told = "".join(traceback.format_exception(kind, error, error.__traceback__))
    own = {name: value for name, value in vars(error).items() if name != "__notes__"}
    for what in (None, (kind, error.args, own), (kind, (text,), {})):
        with contextlib.suppress(Exception):
            data = _dump(b"e", (what or error.__reduce__(), what is None, told))
            again = _load_error(data[1:])
            if type(again).__qualname__ == kind.__qualname__ and _text_of(again) == text:
                return data
    return _dump(b"e", ((RuntimeError, (f"{kind.__qualname__}: {text}",), {}), False, told))


def _load_error(data: bytes | memoryview) -> BaseException:
    (make, args, *states), by_recipe, told = pickle.loads(data)  # noqa: S301 - our own worker
    state: Any = states[0] if states else None
    error: BaseException
    if by_recipe:
        error = make(*args)
        if state:
            error.__setstate__(state)
    else:
        error = make.__new__(make, *args)
        error.args = args
        vars(error).update(state)
    error.add_note(f"in the worker:\n{told}")
    return error


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - somebody's own method
        return type(error).__name__


def name_of(function: Callable[..., Any]) -> str:
    """Return what to call a function in an error.

    Examples
    --------
    >>> name_of(len), name_of("text".join)
    ("the function 'len'", "the function 'join'")
    """
    if isinstance(function, MethodType):
        function = function.__func__
    name = getattr(function, "__name__", None) or type(function).__name__
    return f"the function {name!r}"
