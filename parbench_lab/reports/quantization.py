"""A quantisation study as text, as JSON, and as two files. Pure but for `write_reports`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.quantization.results import (
    Point,
    QuantizationResults,
    StreamingComparison,
)
from parbench_lab.analysis.quantization.runs import ModelError
from parbench_lab.analysis.quantization.targets import sentence, targets
from parbench_lab.analysis.reading import read_curve
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import NOTHING, count, printable, ratio
from parbench_lab.errors import UsageError
from parbench_lab.racing.result import jsonable
from parbench_lab.reports.kept import Kept, keep
from parbench_lab.reports.text import plain_table

FOLDER = Path(".benchmarks") / "parallel"
TEXT_FILE = "parallel_benchmark_report.txt"
JSON_FILE = "parallel_benchmark_results.json"

_MB = 1e6
_FAR = 1e6
_LEGEND = (
    "time: from the first byte read to the last one written; memory: peak of a fresh process less",
    "what it holds with its libraries loaded, before a weight is read (1 MB is 10^6 bytes);",
    "medians, 95 % intervals in brackets",
)


def quantization_text(results: QuantizationResults) -> str:
    """Return everything a study found: tables, laws, errors, and a line for each target."""
    parts = [
        _heading(results),
        *_scaling_part(results),
        *_sizes_part(results),
        *_comparison_part(results.comparison, results),
        *_errors_part(results.errors),
        "Targets\n" + "\n".join(f"- {target}" for target in targets(results)),
        *_list_part("Notes", (*results.failures, *results.notes)),
        *_list_part("Since the last study", results.hints),
    ]
    return "\n\n".join(parts)


def quantization_document(results: QuantizationResults) -> dict[str, Any]:
    """Return a study as JSON values: ``reports``, and ``all_results``, one per configuration.

    Each of the latter has ``name, model_size, num_threads, streaming, quantization_time_s,
    peak_memory_mb, quantization_memory_mb, speedup, efficiency`` (null where not measured; the
    ends of an interval are beside each as ``_low`` and ``_high``) and what else is known.
    """
    curve, found = results.curve, results.comparison
    return {
        "sentence": sentence(results),
        "complete": results.complete,
        "cores": results.cores,
        "machine": results.machine,
        "reports": {
            "core_scaling": None if curve is None else _curve_document(curve, results),
            "model_sizes": [_row(one) for one in _size_points(results)],
            "streaming_comparison": None if found is None else jsonable(found),
            "errors": jsonable(results.errors),
            "targets": jsonable(targets(results)),
            "failures": list(results.failures),
            "notes": list(results.notes),
            "hints": list(results.hints),
        },
        "all_results": [_row(one) for one in results.points],
    }


def quantization_results(results: QuantizationResults) -> Kept:
    """Return a study as a kept result, for a notebook."""
    return keep("quantization", quantization_document(results), quantization_text(results))


def write_reports(results: QuantizationResults, folder: Path = FOLDER) -> tuple[Path, Path]:
    """Write text and JSON into a folder, which is made; return their paths.

    Raises
    ------
    UsageError
        If they cannot be written.
    """
    texts = {
        TEXT_FILE: quantization_text(results) + "\n",
        JSON_FILE: json.dumps(quantization_document(results), indent=2, allow_nan=False) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            # beside it first: readers see the old file or the new one
            fresh = folder / f".{name}.new"
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(folder / name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot write the report ({error.strerror})") from error
    return folder / TEXT_FILE, folder / JSON_FILE


# ---------------------------------------------------------------- text


def _heading(results: QuantizationResults) -> str:
    schemes = ", ".join(dict.fromkeys(one.scheme for one in results.planned))
    about = f"{schemes}, {count(results.cores, 'core')}, {count(results.repeats, 'repetition')}"
    state = "" if results.complete else " (not all that was planned was measured)"
    return "\n".join((f"Parallel quantisation: {about}{state}", *_LEGEND))


def _scaling_part(results: QuantizationResults) -> Iterator[str]:
    curve = results.curve
    if curve is None:
        return
    points = _scaling_points(results)
    heads = ["threads", "time (s)", "memory (MB)", "speedup", "efficiency"]
    table = plain_table(heads, [_level(one) for one in points])
    lines = [f"Core scaling: {points[0].configuration.title}, {points[0].configuration.mode}"]
    below = [f"* more threads than {count(results.cores, 'core')}"]
    crowded = any(one.oversubscribed for one in points)
    said = [curve.agreement, *_alone(results, points), *curve_words(curve)]
    words = [f"- {printable(one).rstrip('.')}." for one in said]
    yield "\n".join([*lines, "", table, *(below if crowded else []), *words])


def curve_words(curve: ScalingCurve) -> list[str]:
    """Return what the curve over threads and the laws fitted to it say, or why none is."""
    said = list(read_curve(curve))
    for law in ("amdahl", "usl"):
        try:
            fit = curve.fit(law=law)
        except UsageError as refusal:
            return [*said, f"no law is fitted: {refusal}"]
        said += [f"{law}: {one}" for one in (fit.words[:2] if law == "amdahl" else fit.words)]
    return said


def _alone(results: QuantizationResults, points: Sequence[Point]) -> Iterator[str]:
    """Yield what quantising alone gains, without reading and writing."""
    first = points[0].configuration
    if first.streaming:
        return
    levels = results.curve_of(first, compute=True).levels
    ours = [one for one in levels if one.workers > 1 and not one.oversubscribed and one.speedup]
    if ours and levels[0].workers == 1:
        most = ours[-1]
        yield (
            f"quantising alone, without reading and writing: {_told(most.speedup, '.2f')} times "
            f"as fast with {most.workers} threads"
        )


def _level(point: Point) -> list[str]:
    mark = " *" if point.oversubscribed else ""
    return [
        f"{point.configuration.threads}{mark}",
        *_time_and_memory(point),
        _told(point.speedup, ".2f"),
        _told(point.efficiency, ".0f", factor=100.0, unit=" %"),
    ]


def _sizes_part(results: QuantizationResults) -> Iterator[str]:
    points = _size_points(results)
    if points:
        table = plain_table(
            ["model", "mode", "time (s)", "memory (MB)", "million weights/s"],
            [
                [one.configuration.title, one.configuration.mode, *_time_and_memory(one),
                 _rate(one)]
                for one in points
            ],
            left=2,
        )  # fmt: skip
        yield f"Model sizes: {_threads(points[0], results)}\n\n{table}"


def _comparison_part(
    found: StreamingComparison | None, results: QuantizationResults
) -> Iterator[str]:
    if found is None:
        return
    points = [results.point(one) for one in (found.batch, found.streaming)]
    table = plain_table(
        ["mode", "time (s)", "memory (MB)"],
        [[one.configuration.mode, *_time_and_memory(one)] for one in points],
    )
    time, memory = (ratio(one) for one in (found.time_ratio, found.memory_ratio))
    same = {
        True: "identical bit by bit",
        False: "DIFFERENT",
        None: "not compared: nothing was written",
    }[found.same_bytes]
    yield "\n".join(
        (
            f"Streaming against batch: {found.batch.title}, {_threads(points[0], results)}",
            "",
            table,
            f"- streaming over batch, paired: time {time}, memory {memory}.",
            f"- the files are {same}.",
        )
    )


def _errors_part(errors: Sequence[ModelError]) -> Iterator[str]:
    if not errors:
        return
    rows = [
        [one.title, one.scheme, f"{one.cosine:.6f}", f"{one.relative_l2:.4f}",
         f"{one.worst_relative_l2:.4f} ({one.worst})",
         f"{100 * one.n_looked_at / one.n_weights:.3g} %"]
        for one in errors
    ]  # fmt: skip
    heads = ["model", "scheme", "cosine", "relative L2", "of the worst tensor", "looked at"]
    yield "Error of the weights\n\n" + plain_table(heads, rows, left=2)


def _list_part(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield "\n".join((title, *(f"- {printable(line)}" for line in lines)))


def _time_and_memory(point: Point) -> tuple[str, str]:
    if point.time_s is None:
        return "failed", NOTHING
    digits = ".3f" if point.time_s.point >= 0.1 else ".2g"
    memory = _told(point.quantization_memory_bytes, ",.1f", factor=1 / _MB)
    return _told(point.time_s, digits), memory


def _rate(point: Point) -> str:
    if point.time_s is None:
        return NOTHING
    return f"{point.configuration.n_weights / point.time_s.point / 1e6:,.0f}"


def _threads(point: Point, results: QuantizationResults) -> str:
    shared = f" on {count(results.cores, 'core')}" if point.oversubscribed else ""
    return f"{count(point.configuration.threads, 'thread')}{shared}"


def _told(found: Estimate | None, form: str, *, factor: float = 1.0, unit: str = "") -> str:
    if found is None:
        return NOTHING
    values = [factor * value for value in (found.point, found.low, found.high)]
    # of two repetitions an end may be beyond all that can be
    point, low, high = (format(one, form if one < _FAR else ".1g") for one in values)
    return f"{point}{unit}" + (f" [{low}, {high}]" if low != high else "")


# ---------------------------------------------------------------- JSON


def _scaling_points(results: QuantizationResults) -> list[Point]:
    asked = results.asked
    wanted = [
        results.of_model(asked.scaling_model, threads=threads, streaming=None)
        for threads in asked.cores
    ]
    return [one for one in wanted if one is not None and (one.time_s or one.failures)]


def _size_points(results: QuantizationResults) -> list[Point]:
    asked = results.asked
    wanted = [results.of_model(name, threads=asked.threads) for name in asked.size_models]
    return [one for one in wanted if one is not None and (one.time_s or one.failures)]


def _curve_document(curve: ScalingCurve, results: QuantizationResults) -> dict[str, Any]:
    return {
        "rows": [_row(one) for one in _scaling_points(results)],
        "agreement": curve.agreement,
        "identical": curve.agrees,
        "words": curve_words(curve),
        "laws": {law: _law_document(curve, law) for law in ("amdahl", "usl")},
    }


def _law_document(curve: ScalingCurve, law: str) -> Mapping[str, Any] | None:
    try:
        fit = curve.fit(law=law)
    except UsageError:
        return None
    names = ("alpha", "beta", "gamma")
    return {name: jsonable(getattr(fit, name)) for name in names}


def _row(point: Point) -> dict[str, Any]:
    one = point.configuration
    return {
        "name": one.name,
        "model_size": one.title,
        "num_threads": one.threads,
        "streaming": one.streaming,
        **_figures("quantization_time_s", point.time_s),
        **_figures("peak_memory_mb", point.peak_memory_bytes, 1 / _MB),
        **_figures("quantization_memory_mb", point.quantization_memory_bytes, 1 / _MB),
        **_figures("speedup", point.speedup),
        **_figures("efficiency", point.efficiency),
        **_figures("compute_time_s", point.compute_s),
        "repetitions": 0 if point.time_s is None else point.time_s.n,
        "n_weights": one.n_weights,
        "scheme": one.scheme,
        "oversubscribed": point.oversubscribed,
        "failures": list(point.failures),
    }


def _figures(name: str, found: Estimate | None, factor: float = 1.0) -> dict[str, float | None]:
    ends = (None, None, None) if found is None else (found.point, found.low, found.high)
    names = (name, f"{name}_low", f"{name}_high")
    return {
        key: None if value is None else factor * value
        for key, value in zip(names, ends, strict=True)
    }
