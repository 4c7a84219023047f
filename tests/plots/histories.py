"""A small race over time, written out by hand."""

from __future__ import annotations

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.core.ports import MeasurementRow
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.racing.history import (
    LogLine,
    RaceHistory,
    SizeSummary,
    TimedMeasurement,
    TimedUsage,
)


def measured(seq, at_s, candidate, seconds=0.01, *, size=100, outcome="ok", warm_up=False):
    row = MeasurementRow(
        block=seq, slot=0, epoch=0, candidate=candidate, copy=0, size=size, worker="cpu-0",
        outcome=outcome, warm_up=warm_up, checked=False, repeats=1,
        values={"wall_time_s": seconds} if outcome == "ok" else {},
    )  # fmt: skip
    return TimedMeasurement(seq=seq, at_s=at_s, row=row)


def ratio(point, low=None, high=None):
    return Estimate(point=point, low=low or point, high=high or point, confidence=0.95, n=50)


def board(at_s, odds, *, blocks=10, epoch=0, ratios=None):
    standings = tuple(
        Standing(
            candidate=name,
            rank=rank,
            verdict=VerdictKind.LEADER if rank == 1 else VerdictKind.UNDECIDED,
            evidence=value,
            ratio=(ratios or {}).get(name),
        )
        for rank, (name, value) in enumerate(odds.items(), start=1)
    )
    return Scoreboard(
        epoch=epoch, batch_size=100, standings=standings, phase="racing", blocks=blocks,
        measurements=2 * blocks, elapsed_s=at_s, blocks_per_s=10.0,
    )  # fmt: skip


def history(names=("a", "b")):
    odds = dict.fromkeys(names, 1.0)
    ratios = {name: ratio(1.0 + index) for index, name in enumerate(names)}
    return RaceHistory(
        candidates=tuple(names),
        objectives=(WALL_TIME_S,),
        elimination_threshold=1000.0,
        tolerance=0.02,
        measurements=tuple(measured(i, 0.1 * i, name) for i, name in enumerate(names)),
        boards=(board(1.0, odds, ratios=ratios), board(2.0, odds, blocks=20, ratios=ratios)),
        sizes=(SizeSummary(batch_size=100, median_s=dict.fromkeys(names, 0.01), leader=names[0]),),
        log=(
            LogLine(
                at_s=1.5, sentence=f"{names[-1]} is out", kind="Eliminated", candidate=names[-1]
            ),
        ),
        usage=(TimedUsage(at_s=1.0, workers=(WorkerUsage(worker="cpu-0", cpu_percent=99.0),)),),
    )
