"""The immutable snapshot of a race: a pure function of its state."""

from __future__ import annotations

import math
from collections.abc import Mapping

from parbench_lab.analysis.diagnosis import interference
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.standing import GpuLoad, Scoreboard, Standing, Trust, VerdictKind
from parbench_lab.racing import narration, regulation
from parbench_lab.racing.history import SizeSummary
from parbench_lab.racing.ledger import Ledger, Samples
from parbench_lab.racing.roster import Entrant
from parbench_lab.racing.state import RaceState

HIGH_INTERFERENCE = 0.1
HIGH_VARIANCE_RATIO = 1.5
SLOW_WORKER = 0.05


def snapshot(state: RaceState) -> Scoreboard:
    """Return the race as it stands, in rank order."""
    record = state.ledger.record
    known, living = frozenset(record.names), frozenset(record.survivors)
    order = record.order()
    unranked = [entrant.name for entrant in state.roster if entrant.name not in known]
    everybody = [*order, *unranked]
    racing = [n for n in everybody if state.roster[n].fit and (n in living or n not in known)]
    in_it = frozenset(racing)
    out = [n for n in everybody if n not in in_it]
    ratios = _ratios(state.ledger)
    out.sort(key=lambda name: _distance(state, name, ratios))
    standings = tuple(
        _standing(state, name, rank, ratios.get(name), known=name in known, living=name in living)
        for rank, name in enumerate([*racing, *out], start=1)
    )
    blocks_per_s = _blocks_per_s(state)
    return Scoreboard(
        epoch=state.epoch,
        batch_size=state.ledger.batch_size,
        standings=standings,
        phase=state.phase,
        blocks=state.blocks,
        measurements=state.measurements,
        elapsed_s=state.at_s,
        blocks_per_s=blocks_per_s,
        workers=tuple(sorted(state.workers)),
        duty_cycle=min(1.0, state.inside_s / state.worker_s) if state.worker_s > 0 else None,
        time_left_s=_time_left_s(state, blocks_per_s),
        trust=trust(state),
        measured_on=tuple(sorted(state.measured_on)),
        gpus=gpu_loads(state),
        scale=state.ledger.objectives[0].scale,
    )


def gpu_loads(state: RaceState) -> tuple[GpuLoad, ...]:
    """Return how busy each GPU is kept, by UUID; nothing where none is regulated."""
    if not state.devices:
        return ()
    found = []
    for gpu, room in regulation.rooms(state).items():
        controller = state.devices[gpu].controller
        missed = controller.reason if controller.misses else ""
        rests = regulation.rest_reason(state, gpu)
        found.append(
            GpuLoad(
                gpu=gpu,
                blocks=regulation.blocks_in_flight(state, gpu),
                seats=room.seats,
                utilization_percent=None if rests else controller.percent,
                target_percent=state.settings.target_gpu_utilization,
                reason=rests or missed,
            )
        )
    return tuple(found)


def sizes(state: RaceState) -> tuple[SizeSummary, ...]:
    """Return what every batch size has shown, smallest first: a curve of speed over size."""
    return tuple(
        SizeSummary(
            batch_size=size,
            median_s={
                name: median_s
                for name, samples in ledger.samples.items()
                if (median_s := samples.median("wall_time_s")) is not None
            },
            times_s=_measured(
                {name: samples.interval("wall_time_s") for name, samples in ledger.samples.items()}
            ),
            ratios=_ratios(ledger),
            leader=ledger.record.leader,
            current=ledger is state.ledger,
        )
        for size, ledger in sorted(state.curve.items())
    )


def _ratios(ledger: Ledger) -> dict[str, Estimate]:
    """Return ratios to the leader; the beaten keep that of their elimination.

    A leader that is watched alone leaves ever fewer blocks to compare them by.
    """
    living = frozenset(ledger.record.survivors)
    beaten = {n: ratio for n, ratio in ledger.final_ratios.items() if n not in living}
    return {**_measured(ledger.record.ratios()), **beaten}


def _measured(estimates: Mapping[str, Estimate | None]) -> dict[str, Estimate]:
    return {name: estimate for name, estimate in estimates.items() if estimate is not None}


def _distance(state: RaceState, name: str, ratios: Mapping[str, Estimate]) -> tuple[bool, float]:
    """Order those who are out: the beaten by their ratio, then the faulty and the dropped."""
    ratio = ratios.get(name)
    far = math.inf if ratio is None else ratio.point
    return not state.roster[name].fit, far


def _standing(
    state: RaceState, name: str, rank: int, ratio: Estimate | None, *, known: bool, living: bool
) -> Standing:
    entrant, record = state.roster[name], state.ledger.record
    settings = state.settings
    samples = state.ledger.samples.get(name) or Samples()
    median_s = samples.median("wall_time_s")
    threshold, tolerance = settings.elimination_threshold, settings.tolerance
    verdict, reason = _verdict(state, entrant, known=known, living=living)
    return Standing(
        candidate=name,
        rank=rank,
        verdict=verdict,
        ratio=ratio,
        evidence=record.evidence(name, tolerance) if known else 1.0,
        shown_slower=record.shown_slower(name, threshold) if known else None,
        at_most_slower=record.at_most_slower(name, threshold) if known else None,
        blocks=record.blocks(name) if known else 0,
        median_s=median_s,
        throughput=state.ledger.batch_size / median_s if median_s else None,
        peak_rss_bytes=samples.peak_rss_bytes,
        values=_further_values(samples),
        outcome=entrant.outcome,
        failures=entrant.failures,
        reason=reason,
        warning=entrant.warning,
    )


def _further_values(samples: Samples) -> dict[str, float]:
    """Return the medians of everything but what has a field of its own."""
    return {
        metric: value
        for metric in samples.values
        if metric not in ("wall_time_s", "peak_rss_bytes")
        and (value := samples.median(metric)) is not None
    }


def _verdict(
    state: RaceState, entrant: Entrant, *, known: bool, living: bool
) -> tuple[VerdictKind, str]:
    record = state.ledger.record
    if entrant.out == "hand":
        return VerdictKind.DROPPED, entrant.reason
    if entrant.out or (known and not living):
        return VerdictKind.ELIMINATED, entrant.reason
    if not living:
        return VerdictKind.UNDECIDED, entrant.reason or "its first run is not back yet"
    knobs = {
        "elimination_threshold": state.settings.elimination_threshold,
        "tolerance": state.settings.tolerance,
    }
    verdict = record.verdict(entrant.name, **knobs)
    return verdict, record.explain(entrant.name, **knobs)


def _blocks_per_s(state: RaceState) -> float:
    if not state.rate:
        return 0.0
    span_s = max(state.at_s - state.rate[0][0], 1e-3)
    return sum(count for _, count in state.rate) / span_s


def _time_left_s(state: RaceState, blocks_per_s: float) -> float | None:
    if state.phase != "racing" or blocks_per_s <= 0:
        return None
    left = state.ledger.record.blocks_left(
        elimination_threshold=state.settings.elimination_threshold,
        tolerance=state.settings.tolerance,
    )
    return None if left is None else left / blocks_per_s


def trust(state: RaceState) -> Trust:
    """Return how far to trust the machine, with sentences where it matters."""
    ledger = state.ledger
    gpu, disturbed = _worst_interference(state)
    ratio = ledger.record.variance_ratio()
    residuals = state.residuals.residuals()
    warnings = [state.suspended] if state.suspended else []
    if disturbed is not None and _is_high(disturbed):
        warnings.append(_interference_words(state, gpu, disturbed))
    if state.throttled_blocks:
        warnings.append(
            f"{state.throttled_blocks} of {state.blocks} blocks ran while the GPU was throttled "
            f"({', '.join(state.throttle_reasons)}): their times are those of a slower clock"
        )
    if ratio is not None and ratio > HIGH_VARIANCE_RATIO:
        warnings.append(
            f"outcomes of neighbouring blocks are alike (variance ratio {ratio:.1f}): start the "
            "race with epoch_blocks=10 or more for verdicts among near-equals"
        )
    warnings += [
        f"worker {name} is {100 * slower:.0f} % slower than the typical one"
        for name, slower in residuals.items()
        if slower > SLOW_WORKER
    ]
    warnings += [narration.target_missed(load) for load in gpu_loads(state) if load.reason]
    disagreement = ledger.record.mean_disagrees()
    if disagreement:
        warnings.append(disagreement)
    return Trust(
        canary_blocks=ledger.canary.blocks,
        canary_evidence=ledger.canary.evidence,
        suspended=state.suspended,
        interference=disturbed,
        variance_ratio=ratio,
        worker_residuals=residuals,
        throttled_blocks=state.throttled_blocks,
        warnings=tuple(warnings),
    )


def _worst_interference(state: RaceState) -> tuple[str, Estimate | None]:
    """Return the GPU whose blocks suffer most from company, and how much; "" for the CPU."""
    known = [
        (gpu, found)
        for gpu, company in sorted(state.ledger.company.items())
        if (found := interference(list(company.alone), list(company.together))) is not None
    ]
    return max(known, key=lambda pair: (_is_high(pair[1]), pair[1].low), default=("", None))


def _is_high(disturbed: Estimate) -> bool:
    """Return whether it is worth advice: probably above a tenth, and surely there at all."""
    return disturbed.point > HIGH_INTERFERENCE and disturbed.low > 0


def _interference_words(state: RaceState, gpu: str, disturbed: Estimate) -> str:
    slower = f"candidates run {100 * disturbed.point:.0f} % slower while"
    seats = [name for name, own in state.seats().items() if own == gpu]
    if not gpu or len(seats) < 2:
        return f"{slower} all workers are busy than alone: lower max_concurrent"
    return (
        f"{slower} its other seats are busy than alone on the GPU of {min(seats)}: lower "
        "target_gpu_utilization or max_concurrent"
    )
