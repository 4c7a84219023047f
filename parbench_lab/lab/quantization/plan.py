"""What a study is going to measure: models by name, configurations, and whether they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from parbench_lab.analysis.quantization.results import Asked
from parbench_lab.analysis.quantization.runs import Configuration, checked_threads
from parbench_lab.core.given import checked_count, is_list
from parbench_lab.core.wording import memory
from parbench_lab.errors import UsageError
from parbench_lab.workloads.quantization import Scheme
from parbench_lab.workloads.quantization.files import (
    FLOATS,
    ModelFile,
    Tensor,
    read_safetensors,
    tensors_of_npz,
)
from parbench_lab.workloads.quantization.layout import layout_of
from parbench_lab.workloads.quantization.models import (
    COMPARISON,
    ModelShape,
    model_shape,
    titled,
)

Mode = Literal["auto", "batch", "streaming"]
MOST_REPEATS = 1000
DEFAULT_SIZE = "100M"
"""The synthetic model of the core scaling, where none is given."""

T = TypeVar("T")

PROCESS_BYTES = 300 << 20
"""Of a process with its libraries, roughly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that is measured: a synthetic one, or a file of the user's.

    Parameters
    ----------
    name, title
        As it is asked for; and with its number of parameters.
    shape
        Of a synthetic one; None for a file.
    path
        Of the file; None for a synthetic one.
    n_weights, n_bytes
        Numbers that are quantised; bytes of all tensors.
    result_bytes
        Of the quantised file.
    """

    name: str
    title: str
    shape: ModelShape | None = None
    path: Path | None = None
    n_weights: int
    n_bytes: int
    result_bytes: int

    @property
    def batch_bytes(self) -> int:
        """Memory that batch mode needs, roughly."""
        return self.n_bytes + self.result_bytes + PROCESS_BYTES

    @property
    def disk_bytes(self) -> int:
        """Disk that a study needs for it at once: a copy of the weights, and the result."""
        in_place = self.path is not None and self.path.suffix != ".npz"
        return self.result_bytes + (0 if in_place else self.n_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Models and configurations of a study, in the order in which models are measured."""

    asked: Asked
    scheme: Scheme
    repeats: int
    seed: int
    models: tuple[Model, ...]
    configurations: tuple[Configuration, ...]
    notes: tuple[str, ...] = ()

    def of_model(self, model: Model) -> tuple[Configuration, ...]:
        """Return the configurations of one model."""
        return tuple(one for one in self.configurations if one.model == model.name)


def synthetic(shape: ModelShape, scheme: Scheme) -> Model:
    """Return a synthetic model."""
    tensors = [
        Tensor(name=f"layers.{number}.weight", dtype="F32", shape=matrix)
        for number, matrix in enumerate(shape.matrices)
    ]
    file = ModelFile(path=Path(shape.name), tensors=tuple(tensors), metadata={})
    return Model(
        name=shape.name,
        title=shape.title,
        shape=shape,
        n_weights=shape.n_weights,
        n_bytes=shape.n_bytes,
        result_bytes=layout_of(file, scheme).n_bytes,
    )


def from_file(path: Path, scheme: Scheme) -> Model:
    """Return the model of a ``.safetensors`` or ``.npz`` file; no tensor is read.

    Raises
    ------
    UsageError
        If it is neither, is broken, or has nothing to quantise.
    """
    if path.suffix == ".safetensors":
        file = read_safetensors(path)
    elif path.suffix == ".npz":
        file = ModelFile(path=path, tensors=tensors_of_npz(path), metadata={})
    else:
        kinds = ", ".join(FLOATS)
        raise UsageError(f"model {path}: give a .safetensors or .npz file with {kinds} matrices")
    return Model(
        name=path.name,
        title=titled(path.name, file.n_weights),
        path=path.absolute(),
        n_weights=file.n_weights,
        n_bytes=file.n_bytes,
        result_bytes=layout_of(file, scheme).n_bytes,
    )


def make_plan(
    *,
    model: Path | None,
    model_size: str | None,
    cores: Sequence[int],
    model_sizes: Sequence[str],
    streaming_comparison: bool,
    threads: int,
    scheme: Scheme,
    repeats: int,
    seed: int,
    mode: Mode,
    memory_bytes: int,
    comparison: ModelShape = COMPARISON,
) -> Plan:
    """Return the plan that a user means; parameters as for `QuantizationStudy`.

    Parameters
    ----------
    memory_bytes
        Free memory: batch mode must fit.

    Raises
    ------
    UsageError
        If something is out of range or not of its kind, two models are given for the core
        scaling, or batch mode was asked for and does not fit.
    """
    repeats = checked_count(repeats, "repeats", most=MOST_REPEATS)
    if mode not in get_args(Mode):
        raise UsageError(f"mode must be one of {', '.join(get_args(Mode))} but got {mode!r}")
    threads = checked_threads(threads)
    cores = sorted({checked_threads(n) for n in _listed(cores, "cores", [1, 2, 4])})
    model_sizes = checked_sizes(model_sizes)
    if model is not None and model_size is not None:
        raise UsageError(
            f"the core scaling is of one model but got the file {model} and the size "
            f"{model_shape(model_size).title}; leave one out, or measure the size with "
            f"--model-sizes {model_size}"
        )
    user = None if model is None else from_file(model, scheme)
    scaled = user or synthetic(
        model_shape(DEFAULT_SIZE if model_size is None else model_size), scheme
    )
    swept = [synthetic(model_shape(name), scheme) for name in dict.fromkeys(model_sizes)]
    compared = user or synthetic(comparison, scheme)
    chosen = _Chooser(scheme=scheme, mode=mode, memory_bytes=memory_bytes)
    planned = [chosen.configuration(scaled, n) for n in cores]
    planned += [chosen.configuration(one, threads) for one in swept]
    if streaming_comparison:
        chosen.require_batch(compared, "compare smaller models (--model FILE)")
        planned += [_configuration(compared, scheme, threads, streaming=s) for s in (False, True)]
    if not planned:
        raise UsageError("nothing to measure: give --cores, --model-sizes or another part")
    models = {one.name: one for one in (scaled, *swept, compared)}
    names = list(dict.fromkeys(one.model for one in planned))
    return Plan(
        asked=Asked(
            scaling_model=scaled.name if cores else "",
            cores=tuple(cores),
            size_models=tuple(one.name for one in swept),
            comparison_model=compared.name if streaming_comparison else "",
            threads=threads,
        ),
        scheme=scheme,
        repeats=repeats,
        seed=seed,
        models=tuple(models[name] for name in names),
        configurations=tuple(dict.fromkeys(planned)),
        notes=tuple(chosen.notes),
    )


class _Chooser:
    """Chooses the mode of each configuration, and remembers why."""

    def __init__(self, *, scheme: Scheme, mode: Mode, memory_bytes: int) -> None:
        self._scheme = scheme
        self._mode = mode
        self._memory_bytes = memory_bytes
        self.notes: dict[str, None] = {}

    def configuration(self, model: Model, threads: int) -> Configuration:
        """Return a model's configuration: batch where it fits, unless a mode was asked for."""
        streaming = self._mode == "streaming"
        if self._mode == "batch":
            self.require_batch(model, "stream it (--mode streaming)")
        elif not streaming and model.batch_bytes > self._memory_bytes:
            streaming = True
            self.notes[f"{self._why(model)}: it was streamed"] = None
        return _configuration(model, self._scheme, threads, streaming=streaming)

    def require_batch(self, model: Model, instead: str) -> None:
        """Raise unless the model fits into memory, with what to do instead."""
        if model.batch_bytes > self._memory_bytes:
            raise UsageError(f"{self._why(model)}: {instead}")

    def _why(self, model: Model) -> str:
        return (
            f"model {model.title} needs {memory(model.batch_bytes)} of memory in batch mode but "
            f"{memory(self._memory_bytes)} are free"
        )


def _configuration(
    model: Model, scheme: Scheme, threads: int, *, streaming: bool
) -> Configuration:
    return Configuration(
        model=model.name,
        title=model.title,
        n_weights=model.n_weights,
        scheme=scheme.name,
        threads=threads,
        streaming=streaming,
    )


def checked_sizes(model_sizes: Sequence[str]) -> tuple[str, ...]:
    """Return a list of model sizes; whether there are such models is asked later.

    Raises
    ------
    UsageError
        If it is no list.
    """
    return _listed(model_sizes, "model_sizes", ["100M", "600M"])


def _listed(given: Sequence[T], what: str, such_as: Sequence[T]) -> tuple[T, ...]:
    """Return a list that was given; a word is a sequence too, but of letters."""
    if not is_list(given):
        raise UsageError(f"{what} must be a list such as {such_as} but got {given!r}")
    return tuple(given)
