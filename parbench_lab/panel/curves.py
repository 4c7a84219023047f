"""Feeds the live figure from a race: what is new is streamed, what changed is replaced."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from bokeh.models import ColumnDataSource

from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.panel.leash import Leash
from parbench_lab.panel.live_figure import LiveFigure
from parbench_lab.plots import evidence, ratio, sizes, throughput, usage
from parbench_lab.plots.theme import source_of, themes
from parbench_lab.plots.together import race_figures
from parbench_lab.racing.control import RaceControl
from parbench_lab.racing.history import LogLine, TimedUsage

THROUGHPUT_EVERY_S = 0.19
EVIDENCE_EVERY_S = 0.5
SLOW_EVERY_S = 1.0
THRESHOLD, TOLERANCE = LINES = ("evidence:threshold", "ratio:tolerance")
"""The lines that go with sliders."""

RENEW_AFTER = 400
"""After so many streamed snapshots the evidence is drawn anew from the thinned ones."""


class Curves:
    """The plots of a race, kept up to date by `tick`; called from one thread.

    Parameters
    ----------
    control
        The race.
    """

    def __init__(self, control: RaceControl) -> None:
        self._control = control
        self.shown_size = 0
        """Batch size of the last measurement that was shown, in items."""
        self._sliders: tuple[Any, Any] | None = None
        self.figure = LiveFigure(self._draw(), themes=themes())

    def _draw(self) -> Any:
        """Return all plots with the history as it is, and note what they hold."""
        history = self._control.history()
        self._names = history.candidates
        self._objective = history.objectives[0].name
        self._workers = {u.worker for timed in history.usage for u in timed.workers}
        self._drawn = usage.drawn_figures(usage.usage_data(history.usage))
        self._seq = history.measurements[-1].seq + 1 if history.measurements else 0
        self._heard = history.log[-1] if history.log else None
        self._ratio: dict[str, list[Any]] = {}
        self._sizes: Any = None
        self._epoch = history.boards[-1].epoch if history.boards else 0
        self._blocks = -1
        self._streamed = 0
        self._throughput_s = self._evidence_s = self._slow_s = float("-inf")
        self._has_ratio = bool(history.boards)
        drawn = race_figures(history)
        self._heights = _heights(drawn, self._names)
        return drawn

    def tick(self, board: Scoreboard, *, watched: bool = True, awaited: int | None = None) -> None:
        """Show what is new; figures are drawn anew when somebody entered.

        Workers are asked how busy they are only while somebody looks (`watched`); five times a
        second is enough for the eye, unless a user waits for the first measurement at a batch
        size (`awaited`), which then goes to a page that has nothing else to draw.
        """
        if self._outgrown():
            self._rebuild()
        now_s = time.monotonic()
        if awaited is not None or now_s - self._throughput_s >= THROUGHPUT_EVERY_S:
            self._throughput_s = now_s
            self._throughput()
        if awaited is not None:
            self.lines()
            if self.shown_size == awaited:
                self.figure.flush_soon(("throughput:",))
                self.figure.hold()
            return
        if now_s - self._evidence_s >= EVIDENCE_EVERY_S:
            self._evidence_s = now_s
            self._evidence(board)
            self._ratios(board)
        if now_s - self._slow_s >= SLOW_EVERY_S:
            self._slow_s = now_s
            self._size_curves()
            if watched:
                self._usage(board)
        self.lines()

    def lines(self) -> None:
        """Move the lines of threshold and tolerance to the settings in force; from any thread."""
        settings = self._control.settings
        self.figure.set(THRESHOLD, "location", settings.elimination_threshold)
        self.figure.set(TOLERANCE, "location", settings.tolerance + self._tolerated_from)

    def go_with(self, threshold: Any, tolerance: Any) -> None:
        """Let the two lines go with these sliders, a logarithmic and a linear one."""
        self._sliders = threshold, tolerance
        self._leash()

    def _leash(self) -> None:
        if self._sliders is None:
            return
        threshold, tolerance = self._sliders
        self.figure.leash(
            Leash(line=THRESHOLD, slider=threshold, step=threshold.step, log=True),
            Leash(
                line=TOLERANCE,
                slider=tolerance,
                step=tolerance.step,
                offset=self._tolerated_from,
            ),
        )

    @property
    def _tolerated_from(self) -> float:
        """Where a tolerance of zero is, on the axis of the plot of ratios."""
        return 1.0 if self._control.objective.scale == "ratio" else 0.0

    def _rebuild(self) -> None:
        self._leash()
        self.figure.rebuild(self._draw())

    def _outgrown(self) -> bool:
        names = tuple(candidate.name for candidate in self._control.candidates)
        return names != self._names or self._control.objective.name != self._objective

    def _throughput(self) -> None:
        measured = self._control.measured_since(self._seq)
        if measured:
            self._seq = measured[-1].seq + 1
        fresh = lines_after(self._control.log_lines, self._heard)
        self._heard = fresh[-1] if fresh else self._heard
        data = throughput.throughput_data(measured, fresh)
        for name, columns in data.series.items():
            if name in self._names and columns["at_s"]:
                self._heights[name] = columns["throughput"][-1]
                self.shown_size = columns["batch_size"][-1]
                self.figure.stream(source_of("throughput", name), columns, throughput.ROLLOVER)
        if data.epochs["at_s"]:
            self.figure.stream("throughput:epochs", data.epochs, throughput.ROLLOVER)
        marks = throughput.marks_of(fresh, self._heights)
        if marks["at_s"]:
            colours = throughput.mark_colours(marks, self._names)
            self.figure.stream(
                "throughput:marks", {**marks, "color": colours}, throughput.ROLLOVER
            )

    def _evidence(self, board: Scoreboard) -> None:
        if board.blocks == self._blocks and board.epoch == self._epoch:
            return
        self._streamed += 1
        if self._streamed > RENEW_AFTER or board.epoch != self._epoch:
            boards = self._control.history().boards
            for name, columns in evidence.evidence_data(boards, candidates=self._names).items():
                if name in self._names:
                    self.figure.replace(source_of("evidence", name), columns)
            self._streamed = 0
        else:
            for name, columns in evidence.evidence_data([board]).items():
                if name in self._names:
                    self.figure.stream(source_of("evidence", name), columns, evidence.ROLLOVER)
        self._blocks, self._epoch = board.blocks, board.epoch

    def _ratios(self, board: Scoreboard) -> None:
        data = ratio.ratio_data(board, candidates=self._names)
        if data == self._ratio:
            return
        self._ratio = data
        self.figure.set("ratio:range", "factors", data["candidate"][::-1])
        self.figure.replace("ratio:points", data)

    def _size_curves(self) -> None:
        data = sizes.sizes_data(self._control.sizes(), candidates=self._names)
        if data == self._sizes:
            return
        self._sizes = data
        for name, columns in data.series.items():
            if name in self._names:
                self.figure.replace(source_of("sizes", name), columns)
        self.figure.replace("sizes:crossovers", data.crossovers)

    def _usage(self, board: Scoreboard) -> None:
        if board.phase == "ended" or not self._control.started:
            return
        busy = self._control.usage()
        shown = usage.drawn_figures(usage.usage_data([TimedUsage(at_s=0.0, workers=busy)]))
        # a GPU worker tells of its GPU only a moment after it joined
        if {known.worker for known in busy} - self._workers or set(shown) - set(self._drawn):
            self._rebuild()
            return
        self._stream_usage(busy, board.elapsed_s)

    def _stream_usage(self, busy: tuple[WorkerUsage, ...], at_s: float) -> None:
        for worker, columns in usage.usage_data([TimedUsage(at_s=at_s, workers=busy)]).items():
            self.figure.stream(f"usage:{worker}", columns, usage.ROLLOVER)


def _heights(drawn: Any, names: Sequence[str]) -> dict[str, float]:
    """Return the last drawn throughput of each who has one: where its next mark goes."""
    columns = {source.name: source.data for source in drawn.select({"type": ColumnDataSource})}
    shown = {name: columns[source_of("throughput", name)]["throughput"] for name in names}
    return {name: float(heights[-1]) for name, heights in shown.items() if len(heights)}


def lines_after(log: Sequence[LogLine], heard: LogLine | None) -> tuple[LogLine, ...]:
    """Return what was said after a line; all of it where that line is not kept any more.

    Counting does not do: a full log keeps its length.
    """
    for place in range(len(log), 0, -1):
        if log[place - 1] == heard:
            return tuple(log[place:])
    return tuple(log)
