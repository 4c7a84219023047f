"""Where figures come from: machine, versions, commit, seed."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from parbench_lab.core.given import is_whole
from parbench_lab.core.machine import LARGEST, Machine
from parbench_lab.core.ports import EventRecord, RunHeader
from parbench_lab.core.reading import as_object
from parbench_lab.core.runs import STUDY
from parbench_lab.core.wording import memory, printable
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.racing.result import jsonable
from parbench_lab.reports.kept import Kept, keep
from parbench_lab.scaling.journal import PLANNED
from parbench_lab.store import open_store

_LIBRARIES = ("numpy", "dask", "distributed", "scipy", "pandas")
_KNOBS = ("batch_size", "tolerance", "elimination_threshold")
"""Settings of a race that the report of one that is measured asks for."""


def about(run_id: str = "", store: str | Path | None = None) -> Kept:
    """Return on which machine and with which versions a run was measured, as a kept result.

    Parameters
    ----------
    run_id
        An unambiguous beginning is enough; "": of no run, but of this machine and moment.
    store
        As for `parbench_lab.store.open_store`; "" is None.

    Raises
    ------
    StoreError
        If there is no such run.

    Examples
    --------
    >>> found = about()
    >>> found.value["version"] == importlib.metadata.version("parbench_lab")
    True
    """
    if not run_id:
        return keep("about", here(), about_text(here()))
    opened = open_store(store or None)
    try:
        header = opened.header(run_id)
        settings = run_settings(header, opened.events(header.id))
    finally:
        opened.close()
    document = {**about_document(header), "settings": settings}
    return keep("about", document, about_text(document))


def here() -> dict[str, Any]:
    """Return this machine and moment as JSON values."""
    machine = detect_machine()
    return {
        "run": "",
        "started_utc": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "version": importlib.metadata.version("parbench_lab"),
        "versions": _versions(),
        "machine": {**jsonable(machine), "fingerprint": machine.fingerprint},
    }


def about_document(header: RunHeader) -> dict[str, Any]:
    """Return where a run's figures come from, as JSON values."""
    told = header.document
    machine = _with_fingerprint(as_object(told.get("machine")))
    return {
        "run": header.id,
        "kind": header.kind,
        "name": header.name,
        "started_utc": header.started_utc,
        "version": told.get("version") or "",
        "versions": dict(as_object(machine.get("libraries"))),
        "git": told.get("git"),
        "seed": told.get("seed"),
        "mode": told.get("mode") or "batch",
        "machine": machine,
    }


def run_settings(header: RunHeader, events: Iterable[EventRecord] = ()) -> dict[str, Any]:
    """Return what was measured in a run and how, under the names that the reports give it.

    Parameters
    ----------
    header
        Of a race or a scaling study; other kinds tell their name and seed alone.
    events
        Its journal: the plan of a study may have been changed while it ran.
    """
    told = header.document
    seed = {} if told.get("seed") is None else {"seed": told["seed"]}
    if header.kind == STUDY:
        plan = _plan(told, events)
        sizes, backends = (_listed(plan.get(name)) for name in ("sizes", "backends"))
        found = {
            "job": told.get("job") or header.name,
            "workers": plan.get("workers"),
            "mode": plan.get("mode"),
            "backend": ", ".join(map(str, backends)),
            "size": sizes[0] if len(sizes) == 1 else sizes,
            "batch sizes": plan.get("batch_sizes"),
            "repeats": plan.get("repeats"),
            "options": told.get("options"),
            "options not kept": told.get("options_not_kept"),
        }
        # nothing and none of them say nothing
        return {**{name: value for name, value in found.items() if value}, **seed}
    if header.kind != "race":
        return {"name": header.name, **seed}
    knobs = as_object(told.get("settings"))
    names = [as_object(one).get("name") for one in _listed(told.get("candidates"))]
    chosen = {name: knobs[name] for name in _KNOBS if name in knobs}
    return {"workload": header.name, "algorithms": names, **chosen, **seed}


def _plan(told: Mapping[str, Any], events: Iterable[EventRecord]) -> Mapping[str, Any]:
    """Return the last plan of a study, as JSON values."""
    plans = [event.payload for event in events if event.kind == PLANNED]
    return plans[-1] if plans else as_object(told.get("plan"))


def _listed(given: object) -> list[Any]:
    """Return a JSON array, empty where there is something else."""
    return list(given) if isinstance(given, (list, tuple)) else []


def _with_fingerprint(machine: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {**machine, "fingerprint": Machine.from_json(machine).fingerprint}
    except ValueError:  # of another version, or from elsewhere
        return dict(machine)


def about_text(document: Mapping[str, Any]) -> str:
    """Return where figures come from, in lines.

    Examples
    --------
    >>> print(about_text({"run": "r1", "machine": {"cpu_model": "A CPU", "logical_cores": 8}}))
    run       r1
    machine   A CPU, 8 logical cores
    """
    machine, git = (as_object(document.get(name)) for name in ("machine", "git"))
    rows = {
        "run": " ".join(str(document.get(key) or "") for key in ("run", "kind", "name")).strip(),
        "began": document.get("started_utc"),
        "machine": _machine_words(machine),
        "system": _joined(machine.get("os"), machine.get("kernel")),
        "versions": _version_words(document),
        "commit": _joined(git.get("commit"), "with changes" if git.get("dirty") else ""),
        "seed": "" if document.get("seed") is None else str(document["seed"]),
    }
    return "\n".join(f"{key:<9} {printable(str(words))}" for key, words in rows.items() if words)


def _machine_words(machine: Mapping[str, Any]) -> str:
    cores, n_bytes = machine.get("logical_cores"), machine.get("memory_bytes")
    # a whole number of JSON may be larger than any float
    told = is_whole(n_bytes) and 0 < n_bytes < LARGEST
    return _joined(
        machine.get("cpu_model"),
        f"{cores} logical cores" if cores else "",
        f"{memory(n_bytes)} of memory" if told else "",
        *(str(gpu) for gpu in _listed(machine.get("gpus"))),
        f"fingerprint {machine['fingerprint']}" if machine.get("fingerprint") else "",
    )


def _version_words(document: Mapping[str, Any]) -> str:
    machine, versions = (as_object(document.get(name)) for name in ("machine", "versions"))
    shown = [name for name in _LIBRARIES if name in versions]
    shown += [name for name in sorted(versions) if name not in _LIBRARIES]
    return _joined(
        f"parbench_lab {document['version']}" if document.get("version") else "",
        f"Python {machine['python']}" if machine.get("python") else "",
        *(f"{name} {versions[name]}" for name in shown),
    )


def _joined(*words: Any) -> str:
    return ", ".join(str(word) for word in words if word)


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
