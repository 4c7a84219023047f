"""What if: the laws for fractions of one's own choice, over measured points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.laws.formulas import amdahl_speedup, gustafson_speedup, usl_speedup
from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.errors import UsageError
from parbench_lab.plots.scaling import Columns, ScalingData, scaling_data

if TYPE_CHECKING:
    from bokeh.plotting import figure

LAWS = ("Amdahl", "Gustafson", "USL")
_LINE_POINTS = 97


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfData:
    """What the figure shows.

    Parameters
    ----------
    laws
        Law to columns ``workers, speedup, told``; and ``"ideal"``.
    at
        Columns ``workers, speedup, law, told``: every law at the worker count that was chosen.
    measured
        The measured points, as in `ScalingData`; without laws.
    words
        What the laws say at that count, in one line.
    """

    laws: dict[str, Columns]
    at: Columns
    measured: ScalingData = field(default_factory=ScalingData)
    words: str = ""


def what_if_data(
    curves: ScalingCurve | Mapping[Any, ScalingCurve] | None = None,
    *,
    serial_fraction: float = 0.05,
    contention: float = 0.05,
    coherency: float = 0.001,
    workers: float = 16,
    upto: float = 64,
) -> WhatIfData:
    """Return the laws' speedups for these fractions, over measured points.

    Parameters
    ----------
    curves
        Measured, as for `scaling_data`; None for the laws alone.
    serial_fraction
        Of Amdahl's and of Gustafson's law, from 0 to 1. Amdahl's is that of the time on one
        worker, Gustafson's that of the time on all of them.
    contention, coherency
        Of the Universal Scalability Law, from 0; coherency 0 is Amdahl's law.
    workers
        The count whose speedups are told, at least 1.
    upto
        Workers to which the lines go, above 1; and at least to the largest measured level.

    Raises
    ------
    UsageError
        If a fraction or a count is out of range.

    Examples
    --------
    >>> what_if_data(serial_fraction=0.1, contention=0.1, coherency=0.0, workers=16).words
    'with 16 workers: Amdahl 6.4, Gustafson 14.5, USL 6.4 times as fast as one'
    """
    if not workers >= 1:
        raise UsageError(f"workers must be at least 1 but got {workers}")
    if not upto > 1:
        raise UsageError(f"upto must be above 1 worker but got {upto}")
    measured = ScalingData() if curves is None else scaling_data(curves, fits={})
    end = max(float(upto), float(workers), measured.largest)
    n = np.unique(np.append(np.geomspace(1.0, end, _LINE_POINTS).round(6), workers))
    speedups: dict[str, Floats] = {
        "Amdahl": amdahl_speedup(serial_fraction=serial_fraction, workers=n),
        "Gustafson": gustafson_speedup(serial_fraction=serial_fraction, workers=n),
        "USL": usl_speedup(alpha=contention, beta=coherency, workers=n),
        "ideal": n,
    }
    here = int(np.searchsorted(n, workers))
    at = [float(speedups[law][here]) for law in LAWS]
    told = [f"{speedup:.3g}" for speedup in at]
    values = ", ".join(f"{law} {value}" for law, value in zip(LAWS, told, strict=True))
    who = "1 worker" if workers == 1 else f"{workers:g} workers"
    return WhatIfData(
        laws={law: _columns(n, speedup) for law, speedup in speedups.items()},
        at={
            "workers": [float(workers)] * len(LAWS),
            "speedup": at,
            "law": list(LAWS),
            "told": told,
        },
        measured=measured,
        words=f"with {who}: {values} times as fast as one",
    )


def _columns(workers: Floats, speedup: Floats) -> Columns:
    return {
        "workers": workers.tolist(),
        "speedup": speedup.tolist(),
        "told": [f"{value:.3g}" for value in speedup],
    }


def what_if_columns(data: WhatIfData) -> dict[str, Columns]:
    """Return source name to columns: what changes in the figure when a slider moves.

    Examples
    --------
    With ``live = LiveFigure(what_if_figure(data))``, after a slider moved:

    >>> for source, columns in what_if_columns(what_if_data(contention=0.2)).items():
    ...     print(source, len(columns["workers"]))  # live.replace(source, columns)
    what-if:Amdahl 97
    what-if:Gustafson 97
    what-if:USL 97
    what-if:ideal 97
    what-if:at 3
    """
    return {
        **{f"what-if:{law}": columns for law, columns in data.laws.items()},
        "what-if:at": data.at,
    }


def what_if_figure(data: WhatIfData, *, log: bool = False) -> figure:
    """Return the figure; the sources that move are those of `what_if_columns`.

    Parameters
    ----------
    data
        From `what_if_data`.
    log
        Both axes logarithmic.
    """
    from parbench_lab.plots import what_if_drawing  # noqa: PLC0415 - loads bokeh

    return what_if_drawing.draw(data, log=log)
