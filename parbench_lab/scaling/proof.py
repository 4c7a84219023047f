"""The proof: one job serial and parallel, the same result bit by bit, and what that foretells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from parbench_lab.analysis.agreement import digest
from parbench_lab.analysis.laws.formulas import amdahl_speedup, karp_flatt
from parbench_lab.analysis.repeats import estimate_positive
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Map
from parbench_lab.core.wording import count, listed
from parbench_lab.errors import UsageError

PROJECTED_CORES = (4, 8, 16, 32)
PROJECTED_ITEMS = 10_000
SERIAL = cast("Map", map)  # its overloads are too many for mypy to see that it is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What one way of reckoning says of more cores, one worker fewer than cores.

    `speedup` and `time_s` (for `PROJECTED_ITEMS`) are None where the way has no answer.
    """

    cores: int
    workers: int
    way: str
    speedup: float | None
    time_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was measured, and what follows.

    Parameters
    ----------
    job, unit, items
        What was computed: so many items of this unit.
    backend, workers, cores
        What computed it in parallel, and how many physical cores are ours.
    identical
        Whether the results of all runs are the same bit by bit.
    winner
        The best item's id.
    serial_s, parallel_s
        Wall times.
    speedup, efficiency, serial_fraction
        Of the pairs of runs; the serial fraction is Karp and Flatt's.
    outside
        Share of the serial run that was spent outside of the map, as measured: the serial
        fraction that Amdahl's law asks for.
    amdahl
        The speedup that Amdahl's law predicts from `outside`.
    limit
        The largest speedup with any number of workers, by Amdahl's law from `outside`.
    projections
        For more cores, three ways.
    carried
        Which of them the data can carry.
    """

    job: str
    unit: str
    items: int
    backend: str
    workers: int
    cores: int
    identical: bool
    winner: str
    serial_s: Estimate
    parallel_s: Estimate
    speedup: Estimate
    efficiency: Estimate
    serial_fraction: Estimate
    outside: Estimate
    amdahl: Estimate
    limit: float
    projections: tuple[Projection, ...]
    carried: str

    @property
    def saved_s(self) -> float:
        """Seconds that a parallel run is shorter; negative where it is longer."""
        return self.serial_s.point - self.parallel_s.point

    @property
    def saved_percent(self) -> float:
        """The same in percent of the serial run."""
        return 100.0 * self.saved_s / self.serial_s.point


def prove(
    run: Callable[[Map], Any],
    pool: Pool,
    *,
    job: str,
    unit: str,
    items: int,
    cores: int,
    winner: Callable[[Any], str],
    repeats: int = 3,
    seed: int = 0,
    reference: Any = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Proof:
    """Run a job serially and on a pool, in pairs of random order, and return what follows.

    Parameters
    ----------
    run
        The job; called with a map.
    pool
        At least two workers, warm; stays open.
    cores
        Physical ones that are ours; what more workers than these show is the machine's limit.
    winner
        Returns the best item's id from a result.
    repeats
        Pairs of runs, at least 2.
    reference
        The serial result, where it is there already; None to make it.
    clock_ns
        Says how late it is, in nanoseconds.

    Raises
    ------
    UsageError
        If there are fewer than two workers or pairs.
    """
    if pool.n_workers < 2 or repeats < 2:
        raise UsageError("a proof needs at least 2 workers and 2 pairs of runs")
    reference = run(SERIAL) if reference is None else reference
    # both now: a job may return an array that its later runs write into
    expected, best = digest(reference), winner(reference)
    # what is loaded and shipped once does not count as time; what comes of it counts as a result
    same = digest(run(pool.map)) == expected
    rng = np.random.default_rng(seed)
    pairs, outside = [], []
    for _ in range(repeats):
        taken = {}
        for parallel in rng.permutation([False, True]):
            counted = _Counted(pool.map if parallel else SERIAL, clock_ns)
            start_ns = clock_ns()
            result = run(counted)
            taken[bool(parallel)] = (clock_ns() - start_ns) * 1e-9
            same = same and digest(result) == expected
            if not parallel:
                outside.append(max(1e-9, 1.0 - counted.inside_s / taken[False]))
        pairs.append((taken[False], taken[True]))
    return _reckon(
        pairs,
        outside,
        about={
            "job": job,
            "unit": unit,
            "items": items,
            "backend": pool.backend,
            "workers": pool.n_workers,
            "cores": cores,
            "identical": same,
            "winner": best,
        },
    )


class _Counted:
    """A map that knows how long it was waited for."""

    def __init__(self, spread: Map, clock_ns: Callable[[], int]) -> None:
        self._spread = spread
        self._clock_ns = clock_ns
        self.inside_s = 0.0

    def __call__(self, function: Callable[..., Any], /, *items: Any) -> Any:
        results = self._spread(function, *items)
        while True:
            start_ns = self._clock_ns()
            try:
                result = next(results)
            except StopIteration:
                return
            finally:
                self.inside_s += (self._clock_ns() - start_ns) * 1e-9
            yield result


def _reckon(
    pairs: Sequence[tuple[float, float]], outside: Sequence[float], *, about: dict[str, Any]
) -> Proof:
    workers = about["workers"]
    serial = estimate_positive([serial for serial, _ in pairs])
    speedup = estimate_positive([serial / parallel for serial, parallel in pairs])
    fraction = _through(
        speedup, lambda s: float(karp_flatt(speedup=s, workers=workers)), falling=True
    )
    share = estimate_positive(outside)
    return Proof(
        **about,
        serial_s=serial,
        parallel_s=estimate_positive([parallel for _, parallel in pairs]),
        speedup=speedup,
        efficiency=_through(speedup, lambda s: s / workers),
        serial_fraction=fraction,
        outside=share,
        amdahl=_through(
            share,
            lambda f: float(amdahl_speedup(serial_fraction=min(1.0, f), workers=workers)),
            falling=True,
        ),
        limit=1.0 / share.point,
        projections=_project(speedup, fraction, about, serial.point / about["items"]),
        carried=_carried(speedup, fraction, workers, about["cores"]),
    )


def _through(
    estimate: Estimate, function: Callable[[float], float], *, falling: bool = False
) -> Estimate:
    low, high = function(estimate.low), function(estimate.high)
    if falling:
        low, high = high, low
    return Estimate(
        point=function(estimate.point),
        low=low,
        high=high,
        confidence=estimate.confidence,
        n=estimate.n,
    )


def _project(
    speedup: Estimate, fraction: Estimate, about: Mapping[str, Any], item_s: float
) -> tuple[Projection, ...]:
    """Return what each way foretells.

    Of workers that share cores none foretells anything, nor does any of workers that certainly
    lose: a constant efficiency, multiplied by enough of them, would turn the loss into a gain.
    """
    measured = about["workers"]
    silent = measured > about["cores"] or speedup.high < 1.0
    found = []
    for cores in PROJECTED_CORES:
        workers = cores - 1
        amdahl = None
        if 0.0 <= fraction.point <= 1.0 and not silent:
            amdahl = float(amdahl_speedup(serial_fraction=fraction.point, workers=workers))
        ways = {
            "constant efficiency": None if silent else speedup.point / measured * workers,
            "Amdahl from Karp-Flatt": amdahl,
            "USL": None,
        }
        for way, value in ways.items():
            time_s = None if value is None else PROJECTED_ITEMS * item_s / value
            found.append(
                Projection(cores=cores, workers=workers, way=way, speedup=value, time_s=time_s)
            )
    return tuple(found)


def _carried(speedup: Estimate, fraction: Estimate, workers: int, cores: int) -> str:
    usl = "the USL needs at least 4 levels and has no answer here (parbench scale measures them)"
    if workers > cores:
        shared = (
            f"{workers} workers share {count(cores, 'core')}: efficiency and serial fraction as "
            "measured are the machine's, not the program's, and neither constant efficiency nor "
            "Amdahl's line from them is carried anywhere"
        )
        return f"{shared}; {usl}"
    measured = (
        f"measured are 1 and {workers} workers: two levels fix one number and test no law, so "
        f"nothing beyond {2 * workers} workers is more than a guess"
    )
    constant = _constant_told(workers)
    if speedup.high < 1.0:
        constant = (
            "constant efficiency has no answer either: enough workers times a small efficiency "
            "would make a gain of what was a loss"
        )
        line = "parallel is slower than serial here: no way of reckoning makes it faster"
    elif fraction.low <= 0.0 or fraction.high >= 1.0:
        line = (
            "Amdahl's line has no support: the serial fraction is not told apart from "
            f"{'none' if fraction.low <= 0.0 else 'all'}"
        )
    else:
        line = f"Amdahl's line is carried up to {2 * workers} workers"
    told = (measured, line, constant, usl)
    return "; ".join(told)


def _constant_told(measured: int) -> str:
    """Return on which side constant efficiency errs, by where the projected workers lie."""
    told = "constant efficiency is no forecast: it denies every serial part"
    # a serial part weighs less on fewer workers, so they are more efficient than those measured
    rows = [cores - 1 for cores in PROJECTED_CORES]
    sides = {
        "a floor": [str(n) for n in rows if n < measured],
        "a ceiling": [str(n) for n in rows if n > measured],
    }
    parts = [f"{side} for {listed(counts)} workers" for side, counts in sides.items() if counts]
    return f"{told}, so it is {listed(parts)}"
