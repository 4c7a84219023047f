"""One model on the bench: its file is made, then measured run after run, then looked at."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from parbench_lab.analysis.quantization.runs import Configuration, ModelError, QuantizationRun
from parbench_lab.errors import UsageError
from parbench_lab.hardware.cgroup import memory_room_bytes
from parbench_lab.lab.quantization import cache
from parbench_lab.lab.quantization.fresh import FULL, REFUSED, Answer, Measure, Request
from parbench_lab.lab.quantization.losses import model_error
from parbench_lab.lab.quantization.plan import Model
from parbench_lab.lab.quantization.scratch import no_room
from parbench_lab.workloads.quantization import Scheme
from parbench_lab.workloads.quantization.files import (
    ModelFile,
    npz_as_safetensors,
    read_safetensors,
)
from parbench_lab.workloads.quantization.synthetic import write_synthetic

_CHUNK_BYTES = 1 << 20


class ModelBench:
    """Measures one model; its file is made when this is made.

    Parameters
    ----------
    model
        Which.
    folder
        For its weights and results; empty.
    scheme, seed
        How it is quantised; of synthetic weights.
    measure
        Runs a request.
    tell
        Called with what is done now.

    Raises
    ------
    UsageError
        If its file is broken, or the disk is full.
    """

    def __init__(
        self,
        model: Model,
        folder: Path,
        *,
        scheme: Scheme,
        seed: int,
        measure: Measure,
        tell: Callable[[str], None],
    ) -> None:
        self._model = model
        self._scheme = scheme
        self._measure = measure
        self._tell = tell
        self._target = folder / "result.safetensors"
        self._digest = ""
        self.loss: ModelError | None = None
        """What it lost; None until a run was ok."""
        with _full_disk(folder, model):
            self._file = self._prepared(folder / "weights.safetensors", seed)
        self._is_warm = model.n_bytes + model.batch_bytes < free_memory_bytes()

    @property
    def note(self) -> str:
        """Where every run reads the weights from."""
        where = "in the page cache" if self._is_warm else "on disk and not in the page cache"
        return f"{self._model.title}: the weights are {where} before each run, in both modes"

    def run(self, configuration: Configuration, repetition: int) -> QuantizationRun:
        """Measure a configuration once.

        Raises
        ------
        UsageError
            If the model cannot be quantised, or the disk is full: another try would not help.
        """
        self._tell(configuration.name)
        if self._is_warm:
            cache.warm(self._file.path)
        else:
            cache.drop(self._file.path)
        try:
            answer = self._measure(self._request(configuration))
            return self._judged(configuration, repetition, answer)
        finally:
            self._target.unlink(missing_ok=True)

    def _request(self, configuration: Configuration) -> Request:
        return Request(
            model=self._file.path,
            target=self._target,
            bits=self._scheme.bits,
            group_size=self._scheme.group_size,
            threads=configuration.threads,
            streaming=configuration.streaming,
        )

    def _judged(
        self, configuration: Configuration, repetition: int, answer: Answer
    ) -> QuantizationRun:
        if answer.outcome == REFUSED:
            raise UsageError(answer.message)
        if answer.outcome == FULL:
            raise _full(self._target.parent, self._model)
        outcome, message, digest = answer.outcome, answer.message, ""
        if outcome == "ok":
            digest = digest_of(self._target)
            self._look(configuration, digest)
            if digest != self._digest:
                outcome, message = "differs", "its file is not the one that the first run wrote"
        return QuantizationRun(
            configuration=configuration,
            repetition=repetition,
            outcome=outcome,
            message=message,
            digest=digest,
            time_s=answer.time_s,
            read_s=answer.read_s,
            compute_s=answer.compute_s,
            write_s=answer.write_s,
            baseline_memory_bytes=answer.baseline_memory_bytes,
            peak_memory_bytes=answer.peak_memory_bytes,
        )

    def _look(self, configuration: Configuration, digest: str) -> None:
        """Take the first result as the one that all others must equal, and see what it lost."""
        if self._digest:
            return
        self._digest = digest
        self._tell(f"{self._model.title}: what it lost")
        self.loss = model_error(self._file, self._target, configuration)

    def _prepared(self, path: Path, seed: int) -> ModelFile:
        """Return the file of the model, which is made first unless it is the user's."""
        model = self._model
        if model.shape is not None:

            def told(done: int, of: int) -> None:
                self._tell(f"{model.title}: {done} of {of} layers are made")

            write_synthetic(path, model.shape, seed=seed, on_layer=told)
        elif model.path is not None and model.path.suffix == ".npz":
            self._tell(f"{model.title}: is unpacked")
            npz_as_safetensors(model.path, path)
        elif model.path is not None:
            path = model.path
        return read_safetensors(path)


def free_memory_bytes() -> int:
    """Return how much memory a process may still take here, by the system and control groups."""
    free = int(psutil.virtual_memory().available)
    room = memory_room_bytes()
    return free if room is None else min(free, room)


def digest_of(path: Path) -> str:
    """Return a digest of a file's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    buffer = bytearray(_CHUNK_BYTES)
    with path.open("rb", buffering=0) as file:
        while n_read := file.readinto(buffer):
            digest.update(memoryview(buffer)[:n_read])
    return digest.hexdigest()


@contextlib.contextmanager
def _full_disk(folder: Path, model: Model) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _full(folder, model) from error


def _full(folder: Path, model: Model) -> UsageError:
    free = shutil.disk_usage(folder).free
    return no_room(folder, model.disk_bytes, free, what=f"model {model.title}")
