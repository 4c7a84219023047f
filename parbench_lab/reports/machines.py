"""What the machines of a history are, and what tells two of one model apart."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parbench_lab.analysis.comparison.machines import beside
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import RunStore
from parbench_lab.core.series import SeriesPoint
from parbench_lab.core.wording import printable

_DIGITS = 6
_SHORT = re.compile(rf"(foreign-)?.{{0,{_DIGITS}}}")
"""A fingerprint where it is told; that of another tool's file says so before its digits."""

Documents = Mapping[str, Mapping[str, Any]]
"""Fingerprint to what runs say of the machine."""


def short_machine(fingerprint: str) -> str:
    """Return the beginning of a fingerprint, by which machines are told apart in a table.

    Examples
    --------
    >>> short_machine("9f2e2db8a162"), short_machine("foreign-3c41d07e99aa")
    ('9f2e2d', 'foreign-3c41d0')
    """
    found = _SHORT.match(fingerprint)
    return found[0] if found else ""


def machine_documents(store: RunStore, points: Sequence[SeriesPoint]) -> Documents:
    """Return what runs say of the machines of some figures; one header each is read."""
    newest = {point.key.machine: point.run_id for point in points if point.key.machine}
    found = {name: store.header(run).document.get("machine") for name, run in newest.items()}
    return {name: told for name, told in found.items() if isinstance(told, Mapping)}


def machine_names(documents: Documents) -> dict[str, str]:
    """Return fingerprint to the model of the processor, where it is known."""
    models = {name: told.get("cpu_model") for name, told in documents.items()}
    return {name: printable(str(model)) for name, model in models.items() if model}


def machine_hosts(documents: Documents) -> dict[str, str]:
    """Return fingerprint to that of the machine whatever was raced on it (`Machine.host`)."""
    return {name: machine.host.fingerprint for name, machine in _described(documents)}


def machine_differences(documents: Documents) -> dict[str, str]:
    """Return fingerprint to what tells a machine from the first one of its model.

    Where runs describe both of them wholly.
    """
    first: dict[str, tuple[str, Machine]] = {}
    found = {}
    for name, machine in _described(documents):
        called, other = first.setdefault(machine.cpu_model, (name, machine))
        if called != name:
            found[name] = printable(beside(machine, other, called=short_machine(called)))
    return found


def _described(documents: Documents) -> Iterator[tuple[str, Machine]]:
    for name, told in documents.items():
        with contextlib.suppress(ValueError):  # told in part, or by another version
            yield name, Machine.from_json(told)
