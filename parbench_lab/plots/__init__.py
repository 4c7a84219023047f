"""Plots of races and studies: each is data (pure, plain columns), then a Bokeh figure of it.

>>> from parbench_lab import plots
>>> plots.evidence_data([])
{}
"""

from __future__ import annotations

from parbench_lab.plots.evidence import evidence_data, evidence_figure
from parbench_lab.plots.framed import Framed, framed
from parbench_lab.plots.heatmap import HeatmapData, heatmap_data, heatmap_figure
from parbench_lab.plots.history import (
    HistoryData,
    HistoryPanel,
    Mark,
    history_data,
    history_figure,
    history_figures,
)
from parbench_lab.plots.intervals import intervals_data, intervals_figure
from parbench_lab.plots.profile import ProfileData, profile_data, profile_figure, profile_figures
from parbench_lab.plots.ratio import ratio_data, ratio_figure
from parbench_lab.plots.scaling import (
    ScalingData,
    fitted_laws,
    scaling_data,
    scaling_figure,
    scaling_figures,
    series_labels,
)
from parbench_lab.plots.sizes import SizesData, sizes_data, sizes_figure
from parbench_lab.plots.theme import themes
from parbench_lab.plots.throughput import ThroughputData, throughput_data, throughput_figure
from parbench_lab.plots.together import race_figures
from parbench_lab.plots.usage import usage_data, usage_figure
from parbench_lab.plots.what_if import (
    WhatIfData,
    what_if_columns,
    what_if_data,
    what_if_figure,
)

__all__ = [
    "Framed",
    "HeatmapData",
    "HistoryData",
    "HistoryPanel",
    "Mark",
    "ProfileData",
    "ScalingData",
    "SizesData",
    "ThroughputData",
    "WhatIfData",
    "evidence_data",
    "evidence_figure",
    "fitted_laws",
    "framed",
    "heatmap_data",
    "heatmap_figure",
    "history_data",
    "history_figure",
    "history_figures",
    "intervals_data",
    "intervals_figure",
    "profile_data",
    "profile_figure",
    "profile_figures",
    "race_figures",
    "ratio_data",
    "ratio_figure",
    "scaling_data",
    "scaling_figure",
    "scaling_figures",
    "series_labels",
    "sizes_data",
    "sizes_figure",
    "themes",
    "throughput_data",
    "throughput_figure",
    "usage_data",
    "usage_figure",
    "what_if_columns",
    "what_if_data",
    "what_if_figure",
]
