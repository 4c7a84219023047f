"""The points of a quantisation study, each figure with its interval. Pure.

Ratios (speedup, streaming over batch) are taken within each repetition, in which both sides ran
within moments of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.analysis.quantization.runs import Configuration, ModelError, QuantizationRun
from parbench_lab.analysis.repeats import estimate_positive
from parbench_lab.analysis.trial import Trial
from parbench_lab.core.estimate import Estimate

Value = Callable[[QuantizationRun], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One configuration, measured.

    Parameters
    ----------
    configuration
        Which.
    time_s
        Of the whole run; None where none was ok.
    compute_s
        Of quantising alone, in batch mode.
    peak_memory_bytes, quantization_memory_bytes
        See `QuantizationRun`.
    speedup, efficiency
        Against one thread with the same model and mode; None where that was not measured.
    oversubscribed
        More threads than cores.
    failures
        Of runs that do not count, a line each.
    """

    configuration: Configuration
    time_s: Estimate | None = None
    compute_s: Estimate | None = None
    peak_memory_bytes: Estimate | None = None
    quantization_memory_bytes: Estimate | None = None
    speedup: Estimate | None = None
    efficiency: Estimate | None = None
    oversubscribed: bool = False
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamingComparison:
    """Streaming against batch on one model with as many threads: ratios streaming over batch."""

    batch: Configuration
    streaming: Configuration
    time_ratio: Estimate | None
    memory_ratio: Estimate | None
    same_bytes: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a study was to measure: names of models, by report; "" and empty for none.

    Parameters
    ----------
    scaling_model, cores
        Measured over these numbers of threads.
    size_models, threads
        Measured with this number of threads.
    comparison_model
        Measured in both modes with `threads`.
    """

    scaling_model: str = ""
    cores: tuple[int, ...] = ()
    size_models: tuple[str, ...] = ()
    comparison_model: str = ""
    threads: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationResults:
    """All runs of a study, and what follows from them.

    Parameters
    ----------
    asked
        What was to be measured.
    planned
        The configurations of that, and how often each.
    runs
        In the order in which they were made.
    errors
        What the models lost.
    cores
        That were ours; more threads are marked.
    machine
        Fingerprint.
    notes
        What the user should know: modes that were chosen, caches that were cold.
    hints
        What changed against the last stored study of the same machine.
    confidence
        Of all intervals.
    """

    asked: Asked
    planned: tuple[Configuration, ...]
    repeats: int
    runs: tuple[QuantizationRun, ...] = ()
    errors: tuple[ModelError, ...] = ()
    cores: int
    machine: str = ""
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    confidence: float = 0.95

    @property
    def complete(self) -> bool:
        """Whether everything that was planned was measured."""
        return len(self.runs) >= len(self.planned) * self.repeats

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong, a line each."""
        return tuple(f"{r.configuration.name}: {r.message}" for r in self.runs if not r.ok)

    @property
    def points(self) -> tuple[Point, ...]:
        """Every configuration with a run, in the order of the plan."""
        return tuple(self.point(one) for one in self.planned if any(self.runs_of(one)))

    def runs_of(self, configuration: Configuration) -> Iterator[QuantizationRun]:
        """Yield the runs of a configuration, in order."""
        return (run for run in self.runs if run.configuration == configuration)

    def point(self, configuration: Configuration) -> Point:
        """Return a configuration's figures."""
        tried = list(self.runs_of(configuration))
        level = self._level(configuration)
        has_one = self.curve_of(configuration).base == 1
        return Point(
            configuration=configuration,
            time_s=level.time_s if level else None,
            compute_s=self._estimate(tried, lambda run: run.compute_s),
            peak_memory_bytes=level.peak_memory_bytes if level else None,
            quantization_memory_bytes=self._estimate(
                tried, lambda run: run.quantization_memory_bytes
            ),
            speedup=level.speedup if level and has_one else None,
            efficiency=level.efficiency if level and has_one else None,
            oversubscribed=configuration.threads > self.cores,
            failures=tuple(run.message for run in tried if not run.ok),
        )

    def of_model(self, model: str, *, threads: int, streaming: bool | None = None) -> Point | None:
        """Return the point of a model with so many threads; of either mode for None."""
        for one in self.planned:
            if (one.model, one.threads) == (model, threads) and streaming in (None, one.streaming):
                return self.point(one)
        return None

    @property
    def curve(self) -> ScalingCurve | None:
        """The scaling model over threads; None where that was not asked for or measured."""
        for one in self.planned:
            if one.model == self.asked.scaling_model and one.threads in self.asked.cores:
                curve = self.curve_of(one)
                return curve if curve.trials else None
        return None

    def curve_of(self, configuration: Configuration, *, compute: bool = False) -> ScalingCurve:
        """Return time over threads of the configuration's model, mode and scheme.

        Parameters
        ----------
        compute
            Of quantising alone instead of the whole run (batch mode).
        """
        alike = [run for run in self.runs if _kind(run.configuration) == _kind(configuration)]
        return ScalingCurve(
            name=f"quantize {configuration.title}, {configuration.scheme}, {configuration.mode}",
            backend="threads",
            unit="weights",
            cores=self.cores,
            trials=tuple(_trial(run, compute=compute) for run in alike),
            machine=self.machine,
            confidence=self.confidence,
        )

    @property
    def comparison(self) -> StreamingComparison | None:
        """Streaming against batch; None where that was not asked for."""
        pair = [
            one
            for one in self.planned
            if one.model == self.asked.comparison_model and one.threads == self.asked.threads
        ]
        batch = next((one for one in pair if not one.streaming), None)
        streaming = next((one for one in pair if one.streaming), None)
        if batch is None or streaming is None:
            return None
        digests = {run.digest for one in pair for run in self.runs_of(one) if run.digest}
        return StreamingComparison(
            batch=batch,
            streaming=streaming,
            time_ratio=self._ratio(streaming, batch, lambda run: run.time_s),
            memory_ratio=self._ratio(streaming, batch, lambda run: run.quantization_memory_bytes),
            same_bytes=len(digests) == 1 if digests else None,
        )

    @property
    def same_bytes(self) -> bool:
        """Whether all runs of a model and scheme wrote the same file."""
        return not any(run.outcome == "differs" for run in self.runs)

    def _level(self, configuration: Configuration) -> Level | None:
        levels = self.curve_of(configuration).levels
        return next((one for one in levels if one.workers == configuration.threads), None)

    def _estimate(self, runs: Sequence[QuantizationRun], value: Value) -> Estimate | None:
        found = [float(v) for run in runs if run.ok and (v := value(run)) is not None and v > 0]
        return estimate_positive(found, confidence=self.confidence) if found else None

    def _ratio(self, over: Configuration, under: Configuration, value: Value) -> Estimate | None:
        above, below = (self._by_repetition(one, value) for one in (over, under))
        ratios = [above[number] / below[number] for number in above if number in below]
        return estimate_positive(ratios, confidence=self.confidence) if ratios else None

    def _by_repetition(self, configuration: Configuration, value: Value) -> Mapping[int, float]:
        return {
            run.repetition: float(found)
            for run in self.runs_of(configuration)
            if run.ok and (found := value(run)) is not None
        }


def _kind(configuration: Configuration) -> tuple[str, str, bool]:
    return configuration.model, configuration.scheme, configuration.streaming


def _trial(run: QuantizationRun, *, compute: bool) -> Trial:
    return Trial(
        repetition=run.repetition,
        workers=run.configuration.threads,
        size=run.configuration.n_weights,
        outcome=run.outcome if run.outcome != "killed" else "failed",
        time_s=(run.compute_s if compute else run.time_s) if run.ok else None,
        peak_memory_bytes=run.peak_memory_bytes if run.ok else None,
        digest=run.digest,
        difference=float("inf") if run.outcome == "differs" else 0.0,
        message=run.message,
    )
