"""What a race leaves for plots: measurements, thinned snapshots, and what was said, with times."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Metric
from parbench_lab.core.ports import MeasurementRow
from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.core.wording import count
from parbench_lab.racing import events, narration

KEPT_MEASUREMENTS = 10_000
KEPT_BOARDS = 600
KEPT_STANDINGS = 12_000
"""Snapshots of many candidates are fewer: so many standings (of 0.7 kB) in all of them."""

KEPT_SENTENCES = 1000
FIRST_SPACING_S = 0.1
SPACING_PER_CANDIDATE_S = 0.005
"""A snapshot of many takes longer; making them must stay under a hundredth of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A sentence of the log and the race time at which it was true.

    `kind` is the name of the event (``Eliminated``, ``SettingsChanged``, ``NotePinned``, ...);
    `candidate` is whom it is about, empty where it is about nobody.
    """

    at_s: float
    sentence: str
    kind: str = ""
    candidate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedMeasurement:
    """A measurement and the race time at which it arrived; `seq` counts from 0 without gaps."""

    seq: int
    at_s: float
    row: MeasurementRow


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedUsage:
    """Usage of all workers at one race time."""

    at_s: float
    workers: tuple[WorkerUsage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSummary:
    """What one batch size has shown, whichever epochs it was measured in.

    Parameters
    ----------
    batch_size
        Items in a case.
    median_s
        Candidate to its median seconds per call.
    times_s
        Candidate to that median with its 95 % interval, from its latest runs at this size.
    ratios
        Candidate to the median ratio of its cost to the leader's at this size.
    leader
        Who is in front at this size, None before any block was judged.
    current
        Whether the race is at this size now.
    """

    batch_size: int
    median_s: Mapping[str, float] = field(default_factory=dict)
    times_s: Mapping[str, Estimate] = field(default_factory=dict)
    ratios: Mapping[str, Estimate] = field(default_factory=dict)
    leader: str | None = None
    current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceHistory:
    """A race over time; the newest measurements, and snapshots thinned to a few hundred.

    Parameters
    ----------
    candidates
        Names in the order in which they entered: what colours are given by.
    objectives
        The metrics the race is about.
    elimination_threshold, tolerance
        In force at the end.
    """

    candidates: tuple[str, ...]
    objectives: tuple[Metric, ...]
    elimination_threshold: float
    tolerance: float
    measurements: tuple[TimedMeasurement, ...] = ()
    boards: tuple[Scoreboard, ...] = ()
    sizes: tuple[SizeSummary, ...] = ()
    log: tuple[LogLine, ...] = ()
    usage: tuple[TimedUsage, ...] = ()

    def __repr__(self) -> str:
        """Return one sentence: the values themselves are thousands."""
        span_s = self.boards[-1].elapsed_s if self.boards else 0.0
        return (
            f"RaceHistory of {count(len(self.candidates), 'candidate')} over {span_s:.1f} s: "
            f"{count(len(self.measurements), 'measurement')}, "
            f"{count(len(self.boards), 'snapshot')}, {count(len(self.sizes), 'batch size')}"
        )


class Recorder:
    """Keeps the history of a race in bounded memory.

    Snapshots are `FIRST_SPACING_S` of race time apart at first; whenever `KEPT_BOARDS` are kept,
    every second one goes and the spacing doubles, so that the whole race stays visible.
    """

    def __init__(self) -> None:
        self._measurements: deque[TimedMeasurement] = deque(maxlen=KEPT_MEASUREMENTS)
        self._next_seq = 0
        self._boards: list[Scoreboard] = []
        self._spacing_s = FIRST_SPACING_S
        self._log: deque[LogLine] = deque(maxlen=KEPT_SENTENCES)

    def measured(self, at_s: float, rows: Sequence[MeasurementRow]) -> None:
        """Keep what has just arrived."""
        for row in rows:
            self._measurements.append(TimedMeasurement(seq=self._next_seq, at_s=at_s, row=row))
            self._next_seq += 1

    def tell(self, at_s: float, event: events.Input | events.Fact) -> None:
        """Keep what a person would be told of an event, if anything."""
        sentence = narration.sentence(event)
        if sentence:
            about = getattr(event, "candidate", "")
            kind = type(event).__name__
            self._log.append(LogLine(at_s=at_s, sentence=sentence, kind=kind, candidate=about))

    def wants_board(self, at_s: float) -> bool:
        """Return whether a snapshot at this race time is wanted."""
        if not self._boards:
            return True
        last = self._boards[-1]
        least_s = SPACING_PER_CANDIDATE_S * len(last.standings)
        return at_s >= last.elapsed_s + max(self._spacing_s, least_s)

    def seen(self, board: Scoreboard) -> None:
        """Keep a snapshot."""
        self._boards.append(board)
        most = KEPT_STANDINGS // max(1, len(board.standings))
        if len(self._boards) >= max(2, min(KEPT_BOARDS, most)):
            del self._boards[1::2]
            self._spacing_s *= 2

    def since(self, seq: int) -> tuple[TimedMeasurement, ...]:
        """Return the kept measurements from number `seq` on, oldest first."""
        missing = min(len(self._measurements), max(0, self._next_seq - seq))
        if missing == 0:
            return ()
        newest = list(reversed([self._measurements[-1 - i] for i in range(missing)]))
        return tuple(newest)

    @property
    def boards(self) -> tuple[Scoreboard, ...]:
        """The kept snapshots, oldest first."""
        return tuple(self._boards)

    @property
    def log(self) -> tuple[LogLine, ...]:
        """The latest sentences, oldest first."""
        return tuple(self._log)
