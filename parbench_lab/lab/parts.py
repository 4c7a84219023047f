"""The parts a race is put together from, found by name or made."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import reprlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parbench_lab.core.candidate import Candidate, candidate_document, changed_parameters
from parbench_lab.core.given import checked_count, is_number, is_several
from parbench_lab.core.libraries import libraries_of
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import (
    Executor,
    RunHeader,
    RunStore,
    Workload,
    workload_metrics,
    workload_name,
)
from parbench_lab.core.series import Mode
from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.elimination.registry import POLICIES, policy_by_name
from parbench_lab.errors import SettingError, UsageError
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.lab.provenance import provenance
from parbench_lab.racing.ledger import PATIENCE_WITH_REPEATS
from parbench_lab.racing.settings import Settings
from parbench_lab.racing.state import RaceState
from parbench_lab.store import open_store
from parbench_lab.workloads.registry import workload_by_name, workload_names

if TYPE_CHECKING:
    from parbench_lab.execution.cluster import Gpus
    from parbench_lab.panel.race_panel import RacePanel
    from parbench_lab.panel.study_panel import StudyPanel


def named_policy(policy: str | EliminationPolicy | None) -> dict[str, EliminationPolicy]:
    """Return a policy instance under its name, nothing for a name.

    Raises
    ------
    SettingError
        If it is neither.
    """
    if policy is None or isinstance(policy, str):
        return {}
    is_one = isinstance(policy, EliminationPolicy) and not isinstance(policy, type)
    if not (is_one and isinstance(policy.name, str) and policy.name):
        raise SettingError(
            "policy must be the name of an elimination policy or an instance with name, guarantee "
            f"and judge but got {policy!r}"
        )
    return {policy.name: policy}


def named_policies(
    policies: EliminationPolicy | Sequence[EliminationPolicy],
) -> dict[str, EliminationPolicy]:
    """Return policy instances under their names.

    Raises
    ------
    SettingError
        If something is no instance; a name says nothing that the journal does not say.
    """
    several = policies if isinstance(policies, Sequence) else [policies]
    if isinstance(several, str) or any(isinstance(policy, str) for policy in several):
        raise SettingError(
            f"policy= of a resumed race takes instances of your own but got {policies!r}; the "
            "race keeps its policy, and change(policy=...) chooses another"
        )
    return {name: own for policy in several for name, own in named_policy(policy).items()}


def policies_again(
    run_id: str, own: Mapping[str, EliminationPolicy]
) -> Callable[[str], EliminationPolicy]:
    """Return what finds the policies of a stored run: those given again, and the built-in ones.

    It raises `UsageError` for one that was an instance and was not given, with what to give.
    """

    def found(name: str) -> EliminationPolicy:
        if name not in own and name not in POLICIES:
            raise UsageError(
                f"run {run_id} was judged by a policy of your own, {name!r}, and its journal "
                "keeps only the name; give the instance again: "
                f"ParallelBenchmarking.resume_run({run_id!r}, policy=...)"
            )
        return own.get(name) or policy_by_name(name)

    return found


def checked_seed(seed: int) -> int:
    """Return the seed.

    Raises
    ------
    UsageError
        If it is no whole number from 0 up.
    """
    return checked_count(seed, "seed", least=0)


def checked_configuration(configuration: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the configuration that is kept with a run.

    Raises
    ------
    UsageError
        If it is no mapping.
    """
    if configuration is not None and not isinstance(configuration, Mapping):
        raise UsageError(f"configuration must be a mapping but got {configuration!r}")
    return dict(configuration or {})


def checked_schedule(
    schedule: Iterable[tuple[float, Mapping[str, Any]]],
) -> list[tuple[float, Mapping[str, Any]]]:
    """Return times and changes of settings, in the order of time.

    Raises
    ------
    UsageError
        If they are none, or a time is below 0 or longer than a lock can wait.
    """
    entries: list[Any] = list(schedule) if is_several(schedule) else [schedule]
    for entry in entries:
        pair: tuple[Any, ...] = tuple(entry) if isinstance(entry, (list, tuple)) else ()
        is_pair = len(pair) == 2 and is_number(pair[0]) and isinstance(pair[1], Mapping)
        timely = is_pair and 0 <= pair[0] <= threading.TIMEOUT_MAX
        if not timely or not all(isinstance(name, str) for name in pair[1]):
            raise UsageError(
                "a schedule has pairs of seconds from 0 on and changes, such as "
                f"(4.0, {{'batch_size': 3000}}), but got {entry!r}"
            )
    return sorted(entries, key=lambda entry: entry[0])


def store_of(store: str | Path | RunStore | None) -> tuple[RunStore, bool]:
    """Return the store and whether it is ours to close.

    Raises
    ------
    UsageError
        If it is neither a place nor a store.
    """
    if store is None or isinstance(store, (str, Path)):
        return open_store(store), True
    if not (hasattr(store, "create_run") or hasattr(store, "series")):  # some only read figures
        raise UsageError(
            f"store must be a path, a database URL, ':memory:' or a store but got {store!r}"
        )
    return store, False


def dask_executor(
    cluster: Any,
    settings: Settings,
    candidates: Sequence[Candidate],
    *,
    n_workers: int | None,
    memory_limit_bytes: int | None,
    gpus: Gpus,
    security: Any,
) -> Executor:
    """Return an executor on the cluster; locally a worker for every core, unless told otherwise.

    `max_concurrent` only limits who gets blocks, so that it can be raised while the race runs.
    Processes of a GPU, which hold a part of its memory each, are as many as it is at the start.

    Raises
    ------
    UsageError
        If there are fewer GPUs than asked for, or a candidate needs what the local cluster does
        not offer; nothing has been started then.
    """
    from parbench_lab.execution.cluster import (  # noqa: PLC0415 - loads dask
        DEFAULT_SEATS,
        MAX_SEATS,
        checked_gpus,
    )
    from parbench_lab.execution.dask_executor import DaskExecutor  # noqa: PLC0415 - loads dask

    executor = DaskExecutor(
        cluster,
        n_workers=n_workers,
        memory_limit_bytes=memory_limit_bytes,
        gpus=checked_gpus(gpus),
        gpu_seats=min(settings.max_concurrent or DEFAULT_SEATS, MAX_SEATS),
        security=security,
    )
    for candidate in candidates:
        refuse_unoffered(executor, candidate)
    return executor


def refuse_unoffered(executor: Executor, candidate: Candidate) -> None:
    """Refuse a candidate that no worker can run, where the executor can tell.

    Raises
    ------
    UsageError
        With what is missing, and why.
    """
    refuse = getattr(executor, "refuse_unoffered", None)  # the port does not ask for it
    if refuse is not None:
        refuse(candidate)


def default_batch_size(workload: Workload) -> int:
    """Return the workload's own batch size, or 1000."""
    return int(getattr(workload, "default_batch_size", 1000))


def default_objectives(workload: Workload) -> tuple[str, ...]:
    """Return the workload's own objectives, or the time."""
    return tuple(getattr(workload, "objectives", ("wall_time_s",)))


def own_libraries(workload: Workload, candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """Return the libraries whose versions matter to a race, beside those that are always there."""
    return libraries_of(workload, [candidate.name for candidate in candidates])


def time_limit(settings: Settings) -> str:
    """Return the time limit of a measurement in words."""
    if settings.timeout_s is not None:
        limit = f"{settings.timeout_s:g} s"
    else:
        limit = f"{settings.cap_factor:g} times the leader's typical time"
    return f"{limit}, or {PATIENCE_WITH_REPEATS:g} times what repeated calls take if that is more"


def importable_workload(workload: Workload) -> str | None:
    """Return the name under which a workload can be found again, if any."""
    name = workload_name(workload)
    same = name in workload_names() and type(workload_by_name(name)) is type(workload)
    return name if same else None


def race_header(
    run_id: str,
    workload: Workload,
    candidates: Iterable[Candidate],
    *,
    settings: Settings,
    seed: int,
    configuration: Mapping[str, Any],
    mode: Mode,
    machine: Machine,
) -> RunHeader:
    """Return what a race's run says of itself: enough to take it up again."""
    entered = tuple(candidates)
    return RunHeader(
        id=run_id,
        kind="race",
        name=workload_name(workload),
        started_utc=dt.datetime.now(dt.UTC).isoformat(),
        document={
            "workload": importable_workload(workload),
            "candidates": [candidate_document(candidate) for candidate in entered],
            "settings": settings.as_json(),
            "metrics": [dataclasses.asdict(m) for m in workload_metrics(workload)],
            "objectives": list(default_objectives(workload)),
            "seed": seed,
            "configuration": dict(configuration),
            **provenance(machine, mode=mode),
        },
    )


def machine_of(executor: Executor, workload: Workload, candidates: Iterable[Candidate]) -> Machine:
    """Return where a race's figures are measured: under that name they are kept and compared.

    It is this machine, unless the executor says otherwise; one on a given cluster can once it is
    open.
    """
    libraries = own_libraries(workload, candidates)
    ask: Callable[[Sequence[str]], Machine] = getattr(executor, "machine", detect_machine)
    return ask(libraries)


def found_again(document: Mapping[str, Any], known: Mapping[str, Candidate]) -> Candidate:
    """Return a candidate of a stored run: one of the `known`, or imported again.

    Raises
    ------
    UsageError
        If it was a function that cannot be imported again, or not with its parameters; or if the
        known one has others than it had: under one name two would have raced.
    """
    if document["name"] in known:
        given = known[document["name"]]
        kept = document["parameters"]
        changed = changed_parameters(given, kept)
        if changed:
            raise UsageError(
                f"candidate {given.name!r} is given with {_told(given.parameters, changed)} but "
                f"ran with {_told(kept, changed)}: give it as it was (a new one enters by add())"
            )
        return given
    if document["import_string"] is None:
        raise UsageError(
            f"candidate {document['name']!r} cannot be imported again as it was; give it again "
            "(in Python algorithms=[...], in a shell the file that has it)"
        )
    return Candidate(
        name=document["name"],
        function=document["import_string"],
        parameters=document["parameters"],
        resources=document["resources"],
    )


def _told(parameters: Mapping[str, Any], names: Iterable[str]) -> str:
    return ", ".join(
        f"{name}={reprlib.repr(parameters[name])}" if name in parameters else f"no {name}"
        for name in names
    )


def renamed(candidate: Candidate, taken: set[str]) -> Candidate:
    """Return the candidate under a name that is free."""
    if candidate.name not in taken:
        return candidate
    numbers = (f"{candidate.name} #{n}" for n in itertools.count(2))
    free = next(name for name in numbers if name not in taken)
    return dataclasses.replace(candidate, name=free)


def ended_as(state: RaceState, status: str) -> bool:
    """Return whether the race ended with this status."""
    return state.ended is not None and state.ended.status == status


def panel_type() -> type[RacePanel]:
    """Return the panel's class.

    Raises
    ------
    UsageError
        If the packages of the extra ``lab`` are not installed.
    """
    with _needing_widgets():
        from parbench_lab.panel.race_panel import RacePanel as Made  # noqa: PLC0415 - loads widgets
    return Made


def study_panel_type() -> type[StudyPanel]:
    """Return the class of a study's panel.

    Raises
    ------
    UsageError
        If the packages of the extra ``lab`` are not installed.
    """
    with _needing_widgets():
        from parbench_lab.panel.study_panel import StudyPanel as Made  # noqa: PLC0415 - loads widgets
    return Made


@contextlib.contextmanager
def _needing_widgets() -> Iterator[None]:
    """Tell of a package that is missing how to install it."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"the panel needs {error.name}: pip install 'parbench_lab[lab]'"
        ) from error
