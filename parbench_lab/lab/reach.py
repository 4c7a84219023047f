"""What can be measured where: the workloads with their modes, and the machines of a store."""

from __future__ import annotations

from collections.abc import Iterable

from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import RunStore
from parbench_lab.core.series import Mode
from parbench_lab.lab.roofs import described_machine
from parbench_lab.workloads.catalogue import loadable_workloads


def own_modes() -> dict[str, Mode]:
    """Return every workload that can be raced by its name alone, with its own mode."""
    return {
        name: Mode(str(getattr(workload, "mode", Mode.BATCH)))
        for name, workload in loadable_workloads()
        if len(getattr(workload, "candidates", ()))
    }


def machines_of(store: RunStore, fingerprints: Iterable[str]) -> dict[str, Machine]:
    """Return the machines behind fingerprints, where a stored run describes them.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    found = {}
    for fingerprint in {*fingerprints} - {""}:
        for summary in store.runs(machine=fingerprint, last=1):
            machine = described_machine(store.header(summary.id))
            if machine is not None:
                found[fingerprint] = machine
    return found
