"""Run the project's benchmarks: ``python -m tests.benchmarks [NAME ...]``.

Each ``bench_NAME.py`` has a ``main()`` that measures side by side in one run and prints its table.
Nothing here asserts on time: machines are noisy, and targets are read by people.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path


def main() -> None:
    names = sorted(path.stem[6:] for path in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    chosen = parser.parse_args().names or names
    unknown = set(chosen) - set(names)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for name in chosen:
        print(f"\n== {name}")
        importlib.import_module(f"tests.benchmarks.bench_{name}").main()


if __name__ == "__main__":
    main()
