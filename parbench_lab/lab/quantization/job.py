"""One run: a file of weights is quantised into another one, in memory or streamed.

Both modes cut the weights into the same pieces (whole rows, some megabytes) and give each of them
to `quantize_rows`; a row's codes depend on nothing but the row, so their files are the same, byte
by byte. They differ in what is held at once:

* *batch*: all layers are read into memory, then all are quantised, then all are written, each of
  the three by all threads;
* *streaming*: a thread reads a piece into its own buffer, quantises it and writes codes and
  scales to their places, then takes the next: in flight is one piece per thread. Nothing is mapped
  into memory, because mapped pages count as resident.
"""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UsageError
from parbench_lab.workloads.quantization import Scheme, quantize_rows
from parbench_lab.workloads.quantization.files import (
    FLOATS,
    ModelFile,
    Tensor,
    read_into,
    reserve,
    write_at,
)
from parbench_lab.workloads.quantization.layout import Layout, layout_of

PIECE_BYTES = 4 << 20
"""Of the weights of a piece: enough for one read, little enough to stay in a core's cache."""

Work = Callable[["Piece"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Wall time of a run in seconds.

    Parameters
    ----------
    time_s
        From the first byte read to the last one written (to the system's page cache: neither mode
        waits for the disk).
    read_s, compute_s, write_s
        Of it reading, quantising and writing; None where they happen at the same time.
    """

    time_s: float
    read_s: float | None = None
    compute_s: float | None = None
    write_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some rows of one matrix: its number, the first row, how many."""

    tensor: int
    first: int
    n_rows: int


def quantize_file(
    model: ModelFile,
    target: Path,
    scheme: Scheme,
    *,
    threads: int = 1,
    streaming: bool = False,
    piece_bytes: int = PIECE_BYTES,
) -> Phases:
    """Quantise a model into a new file; see the module for the two modes.

    Parameters
    ----------
    model
        As `read_safetensors` has it.
    target
        The new file; it gets its length at once, so a full disk is seen at the beginning.
    scheme
        How.
    threads
        That work at the same time, at least 1.
    streaming
        Whether to hold some pieces at a time instead of the whole model.
    piece_bytes
        Bytes of weights that are read or quantised at once (one row at least).

    Raises
    ------
    UsageError
        If there is nothing to quantise, or a weight is no finite number.
    OSError
        If a file cannot be read or written.
    """
    if threads < 1:
        raise UsageError(f"threads must be 1 or more but got {threads}")
    layout = layout_of(model, scheme)
    source = os.open(model.path, os.O_RDONLY)
    try:
        with target.open("xb") as file:
            reserve(file.fileno(), layout.n_bytes)
            job = _Job(
                weights=model.weights,
                layout=layout,
                scheme=scheme,
                threads=threads,
                source=source,
                target=file.fileno(),
                pieces=tuple(pieces_of(model.weights, piece_bytes)),
            )
            return job.stream() if streaming else job.batch()
    finally:
        os.close(source)


def pieces_of(weights: Sequence[Tensor], piece_bytes: int) -> Iterator[Piece]:
    """Yield the rows of matrices in pieces of at most so many bytes (one row at least)."""
    for number, one in enumerate(weights):
        n_rows = max(1, piece_bytes // (one.columns * one.item_bytes))
        for first in range(0, one.rows, n_rows):
            yield Piece(tensor=number, first=first, n_rows=min(n_rows, one.rows - first))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Open files, and how to work on them; `source` and `target` are descriptors."""

    weights: tuple[Tensor, ...]
    layout: Layout
    scheme: Scheme
    threads: int
    source: int
    target: int
    pieces: tuple[Piece, ...]

    # ------------------------------------------------------------ batch

    def batch(self) -> Phases:
        weights = self.weights
        start_ns = time.perf_counter_ns()
        raw = [np.empty((one.rows, one.columns * one.item_bytes), np.uint8) for one in weights]
        codes = [np.empty(one.shape, self.scheme.code_type) for one in self.layout.codes]
        scales = [np.empty(one.shape, np.float32) for one in self.layout.scales]

        def read(piece: Piece) -> None:
            self._read(piece, _rows(raw, piece))

        def compute(piece: Piece) -> None:
            self._quantize(piece, _rows(raw, piece), _rows(codes, piece), _rows(scales, piece))

        def write(piece: Piece) -> None:
            self._write(piece, _rows(codes, piece), _rows(scales, piece))

        laps_s = []
        for phase in (read, compute, write):
            lap_ns = time.perf_counter_ns()
            self._everywhere(functools.partial(_same, phase))
            laps_s.append((time.perf_counter_ns() - lap_ns) / 1e9)
        copy_ns = time.perf_counter_ns()
        self._write_rest()
        end_ns = time.perf_counter_ns()
        return Phases(
            time_s=(end_ns - start_ns) / 1e9,
            read_s=laps_s[0],
            compute_s=laps_s[1],
            write_s=laps_s[2] + (end_ns - copy_ns) / 1e9,
        )

    # ------------------------------------------------------------ streaming

    def stream(self) -> Phases:
        start_ns = time.perf_counter_ns()
        self._everywhere(self._streamer)
        self._write_rest()
        return Phases(time_s=(time.perf_counter_ns() - start_ns) / 1e9)

    def _streamer(self) -> Work:
        """Return what one thread does with a piece; its buffers fit the largest one."""
        weights = self.weights
        sizes = [(piece.n_rows, weights[piece.tensor]) for piece in self.pieces]
        scheme = self.scheme
        buffers: tuple[NDArray[Any], ...] = (
            np.empty(max(n * t.columns * t.item_bytes for n, t in sizes), np.uint8),
            np.empty(max(n * scheme.row_bytes(t.columns) for n, t in sizes), scheme.code_type),
            np.empty(max(n * scheme.groups(t.columns) for n, t in sizes), np.float32),
        )

        def work(piece: Piece) -> None:
            tensor = weights[piece.tensor]
            shapes = (
                (piece.n_rows, tensor.columns * tensor.item_bytes),
                (piece.n_rows, self.layout.codes[piece.tensor].columns),
                (piece.n_rows, self.layout.scales[piece.tensor].columns),
            )
            views = [
                buffer[: math.prod(shape)].reshape(shape)
                for buffer, shape in zip(buffers, shapes, strict=True)
            ]
            self._read(piece, views[0])
            self._quantize(piece, *views)
            self._write(piece, *views[1:])

        return work

    # ------------------------------------------------------------ both

    def _everywhere(self, make_work: Callable[[], Work]) -> None:
        """Do the work of all pieces, in every thread with what it makes for itself.

        Raises
        ------
        BaseException
            The first error of a thread; the others stop at their next piece.
        """
        left = _Shared(self.pieces)

        def thread() -> None:
            try:
                work = make_work()
                for piece in left:
                    work(piece)
            except BaseException:
                left.stop()
                raise

        with ThreadPoolExecutor(self.threads, thread_name_prefix="quantize") as pool:
            for done in [pool.submit(thread) for _ in range(self.threads)]:
                done.result()

    def _read(self, piece: Piece, raw: NDArray[Any]) -> None:
        tensor = self.weights[piece.tensor]
        place = tensor.offset + piece.first * tensor.columns * tensor.item_bytes
        read_into(self.source, raw, place)

    def _quantize(
        self, piece: Piece, raw: NDArray[Any], codes: NDArray[Any], scales: NDArray[Any]
    ) -> None:
        tensor = self.weights[piece.tensor]
        weights = raw.view(FLOATS[tensor.dtype])
        try:
            quantize_rows(weights, self.scheme, codes, scales)
        except UsageError as error:
            raise not_finite(tensor, piece, weights) or error from error

    def _write(self, piece: Piece, codes: NDArray[Any], scales: NDArray[Any]) -> None:
        for values, tensor in (
            (codes, self.layout.codes[piece.tensor]),
            (scales, self.layout.scales[piece.tensor]),
        ):
            row_bytes = tensor.n_bytes // tensor.rows
            write_at(self.target, values, tensor.offset + piece.first * row_bytes)

    def _write_rest(self) -> None:
        """Write the header, and what is not quantised."""
        write_at(self.target, self.layout.header, 0)
        for before, after in self.layout.copied:
            for begin in range(0, before.n_bytes, PIECE_BYTES):
                part = np.empty(min(PIECE_BYTES, before.n_bytes - begin), np.uint8)
                read_into(self.source, part, before.offset + begin)
                write_at(self.target, part, after.offset + begin)


class _Shared:
    """Pieces that several threads take from, each of them once."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._left = iter(pieces)
        self._lock = threading.Lock()
        self._stopped = False

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        with self._lock:
            if self._stopped:
                raise StopIteration
            return next(self._left)

    def stop(self) -> None:
        """Give out no further piece."""
        self._stopped = True


def not_finite(tensor: Tensor, piece: Piece, weights: NDArray[Any]) -> UsageError | None:
    """Return the error for a piece with a weight that is no finite number, None without one."""
    if tensor.dtype == "BF16":
        weights = (weights.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        places = np.argwhere(~np.isfinite(weights.astype(np.float32)))
    if not len(places):
        return None
    row, column = places[0].tolist()
    weight = weights[row, column]
    beyond = ", which float32 does not hold" if np.isfinite(weight) else ""
    return UsageError(
        f"tensor {tensor.name!r}: weights must be finite but row {piece.first + row}, column "
        f"{column} is {weight}{beyond}: repair it or leave the tensor out"
    )


def _same(work: Work) -> Work:
    return work


def _rows(arrays: Sequence[NDArray[Any]], piece: Piece) -> NDArray[Any]:
    return arrays[piece.tensor][piece.first : piece.first + piece.n_rows]
