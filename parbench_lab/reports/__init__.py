"""Reports: a notebook with parameters, executed, and left as notebook, page, JSON and text.

>>> from parbench_lab import reports
>>> reports.shipped()
('compare', 'history', 'quantize', 'race', 'scaling')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parbench_lab.reports.compared import comparison_results, comparison_text, run_before
    from parbench_lab.reports.history import (
        HistoryRow,
        RecordedHistory,
        history_results,
        history_text,
        read_history,
    )
    from parbench_lab.reports.kept import Kept, keep
    from parbench_lab.reports.measured import race_results, scaling_results
    from parbench_lab.reports.measuring import entrants
    from parbench_lab.reports.origin import about
    from parbench_lab.reports.placed import (
        comparison_heatmap,
        comparison_profiles,
        profile_results,
        run_points,
    )
    from parbench_lab.reports.quantization import quantization_results, quantization_text
    from parbench_lab.reports.rendering import Failure, Report, render
    from parbench_lab.reports.sources import shipped
    from parbench_lab.reports.targets import SpeedupTarget, parse_target, target_line
    from parbench_lab.reports.text import race_text, scaling_table, scaling_text, sparkline

_HOMES = {
    "about": "origin",
    "Failure": "rendering",
    "HistoryRow": "history",
    "Kept": "kept",
    "RecordedHistory": "history",
    "Report": "rendering",
    "SpeedupTarget": "targets",
    "comparison_heatmap": "placed",
    "comparison_profiles": "placed",
    "comparison_results": "compared",
    "comparison_text": "compared",
    "entrants": "measuring",
    "history_results": "history",
    "history_text": "history",
    "keep": "kept",
    "parse_target": "targets",
    "profile_results": "placed",
    "quantization_results": "quantization",
    "quantization_text": "quantization",
    "race_results": "measured",
    "race_text": "text",
    "read_history": "history",
    "render": "rendering",
    "run_before": "compared",
    "run_points": "placed",
    "scaling_results": "measured",
    "scaling_table": "text",
    "scaling_text": "text",
    "shipped": "sources",
    "sparkline": "text",
    "target_line": "targets",
}

__all__ = [
    "Failure",
    "HistoryRow",
    "Kept",
    "RecordedHistory",
    "Report",
    "SpeedupTarget",
    "about",
    "comparison_heatmap",
    "comparison_profiles",
    "comparison_results",
    "comparison_text",
    "entrants",
    "history_results",
    "history_text",
    "keep",
    "parse_target",
    "profile_results",
    "quantization_results",
    "quantization_text",
    "race_results",
    "race_text",
    "read_history",
    "render",
    "run_before",
    "run_points",
    "scaling_results",
    "scaling_table",
    "scaling_text",
    "shipped",
    "sparkline",
    "target_line",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
