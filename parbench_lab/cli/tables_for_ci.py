"""A check as continuous integration wants it: JUnit XML, and Markdown for a pull request. Pure.

Names and messages are foreign text: what could steer a page or a terminal is written out.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from parbench_lab.cli.cells import fitted
from parbench_lab.core import wording
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.metric import Scale
from parbench_lab.core.standing import VerdictKind

if TYPE_CHECKING:
    from parbench_lab.analysis.regression.report import SeriesReport, WatchReport
    from parbench_lab.cli.doors import Result

Outcome4 = Literal["passed", "failed", "undecided", "skipped"]

PICTURE_CELLS = 41
_NAME_CELLS = 28
_MARKDOWN = re.compile(r"([\\`*_\[\]#|~]|^[-+.])")
# green is read as "equal": what is not known yet has a sign of its own
_MARKS: dict[Outcome4, str] = {"passed": "✅", "failed": "❌", "undecided": "❔", "skipped": "⚠️"}
_UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One thing that was checked.

    Parameters
    ----------
    name
        Of a candidate or a series.
    verdict
        In a word.
    outcome
        Whether it passed, made the check fail, is not known yet, or was kept from failing.
    ratio
        Times worse than what it is compared with; None where not measured.
    message
        Why, in a sentence.
    scale
        Of the metric: on ``"interval"`` `ratio` is a difference.
    """

    name: str
    verdict: str
    outcome: Outcome4 = "passed"
    ratio: Estimate | None = None
    message: str = ""
    scale: Scale = "ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTable:
    """A whole check.

    Parameters
    ----------
    title
        What was checked.
    sentence
        What came of it.
    compared
        What the costs are set against, for the heading of their column.
    seconds
        How long it took.
    notes
        Printed below.
    """

    title: str
    sentence: str
    rows: tuple[CheckRow, ...]
    compared: str = "the baseline's cost"
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """What the column of ratios holds; differences stand in it with their signs."""
        scales = {row.scale for row in self.rows}
        if "interval" not in scales:
            return f"times {self.compared}"
        return f"{'times, or ' if 'ratio' in scales else ''}difference from {self.compared}"


# ---------------------------------------------------------------- from results


def watch_table(report: WatchReport) -> CheckTable:
    """Return a watch's report as a table."""
    rows = tuple(
        CheckRow(
            name=f"{one.candidate} ({one.metric})",
            verdict=one.verdict.value,
            outcome=_outcome_of(one),
            ratio=one.ratio,
            message=one.sentence,
            scale=one.scale,
        )
        for one in report.series
    )
    return CheckTable(
        title=f"watch of {report.workload}",
        sentence=report.sentence,
        rows=rows,
        seconds=report.seconds,
        notes=report.notes,
    )


def _outcome_of(one: SeriesReport) -> Outcome4:
    if one.blocking:
        return "failed"
    if one.quarantined:
        return "skipped"
    return passed_or_undecided(one.verdict.value)


def passed_or_undecided(verdict: str) -> Outcome4:
    """Return the outcome of what did not fail, by its verdict's word."""
    return "undecided" if verdict == _UNDECIDED else "passed"


def race_table(result: Result) -> CheckTable:
    """Return a race's result as a table; who is out for a failure has failed."""
    bad = {outcome for outcome in Outcome if outcome is not Outcome.OK}
    rows = tuple(
        CheckRow(
            name=one.candidate,
            verdict=one.verdict.value,
            outcome="failed"
            if one.verdict is VerdictKind.ELIMINATED and one.outcome in bad
            else passed_or_undecided(one.verdict.value),
            ratio=one.ratio,
            message=one.reason,
            scale=result.scoreboard.scale,
        )
        for one in result.scoreboard.standings
    )
    return CheckTable(
        title=f"race of {result.workload}",
        sentence=result.sentence,
        rows=rows,
        compared="the leader's cost",
        seconds=result.scoreboard.elapsed_s,
    )


# ---------------------------------------------------------------- JUnit


def junit_xml(table: CheckTable) -> str:
    r"""Return the table as JUnit XML, one test case for each row.

    Examples
    --------
    >>> rows = (CheckRow(name="a<b", verdict="regression", outcome="failed", message="slow"),)
    >>> print(junit_xml(CheckTable(title="watch", sentence="bad", rows=rows)))
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
    <testsuite name="watch" tests="1" failures="1" skipped="0" errors="0" time="0.000">
    <testcase classname="watch" name="a&lt;b" time="0.000">
    <failure message="regression" type="regression">slow</failure>
    </testcase>
    </testsuite>
    </testsuites>
    <BLANKLINE>
    """
    counts = {kind: sum(row.outcome == kind for row in table.rows) for kind in _MARKS}
    seconds = f"{table.seconds:.3f}"
    numbers = (
        f'tests="{len(table.rows)}" failures="{counts["failed"]}" skipped="{counts["skipped"]}"'
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<testsuites>",
        f'<testsuite name="{_xml(table.title)}" {numbers} errors="0" time="{seconds}">',
    ]
    each_s = f"{table.seconds / max(1, len(table.rows)):.3f}"
    for row in table.rows:
        lines += _test_case(table.title, row, each_s)
    return "\n".join([*lines, "</testsuite>", "</testsuites>", ""])


def _test_case(title: str, row: CheckRow, seconds: str) -> list[str]:
    head = f'<testcase classname="{_xml(title)}" name="{_xml(row.name)}" time="{seconds}">'
    verdict, message = _xml(row.verdict), _xml(row.message or row.verdict)
    inner = {
        "failed": f'<failure message="{verdict}" type="{verdict}">{message}</failure>',
        "skipped": f'<skipped message="{message}"/>',
        "passed": f"<system-out>{message}</system-out>",
        "undecided": f"<system-out>{message}</system-out>",  # the format has no word for it
    }
    return [head, inner[row.outcome], "</testcase>"]


def _xml(text: str) -> str:
    # printable: XML 1.0 has no way at all to write most control characters
    return html.escape(wording.printable(text))


# ---------------------------------------------------------------- Markdown


def markdown(table: CheckTable) -> str:
    r"""Return the table as Markdown for a pull request: verdicts, a table and a picture.

    Examples
    --------
    >>> rows = (CheckRow(name="a|b", verdict="equal"),)
    >>> print(markdown(CheckTable(title="watch", sentence="no regression", rows=rows)))
    ### ✅ watch
    <BLANKLINE>
    no regression
    <BLANKLINE>
    |  | name | verdict | times the baseline's cost |
    |---|---|---|---:|
    | ✅ | `a\|b` | equal | \- |
    <BLANKLINE>
    - No picture: nothing here was measured that has an interval.
    <BLANKLINE>
    """
    lines = [
        f"### {_MARKS[_outcome_of_all(table)]} {_plain(table.title)}",
        "",
        _plain(table.sentence),
        "",
        f"|  | name | verdict | {_plain(table.heading)} |",
        "|---|---|---|---:|",
    ]
    for row in table.rows:
        ratio = _plain(wording.change(row.ratio, row.scale))
        mark = _MARKS[row.outcome]
        lines.append(f"| {mark} | {code(row.name)} | {_plain(row.verdict)} | {ratio} |")
    lines.append("")
    picture = interval_picture(table)
    if picture:
        # in a code block nothing is interpreted, but a line of backticks would end it
        lines += ["````text", *(line.replace("````", "'''") for line in picture), "````", ""]
    elif table.rows:
        lines.append("- No picture: nothing here was measured that has an interval.")
    for row in table.rows:
        if row.outcome != "passed" and row.message:
            lines.append(f"- {_MARKS[row.outcome]} {_plain(row.message)}")
    lines += [f"- {_plain(note)}" for note in table.notes]
    return "\n".join(lines).rstrip() + "\n"


def _outcome_of_all(table: CheckTable) -> Outcome4:
    outcomes = {row.outcome for row in table.rows}
    worst: tuple[Outcome4, ...] = ("failed", "undecided")
    return next((outcome for outcome in worst if outcome in outcomes), "passed")


def interval_picture(table: CheckTable) -> list[str]:
    """Return the rows' intervals on one axis, logarithmic for ratios, linear for differences.

    Differences have no place beside ratios: they have an axis of their own below. Without
    anything to draw there are no lines.

    Examples
    --------
    >>> ratio = Estimate(point=1.1, low=1.05, high=1.15, confidence=0.95, n=9)
    >>> row = CheckRow(name="loop", verdict="regression", ratio=ratio)
    >>> for line in interval_picture(CheckTable(title="t", sentence="s", rows=(row,))):
    ...     print(line.rstrip())
                                 0.9 to 1.15 times the baseline's cost; | is 1
    loop                                          |       ├───────●──────┤
    """
    return [*_drawn(table, "ratio"), *_drawn(table, "interval")]


def _drawn(table: CheckTable, scale: Scale) -> list[str]:
    drawn = [(row.name, row.ratio) for row in table.rows if row.ratio and row.scale == scale]
    if scale == "ratio":
        drawn = [(name, ratio) for name, ratio in drawn if ratio.low > 0]
    ends = [end for _, change in drawn for end in (change.low, change.high)]
    if not any(map(math.isfinite, ends)):
        return []
    axis = _Axis.around([end for end in ends if math.isfinite(end)], scale)
    about = f"{wording.BESIDE[scale]} {wording.printable(table.compared)}"
    head = f"{axis.low:.3g} to {axis.high:.3g} {about}; | is {axis.neutral:g}"
    lines = [fitted("", _NAME_CELLS) + " " + head]
    for name, change in drawn:
        lines.append(f"{fitted(wording.printable(name), _NAME_CELLS)} {axis.bar(change)}")
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """From `low` to `high` (both finite), with a mark at `neutral`, where costs are equal."""

    low: float
    high: float
    neutral: float
    logarithmic: bool

    @classmethod
    def around(cls, ends: Sequence[float], scale: Scale) -> _Axis:
        """Return one that holds these ends and the neutral value."""
        if scale == "ratio":
            return cls(low=min(0.9, *ends), high=max(1.1, *ends), neutral=1.0, logarithmic=True)
        low, high = min(0.0, *ends), max(0.0, *ends)
        return cls(low=low, high=high if high > low else 1.0, neutral=0.0, logarithmic=False)

    def bar(self, change: Estimate) -> str:
        """Return an interval as characters between the ends."""
        marks = [" "] * PICTURE_CELLS
        marks[self._place(self.neutral)] = "|"
        begin, point, end = map(self._place, (change.low, change.point, change.high))
        marks[begin : end + 1] = "─" * (end + 1 - begin)
        marks[begin], marks[end] = "├", "┤"
        marks[point] = "●"
        return "".join(marks)

    def _place(self, value: float) -> int:
        inside = min(self.high, max(self.low, value))
        if self.logarithmic:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return round((PICTURE_CELLS - 1) * share)


def code(text: str) -> str:
    r"""Return a text as a code span of a Markdown table, whatever is in it.

    Examples
    --------
    >>> print(code("a`b|c"))
    ``a`b\|c``
    """
    line = wording.printable(text).replace("|", r"\|") or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is: no links, no markup, nobody mentioned."""
    line = html.escape(wording.printable(text), quote=False)
    line = _MARKDOWN.sub(r"\\\1", line)
    return line.replace("@", "@<!-- -->").replace("://", ":<!-- -->//")
