"""What a watch promises and costs: false alarms, nights to the alarm, and seconds per round.

Simulated watches of 20 series (300 blocks a night) under lognormal calls, process layouts and a
drifting machine; then real rounds, in fresh pairs of processes, of a small workload.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from parbench_lab.execution.builds.build import Build, Order
from parbench_lab.execution.builds.pairing import Pair, Plan
from parbench_lab.execution.builds.trees import import_path
from tests.analysis.regression.nights import Night, Rule, Watches, seeing_bet, share_with_alarm
from tests.execution.builds.repos import BENCH

WATCHES = 100
NIGHTS = 50
ROUNDS = 10
NIGHT = Night(bets=30)
LAYOUTS = Night(bets=30, process_sd=0.02)
REGISTRY = "parbench_lab.workloads.registry"


def main() -> None:
    false_alarms()
    nights_to_the_alarm()
    real_rounds()


def false_alarms() -> None:
    print(f"share of {WATCHES} watches with a false alarm in {NIGHTS} nights over 20 series")
    rows = {
        "the rule, tolerance 2 %": (NIGHT, Rule()),
        "the rule, tolerance 0, strong layouts": (LAYOUTS, Rule(margin=0.0)),
        "mutant: the bet sees its own block": (LAYOUTS, Rule(bet_on=seeing_bet)),
        "mutant: one bet per block": (LAYOUTS, Rule(blocks_per_bet=1)),
        "mutant: not corrected for 20 series": (LAYOUTS, Rule(margin=0.0, corrected_series=1)),
    }
    for name, (night, rule) in rows.items():
        watches = Watches(n_watches=WATCHES, rng=np.random.default_rng(1), night=night, rule=rule)
        share = share_with_alarm(watches, NIGHTS, 0.0)
        print(f"  {name:<40} worse {share.worse:4.0%}  better {share.better:4.0%}")


def nights_to_the_alarm() -> None:
    print(f"nights from the change to its alarm, {WATCHES} watches of 20 series, one changes")
    steps = {f"step of {percent} %": percent for percent in (3, 5, 10)}
    for name, percent in steps.items():
        _tell(name, lambda _night, p=percent: float(np.log1p(p / 100)))
    _tell("drift of 0.3 % a night", lambda night: float(night * np.log(1.003)))


def _tell(name: str, shift: Callable[[int], float]) -> None:
    nights = first_alarms(shift)
    late = np.sort(nights)[int(0.95 * WATCHES) - 1]
    print(f"  {name:<40} median {np.median(nights):3.0f}, 95 % within {late:3.0f}")


def first_alarms(shift: Callable[[int], float]) -> np.ndarray:
    """Return, per watch, the night (from 1) of its first alarm in the series that changed."""
    watches = Watches(n_watches=WATCHES, rng=np.random.default_rng(2), night=NIGHT)
    threshold = watches.rule.threshold(NIGHT, NIGHTS)
    first = np.full(WATCHES, np.inf)
    for night in range(NIGHTS):
        shifts = np.zeros(NIGHT.n_series)
        shifts[7] = shift(night)
        alarmed = watches.observe(shifts)["worse"][:, 7] >= threshold
        first = np.where(alarmed & np.isinf(first), night + 1, first)
    return first


def real_rounds() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sides = []
        for side, turns in (("new", 22_000), ("old", 20_000)):
            (folder / side).mkdir()
            text = BENCH.replace("from work import TURNS", f"TURNS = {turns}")
            (folder / side / "bench.py").write_text(text)
            sides.append(
                Build(
                    label=side,
                    interpreter=sys.executable,
                    folder=folder / side,
                    before=import_path(),
                )
            )
        order = Order(target="bench.py", registry=REGISTRY)
        pair = Pair(*sides, order, folder=folder, here=folder)
        lasted_s, ratios = [], []
        for number in range(ROUNDS):
            start_ns = time.perf_counter_ns()
            duels = pair.round(number, ("spin",), Plan(size=10, seed=1))
            lasted_s.append((time.perf_counter_ns() - start_ns) / 1e9)
            ratios += [
                duel.new.values["wall_time_s"] / duel.baseline.values["wall_time_s"]
                for duel in duels
            ]
    print(
        f"a real round (two fresh processes, 10 blocks): {statistics.median(lasted_s):.2f} s; "
        f"10 % more turns: {statistics.median(ratios):.3f} times the time, "
        f"{np.mean(np.array(ratios) > 1.02):.0%} of blocks more than 2 % slower"
    )


if __name__ == "__main__":
    main()
