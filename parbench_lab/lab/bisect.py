"""Which commit made it slower: commits raced against the good one, each in fresh processes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.analysis.regression.bisection import Bisection
from parbench_lab.core.given import checked_count, checked_number
from parbench_lab.errors import UsageError
from parbench_lab.execution.builds import git
from parbench_lab.execution.builds.build import Order
from parbench_lab.execution.builds.pairing import Plan
from parbench_lab.execution.builds.trees import owned_folder
from parbench_lab.lab.commit_races import CommitRaces, CommitTrial, Progress, Rule
from parbench_lab.lab.watching.baselines import ref_build, repository_of
from parbench_lab.lab.watching.settings import WatchSettings
from parbench_lab.workloads.registry import listed_algorithms

REGISTRY = "parbench_lab.workloads.registry"
EVIDENCE = 100.0
MAX_ROUNDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectReport:
    """What a bisection found.

    Parameters
    ----------
    good, bad
        Commits.
    candidate
        Whose regression it is; ``""`` where none was shown.
    commit, subject
        The first bad commit; ``""`` where it is not known.
    suspects
        Commits any of which may be the first bad one.
    trials
        In the order in which they were raced.
    left_out
        ``"name: the good commit itself fails: why"``: candidates that were not judged, where
        others were.
    """

    good: str
    bad: str
    workload: str
    candidate: str
    metric: str
    commit: str
    subject: str
    suspects: tuple[str, ...]
    trials: tuple[CommitTrial, ...]
    seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether one commit is left."""
        return bool(self.commit)

    @property
    def sentence(self) -> str:
        """The commit and its subject, or what is missing."""
        pair = f"between {self.good[: git.SHORT]} and {self.bad[: git.SHORT]}"
        if self.found:
            return f"{self.candidate} became worse with {self.commit[: git.SHORT]}: {self.subject}"
        if not self.candidate:
            return f"no regression was shown {pair}: give more --rounds, or look at the history"
        left = ", ".join(commit[: git.SHORT] for commit in self.suspects)
        return f"undecided {pair}: one of {left}; give more --rounds"


def bisect(
    target: str,
    *,
    good: str,
    bad: str = "HEAD",
    algorithms: Sequence[str] | None = None,
    metric: str = "wall_time_s",
    tolerance: float = 0.02,
    evidence: float = EVIDENCE,
    rounds: int = MAX_ROUNDS,
    blocks: int = 5,
    batch_size: int | None = None,
    timeout_s: float = 60.0,
    seed: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _trial: None,
) -> BisectReport:
    """Find the commit from which on a candidate is worse.

    Parameters
    ----------
    target
        Name of a workload or a module, or a file; each commit's own where it has one.
    good, bad
        Git refs; `good` is an ancestor of `bad`.
    algorithms
        Candidates; None for all: the one that got worst is followed.
    tolerance
        A smaller difference between good and bad is not looked for.
    evidence
        Odds at which a commit counts as good or bad; above 1.
    rounds, blocks
        Of one commit: pairs of processes at most, and blocks in each.
    batch_size, timeout_s, seed
        As for `WatchSettings`.
    stop
        Asked before every block whether to end.
    progress
        Told of every commit.

    Raises
    ------
    UsageError
        If a ref is unknown, or `good` is no ancestor of `bad`, or a number is out of range; or
        `good` itself fails in every run.
    """
    refuse_numbers(
        evidence=evidence,
        rounds=rounds,
        blocks=blocks,
        batch_size=batch_size,
        tolerance=tolerance,
        timeout_s=timeout_s,
        seed=seed,
    )
    listed_algorithms(algorithms)  # refuses a single text, which would be taken for its letters
    start_ns = time.perf_counter_ns()
    here = Path.cwd()
    root = repository_of(here)
    oldest, newest = git.commit_of(root, good), git.commit_of(root, bad)
    search = Bisection(commits=git.commits_between(root, oldest, newest))
    plan = Plan(
        size=batch_size or 0,
        seed=secrets.randbits(32) if seed is None else seed,
        blocks=blocks,
        timeout_s=timeout_s,
    )
    with ExitStack() as stack:
        race = CommitRaces(
            root=root,
            here=here,
            base=ref_build(good, oldest, root=root, here=here, stack=stack),
            order=Order(target=target, registry=REGISTRY, algorithms=tuple(algorithms or ())),
            folder=stack.enter_context(owned_folder()),
            plan=plan,
            rule=Rule(metric=metric, tolerance=tolerance, evidence=evidence, rounds=rounds),
            stop=stop,
        )
        search, told = race.searched(search, progress)
    commit = search.suspects[0] if race.candidate and len(search.suspects) == 1 else ""
    return BisectReport(
        good=oldest,
        bad=newest,
        workload=race.workload,
        candidate=race.candidate,
        metric=metric,
        commit=commit,
        subject=git.subject_of(root, commit) if commit else "",
        suspects=search.suspects,
        trials=told,
        seconds=(time.perf_counter_ns() - start_ns) / 1e9,
        left_out=race.left_out,
    )


def refuse_numbers(*, evidence: float, rounds: int, **shared: Any) -> None:
    """Refuse numbers that `bisect` cannot mean; `shared` are those of `WatchSettings`.

    Raises
    ------
    UsageError
        If one of them is none, or out of range.
    """
    checked_number(evidence, "evidence")
    if not evidence > 1:
        raise UsageError(f"evidence must be above 1 but got {evidence}")
    checked_count(rounds, "rounds")
    WatchSettings(**shared)
