"""The fresh process of one run: asked in JSON on standard input, answers in JSON on its output.

``python -m parbench_lab.lab.quantization.child``. Its memory is that of nothing but this run: what
was measured before in another process does not hide a peak, nor does a heap that was grown.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from parbench_lab.errors import ParbenchError
from parbench_lab.execution.meters import ResidentPeak, process_peak_bytes
from parbench_lab.execution.parent import end_with_parent
from parbench_lab.lab.quantization.job import quantize_file
from parbench_lab.workloads.quantization import Scheme, quantize
from parbench_lab.workloads.quantization.files import FLOATS, ModelFile, read_safetensors

FULL = "full"
REFUSED = "refused"
FAILED = "failed"


def main() -> None:
    """Read a request, carry it out, print the answer; see `answer`."""
    # Ctrl-C reaches the whole terminal; the study decides, and ends this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = json.load(sys.stdin)
    end_with_parent(int(asked["parent"]))
    json.dump(answered(asked), sys.stdout)


def answered(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run took, or why there is nothing to tell: an error is an answer too.

    Parameters
    ----------
    asked
        ``model`` and ``target`` (paths), ``bits``, ``group_size``, ``threads``, ``streaming``.
    """
    try:
        return _measured(asked)
    except ParbenchError as error:
        return {REFUSED: str(error)}
    except MemoryError:
        return {FAILED: "out of memory"}
    except OSError as error:
        kind = FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FAILED
        return {kind: error.strerror or str(error)}


def _measured(asked: Mapping[str, Any]) -> dict[str, Any]:
    model = read_safetensors(Path(asked["model"]))
    scheme = Scheme(bits=asked["bits"], group_size=asked["group_size"])
    _warm_up(model, scheme)
    meter = _Peak()
    phases = quantize_file(
        model,
        Path(asked["target"]),
        scheme,
        threads=asked["threads"],
        streaming=asked["streaming"],
    )
    return {
        **asdict(phases),
        "baseline_memory_bytes": meter.baseline_bytes,
        "peak_memory_bytes": meter.peak_bytes(),
    }


def _warm_up(model: ModelFile, scheme: Scheme) -> None:
    """Compile the kernel, or load it, for the types of weights that come."""
    for dtype in {one.dtype for one in model.weights}:
        width = 4 * (scheme.group_size or 16)
        quantize(np.ones((8, min(width, 4096)), dtype=FLOATS[dtype]), scheme)


class _Peak:
    """Resident memory now, and the largest since; None where this system does not tell."""

    def __init__(self) -> None:
        try:
            self._meter: ResidentPeak | None = ResidentPeak()
        except OSError:
            self._meter = None
        if self._meter is None:
            # a mark that cannot be reset: what importing took counts as held
            self.baseline_bytes = process_peak_bytes()
        else:
            self.baseline_bytes = self._meter.resident_bytes()
            self._meter.begin(self.baseline_bytes, thorough=False)

    def peak_bytes(self) -> int | None:
        if self._meter is None:
            return process_peak_bytes()
        return int(self._meter.end()["peak_rss_bytes"])


if __name__ == "__main__":
    main()
