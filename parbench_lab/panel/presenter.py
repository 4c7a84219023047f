"""What the panel shows, as plain values: a pure function of a race's snapshot. It decides nothing.

Nothing here is markup: the page puts every text in as text.
"""

from __future__ import annotations

import ast
import csv
import inspect
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.core.wording import COMPARED, amount, count, odds, percent, span
from parbench_lab.plots.theme import colour_of, dash_of
from parbench_lab.racing.history import LogLine
from parbench_lab.racing.leaderboard import LeaderboardRow, leaderboard_rows, progress
from parbench_lab.racing.result import ranking_frame
from parbench_lab.racing.settings import Settings

MOST_ROWS = 60
MOST_SENTENCES = 60
MOST_TIMES = 1000.0
UNREMARKABLE_ODDS = 10.0
"""Up to these odds identical code looks identical: chance alone passes them in 1 of 10 races."""

_OUT = (VerdictKind.ELIMINATED, VerdictKind.DROPPED)

_PHASES = {
    "new": "not started yet",
    "starting": "starting workers ...",
    "racing": "racing",
    "paused": "paused",
    "watching": "decided; the leader is watched",
    "ended": "ended",
}


def board_state(
    scoreboard: Scoreboard,
    settings: Settings,
    log: Sequence[LogLine],
    *,
    candidates: Sequence[str],
    started: bool,
    starting: bool = False,
    failure: str = "",
    objective: Metric = WALL_TIME_S,
    workload: str = "",
    run_id: str = "",
    dashboard_link: str | None = None,
) -> dict[str, Any]:
    """Return everything the board shows, as JSON values.

    Parameters
    ----------
    scoreboard, settings, log
        The snapshot, the knobs in force, and what was said, oldest first.
    candidates
        Names in order of entry, which gives the colours.
    started, starting
        Whether the race was started, and whether that is being done now.
    failure
        What broke the race, "" for nothing; it stands beside the phase, which is ``ended`` then.
    objective
        What ratios are about.
    workload, run_id, dashboard_link
        As in `RaceControl`.
    """
    phase = scoreboard.phase if started else ("starting" if starting else "new")
    if failure:
        phase = "ended"
    places = {name: index for index, name in enumerate(candidates)}
    rows = leaderboard_rows(scoreboard, settings, max_rows=MOST_ROWS)
    standings: list[Standing | None] = [*scoreboard.standings[: len(rows)]]
    if rows and rows[-1].tone == "fold":
        standings[-1] = None
    found = progress(scoreboard, settings)
    scale = ratio_scale(scoreboard, settings.tolerance, objective)
    return {
        "title": workload,
        "run": run_id,
        "phase": phase,
        "phase_words": f"ended: {failure}" if failure else _PHASES.get(phase, phase),
        "progress": {
            "share": round(found.fraction, 3),
            "words": _progress_words(scoreboard, settings, phase),
        },
        "facts": _facts(scoreboard, started=started),
        "dashboard": safe_link(dashboard_link),
        "ratio_head": f"{COMPARED[objective.scale]}{objective.change_suffix}",
        "ratio_title": "ratio to the leader"
        if objective.scale == "ratio"
        else "behind the leader",
        "tolerance_at": round(scale.place(scale.tolerance), 4),
        "rows": [
            _row(row, standing, places, scale)
            for row, standing in zip(rows, standings, strict=True)
        ],
        "trust": [
            *scoreboard.trust.warnings,
            trust_words(scoreboard, settings.elimination_threshold),
        ],
        "warned": bool(scoreboard.trust.warnings),
        "log": [f"{line.at_s:.1f} s  {line.sentence}" for line in reversed(log[-MOST_SENTENCES:])],
    }


class RatioScale:
    """Where a ratio (or a difference) stands on the leaderboard's bars, 0 to 1.

    Logarithmic for ratios; the leader's own place is 0.08, so that its interval can be seen.
    """

    def __init__(self, *, high: float, tolerance: float, logarithmic: bool) -> None:
        self._log = logarithmic
        self.tolerance = 1.0 + tolerance if logarithmic else tolerance
        self._end = max(self._number(high), self._number(self.tolerance) * 2)

    def place(self, value: float) -> float:
        """Return the place of a value."""
        share = self._number(value) / self._end if self._end > 0 else 0.0
        return min(1.0, max(0.0, 0.08 + 0.9 * share))

    def _number(self, value: float) -> float:
        if not self._log:
            return value
        return math.log(max(value, 1e-12))


def ratio_scale(scoreboard: Scoreboard, tolerance: float, objective: Metric) -> RatioScale:
    """Return the scale of the bars: from the leader to the worst that is still compared.

    Who is over `MOST_TIMES` slower (it timed out) ends at the edge, and does not flatten the rest.
    """
    relative = objective.scale == "ratio"
    highs = [s.ratio.high for s in scoreboard.standings if s.ratio is not None]
    compared = [h for h in highs if math.isfinite(h) and not (relative and h > MOST_TIMES)]
    edge = MOST_TIMES if relative and len(compared) < len(highs) else 0.0
    return RatioScale(
        high=max([*compared, min(edge, 2 * max(compared, default=edge))], default=1.0),
        tolerance=tolerance,
        logarithmic=relative,
    )


def _row(
    row: LeaderboardRow, standing: Standing | None, places: Mapping[str, int], scale: RatioScale
) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "rank": row.rank,
        "candidate": row.candidate,
        "verdict": row.verdict,
        "ratio": row.ratio,
        "throughput": row.throughput,
        "memory": row.memory,
        "evidence": row.evidence,
        "blocks": row.blocks,
        "reason": row.reason,
        "tone": row.tone,
        "name": None,
        "bar": None,
        "colour": "transparent",
        "dash": "solid",
        "action": None,
    }
    if standing is None:
        return shown
    shown["name"] = standing.candidate
    place = places.get(standing.candidate, 0)
    shown["colour"], shown["dash"] = colour_of(place), dash_of(place)
    shown["action"] = "bring back" if standing.verdict in _OUT else "drop"
    shown["details"] = standing.reason
    if standing.ratio is None and standing.verdict not in _OUT:
        shown["ratio"] = "not yet"  # at this batch size: nobody is judged before a first block
    if standing.ratio is not None:
        known = standing.ratio
        shown["bar"] = [round(scale.place(v), 4) for v in (known.low, known.point, known.high)]
    return shown


def _progress_words(scoreboard: Scoreboard, settings: Settings, phase: str) -> str:
    if phase in ("new", "starting"):
        return "press start" if phase == "new" else "starting workers ..."
    found = progress(scoreboard, settings)
    parts = [f"{found.settled} of {found.candidates} settled"]
    if phase == "racing" and found.time_left_s is not None:
        parts.append(f"about {span(found.time_left_s)} to a decision")
    parts.append(f"{span(scoreboard.elapsed_s)} so far")
    return " · ".join(parts)


def _facts(scoreboard: Scoreboard, *, started: bool) -> str:
    if not started:
        return ""
    return " · ".join(
        [
            f"{amount(scoreboard.blocks_per_s)} blocks/s",
            count(len(scoreboard.workers), "worker"),
            _duty_words(scoreboard),
            f"batch size {scoreboard.batch_size:,}",
            f"{scoreboard.measurements:,} measurements",
        ]
    )


def _duty_words(scoreboard: Scoreboard) -> str:
    """Return how busy the race keeps the workers; who only watches the leader keeps them idle."""
    if scoreboard.phase == "watching":
        return "low duty: the leader is watched"
    return f"duty cycle {percent(scoreboard.duty_cycle)}"


def trust_words(scoreboard: Scoreboard, elimination_threshold: float) -> str:
    """Return how far to trust this machine: every figure with what it means.

    Parameters
    ----------
    scoreboard
        The snapshot.
    elimination_threshold
        At these odds (to 1) of the canary verdicts are suspended.
    """
    trust = scoreboard.trust
    parts = [
        _canary_words(trust.canary_evidence, trust.canary_blocks, elimination_threshold),
        _interference_words(trust.interference),
    ]
    if trust.variance_ratio is not None:
        parts.append(f"autocorrelation {trust.variance_ratio:.2f} (variance ratio; 1: none)")
    if trust.worker_residuals:
        name = max(trust.worker_residuals, key=lambda worker: trust.worker_residuals[worker])
        parts.append(f"slowest worker {name}: {percent(trust.worker_residuals[name])} behind")
    return " · ".join(parts)


def _canary_words(evidence: float, blocks: int, elimination_threshold: float) -> str:
    """Return what it means that the leader raced against itself."""
    if blocks == 0:
        return "A/A canary: identical code has not raced against itself yet"
    found = (
        f"identical code told apart at odds {odds(evidence)}"
        if evidence > UNREMARKABLE_ODDS
        else f"identical code is not told apart ({odds(evidence)}), as it should be"
    )
    suspended = f"verdicts are suspended at {odds(elimination_threshold)}"
    return f"A/A canary over {count(blocks, 'block')}: {found}; {suspended}"


def _interference_words(found: Estimate | None) -> str:
    """Return what all workers being busy does to a candidate's time."""
    if found is None:
        return "interference not measured yet"
    if found.low > 0:
        meaning = "all workers busy make it slower"
    elif found.point < 0:
        meaning = "all workers busy made it no slower"
    else:
        meaning = "all workers busy made it not certainly slower"
    return f"interference {percent(found.point)}: {meaning}"


def safe_link(link: str | None) -> str | None:
    """Return a link a page may show: http only, whatever the cluster says of itself."""
    return link if link is not None and link.startswith(("http://", "https://")) else None


def table_as_csv(scoreboard: Scoreboard) -> str:
    """Return the ranking as CSV (the columns of `ranking()`, numbers in full).

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    frame = ranking_frame(scoreboard)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow([_harmless(value) for value in row])
    return out.getvalue()


def _harmless(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return value


def code_of(candidate: Candidate) -> str:
    """Return a candidate as code to take away: its source where it has one, else its import."""
    function = candidate.function
    if isinstance(function, str):
        module, _, name = function.partition(":")
        return f"from {module} import {name.split('.')[0]}\n\n{_call(name, candidate)}"
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError):
        where = candidate.import_string
        if where is None:
            return f"# {candidate.name}: its source is not known\n"
        module, _, name = where.partition(":")
        return f"from {module} import {name.split('.')[0]}\n\n{_call(name, candidate)}"
    name = getattr(function, "__name__", candidate.name)
    return f"{_that_runs(source)}\n{_call(name, candidate)}"


def _that_runs(source: str) -> str:
    """Return the source less ``@candidate``, which only entered it for a race.

    A piece of a line (a lambda in a call) becomes a comment.
    """
    try:
        found = ast.parse(source).body
    except SyntaxError:
        return textwrap.indent(source, "# ", lambda _line: True)
    lines = source.splitlines(keepends=True)
    for decorator in getattr(found[0], "decorator_list", ()):
        if ast.unparse(decorator).partition("(")[0].rpartition(".")[2] == "candidate":
            for number in range(decorator.lineno - 1, decorator.end_lineno):
                lines[number] = ""
    return "".join(lines)


def _call(name: str, candidate: Candidate) -> str:
    given = "".join(f", {key}={value!r}" for key, value in candidate.parameters.items())
    return f"# result = {name}(case{given})\n"
