"""The laws of scaling: formulas, fits, projections and what supports them. Pure.

`fit` is the door: it takes worker counts with times or throughputs and returns a `Fit` with its
coefficients, each with an interval, projections with their bands and their score on a hidden
level, and sentences. The formulas beside it take numbers or arrays.

    formulas        the laws themselves
    multicore       Amdahl's law for chips of big and small cores
    ranges          what the formulas take
    observations    measurements to one checked value per level
    conventions     which least-squares problem a law and a convention mean
    least_squares   its optimum, free and bounded
    regions         what the data cannot exclude, and intervals of ratios
    curve           a fitted law with all of its intervals
    judgement       peak, limit, F test, lack of fit: what the evidence supports
    projection      levels that were not measured, and the hold-out score
    advice          where to stop, what to measure next
    reading         the same in words
    fitting         all of it behind one value
"""

from parbench_lab.analysis.laws.advice import NextLevel
from parbench_lab.analysis.laws.conventions import Convention, Law
from parbench_lab.analysis.laws.curve import Band, Coefficients
from parbench_lab.analysis.laws.fitting import Fit, fit
from parbench_lab.analysis.laws.formulas import (
    amdahl_limit,
    amdahl_speedup,
    gustafson_speedup,
    karp_flatt,
    usl_knee_workers,
    usl_limit,
    usl_peak_workers,
    usl_speedup,
    usl_throughput,
    usl_time,
)
from parbench_lab.analysis.laws.judgement import FTest, LackOfFit
from parbench_lab.analysis.laws.multicore import (
    hill_marty_asymmetric,
    hill_marty_dynamic,
    hill_marty_symmetric,
)
from parbench_lab.analysis.laws.observations import Observations, TimingNoise
from parbench_lab.analysis.laws.projection import HoldOut, ProjectedLevel, Projection

__all__ = [
    "Band",
    "Coefficients",
    "Convention",
    "FTest",
    "Fit",
    "HoldOut",
    "LackOfFit",
    "Law",
    "NextLevel",
    "Observations",
    "ProjectedLevel",
    "Projection",
    "TimingNoise",
    "amdahl_limit",
    "amdahl_speedup",
    "fit",
    "gustafson_speedup",
    "hill_marty_asymmetric",
    "hill_marty_dynamic",
    "hill_marty_symmetric",
    "karp_flatt",
    "usl_knee_workers",
    "usl_limit",
    "usl_peak_workers",
    "usl_speedup",
    "usl_throughput",
    "usl_time",
]
