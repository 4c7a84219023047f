"""Quantisation as a race: a layer's weights into int8 codes and scales, bit by bit as defined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.metric import Metric
from parbench_lab.core.scalable import Map, Scalable
from parbench_lab.errors import UsageError
from parbench_lab.workloads.agreement import read_only
from parbench_lab.workloads.members import members
from parbench_lab.workloads.quantization.blocked import quantize_blocks
from parbench_lab.workloads.quantization.compiled import quantize_compiled
from parbench_lab.workloads.quantization.definition import quantize_layer
from parbench_lab.workloads.quantization.peers import quantize_with_operators, quantize_with_tool
from parbench_lab.workloads.quantization.quality import quantization_error
from parbench_lab.workloads.quantization.quantizer import quantize
from parbench_lab.workloads.quantization.schemes import Codes, Floats, Quantized, Scheme, empty

# the smallest that is told apart: float32 itself rounds by about this
RELATIVE_L2 = Metric(name="relative_l2", unit="1", floor=1e-9)

LONGEST_ROW = 4096
PART_WEIGHTS = 2**20

Pair = tuple[Codes, Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """Weights to quantise.

    Parameters
    ----------
    weights
        float32 of shape ``(rows, columns)``, read-only.
    expected
        What the definition makes of them, for the check.
    """

    weights: Floats
    expected: Quantized

    @property
    def scheme(self) -> Scheme:
        """How to quantise: int8 per output channel."""
        return self.expected.scheme


class Quantization:
    """Quantise a layer of `size` weights to int8 per output channel (row).

    A result is the pair of codes (int8, of the weights' shape) and scales (float32, one per row),
    or a `Quantized`. Its error comes back as the metric ``relative_l2``.

    Examples
    --------
    >>> job = Quantization()
    >>> case = job.make_case(1000, np.random.default_rng(0))
    >>> job.check(case, numpy_blocked(case))["relative_l2"] < 0.03
    True
    >>> codes, scales = numpy_blocked(case)
    >>> job.check(case, (codes, scales * 2))
    Traceback (most recent call last):
    ...
    ValueError: scale of row 0, group 0 should be 0.05821944400668144 but is 0.11643888801336288
    """

    name = "quantization"
    default_batch_size = 1_000_000
    metrics = (RELATIVE_L2,)

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations whose libraries are installed."""
        runtime = ("onnx", "onnxruntime")
        return members(
            numpy_layer,
            numpy_blocked,
            numba_fused,
            onnxruntime_tool,
            onnxruntime_operators,
            needs={
                numba_fused: "numba",
                onnxruntime_tool: runtime,
                onnxruntime_operators: runtime,
            },
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Layer:
        """Return at least `size` weights in equal rows; see `made_weights`."""
        weights = made_weights(size, rng)
        return Layer(weights=weights, expected=quantize_layer(weights, Scheme()))

    def check(self, case: Layer, result: Any) -> dict[str, float]:
        """Raise unless codes and scales are the definition's bit by bit; return the error.

        A `Quantized` of another scheme is held to the definition of that scheme, so that schemes
        may race, too: their error is a metric.

        Raises
        ------
        ValueError
            Naming the first scale or code that differs.
        """
        found = _quantized(case, result)
        same = found.scheme == case.scheme
        expected = case.expected if same else quantize_layer(case.weights, found.scheme)
        _require_equal("scale", "group", found.scales, expected.scales)
        _require_equal("code", "byte", found.codes, expected.codes)
        return {"relative_l2": quantization_error(case.weights, found).relative_l2}


def numpy_layer(case: Layer) -> Pair:
    """Quantise with numpy, each step over the whole layer."""
    made = quantize_layer(case.weights, case.scheme)
    return made.codes, made.scales


def numpy_blocked(case: Layer) -> Pair:
    """Quantise with numpy, as many rows at a time as the cache holds."""
    made = empty(case.weights.shape, case.scheme)
    quantize_blocks(case.weights, case.scheme, made.codes, made.scales)
    return made.codes, made.scales


def numba_fused(case: Layer) -> Pair:
    """Quantise row by row with a compiled loop."""
    made = empty(case.weights.shape, case.scheme)
    quantize_compiled(case.weights, case.scheme, made.codes, made.scales)
    return made.codes, made.scales


def onnxruntime_tool(case: Layer) -> Pair:
    """Quantise with ONNX Runtime's own tool for weights."""
    return quantize_with_tool(case.weights)


def onnxruntime_operators(case: Layer) -> Pair:
    """Quantise with a graph of ONNX Runtime's compiled operators."""
    return quantize_with_operators(case.weights)


def made_weights(size: int, rng: np.random.Generator) -> Floats:
    """Return at least `size` weights in equal rows of at most 4096 columns, read-only.

    Normally distributed, rows of different spread, one weight in a thousand ten times as large,
    as in trained layers. Rows are made equal by less than one weight more in each.

    Examples
    --------
    >>> made_weights(1_000_000, np.random.default_rng(0)).shape
    (245, 4082)
    """
    rows = -(-size // LONGEST_ROW)
    columns = -(-size // rows)
    weights = rng.standard_normal((rows, columns), dtype=np.float32)
    weights *= np.exp(rng.standard_normal((rows, 1), dtype=np.float32) / 2)
    weights.reshape(-1)[rng.integers(0, weights.size, weights.size // 1000)] *= 10
    return read_only(weights)


def run(weights: Floats, *, map: Map) -> list[Pair]:
    """Return codes and scales of a layer, part by part, about a million weights each."""
    rows = len(weights)
    step = max(1, PART_WEIGHTS // weights.shape[1])
    firsts = list(range(0, rows, step))
    stops = [min(first + step, rows) for first in firsts]
    return list(map(partial(_part, weights), firsts, stops))


def scalable() -> Scalable:
    """Return the job of spreading a layer over workers; its items are weights.

    Threads share the weights and write into memory of their own; processes send codes back.
    """
    return Scalable(
        name="quantization",
        run=run,
        make_case=made_weights,
        default_size=64 * PART_WEIGHTS,
        unit="weights",
    )


def _part(weights: Floats, first: int, stop: int) -> Pair:
    made = quantize(weights[first:stop])
    return made.codes, made.scales


def _quantized(case: Layer, result: Any) -> Quantized:
    """Return a result as what it says it is."""
    if isinstance(result, Quantized):
        found = result
    elif isinstance(result, tuple) and len(result) == 2:
        codes, scales = map(np.ascontiguousarray, result)
        if scales.shape == (len(scales),):
            scales = scales[:, np.newaxis]
        try:
            found = Quantized(
                codes=codes, scales=scales, shape=case.weights.shape, scheme=case.scheme
            )
        except UsageError as error:
            raise ValueError(str(error)) from error
    else:
        raise ValueError(f"expected (codes, scales) but got {type(result).__name__}")
    if found.shape != case.weights.shape:
        raise ValueError(f"expected shape {case.weights.shape} but got {found.shape}")
    return found


def _require_equal(what: str, place: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    wrong = np.argwhere(found != expected)
    if wrong.size:
        row, column = wrong[0].tolist()
        raise ValueError(
            f"{what} of row {row}, {place} {column} should be {expected[row, column]} "
            f"but is {found[row, column]}"
        )
