"""Machine learning in parallel, on the caller's own data and models: ``parbench_lab.ml``.

Each operation takes a `ParallelConfig` (or uses as many threads as there are cores), and gives
the same bits with one worker as with many. The same operations on a map of one's own are in
`parbench_lab.workloads.ml`.
"""

from __future__ import annotations

from parbench_lab.lab.ml.amdahl import AmdahlAnalysis, amdahl_analysis
from parbench_lab.lab.ml.benchmark import scalability_benchmark
from parbench_lab.lab.ml.inference import (
    parallel_batch_inference,
    parallel_batch_inference_with_uncertainty,
    parallel_ensemble_predict,
)
from parbench_lab.lab.ml.preparation import (
    parallel_data_augmentation,
    parallel_feature_extraction,
    parallel_preprocess,
)
from parbench_lab.lab.ml.results import ScalabilityBenchmark
from parbench_lab.lab.ml.tables import amdahl_text, benchmark_text, print_benchmark_results
from parbench_lab.lab.ml.training import (
    parallel_cross_validation,
    parallel_gradient_computation,
    parallel_grid_search,
)
from parbench_lab.workloads.ml.config import ParallelConfig
from parbench_lab.workloads.ml.ensembles import EnsembleAggregation, aggregate_predictions
from parbench_lab.workloads.ml.gradients import aggregate_gradients
from parbench_lab.workloads.ml.images import image_features, jitter_image
from parbench_lab.workloads.ml.network import initial_network, network_gradient, network_loss
from parbench_lab.workloads.ml.scalables import ml_scalables

__all__ = [
    "AmdahlAnalysis",
    "EnsembleAggregation",
    "ParallelConfig",
    "ScalabilityBenchmark",
    "aggregate_gradients",
    "aggregate_predictions",
    "amdahl_analysis",
    "amdahl_text",
    "benchmark_text",
    "image_features",
    "initial_network",
    "jitter_image",
    "ml_scalables",
    "network_gradient",
    "network_loss",
    "parallel_batch_inference",
    "parallel_batch_inference_with_uncertainty",
    "parallel_cross_validation",
    "parallel_data_augmentation",
    "parallel_ensemble_predict",
    "parallel_feature_extraction",
    "parallel_gradient_computation",
    "parallel_grid_search",
    "parallel_preprocess",
    "print_benchmark_results",
    "scalability_benchmark",
]
