"""Does an elimination policy keep the promises of its Protocol? For policies of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.standing import Verdict
from parbench_lab.elimination.policy import EliminationPolicy

_NAMES = ("a", "b", "c", "d", "e")
_ERROR = Metric(name="abs_error", unit="1", floor=1e-16)
_THRESHOLDS = (20.0, 1000.0)
_TOLERANCES = (0.0, 0.02, 0.5)
_TIED = ("identical costs", "all time out")

Costs = Sequence[dict[str, tuple[float, ...]]]
Renaming = dict[str, str]


def check_elimination_policy(policy: EliminationPolicy) -> None:
    """Check that a policy keeps the promises of `EliminationPolicy`.

    On records without blocks, with gaps, ties, time-outs, missing measurements, one survivor and
    two objectives: it proposes survivors only, each once and never all; it is deterministic;
    names and their order make no difference; it leaves the record alone; reasons are sentences.

    Parameters
    ----------
    policy
        An instance.

    Raises
    ------
    AssertionError
        Saying which promise is broken, and where.

    Examples
    --------
    >>> from parbench_lab.elimination import policy_by_name
    >>> check_elimination_policy(policy_by_name("evidence"))
    """
    _check_face(policy)
    for title, metrics, blocks in _stories():
        for length in sorted({0, 1, 2, 6, len(blocks)}):
            record = _record(metrics, blocks[:length])
            where = f"{policy.name!r}, {title}, after {min(length, len(blocks))} blocks"
            for threshold in _THRESHOLDS:
                for tolerance in _TOLERANCES:
                    _check_one(policy, record, threshold, tolerance, where)
        if title not in _TIED:  # somebody has to come first among the identical
            _check_names(policy, metrics, blocks, f"{policy.name!r}, {title}")
    _check_last_survivors(policy)


def _check_face(policy: EliminationPolicy) -> None:
    is_policy = isinstance(policy, EliminationPolicy)
    _require(is_policy, "a policy has a name, a guarantee and a method judge")
    _require(bool(policy.name), "a policy needs a name")
    said = f"{policy.name!r}: the guarantee must be a sentence but is {policy.guarantee!r}"
    _require(_is_sentence(policy.guarantee), said)


def _require(kept: bool, message: str) -> None:  # noqa: FBT001 - reads like assert
    """Raise where a promise is broken (an assert statement would be lost under -O)."""
    if not kept:
        raise AssertionError(message)


def _check_one(
    policy: EliminationPolicy,
    record: EpochRecord,
    threshold: float,
    tolerance: float,
    where: str,
) -> None:
    before = _picture(record)
    verdicts = _ask(policy, record, threshold, tolerance)
    proposed = [verdict.candidate for verdict in verdicts]
    survivors = record.survivors
    _require(set(proposed) <= set(survivors), f"{where}: proposes {proposed}, who do not all race")
    _require(len(set(proposed)) == len(proposed), f"{where}: proposes somebody twice: {proposed}")
    _require(len(proposed) < max(1, len(survivors)), f"{where}: proposes to eliminate everybody")
    for verdict in verdicts:
        _require(_is_sentence(verdict.reason), f"{where}: no sentence: {verdict.reason!r}")
    _require(_ask(policy, record, threshold, tolerance) == verdicts, f"{where}: not deterministic")
    _require(_picture(record) == before, f"{where}: changes the record")


def _check_names(
    policy: EliminationPolicy, metrics: tuple[Metric, ...], blocks: Costs, where: str
) -> None:
    plain = _record(metrics, blocks)
    turned = dict(zip(_NAMES, reversed(_NAMES), strict=True))
    renamed = [{turned[name]: cost for name, cost in block.items()} for block in blocks]
    reordered = _record(
        metrics, [dict(reversed(block.items())) for block in blocks], backward=True
    )
    for threshold in _THRESHOLDS:
        expected = {v.candidate for v in _ask(policy, plain, threshold, 0.02)}
        other = {v.candidate for v in _ask(policy, _record(metrics, renamed), threshold, 0.02)}
        _require(other == {turned[n] for n in expected}, f"{where}: names make a difference")
        other = {v.candidate for v in _ask(policy, reordered, threshold, 0.02)}
        _require(other == expected, f"{where}: the order of entry makes a difference")


def _check_last_survivors(policy: EliminationPolicy) -> None:
    metrics, blocks = (WALL_TIME_S,), _gap_story()
    record = _record(metrics, blocks)
    for name in _NAMES[2:]:
        record.remove(name)
    _check_one(policy, record, 20.0, 0.0, f"{policy.name!r}, two survivors")
    record.remove(_NAMES[1])
    _check_one(policy, record, 20.0, 0.0, f"{policy.name!r}, one survivor")


def _ask(
    policy: EliminationPolicy, record: EpochRecord, threshold: float, tolerance: float
) -> list[Verdict]:
    return list(policy.judge(record, elimination_threshold=threshold, tolerance=tolerance))


def _record(metrics: tuple[Metric, ...], blocks: Costs, *, backward: bool = False) -> EpochRecord:
    record = EpochRecord(metrics, reversed(_NAMES) if backward else _NAMES)
    for block in blocks:
        record.judge(block)
    return record


def _picture(record: EpochRecord) -> tuple[object, ...]:
    return (
        record.names,
        record.survivors,
        record.judged,
        tuple(record.order()),
        tuple(record.evidence(name, 0.02) for name in record.names),
        record.costs().tobytes(),
    )


def _is_sentence(text: str) -> bool:
    return isinstance(text, str) and len(text.split()) > 1 and "\n" not in text


def _stories() -> Iterator[tuple[str, tuple[Metric, ...], Costs]]:
    rng = np.random.default_rng(7)
    one = (WALL_TIME_S,)
    yield "a gap", one, _gap_story()
    noise = [
        dict(zip(_NAMES, rng.normal(0, 0.05, (5, 1)).tolist(), strict=True)) for _ in range(60)
    ]
    yield "equals", one, _tuples(noise)
    yield "identical costs", one, [dict.fromkeys(_NAMES, (1.0,)) for _ in range(30)]
    yield "time-outs", one, [_with_timeouts(block, n) for n, block in enumerate(_gap_story())]
    yield "all time out", one, [dict.fromkeys(_NAMES, (float("inf"),)) for _ in range(30)]
    yield "missing ones", one, [_with_gaps(block, n) for n, block in enumerate(_gap_story())]
    levels = np.array([[0.0, 3.0], [0.3, 2.0], [0.6, 0.0], [0.9, 3.3], [1.2, 4.0]])
    both = [levels + rng.normal(0, 0.05, levels.shape) for _ in range(40)]
    pareto = [dict(zip(_NAMES, costs.tolist(), strict=True)) for costs in both]
    yield "two objectives", (WALL_TIME_S, _ERROR), _tuples(pareto)


def _gap_story() -> Costs:
    rng = np.random.default_rng(8)
    levels = np.array([0.0, 0.004, 0.1, 0.3, 2.0])
    blocks = [levels + rng.normal(0, 0.03, 5) for _ in range(80)]
    return _tuples(
        [{name: [cost] for name, cost in zip(_NAMES, b.tolist(), strict=True)} for b in blocks]
    )


def _tuples(blocks: Sequence[dict[str, list[float]]]) -> Costs:
    return [{name: tuple(costs) for name, costs in block.items()} for block in blocks]


def _with_timeouts(block: dict[str, tuple[float, ...]], n: int) -> dict[str, tuple[float, ...]]:
    late = _NAMES[n % 5] if n % 3 == 0 else None
    return {name: (float("inf"),) if name == late else cost for name, cost in block.items()}


def _with_gaps(block: dict[str, tuple[float, ...]], n: int) -> dict[str, tuple[float, ...]]:
    missing = {_NAMES[n % 5], _NAMES[(n // 2) % 5]} if n % 2 else set()
    return {name: cost for name, cost in block.items() if name not in missing}
