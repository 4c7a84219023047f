"""``python -m tests.chaos --seconds 600 --seed 7``: any length of chaos, by hand."""

from __future__ import annotations

import argparse

from tests.chaos.storm import run_chaos


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long (60)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is random (0)")
    options = parser.parse_args()
    for line in run_chaos(seconds=options.seconds, seed=options.seed):
        print(line)  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
