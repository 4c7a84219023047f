"""The benchmark as text: three tables, the targets, Amdahl's law."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import amount, duration
from parbench_lab.errors import UsageError
from parbench_lab.lab.ml.amdahl import AmdahlAnalysis, amdahl_analysis
from parbench_lab.lab.ml.results import (
    BatchRow,
    LevelRow,
    OperationRow,
    ScalabilityBenchmark,
    Target,
)

_LINE = 79
"""Letters that a line has at most, so that a common terminal breaks none."""
_INDENT = "  "
_CROWDED = "* not measurable here (more workers than cores)"


def print_benchmark_results(
    benchmark: ScalabilityBenchmark, *, file: TextIO | None = None
) -> None:
    """Print the tables of a benchmark.

    Parameters
    ----------
    benchmark
        As `scalability_benchmark` returns it.
    file
        Where to; standard output by default.
    """
    (file or sys.stdout).write(benchmark_text(benchmark) + "\n")


def benchmark_text(benchmark: ScalabilityBenchmark) -> str:
    """Return the tables of a benchmark, the judged targets and Amdahl's law, as text."""
    parts = [_heading(benchmark), "By operation\n" + operation_table(benchmark.operations)]
    if benchmark.levels:
        parts.append(f"Workers: {benchmark.curve_operation}\n" + level_table(benchmark.levels))
    if benchmark.batch_sizes:
        title = f"Batch sizes: {benchmark.curve_operation}, {benchmark.curve_unit} per second"
        parts.append(f"{title}\n{batch_table(benchmark.batch_sizes)}")
    parts.append("Targets\n" + target_lines(benchmark.targets))
    if benchmark.levels:
        parts.append("Amdahl's law\n" + _law_text(benchmark))
    return "\n\n".join(parts)


def operation_table(rows: Sequence[OperationRow]) -> str:
    """Return two lines per operation: what it is about, and its figures.

    The grade says good above 85 %, fair from 70 %, poor below, or not certain where the interval
    of the efficiency holds both good and poor.
    """
    head = ("sequential", "parallel", "speedup", "efficiency", "waiting", "grade")
    figures = [
        (
            duration(row.sequential_s.point),
            duration(row.parallel_s.point),
            _interval(row.speedup),
            f"{row.efficiency.point:.0%}",
            "-" if row.idle_share is None else f"{row.idle_share.point:.0%}",
            _grade(row),
        )
        for row in rows
    ]
    first, *others = _table(head, figures).splitlines()
    lines = [_INDENT + first]
    for row, told in zip(rows, others, strict=True):
        about = f"{row.name}, {row.size:,} {row.unit}"
        lines += [f"{about}: results {_same(identical=row.identical)}", _INDENT + told]
    return "\n".join([*lines, *_crowded(rows)])


def level_table(rows: Sequence[LevelRow]) -> str:
    """Return a line per worker count."""
    lines = [
        (
            str(row.workers),
            duration(row.parallel_s.point),
            _interval(row.speedup),
            f"{row.efficiency.point:.0%}",
            _grade(row),
            _same(identical=row.identical),
        )
        for row in rows
    ]
    table = _table(("workers", "time", "speedup", "efficiency", "grade", "results"), lines)
    return "\n".join([table, *_crowded(rows)])


def batch_table(rows: Sequence[BatchRow]) -> str:
    """Return a line per batch size."""
    lines = [
        (
            str(row.batch_size),
            amount(row.sequential_per_s.point),
            amount(row.parallel_per_s.point),
            _interval(row.speedup),
            _same(identical=row.identical),
        )
        for row in rows
    ]
    return _table(("batch", "sequential", "parallel", "speedup", "results"), lines)


def target_lines(targets: Sequence[Target]) -> str:
    """Return a line per target, and what was found below it."""
    told = ((f"{target.name}: {target.verdict}", target.found) for target in targets)
    return "\n".join(line for head, found in told for line in (head, _wrapped(found, _INDENT)))


def amdahl_text(analysis: AmdahlAnalysis) -> str:
    """Return the analysis in sentences, with its projection as a table."""
    head = ("workers", "expected speedup", "efficiency")
    lines = [
        (str(row.workers), _interval(row.speedup), f"{row.efficiency.point:.0%}")
        for row in analysis.projections
    ]
    return "\n".join([*map(_wrapped, analysis.words), _table(head, lines)])


def _heading(benchmark: ScalabilityBenchmark) -> str:
    return (
        f"{benchmark.workers} workers ({benchmark.backend}) on {benchmark.cores} cores, "
        f"{benchmark.repeats} repetitions; intervals in brackets"
    )


def _law_text(benchmark: ScalabilityBenchmark) -> str:
    try:
        return amdahl_text(amdahl_analysis(benchmark))
    except UsageError as error:
        return _wrapped(f"not measurable here: {error}")


def _grade(row: OperationRow | LevelRow) -> str:
    return "*" if row.oversubscribed else str(row.grade)


def _crowded(rows: Sequence[OperationRow | LevelRow]) -> Sequence[str]:
    """Return what the mark means, where it is."""
    return [_CROWDED] if any(row.oversubscribed for row in rows) else []


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _LINE,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _same(*, identical: bool) -> str:
    return "identical" if identical else "DIFFERENT"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.point:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return columns wide enough for their cells, two spaces apart."""
    rows = [head, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
