"""Quantisation of weights: a scheme, its definition, implementations that race, and their job."""

from parbench_lab.workloads.quantization.quality import (
    ErrorSums,
    QuantizationError,
    error_sums,
    quantization_error,
)
from parbench_lab.workloads.quantization.quantizer import dequantize, quantize, quantize_rows
from parbench_lab.workloads.quantization.schemes import Quantized, Scheme, empty
from parbench_lab.workloads.quantization.workload import Quantization

__all__ = [
    "ErrorSums",
    "Quantization",
    "QuantizationError",
    "Quantized",
    "Scheme",
    "dequantize",
    "empty",
    "error_sums",
    "quantization_error",
    "quantize",
    "quantize_rows",
]
