"""Which workloads have figures on which machines in which modes, and what is missing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from parbench_lab.analysis.comparison.machines import beside
from parbench_lab.core.machine import FOREIGN, Machine
from parbench_lab.core.series import Coverage, Mode, covered

TARGET = 0.9
"""Share of the cells that should have figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place of the matrix.

    Parameters
    ----------
    runs
        With figures; 0 where it is missing.
    wanted
        Whether it counts: what cannot be raced here (figures brought from elsewhere) does not,
        nor what is of a machine that was not detected.
    """

    workload: str
    machine: str
    mode: Mode
    runs: int
    wanted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Workload x machine x mode.

    Parameters
    ----------
    cells
        By workload, mode and machine.
    here
        Fingerprint of this machine.
    described
        What the machines are, by fingerprint, where it is known.
    """

    cells: tuple[Cell, ...]
    here: str
    described: Mapping[str, Machine] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of the wanted cells that have figures, 0 to 1; 1 where nothing is wanted."""
        wanted = [cell for cell in self.cells if cell.wanted]
        return sum(cell.runs > 0 for cell in wanted) / len(wanted) if wanted else 1.0

    @property
    def missing(self) -> tuple[Cell, ...]:
        """The wanted cells without figures."""
        return tuple(cell for cell in self.cells if cell.wanted and not cell.runs)

    @property
    def missing_here(self) -> tuple[Cell, ...]:
        """Those of them that this machine can measure."""
        return tuple(cell for cell in self.missing if cell.machine == self.here)

    @property
    def machines(self) -> tuple[str, ...]:
        """Fingerprints, this machine first."""
        others = sorted({cell.machine for cell in self.cells} - {self.here})
        return (self.here, *others)

    def words(self, machine: str) -> str:
        """Return what a machine is: its processor, and in what it is not as this one."""
        told, here = self.described.get(machine), self.described.get(self.here)
        if told is None:
            return "not described by its runs"
        model = told.cpu_model or "a machine"
        if machine == self.here:
            return f"{model}, here"
        return model if here is None else f"{model}, {beside(told, here, called='here')}"


def matrix(
    found: Iterable[Coverage],
    modes: Mapping[str, Mode],
    *,
    here: str,
    hosts: Mapping[str, Machine] = MappingProxyType({}),
) -> Matrix:
    """Return the matrix of what is there and what is missing.

    Wanted is every workload that can be raced, in its own mode and in every mode in which it was
    raced anywhere, on every machine that has figures and on this one. Nothing is wanted of a
    machine that was not detected (`FOREIGN`): no race would have its fingerprint.

    Parameters
    ----------
    found
        As a store's `matrix` gives it.
    modes
        Workloads that can be raced, with their own mode.
    here
        Fingerprint of this machine.
    hosts
        Fingerprint to the machine, where it is known. `Machine.host` counts: the libraries of
        single workloads part their series, and no machines.

    Examples
    --------
    >>> empty = matrix([], {"sorting": Mode.BATCH}, here="a1")
    >>> empty.share, [cell.workload for cell in empty.missing_here]
    (0.0, ['sorting'])
    """
    names = {name: machine.host.fingerprint for name, machine in hosts.items()}
    runs: Counter[tuple[str, Mode, str]] = Counter()
    for cell in covered(found):
        machine = names.get(cell.machine, cell.machine)
        if machine:
            runs[cell.workload, cell.mode, machine] += cell.runs
    raced = {(workload, mode) for workload, mode, _ in runs if workload in modes}
    seen = {machine for workload, _, machine in runs if workload in modes}
    machines = {machine for machine in seen if not machine.startswith(FOREIGN)} | {here}
    wanted = {
        (workload, mode, machine)
        for workload, mode in {*modes.items(), *raced}
        for machine in machines
    }
    return Matrix(
        here=here,
        described={machine.host.fingerprint: machine.host for machine in hosts.values()},
        cells=tuple(
            Cell(
                workload=workload,
                machine=machine,
                mode=mode,
                runs=runs[workload, mode, machine],
                wanted=(workload, mode, machine) in wanted,
            )
            for workload, mode, machine in sorted({*wanted, *runs})
        ),
    )
