"""What Amdahl's law makes of a benchmark: the serial part, and where more workers end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parbench_lab.analysis.laws.formulas import amdahl_speedup, karp_flatt
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.given import checked_count, is_several
from parbench_lab.errors import UsageError
from parbench_lab.lab.ml.results import LevelRow, ScalabilityBenchmark
from parbench_lab.lab.ml.timing import through

PROJECTED_WORKERS = (2, 4, 8, 16, 32)
_NEGLIGIBLE_SERIAL_FRACTION = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class AmdahlRow:
    """One measured level.

    Parameters
    ----------
    workers
        Above 1.
    speedup
        Measured.
    serial_fraction
        What Karp and Flatt's formula makes of it: the serial part that would explain it. Below 0
        where the speedup is more than the workers. Where it grows with the workers, it is
        overhead and not a serial part.
    predicted_speedup
        Amdahl's, with the serial fraction of the whole analysis.
    oversubscribed
        More workers than cores: shown, and not used.
    """

    workers: int
    speedup: Estimate
    serial_fraction: Estimate
    predicted_speedup: Estimate
    oversubscribed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AmdahlProjection:
    """Speedup and efficiency that the law expects at a worker count, within its intervals."""

    workers: int
    speedup: Estimate
    efficiency: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class AmdahlAnalysis:
    """A serial fraction and what follows from it.

    Parameters
    ----------
    operation
        What was measured.
    serial_fraction
        From the largest level on cores of its own, within 0 and 1.
    limit
        The speedup that no number of workers passes; infinite where the serial fraction may be 0.
    rows
        The measured levels above 1.
    projections
        For more workers.
    words
        The same in plain sentences.
    """

    operation: str
    serial_fraction: Estimate
    limit: Estimate
    rows: tuple[AmdahlRow, ...]
    projections: tuple[AmdahlProjection, ...]
    words: tuple[str, ...]


def amdahl_analysis(
    benchmark: ScalabilityBenchmark, *, workers: Sequence[int] = PROJECTED_WORKERS
) -> AmdahlAnalysis:
    """Return what Amdahl's law makes of a benchmark's worker table.

    The serial fraction is the one that explains the largest level on cores of its own. It is one
    number for everything that does not speed up: the serial part, dispatch and waiting.

    Parameters
    ----------
    benchmark
        As `scalability_benchmark` returns it.
    workers
        Worker counts to project to, each from 1 on.

    Raises
    ------
    UsageError
        If no level above 1 was measured on cores of its own, or a worker count is no whole number
        from 1 up.

    References
    ----------
    .. [1] Amdahl (1967), Validity of the single processor approach, AFIPS 30.
    .. [2] Karp, Flatt (1990), Measuring parallel processor performance, CACM 33(5).
    """
    if not is_several(workers):
        raise UsageError(f"workers must be several whole numbers but got {workers!r}")
    projected = sorted({checked_count(count, "workers") for count in workers})
    parallel = [row for row in benchmark.levels if row.workers > 1]
    fit_for_use = [row for row in parallel if not row.oversubscribed]
    if not fit_for_use:
        raise UsageError(
            f"no level above 1 worker was measured on cores of its own ({benchmark.cores} here): "
            "measure worker_levels=[1, 2, ...] where there are more"
        )
    serial = through(_serial_fraction(fit_for_use[-1]), _within_bounds)
    rows = tuple(_row(level, serial) for level in parallel)
    projections = tuple(_projection(serial, count) for count in projected)
    limit = through(serial, _limit)
    return AmdahlAnalysis(
        operation=benchmark.curve_operation,
        serial_fraction=serial,
        limit=limit,
        rows=rows,
        projections=projections,
        words=_words(benchmark, rows, serial, limit),
    )


def _row(level: LevelRow, serial: Estimate) -> AmdahlRow:
    return AmdahlRow(
        workers=level.workers,
        speedup=level.speedup,
        serial_fraction=_serial_fraction(level),
        predicted_speedup=_expected(serial, level.workers),
        oversubscribed=level.oversubscribed,
    )


def _projection(serial: Estimate, workers: int) -> AmdahlProjection:
    speedup = _expected(serial, workers)
    return AmdahlProjection(
        workers=workers,
        speedup=speedup,
        efficiency=through(speedup, lambda value: value / workers),
    )


def _serial_fraction(level: LevelRow) -> Estimate:
    return through(level.speedup, lambda s: float(karp_flatt(speedup=s, workers=level.workers)))


def _expected(serial: Estimate, workers: int) -> Estimate:
    return through(
        serial, lambda part: float(amdahl_speedup(serial_fraction=part, workers=workers))
    )


def _within_bounds(fraction: float) -> float:
    return min(1.0, max(0.0, fraction))


def _limit(serial_fraction: float) -> float:
    return 1 / serial_fraction if serial_fraction > _NEGLIGIBLE_SERIAL_FRACTION else float("inf")


def _words(
    benchmark: ScalabilityBenchmark,
    rows: Sequence[AmdahlRow],
    serial: Estimate,
    limit: Estimate,
) -> tuple[str, ...]:
    used = [row for row in rows if not row.oversubscribed]
    source = f"from the speedup of {used[-1].speedup.point:.2f} at {used[-1].workers} workers"
    shares = f"{serial.point:.1%} ({serial.low:.1%} to {serial.high:.1%})"
    told = f"{shares} of {benchmark.curve_operation} does not speed up, {source}."
    if serial.low <= 0.0 and serial.high >= 1.0:
        told = (
            f"How much of {benchmark.curve_operation} does not speed up is not certain: all from "
            f"0% to 100% agrees with what was measured, {source}."
        )
    sentences = [told]
    if limit.low == float("inf"):
        sentences.append("No limit shows: the serial part may be nothing at all.")
    elif limit.high == float("inf"):
        sentences.append(
            f"The limit is {limit.low:.1f} times or more; the data do not tell where above."
        )
    else:
        sentences.append(
            f"No number of workers makes it more than {limit.point:.1f} times as fast "
            f"({limit.low:.1f} to {limit.high:.1f})."
        )
    sentences += _trend(used)
    reached = used[-1].workers
    sentences.append(
        f"Beyond {2 * reached} workers (twice what was measured) this is the law's word alone."
    )
    crowded = [str(row.workers) for row in rows if row.oversubscribed]
    if crowded:
        sentences.append(
            f"Levels {', '.join(crowded)} have more workers than the {benchmark.cores} cores here "
            "and are not used."
        )
    return tuple(sentences)


def _trend(used: Sequence[AmdahlRow]) -> list[str]:
    """Return whether the serial fraction is one number over the levels."""
    if len(used) < 2:
        return ["One level only: whether the serial fraction is one number cannot be seen."]
    first, last = used[0].serial_fraction, used[-1].serial_fraction
    if last.low > first.high:
        return ["The serial fraction grows with the workers: overhead rises, the law flatters."]
    if last.high < first.low:
        return ["The serial fraction falls with the workers: not a serial part (caches, clock)."]
    return ["The serial fraction is the same at all levels as far as the intervals tell."]
