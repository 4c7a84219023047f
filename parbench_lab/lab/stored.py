"""A stored run as a history: its journal is replayed, and looked at on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.core.metric import MEASURED_METRICS, Metric
from parbench_lab.core.ports import EventRecord, RunHeader, RunStore
from parbench_lab.elimination.registry import policy_by_name
from parbench_lab.errors import StoreError
from parbench_lab.lab import parts
from parbench_lab.lab.usage_keeping import timed_usage
from parbench_lab.racing import events, journal
from parbench_lab.racing.history import LogLine, RaceHistory, Recorder
from parbench_lab.racing.scoreboard import sizes, snapshot
from parbench_lab.racing.settings import Settings
from parbench_lab.racing.state import RaceState
from parbench_lab.scaling.journal import read_curves
from parbench_lab.scaling.plan import Series

OTHER_VERSION = (
    "this run was written by another version, whose rules differed: verdicts told here may not be "
    "those that it came to, which its stored result has"
)


def load_history(
    run_id: str = "latest", store: str | Path | RunStore | None = None
) -> RaceHistory:
    """Return a stored race over time, as `ParallelBenchmarking.history` gives a live one.

    The journal is replayed (no code of a candidate or of the run's workload is run).

    Parameters
    ----------
    run_id
        An unambiguous beginning is enough; ``"latest"`` is the newest.
    store
        As for `ParallelBenchmarking`.

    Raises
    ------
    StoreError
        If there is no such run, it is no race, or its journal is damaged.
    UnknownNameError
        If it was judged by a policy that is not one of the built-in ones.
    """
    opened, owns = parts.store_of(store)
    try:
        header = opened.header(run_id)
        if header.kind != "race":
            raise StoreError(f"run {header.id} is no race but a {header.kind}")
        return _replayed(header, opened)
    finally:
        if owns:
            opened.close()


def load_curves(
    run_id: str = "latest", store: str | Path | RunStore | None = None
) -> Mapping[Series, ScalingCurve]:
    """Return the curves of a stored scaling study, one for each backend and size.

    Parameters
    ----------
    run_id
        An unambiguous beginning is enough; ``"latest"`` is the newest run.
    store
        As for `ScalingStudy`.

    Raises
    ------
    StoreError
        If there is no such run, it is no study, or it is damaged.
    """
    opened, owns = parts.store_of(store)
    try:
        header = opened.header(run_id)
        return read_curves(header, opened.events(header.id))
    finally:
        if owns:
            opened.close()


def _replayed(header: RunHeader, store: RunStore) -> RaceHistory:
    state = _fresh_state(header)
    recorder = Recorder()

    def look(record: EventRecord, told: Sequence[events.Input | events.Fact]) -> None:
        recorder.measured(record.at_s, record.measurements)
        for event in told:
            recorder.tell(record.at_s, event)
        if recorder.wants_board(state.at_s):
            recorder.seen(snapshot(state))

    found = journal.replay(store.events(header.id), state, look=look)
    recorder.seen(snapshot(state))
    unsure = [LogLine(at_s=found.at_s, sentence=OTHER_VERSION)] if found.mismatches else []
    return RaceHistory(
        candidates=tuple(entrant.name for entrant in state.roster),
        objectives=state.ledger.objectives,
        elimination_threshold=state.settings.elimination_threshold,
        tolerance=state.settings.tolerance,
        measurements=recorder.since(0),
        boards=recorder.boards,
        sizes=sizes(state),
        log=(*recorder.log, *unsure),
        usage=timed_usage(store.usage(header.id)),
    )


def _fresh_state(header: RunHeader) -> RaceState:
    document = header.document
    try:
        further = [Metric(**described) for described in document["metrics"]]
        return RaceState(
            workload=header.name,
            metrics={**MEASURED_METRICS, **{metric.name: metric for metric in further}},
            default_objectives=tuple(document["objectives"]),
            policies=policy_by_name,
            settings=Settings.from_json(document["settings"]),
            seed=document["seed"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"run {header.id} cannot be read as a race ({error!r}); was it written by another "
            "version?"
        ) from error
