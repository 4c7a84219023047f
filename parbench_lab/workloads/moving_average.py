"""Moving average: the mean of every window of 50 consecutive values.

Seven ways to the same numbers: loops, running sums, a convolution, a view with one row for each
window, and a Fourier transform. All work in double precision on the same read-only array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.workloads.agreement import as_vector, read_only, require_close
from parbench_lab.workloads.members import members

Floats = NDArray[np.float64]

WINDOW = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """A series and the length of the windows to average.

    Parameters
    ----------
    values
        Shape ``(size,)``, read-only: a level of 100 with independent noise of deviation 1.
    window
        Items in a window, at most ``size``.
    """

    values: Floats
    window: int


class MovingAverage:
    """Average every full window of a series: ``size - window + 1`` numbers.

    Examples
    --------
    >>> job = MovingAverage()
    >>> case = job.make_case(1000, np.random.default_rng(0))
    >>> job.check(case, cumsum(case))
    >>> [candidate.name for candidate in job.candidates][:3]
    ['pure_python', 'convolve', 'cumsum']
    """

    name = "moving_average"
    default_batch_size = 1000

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations."""
        return members(
            pure_python,
            convolve,
            cumsum,
            sliding_windows,
            pandas_rolling,
            scipy_uniform_filter,
            fft,
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Series:
        """Return a series of `size` values (at least 1) and a window of at most 50."""
        values = 100.0 + rng.standard_normal(size)
        return Series(values=read_only(values), window=min(WINDOW, size))

    def check(self, case: Series, result: Any) -> None:
        """Raise unless every average is right.

        The tolerance is ``8 eps (size + window) max|x|``: a running sum holds up to
        ``size * max|x|``, each of the `window` additions between its two ends rounds by half an
        ulp of that, and the difference is divided by the window. The factor 8 leaves room for the
        order of operations; a window that is off by one item is 10 million times further away at
        the default size.

        Raises
        ------
        ValueError
            For another length or type, or naming the worst average.
        """
        expected = _window_sums(case.values, case.window) / case.window
        found = as_vector(result, len(expected), "f")
        scale = float(np.max(np.abs(case.values)))
        n_roundings = len(case.values) + case.window
        require_close(found, expected, atol=8 * np.finfo(float).eps * n_roundings * scale)


def pure_python(case: Series) -> list[float]:
    """Keep a running sum in a Python loop."""
    values, window = case.values.tolist(), case.window
    total = sum(values[:window])
    averages = [total / window]
    for leaving, entering in zip(values, values[window:], strict=False):
        total += entering - leaving
        averages.append(total / window)
    return averages


def convolve(case: Series) -> Floats:
    """Convolve with a box, `numpy.convolve`."""
    box = np.full(case.window, 1 / case.window)
    return np.convolve(case.values, box, mode="valid")


def cumsum(case: Series) -> Floats:
    """Subtract cumulative sums, `numpy.cumsum`."""
    total = np.zeros(len(case.values) + 1)
    np.cumsum(case.values, out=total[1:])
    averages: Floats = (total[case.window :] - total[: -case.window]) / case.window
    return averages


def sliding_windows(case: Series) -> Floats:
    """Average the rows of a view that has one row for each window."""
    averages: Floats = np.lib.stride_tricks.sliding_window_view(case.values, case.window).mean(
        axis=-1
    )
    return averages


def pandas_rolling(case: Series) -> Floats:
    """Let pandas roll over the series."""
    import pandas as pd  # noqa: PLC0415 - heavy; the first call pays

    rolled = pd.Series(case.values).rolling(case.window).mean()
    return rolled.to_numpy()[case.window - 1 :]


def scipy_uniform_filter(case: Series) -> Floats:
    """Filter with a box, `scipy.ndimage.uniform_filter1d`, and cut the borders off."""
    from scipy.ndimage import uniform_filter1d  # noqa: PLC0415 - heavy; the first call pays

    filtered: Floats = uniform_filter1d(case.values, case.window)
    first = case.window // 2
    return filtered[first : first + len(case.values) - case.window + 1]


def fft(case: Series) -> Floats:
    """Multiply Fourier transforms, `scipy.signal.fftconvolve`."""
    from scipy.signal import fftconvolve  # noqa: PLC0415 - heavy; the first call pays

    box = np.full(case.window, 1 / case.window)
    averages: Floats = fftconvolve(case.values, box, mode="valid")
    return averages


def _window_sums(values: Floats, window: int) -> Floats:
    """Return the sum of every window, by doubling: no candidate computes it this way.

    Sums over 1, 2, 4, ... items are made from each other and put together by the binary digits of
    the window, so that only ``2 log2(window)`` roundings meet in any of them.
    """
    n_windows = len(values) - window + 1
    sums, doubled, width, start = np.zeros(n_windows), values, 1, 0
    while True:
        if window & width:
            sums += doubled[start : start + n_windows]
            start += width
        if 2 * width > window:
            return sums
        doubled = doubled[:-width] + doubled[width:]
        width *= 2
