"""What the evidence costs: milliseconds per block and per snapshot, measurements per decision.

The races are simulated: log-normal noise of 4 %, one candidate ahead of all others by the gap,
threshold 20, tolerance 0. Beside each cost stands how often the best was lost, at the gap and
among equals; a rule that is cheap because it errs is no rule.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from parbench_lab.analysis.evidence import EvidenceRace
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.elimination.sign_bonferroni import duel_evidence
from tests.analysis.simulation import Plan, simulate

NOISE_SD = 0.04
THRESHOLD = 20.0
N = 5
KNOBS = {"elimination_threshold": 1000.0, "tolerance": 0.02}

# cost of the winner, and the share of races in which the best was lost
Race = Callable[[float], tuple[float, float]]


def main() -> None:
    print_updates()
    print_snapshot()
    print_decisions()


def print_updates() -> None:
    print("update of one block (median of 300; nobody is eliminated)")
    for n, target_ms in ((5, 1.0), (20, 1.0), (200, 20.0)):
        rng = np.random.default_rng(0)
        names = [f"c{k}" for k in range(n)]
        race = EvidenceRace(names, elimination_threshold=1e12)
        spent = []
        for seconds in np.exp(rng.normal(0, 0.05, (300, n))).tolist():
            block = dict(zip(names, seconds, strict=True))
            began = time.perf_counter_ns()
            race.update(block)
            spent.append(time.perf_counter_ns() - began)
        print(f"  {n:4d} candidates  {1e-6 * statistics.median(spent):7.2f} ms  (<= {target_ms})")


def print_snapshot() -> None:
    rng = np.random.default_rng(0)
    names = [f"c{k}" for k in range(50)]
    record = EpochRecord((WALL_TIME_S,), names)
    spent = []
    for number, costs in enumerate((rng.normal(0, 0.05, (1300, 50, 1))).tolist()):
        record.judge(dict(zip(names, map(tuple, costs), strict=True)))
        if number >= 1200:
            began = time.perf_counter_ns()
            ask_everything(record)
            spent.append(time.perf_counter_ns() - began)
    print("everything a scoreboard of 50 candidates asks of the record, 1000 blocks kept")
    print(f"  {1e-6 * statistics.median(spent):7.2f} ms  (best {1e-6 * min(spent):.2f}; <= 2)")


def ask_everything(record: EpochRecord) -> None:
    record.order()
    record.ratios()
    for name in record.names:
        record.evidence(name, KNOBS["tolerance"])
        record.shown_slower(name, KNOBS["elimination_threshold"])
        record.at_most_slower(name, KNOBS["elimination_threshold"])
        record.blocks(name)
        record.verdict(name, **KNOBS)
        record.explain(name, **KNOBS)
    record.blocks_left(**KNOBS)
    record.variance_ratio()
    record.mean_disagrees()


def print_decisions() -> None:
    races: dict[str, Race] = {
        "evidence (default)": by_evidence,
        "sign test, Bonferroni": by_sign_test,
        "Optuna WilcoxonPruner": by_wilcoxon_pruner,
        "pytest-benchmark, 20 ms calls": lambda gap: by_fixed_n(gap, rounds=50),
        "pytest-benchmark, 1 ms calls": lambda gap: by_fixed_n(gap, rounds=1000),
    }
    print(f"measurements to a decision among {N}, and share of races that lost the best")
    print(f"  {'':30s} {'3 % gap':>16s} {'10 % gap':>16s} {'equals':>10s}")
    for name, race in races.items():
        cells = [race(np.log1p(gap)) for gap in (0.03, 0.10)]
        shown = [f"{cost:8.0f} {100 * lost:5.1f} %" for cost, lost in cells]
        print(f"  {name:30s} {shown[0]:>16s} {shown[1]:>16s} {100 * race(0.0)[1]:8.1f} %")
    print("  fixed n eliminates nobody; its share is how often the lowest median is another's")


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(0.0, NOISE_SD, shape)


def by_evidence(gap: float) -> tuple[float, float]:
    outcome = simulate(
        Plan(
            gaps=[0.0] + [gap] * (N - 1), races=1000, blocks=1500 if gap else 300, noise=noise,
            threshold=THRESHOLD,
        )
    )  # fmt: skip
    return float(outcome.measurements.mean()), float(outcome.best_lost.mean())


def by_sign_test(gap: float) -> tuple[float, float]:
    """Race by the duels of every pair, corrected for the number of opponents; batched."""
    races, rng = 500, np.random.default_rng(2)
    lost = np.zeros((races, N, N))
    alive = np.ones((races, N), np.bool_)
    measurements = np.zeros(races)
    for _ in range(1500 if gap else 300):
        racing = alive.sum(axis=1) > 1
        measurements += alive.sum(axis=1) * racing
        costs = noise(rng, (races, N)) + gap * (np.arange(N) > 0)
        met = alive[:, :, None] & alive[:, None, :]
        lost += (costs[:, :, None] > costs[:, None, :]) & met
        evidence = duel_evidence(lost, np.swapaxes(lost, 1, 2)) * alive[:, None, :] / (N - 1)
        out = (evidence.max(axis=2) >= THRESHOLD) & alive
        out[out.sum(axis=1) == alive.sum(axis=1)] = False
        alive &= ~out
        if not racing.any():
            break
    return float(measurements.mean()), float((~alive[:, 0]).mean())


def by_fixed_n(gap: float, *, rounds: int) -> tuple[float, float]:
    """pytest-benchmark: rounds for a second at least (and 5), candidate after candidate."""
    rng = np.random.default_rng(3)
    lost = 0
    for _ in range(400):
        medians = np.median(noise(rng, (N, rounds)), axis=1) + gap * (np.arange(N) > 0)
        lost += int(medians.argmin()) != 0
    return float(N * rounds), lost / 400


def by_wilcoxon_pruner(gap: float) -> tuple[float, float]:
    """Optuna with its defaults: trial after trial in random order, at most 60 paired steps."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng, races = np.random.default_rng(4), 40
    lost, measurements = 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(races):
            study = optuna.create_study(pruner=optuna.pruners.WilcoxonPruner())
            costs = noise(rng, (60, N)) + gap * (np.arange(N) > 0)
            for candidate in rng.permutation(N).tolist():
                steps, pruned = run_trial(study, costs[:, candidate].tolist())
                measurements += steps
                lost += pruned and candidate == 0
    return measurements / races, lost / races


def run_trial(study: Any, values: list[float]) -> tuple[int, bool]:
    """Report step by step; returns the steps taken and whether the trial was pruned."""
    from optuna.trial import TrialState

    trial = study.ask()
    for step, value in enumerate(values, start=1):
        trial.report(value, step)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return step, True
    study.tell(trial, statistics.fmean(values))
    return len(values), False


if __name__ == "__main__":
    main()
