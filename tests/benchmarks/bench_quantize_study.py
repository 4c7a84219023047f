"""Streaming beside batch on whole models: time, memory, the file; ratios within a repetition.

Targets: streaming takes under half of batch's memory and at most 15 % more time, and writes the
same bytes. The page cache is the same for both: the weights are read through before every run.
"""

from __future__ import annotations

from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.lab.quantization.study import QuantizationStudy
from parbench_lab.workloads.quantization.models import COMPARISON

REPEATS = 7
SCHEMES = ({"bits": 8}, {"bits": 4, "group_size": 128})


def compared(threads, scheme):
    with QuantizationStudy(
        streaming_comparison=True, threads=threads, repeats=REPEATS, store=":memory:", **scheme
    ) as study:
        return study.run()


def main() -> None:
    print(f"{COMPARISON.title}, {REPEATS} repetitions, streaming over batch:")
    print(
        f"{'scheme':>16} {'threads':>7} {'batch s':>8}  {'time ratio (<= 1.15)':<24} "
        f"{'batch MB':>9}  {'memory ratio (< 0.5)':<26} same bytes"
    )
    for scheme in SCHEMES:
        for threads in sorted({1, available_physical_cores(), 8}):
            results = compared(threads, scheme)
            found = results.comparison
            batch = results.point(found.batch)
            print(
                f"{found.batch.scheme:>16} {threads:7d} {batch.time_s.point:8.3f}  "
                f"{found.time_ratio!s:<24} "
                f"{batch.quantization_memory_bytes.point / 1e6:9.1f}  "
                f"{found.memory_ratio!s:<26} {found.same_bytes}"
            )


if __name__ == "__main__":
    main()
