"""Race implementations in parallel, with evidence that holds.

Public names are loaded when they are first used, so that ``import parbench_lab`` is quick and
brings in none of the libraries of the shell, the cluster or the notebook.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parbench_lab import errors, plots, reports, testing
    from parbench_lab.analysis import laws
    from parbench_lab.analysis.comparison.values import Comparison
    from parbench_lab.analysis.curve import ScalingCurve
    from parbench_lab.analysis.reading import read_curve
    from parbench_lab.analysis.regression.report import WatchReport
    from parbench_lab.core.candidate import Candidate, candidate, candidates_from_grid
    from parbench_lab.core.metric import Metric
    from parbench_lab.core.scalable import Scalable
    from parbench_lab.lab import ml
    from parbench_lab.lab.bench import ParallelBenchmarking
    from parbench_lab.lab.bisect import bisect
    from parbench_lab.lab.change_hints import change_hints
    from parbench_lab.lab.comparing import compare
    from parbench_lab.lab.demo import demo
    from parbench_lab.lab.optimizer import ComprehensiveOptimizer, ParallelOptimizer
    from parbench_lab.lab.quantization.study import QuantizationStudy, load_quantization
    from parbench_lab.lab.record import load_record
    from parbench_lab.lab.running import running_races
    from parbench_lab.lab.scaling_study import ScalingStudy
    from parbench_lab.lab.stored import load_curves, load_history
    from parbench_lab.lab.watch import watch
    from parbench_lab.panel.live_figure import LiveFigure
    from parbench_lab.racing.result import RaceResult
    from parbench_lab.racing.settings import Settings

    __version__: str

__all__ = [
    "Candidate",
    "Comparison",
    "ComprehensiveOptimizer",
    "LiveFigure",
    "Metric",
    "ParallelBenchmarking",
    "ParallelOptimizer",
    "QuantizationStudy",
    "RaceResult",
    "Scalable",
    "ScalingCurve",
    "ScalingStudy",
    "Settings",
    "WatchReport",
    "__version__",
    "bisect",
    "candidate",
    "candidates_from_grid",
    "change_hints",
    "compare",
    "demo",
    "errors",
    "laws",
    "load_curves",
    "load_history",
    "load_quantization",
    "load_record",
    "ml",
    "plots",
    "read_curve",
    "reports",
    "running_races",
    "testing",
    "watch",
]

_HOMES = {
    "Comparison": "parbench_lab.analysis.comparison.values",
    "compare": "parbench_lab.lab.comparing",
    "WatchReport": "parbench_lab.analysis.regression.report",
    "bisect": "parbench_lab.lab.bisect",
    "change_hints": "parbench_lab.lab.change_hints",
    "watch": "parbench_lab.lab.watch",
    "Candidate": "parbench_lab.core.candidate",
    "candidate": "parbench_lab.core.candidate",
    "candidates_from_grid": "parbench_lab.core.candidate",
    "Metric": "parbench_lab.core.metric",
    "ComprehensiveOptimizer": "parbench_lab.lab.optimizer",
    "LiveFigure": "parbench_lab.panel.live_figure",
    "ParallelBenchmarking": "parbench_lab.lab.bench",
    "ParallelOptimizer": "parbench_lab.lab.optimizer",
    "QuantizationStudy": "parbench_lab.lab.quantization.study",
    "RaceResult": "parbench_lab.racing.result",
    "Scalable": "parbench_lab.core.scalable",
    "ScalingCurve": "parbench_lab.analysis.curve",
    "ScalingStudy": "parbench_lab.lab.scaling_study",
    "Settings": "parbench_lab.racing.settings",
    "demo": "parbench_lab.lab.demo",
    "load_curves": "parbench_lab.lab.stored",
    "load_history": "parbench_lab.lab.stored",
    "load_quantization": "parbench_lab.lab.quantization.study",
    "load_record": "parbench_lab.lab.record",
    "read_curve": "parbench_lab.analysis.reading",
    "running_races": "parbench_lab.lab.running",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("parbench_lab")
    if name in ("laws", "ml"):
        room = "analysis" if name == "laws" else "lab"
        return importlib.import_module(f"parbench_lab.{room}.{name}")
    if name in ("errors", "plots", "reports", "testing"):
        return importlib.import_module(f"parbench_lab.{name}")
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'parbench_lab' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
