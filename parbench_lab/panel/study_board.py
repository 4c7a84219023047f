"""What a study's panel says: markup of a snapshot, every text escaped. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.analysis.laws.fitting import Fit
from parbench_lab.analysis.reading import read_curve
from parbench_lab.core.wording import NOTHING, amount, count, memory
from parbench_lab.plots.scaling import (
    Oversubscribed,
    Quantity,
    ScalingData,
    fitted_laws,
    scaling_data,
    series_labels,
    told,
)
from parbench_lab.scaling.control import StudyControl
from parbench_lab.scaling.plan import Cell, Plan, Series
from parbench_lab.scaling.study import Phase

_CELL = "padding:2px 10px 2px 0;text-align:left;border-bottom:1px solid #8884"
_PHASES = {
    "new": "not started yet",
    "measuring": "measuring",
    "paused": "paused",
    "ended": "ended",
}
_HIDDEN_FROM = {"throughput": "wide", "memory": "wide", "serial_fraction": "narrow"}
"""Columns that a narrow page leaves out, by the classes of race_board.css."""

_MANY_SERIES = 2
_FEW_SENTENCES = 2
_CODE_HINT, _PANEL_HINT = 'give oversubscribed="include" to fit them', "they can be fitted too"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyState:
    """A study at one moment.

    Parameters
    ----------
    job, unit
        What is measured, and what its items are.
    run_id
        "" before it starts.
    phase, plan, done, planned
        Where it is; how many runs are made, of how many.
    curves
        What was measured.
    fits, refusals
        The laws that were fitted to each, or why none was.
    data
        What the plots show.
    reasons
        Why the backend was chosen, and which batch sizes are measured as one; none where all is
        as it was asked for.
    failure
        Why it could not go on; "" where it could.
    """

    job: str
    unit: str
    run_id: str
    phase: Phase
    plan: Plan
    done: int
    planned: int
    curves: Mapping[Series, ScalingCurve] = field(default_factory=dict)
    fits: Mapping[Series, Sequence[Fit]] = field(default_factory=dict)
    refusals: Mapping[Series, str] = field(default_factory=dict)
    data: ScalingData = field(default_factory=ScalingData)
    reasons: Sequence[str] = ()
    failure: str = ""


def look_at(
    control: StudyControl,
    *,
    hidden: int = 0,
    oversubscribed: Oversubscribed = "exclude",
    failure: str = "",
) -> StudyState:
    """Return a study as it is now, with laws fitted to what was measured.

    Takes some 20 ms for each curve. Parameters are those of `scaling_data` and `StudyState`.
    """
    done, planned = control.progress
    curves, plan = control.curves, control.plan
    found = {
        series: fitted_laws(curve, hidden=hidden, oversubscribed=oversubscribed)
        for series, curve in curves.items()
    }
    fits = {series: own for series, (own, _) in found.items()}
    return StudyState(
        job=control.scalable.name,
        unit=control.scalable.unit,
        run_id=control.run_id,
        phase=control.phase,
        plan=plan,
        done=done,
        planned=planned,
        curves=curves,
        fits=fits,
        refusals={series: why for series, (_, why) in found.items()},
        data=scaling_data(curves, fits=fits, workers=plan.workers),
        reasons=[why for why in (control.backend_reason, control.batch_reason) if why],
        failure=failure,
    )


def head_html(state: StudyState, *, now: Cell | None = None, ending: str = "") -> str:
    """Return title, phase and progress.

    Parameters
    ----------
    state
        Of `look_at`.
    now
        The run that is being made.
    ending
        What happens after it ("pauses"), where a user asked for something.
    """
    share = 100.0 * state.done / max(1, state.planned)
    title = f"{html.escape(state.job)}: {state.plan.mode} scaling"
    phase = html.escape(_PHASES[state.phase] + (f", {ending} after this run" if ending else ""))
    facts = [f"{state.done} of {count(state.planned, 'run')} done", *_now(now, state.plan)]
    return (
        f'<div class="parbench-head"><strong>{title}</strong> <span role="status">{phase}</span> '
        f'<small class="soft">{html.escape(state.run_id)}</small></div>'
        f'<div class="parbench-progress"><div style="width:{share:.1f}%"></div></div>'
        f"<div>{html.escape('; '.join(facts))}</div>"
    )


def _now(now: Cell | None, plan: Plan) -> Iterator[str]:
    if now is not None:
        which = f"now {count(now.workers, 'worker')}"
        place = f" ({now.series})" if len(plan.series) > 1 else ""
        yield f"{which}{place}, repetition {now.repetition + 1} of {plan.repeats}"


def body_html(state: StudyState) -> str:
    """Return whether results agree, the table of levels, and what the curves say."""
    labels = series_labels(state.curves)
    parts = [_line(state.failure, "parbench-refused")] if state.failure else []
    parts += [_line(reason, "soft") for reason in state.reasons]
    parts.append(_table(state, labels))
    several = len(labels) > 1
    for series, curve in state.curves.items():
        if curve.trials:
            parts.append(_words(state, series, labels[series] if several else ""))
    return "".join(parts)


def still_html(state: StudyState) -> str:
    """Return all of it as a few kilobytes of markup for a page without a kernel."""
    return f'<div class="parbench-still">{head_html(state)}{body_html(state)}</div>'


def _line(text: str, kind: str) -> str:
    return f'<div class="{kind}">{html.escape(text)}</div>'


# ---------------------------------------------------------------- the table


def _table(state: StudyState, labels: Mapping[Series, str]) -> str:
    columns = _columns(state)
    head = "".join(f"<th{_look(shown)}>{html.escape(name)}</th>" for name, shown in columns)
    rows = []
    for series, curve in state.curves.items():
        if len(labels) > 1:
            name = f"<strong>{html.escape(labels[series])}</strong>"
            rows.append(f'<tr><td style="{_CELL}" colspan="{len(columns)}">{name}</td></tr>')
        rows += _rows(state, series, curve, n_columns=len(columns))
    return (
        '<div class="parbench-scroll"><table style="border-collapse:collapse">'
        f"<tr>{head}</tr>{''.join(rows)}</table></div>"
    )


def _columns(state: StudyState) -> list[tuple[str, str]]:
    """Return heads, and what is below them: a quantity, or a word for something else."""
    weak = state.plan.mode == "weak"
    return [
        ("workers", "workers"),
        *([(state.unit, "size")] if weak else []),
        ("time", "time_s"),
        ("scaled speedup" if weak else "speedup", "speedup"),
        ("efficiency", "efficiency"),
        ("scaled serial fraction" if weak else "serial fraction", "serial_fraction"),
        (f"{state.unit}/s", "throughput"),
        ("memory", "memory"),
        ("runs", "runs"),
    ]


def _rows(
    state: StudyState, series: Series, curve: ScalingCurve, *, n_columns: int
) -> Iterator[str]:
    levels = {level.workers: level for level in curve.levels}
    for workers in sorted({*state.plan.workers, *levels}):
        size = state.plan.size_at(series, workers)
        level = levels.get(workers) or Level(
            workers=workers, size=size, oversubscribed=curve.is_beyond(workers)
        )
        made = sum(trial.workers == workers for trial in curve.trials)
        wanted = state.plan.repeats if workers in state.plan.workers else made
        cells = (
            f"<td{_look(shown)}>{_cell(level, shown, f'{made} of {wanted}')}</td>"
            for _, shown in _columns(state)
        )
        yield f"<tr>{''.join(cells)}</tr>"
        if level.failures:
            why = f"{count(len(level.failures), 'run')} failed, the last: {level.failures[-1]}"
            yield (
                f'<tr><td style="{_CELL}" colspan="{n_columns}" class="parbench-refused">'
                f"{html.escape(why)}</td></tr>"
            )


def _look(shown: str) -> str:
    """Return the attributes of a cell of this column."""
    return f' style="{_CELL}" class="{_HIDDEN_FROM.get(shown, "")}"'


def _cell(level: Level, shown: str, runs: str) -> str:
    match shown:
        case "workers":
            crowd = " <small>(more than cores)</small>" if level.oversubscribed else ""
            return f"{level.workers}{crowd}"
        case "size":
            return f"{level.size:,}"
        case "throughput":
            return html.escape(amount(level.throughput.point if level.throughput else None))
        case "memory":
            peak = level.peak_memory_bytes
            return html.escape(memory(peak.point if peak else None))
        case "runs":
            return runs
        case _:
            return _interval(level, shown)


def _interval(level: Level, quantity: str) -> str:
    named: dict[str, Quantity] = {
        "time_s": "time_s",
        "speedup": "speedup",
        "efficiency": "efficiency",
        "serial_fraction": "serial_fraction",
    }
    text = told(getattr(level, quantity), named[quantity])
    if text == NOTHING:
        return NOTHING
    point, bracket, ends = text.partition(" [")
    small = f' <small class="soft">[{html.escape(ends)}</small>' if bracket else ""
    return f"{html.escape(point)}{small}"


# ---------------------------------------------------------------- what the curves say


def _words(state: StudyState, series: Series, label: str) -> str:
    curve = state.curves[series]
    read, law = read_curve(curve), _law_words(state, series)
    title = f"<strong>{html.escape(label)}</strong>" if label else ""
    if len(state.curves) <= _MANY_SERIES:
        listed = _list([curve.agreement, *read, *law])
    else:
        # a law is never drawn without what it was fitted to
        first, fitted = read[:_FEW_SENTENCES], _law_words(state, series, few=True)
        folded = [*read[_FEW_SENTENCES:], *(text for text in law if text not in fitted)]
        listed = _list([curve.agreement, *first, *fitted]) + _folded(folded)
    return f'<div class="parbench-words">{title}{listed}</div>'


def _list(sentences: Sequence[str]) -> str:
    items = "".join(f"<li>{html.escape(_as_sentence(text))}</li>" for text in sentences)
    return f'<ul style="margin:2px 0;padding-left:18px">{items}</ul>'


def _folded(sentences: Sequence[str]) -> str:
    """Return sentences that are there when they are asked for, without a kernel too."""
    if not sentences:
        return ""
    told = count(len(sentences), "more sentence")
    return f"<details><summary>{told}</summary>{_list(sentences)}</details>"


def _law_words(state: StudyState, series: Series, *, few: bool = False) -> Sequence[str]:
    fits = state.fits.get(series, ())
    if fits:
        return fits[0].oversubscribed_words if few else fits[0].words
    why = state.refusals.get(series, "").replace(_CODE_HINT, _PANEL_HINT)
    return [f"no law is fitted: {why}"] if why else []


def _as_sentence(text: str) -> str:
    words = text.strip().rstrip(".")
    return f"{words[:1].upper()}{words[1:]}."
