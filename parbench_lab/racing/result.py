"""What a race leaves: the last snapshot, who won, and the sentence that says so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.racing.leaderboard import source_lines
from parbench_lab.racing.result_table import table_lines, wrapped
from parbench_lab.racing.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult:
    """How a race ended.

    Parameters
    ----------
    run_id
        Under which the store keeps it.
    status
        ``decided``, ``undecided`` (the budget ended first), ``stopped`` (by the user) or
        ``failed`` (nobody worked, or the cluster was lost).
    reason
        Why it ended, in words.
    winner
        The only one left; or the leader, where each other one left is its equal or (in a race
        that is decided) kept by `min_survivors` though shown to be worse; else None.
    front
        The names that are not eliminated, best first.
    sentence
        Who won, by how much, how sure, and what it cost.
    resumable
        Whether the race failed for want of a cluster (or its engine broke), and may be taken up
        again with `ParallelBenchmarking.resume_run`.
    """

    run_id: str
    workload: str
    status: str
    reason: str
    winner: str | None
    front: tuple[str, ...]
    sentence: str
    scoreboard: Scoreboard
    settings: Settings
    log: tuple[str, ...] = ()
    not_measured: Mapping[str, str] = dataclasses.field(default_factory=dict)
    resumable: bool = False

    def ranking(self) -> pd.DataFrame:
        """Return the final table; see `ranking_frame` for the columns."""
        return ranking_frame(self.scoreboard)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; what is not a finite number is null."""
        return {
            "id": self.run_id,
            "workload": self.workload,
            "status": self.status,
            "reason": self.reason,
            "winner": self.winner,
            "front": list(self.front),
            "sentence": self.sentence,
            "scoreboard": jsonable(self.scoreboard),
            "settings": self.settings.as_json(),
            "log": list(self.log),
            "not_measured": dict(self.not_measured),
            "resumable": self.resumable,
        }

    def __str__(self) -> str:
        """Return table and sentence in lines of at most 100 characters."""
        run = f" (run {self.run_id})" if self.run_id else ""
        head = wrapped(f"{self.workload}: {self.status}{run}")
        table = table_lines(self.scoreboard, self.settings)
        sources = [
            line
            for source in source_lines(self.scoreboard, self.settings)
            for line in wrapped(source)
        ]
        return "\n".join([*head, *table, *sources, *wrapped(self.sentence)])

    __repr__ = __str__  # a cell that ends with a result shows what `print` does


def winner_of(
    scoreboard: Scoreboard, *, n_objectives: int, decided: bool
) -> tuple[str | None, tuple[str, ...]]:
    """Return the winner and all who are not out.

    There is a winner where one is left, and in a race with one objective also where all others
    are equal to the leader within the tolerance, or where the race is `decided`: nobody else can
    be better then.
    """
    front = tuple(
        s.candidate
        for s in scoreboard.standings
        if s.verdict not in (VerdictKind.ELIMINATED, VerdictKind.DROPPED)
    )
    if len(front) == 1:
        return front[0], front
    others = [scoreboard.of(name).verdict for name in front if name != scoreboard.leader]
    settled = n_objectives == 1 and (decided or all(v is VerdictKind.EQUAL for v in others))
    return (scoreboard.leader if settled else None), front


def ranking_frame(scoreboard: Scoreboard) -> pd.DataFrame:
    """Return the standings as a table.

    Columns: ``rank, candidate, verdict, ratio, ratio_low, ratio_high, evidence, shown_slower,
    blocks, median_s, throughput, peak_rss_bytes, outcome, reason``. Ratios are to the leader,
    `evidence` is in odds, `throughput` in items per second; what was not measured is missing.
    """
    import pandas as pd  # noqa: PLC0415 - slow to import

    return pd.DataFrame([_ranking_row(standing) for standing in scoreboard.standings])


def _ranking_row(standing: Standing) -> dict[str, Any]:
    ratio = standing.ratio
    return {
        "rank": standing.rank,
        "candidate": standing.candidate,
        "verdict": standing.verdict.value,
        "ratio": ratio.point if ratio else None,
        "ratio_low": ratio.low if ratio else None,
        "ratio_high": ratio.high if ratio else None,
        "evidence": standing.evidence,
        "shown_slower": standing.shown_slower,
        "blocks": standing.blocks,
        "median_s": standing.median_s,
        "throughput": standing.throughput,
        "peak_rss_bytes": standing.peak_rss_bytes,
        "outcome": standing.outcome.value if standing.outcome else None,
        "reason": standing.reason,
    }


def jsonable(value: Any) -> Any:
    """Return dataclasses, tuples and mappings as JSON values; infinities and NaN become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
