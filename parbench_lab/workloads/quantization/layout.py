"""A quantised model as a ``.safetensors`` file: every place is known before a weight is read.

For a matrix ``NAME`` of (rows, columns) the file has ``NAME.scales`` (float32, (rows, groups))
and ``NAME.codes`` (int8, or packed uint8); what is not quantised is there under its own name.
Scales come first and codes last, so that all of them begin where their type may. The metadata
names scheme and shapes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.errors import UsageError
from parbench_lab.workloads.quantization.files import (
    ModelFile,
    Tensor,
    placed,
    read_into,
    read_safetensors,
)
from parbench_lab.workloads.quantization.schemes import Quantized, Scheme, empty

CODES, SCALES = ".codes", ".scales"
_ABOUT = "quantization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything goes in the file of a quantised model.

    Parameters
    ----------
    header
        The file's first bytes.
    codes, scales
        Of each quantised tensor, in the order of `ModelFile.weights`.
    copied
        What is taken over as it is: from, to.
    n_bytes
        Of the whole file.
    """

    header: bytes
    codes: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]
    copied: tuple[tuple[Tensor, Tensor], ...]
    n_bytes: int


def layout_of(model: ModelFile, scheme: Scheme) -> Layout:
    """Return the layout of a model quantised by a scheme.

    Raises
    ------
    UsageError
        If the file has nothing to quantise, or its names collide with those of codes and scales.
    """
    weights = model.weights
    if not weights:
        raise UsageError(
            f"model {model.path}: has no matrix of F64, F32, F16 or BF16, so nothing to quantise"
        )
    others = [one for one in model.tensors if not one.is_weights]
    others.sort(key=lambda one: -one.item_bytes)
    scales = [_scales(one, scheme) for one in weights]
    codes = [_codes(one, scheme) for one in weights]
    header, places = placed(
        [*(one for one in others if one.item_bytes >= 4), *scales,
         *(one for one in others if one.item_bytes < 4), *codes],
        {"format": "parbench", _ABOUT: _about(weights, scheme)},
    )  # fmt: skip
    found = {one.name: one for one in places}
    return Layout(
        header=header,
        codes=tuple(found[one.name] for one in codes),
        scales=tuple(found[one.name] for one in scales),
        copied=tuple((one, found[one.name]) for one in others),
        n_bytes=len(header) + sum(one.n_bytes for one in places),
    )


def _codes(weights: Tensor, scheme: Scheme) -> Tensor:
    return Tensor(
        name=weights.name + CODES,
        dtype="I8" if scheme.bits == 8 else "U8",
        shape=(weights.rows, scheme.row_bytes(weights.columns)),
    )


def _scales(weights: Tensor, scheme: Scheme) -> Tensor:
    return Tensor(
        name=weights.name + SCALES,
        dtype="F32",
        shape=(weights.rows, scheme.groups(weights.columns)),
    )


def _about(weights: tuple[Tensor, ...], scheme: Scheme) -> str:
    return json.dumps(
        {
            "bits": scheme.bits,
            "group_size": scheme.group_size,
            "scheme": scheme.name,
            "shapes": {one.name: list(one.shape) for one in weights},
        }
    )


# ---------------------------------------------------------------- to read


def read_quantized(
    path: Path, names: Collection[str] | None = None
) -> Iterator[tuple[str, Quantized]]:
    """Yield name and codes of the quantised matrices of a file that was written here.

    Parameters
    ----------
    path
        Of the file.
    names
        Only these; all by default.

    Raises
    ------
    UsageError
        If it is none.
    """
    file = read_safetensors(path)
    told = _told(file)
    found = {one.name: one for one in file.tensors}
    scheme = Scheme(bits=told["bits"], group_size=told["group_size"])
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for name, shape in told["shapes"].items():
            if names is not None and name not in names:
                continue
            made = empty(tuple(shape), scheme)
            read_into(descriptor, made.codes, found[name + CODES].offset)
            read_into(descriptor, made.scales, found[name + SCALES].offset)
            yield name, made
    finally:
        os.close(descriptor)


def _told(file: ModelFile) -> Mapping[str, Any]:
    try:
        told: dict[str, Any] = json.loads(file.metadata[_ABOUT])
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"model {file.path}: was not quantised here (its metadata has no {_ABOUT!r})"
        ) from error
    return told
