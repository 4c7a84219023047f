"""int8 per output channel with ONNX Runtime, in the two ways it has; both optional.

Its tool for weights (``onnxruntime.quantization``, what ``quantize_dynamic(per_channel=True)``
calls for every channel) is numpy. Its operators are compiled: a small graph makes of them the same
scheme. Both give the codes and scales of our definition, bit by bit, but for groups of zeros: the
tool has the scale 1 there, the graph divides by 0.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.quantization.schemes import Floats

_OPSET = 18


def quantize_with_tool(weights: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return codes and scales by ONNX Runtime's tool for weights, channel by channel.

    Parameters
    ----------
    weights
        Of shape ``(rows, columns)``.
    """
    from onnx import TensorProto  # noqa: PLC0415 - optional; the first call pays
    from onnxruntime.quantization.quant_utils import quantize_data  # noqa: PLC0415 - optional

    codes = np.empty(weights.shape, dtype=np.int8)
    scales = np.empty((len(weights), 1), dtype=np.float32)
    for channel, row in enumerate(weights):
        _, scale, found = quantize_data(row, TensorProto.INT8, True)
        codes[channel], scales[channel] = found, scale
    return codes, scales


def quantize_with_operators(weights: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return codes and scales by a graph of ONNX Runtime's operators, on one thread.

    Parameters
    ----------
    weights
        Of shape ``(rows, columns)``.
    """
    codes, scales = _session().run(None, {"weights": weights})
    return codes, scales


@functools.cache
def _session() -> Any:
    """Return the graph, ready to run; made once per process."""
    import onnxruntime  # noqa: PLC0415 - optional; the first call pays

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a candidate has one core
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        _graph().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _graph() -> Any:
    """Return the scheme as operators: |w|, its largest per row, over 127, quantise by row."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - optional

    constants = {
        "columns": np.array([1], dtype=np.int64),
        "largest_code": np.float32(127),
        "flat": np.array([-1], dtype=np.int64),
        "zero": np.array([0], dtype=np.int8),
    }
    nodes = [
        helper.make_node("Abs", ["weights"], ["magnitudes"]),
        helper.make_node("ReduceMax", ["magnitudes", "columns"], ["largest"], keepdims=1),
        helper.make_node("Div", ["largest", "largest_code"], ["scales"]),
        helper.make_node("Reshape", ["scales", "flat"], ["per_row"]),
        # as many zero points as scales
        helper.make_node("Shape", ["per_row"], ["rows"]),
        helper.make_node("Expand", ["zero", "rows"], ["zeros"]),
        helper.make_node("QuantizeLinear", ["weights", "per_row", "zeros"], ["codes"], axis=0),
    ]
    shape = ["rows", "columns"]
    graph = helper.make_graph(
        nodes,
        "int8 per channel",
        [helper.make_tensor_value_info("weights", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("codes", TensorProto.INT8, shape),
            helper.make_tensor_value_info("scales", TensorProto.FLOAT, ["rows", 1]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    # an intermediate version of the format that old and new runtimes read
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)
