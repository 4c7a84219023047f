"""What a user waits for: `parbench prove`, and the quick study of the portfolio backtest.

The installed command runs in a process of its own; "alone" is what its own figures say of the
runs that it timed, so that the rest is imports, workers and warm-ups.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RUNS = 5
QUICK_RUNS = 2
TARGET_S = 2.0
PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """One command: seconds by the clock, of the processors, and the JSON that it printed."""

    wall_s: float
    cpu_s: float
    document: dict


def one_run(*words: str) -> Waited:
    """Run a command to its end in an empty folder."""
    installed = Path(sys.executable).with_name("parbench")
    if not installed.exists():
        raise SystemExit("proof needs the installed command: pip install -e .")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PARBENCH_STORE": str(Path(folder) / "r.db")}
        cpu_s, start_s = _children_s(), time.perf_counter()
        done = subprocess.run(
            [installed, *words, "--json"], cwd=folder, env=environment, check=True,
            capture_output=True, timeout=PATIENCE_S,
        )  # fmt: skip
        wall_s = time.perf_counter() - start_s
        return Waited(wall_s=wall_s, cpu_s=_children_s() - cpu_s, document=json.loads(done.stdout))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    if not sys.platform.startswith(("linux", "darwin")):
        print("needs processor times of children: not measured on this platform")
        return
    proofs = [one_run("prove") for _ in range(RUNS)]
    alone_s = [
        one.document["serial_s"]["n"]
        * (one.document["serial_s"]["point"] + one.document["parallel_s"]["point"])
        for one in proofs
    ]
    speedups = [one.document["speedup"]["point"] for one in proofs]
    _tell("parbench prove", proofs, f" (target {TARGET_S:g})")
    print(f"  its timed runs alone: median {statistics.median(alone_s):.2f} s")
    print(f"  speedup it found: {', '.join(f'{speedup:.2f}' for speedup in speedups)}")
    words = ("scale", "portfolio_backtest", "--quick")
    quick = [one_run(*words) for _ in range(QUICK_RUNS)]
    _tell(f"parbench {' '.join(words)}", quick, "")
    _tell(f"parbench {' '.join(words)} --dry-run", [one_run(*words, "--dry-run")], "")
    print(f"load {os.getloadavg()[0]:.1f} on this machine")


def _tell(what: str, found: list[Waited], target: str) -> None:
    walls_s = [one.wall_s for one in found]
    cpu_s = statistics.median(one.cpu_s for one in found)
    print(
        f"{what}: median {statistics.median(walls_s):.2f} s by the clock, worst "
        f"{max(walls_s):.2f} s of {len(found)}{target}; {cpu_s:.1f} s of processor",
        flush=True,
    )


if __name__ == "__main__":
    main()
