"""What can be measured here: the workloads with their modes, and what this machine is called."""

from __future__ import annotations

from parbench_lab.core.series import Mode
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.lab import parts
from parbench_lab.workloads.catalogue import loadable_workloads


def own_modes() -> dict[str, Mode]:
    """Return every workload that can be raced by its name alone, with its own mode."""
    return {
        name: Mode(str(getattr(workload, "mode", Mode.BATCH)))
        for name, workload in loadable_workloads()
        if len(getattr(workload, "candidates", ()))
    }


def own_fingerprints() -> tuple[str, ...]:
    """Return the fingerprint of this machine, then those it has beside workloads' libraries."""
    libraries = {parts.own_libraries(workload) for _, workload in loadable_workloads()}
    further = {detect_machine(names).fingerprint for names in libraries if names}
    here = detect_machine().fingerprint
    return (here, *sorted(further - {here}))
