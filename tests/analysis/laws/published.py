"""Published scaling tables, restated as numbers with their sources."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

RAYTRACER_N = (1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64)
RAYTRACER_X = (20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310)
"""R package usl, vignette 3.0.3 (github cran/usl, BSD-2-Clause)."""

SPECSDM91_N = (1, 18, 36, 72, 108, 144, 216)
SPECSDM91_X = (64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2)
"""R package usl (github smoeding/usl, BSD-2-Clause)."""

SYNTHETIC_N = (1, 2, 4, 6, 8, 10)
SYNTHETIC_X = (1, 1.8868, 3.0769, 3.5294, 3.5398, 3.3557)
"""R package usl, tests/coef: alpha = beta = 0.02, gamma = 1, rounded to 4 decimals."""

# fmt: off
CISCO_X = (
    955.16, 1878.91, 2688.01, 3548.68, 4315.54, 5130.43, 5931.37, 6531.08, 7219.8, 7867.61,
    8278.71, 8646.7, 9047.84, 9426.55, 9645.37, 9897.24, 10097.6, 10240.5, 10532.39, 10798.52,
    11151.43, 11518.63, 11806, 12089.37, 12075.41, 12177.29, 12211.41, 12158.93, 12155.27,
    12118.04, 12140.4, 12074.39,
)
# fmt: on
CISCO_N = tuple(range(1, 33))
"""B. Schwartz, "Practical Scalability Analysis with the USL"; in usl4j under Apache-2.0."""

PI_N = (1, 2, 4, 8, 16)
PI_STRONG_S = (3.99667, 2.064242, 1.075068, 0.687097, 0.349366)
PI_WEAK_S = (4.149807, 4.362416, 5.205988, 4.356564, 4.643724)
"""UNIVERSE-HPC course material, "Scalability profiling" (CC BY 4.0)."""

QUINN_N = (2, 3, 4, 5, 6, 7, 8)
QUINN_A = (1.82, 2.50, 3.08, 3.57, 4.00, 4.38, 4.71)
QUINN_B = (1.87, 2.61, 3.23, 3.73, 4.14, 4.46, 4.71)
"""Lecture notes' Karp-Flatt example, two programs with the same speedup on 8 processors."""

# fmt: off
MISRA1D_X = (
    77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1,
    760.0,
)
MISRA1D_Y = (
    10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47,
    81.78,
)
# fmt: on
"""NIST StRD Misra1d (US Government work): y = b1 b2 x / (1 + b2 x) is Amdahl's throughput with
alpha = b2 / (1 + b2), gamma = b1 b2 / (1 + b2) and the limit gamma / alpha = b1."""

PUROMYCIN_X = (0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.1, 1.1)
PUROMYCIN_Y = (76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200)
"""R datasets::Puromycin, treated (Bates and Watts 1988): Vm x / (K + x) is Amdahl's throughput
with alpha = 1 / (1 + K), gamma = Vm / (1 + K) and the limit Vm."""


class PopFactors(NamedTuple):
    """What a trace holds, and the factors of the efficiency in percent that are printed of it."""

    processes: int
    runtime_us: float
    useful_max_us: float
    useful_total_us: float
    load_balance: float
    communication: float
    parallel: float


# fmt: off
EPOCH = (
    PopFactors(1, 21898659.14, 21882362.82, 21882362.82, 100.0, 99.925583, 99.925583),
    PopFactors(2, 11528373.56, 11484151.34, 22913392.37, 99.760930, 99.616405, 99.378252),
    PopFactors(4, 6082352.21, 5999910.80, 23684668.07, 98.687584, 98.644580, 97.349953),
    PopFactors(8, 3513565.33, 3421581.67, 26902030.73, 98.280683, 97.382042, 95.707736),
    PopFactors(16, 2339560.72, 2242981.13, 35617915.65, 99.248259, 95.871892, 95.151184),
)
# fmt: on
"""POP's model factors of EPOCH (github numericalalgorithmsgroup/pypop, BSD-3-Clause-Clear)."""


def reference_file(name: str) -> Path:
    """Return a larger published table that is not kept here; skip where it is absent."""
    beside = Path(__file__).resolve().parents[4] / "shared" / "refdata"
    folder = Path(os.environ.get("PARBENCH_REFDATA", beside))
    if not (folder / name).is_file():
        pytest.skip(f"{name} is not here: set PARBENCH_REFDATA to the folder with the tables")
    return folder / name
