"""What a call costs in memory: the high-water mark of the process, or tracemalloc off Linux."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

_RESET_HIGH_WATER_MARK = b"5"
_STATUS_BYTES = 4096


class PeakMeter(Protocol):
    """Measures the memory of one call, and how much the process holds."""

    def begin(self, resident_bytes: int, *, thorough: bool) -> None:
        """Start before the clock.

        `resident_bytes` is what the process holds now; `thorough` says that the call's own time
        does not count.
        """

    def end(self) -> Mapping[str, float]:
        """Return metric name to bytes, after the clock."""

    def resident_bytes(self) -> int:
        """Return what the process holds now, 0 where that cannot be told cheaply."""

    def close(self) -> None:
        """Close files."""


class ResidentPeak:
    """High-water mark of the resident set, reset before each call (Linux).

    The reset through ``/proc/self/clear_refs`` and both readings take about 20 microseconds with
    the files held open. A heap kept from earlier calls hides peaks: the growth is a lower bound.

    Parameters
    ----------
    proc
        Folder of this process's files; another one only in tests.

    Raises
    ------
    OSError
        If this system has no such files or does not let us reset the mark.
    """

    def __init__(self, proc: Path = Path("/proc/self")) -> None:
        self._files: list[int] = []
        try:
            for name, flags in (
                ("clear_refs", os.O_WRONLY),
                ("status", os.O_RDONLY),
                ("statm", os.O_RDONLY),
            ):
                self._files.append(os.open(proc / name, flags | os.O_CLOEXEC))
            self._reset, self._status, self._statm = self._files
            os.write(self._reset, _RESET_HIGH_WATER_MARK)
        except OSError:
            self.close()
            raise
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._before_bytes = 0

    def begin(self, resident_bytes: int, *, thorough: bool) -> None:  # noqa: ARG002 - cheap enough for every call
        """Reset the mark and note what is held now."""
        self._before_bytes = resident_bytes
        os.write(self._reset, _RESET_HIGH_WATER_MARK)

    def end(self) -> Mapping[str, float]:
        """Return the growth up to the peak, and the peak itself."""
        peak = parse_high_water_mark(os.pread(self._status, _STATUS_BYTES, 0))
        return {
            "peak_rss_growth_bytes": float(max(0, peak - self._before_bytes)),
            "peak_rss_bytes": float(peak),
        }

    def resident_bytes(self) -> int:
        """Return the resident set's size."""
        return int(os.pread(self._statm, 128, 0).split(b" ", 2)[1]) * self._page_bytes

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.pop())


class NoPeak:
    """Measures nothing: for runs so short that a meter would cost a good part of them."""

    def begin(self, resident_bytes: int, *, thorough: bool) -> None:
        """Do nothing."""

    def end(self) -> Mapping[str, float]:
        """Return nothing."""
        return {}

    def resident_bytes(self) -> int:
        """Return 0: not known."""
        return 0

    def close(self) -> None:
        """Do nothing."""


NO_PEAK = NoPeak()


class TracedPeak:
    """Peak of what Python's allocators handed out, where there is no high-water mark to reset.

    It is another quantity than the resident set, so it has another name, ``peak_traced_bytes``.
    Tracing slows a call several times: it is on only where the call's time does not count.
    """

    def __init__(self) -> None:
        self._tracing = False

    def begin(self, resident_bytes: int, *, thorough: bool) -> None:  # noqa: ARG002 - not known here
        """Start tracing where time does not count and nobody else traces already."""
        if thorough and not tracemalloc.is_tracing():
            tracemalloc.start()
            self._tracing = True

    def end(self) -> Mapping[str, float]:
        """Return the traced peak where it was traced, and the process's peak so far."""
        values = {}
        if self._tracing:
            values["peak_traced_bytes"] = float(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            self._tracing = False
        peak_bytes = process_peak_bytes()
        if peak_bytes is not None:
            values["peak_rss_bytes"] = float(peak_bytes)
        return values

    def resident_bytes(self) -> int:
        """Return 0: not known without a high price."""
        return 0

    def close(self) -> None:
        """Stop tracing if this meter started it."""
        if self._tracing:
            tracemalloc.stop()
            self._tracing = False


def peak_meter() -> PeakMeter:
    """Return the best meter this system has."""
    try:
        return ResidentPeak()
    except OSError:
        return TracedPeak()


def parse_high_water_mark(status: bytes) -> int:
    r"""Return the bytes of ``VmHWM`` in ``/proc/self/status``.

    Examples
    --------
    >>> parse_high_water_mark(b"Name:\tpython\nVmHWM:\t   12 kB\nVmRSS:\t 8 kB\n")
    12288
    """
    start = status.index(b"VmHWM:") + 6
    return int(status[start : status.index(b"kB", start)]) * 1024


def process_peak_bytes() -> int | None:
    """Return the largest resident set of this process's whole life, None where it is not kept."""
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Apple counts bytes, others KiB
