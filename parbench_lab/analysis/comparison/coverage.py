"""Which workloads have figures on which machines in which modes, and what is missing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

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
        Whether it counts: what cannot be raced here (figures brought from elsewhere) does not.
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
    """

    cells: tuple[Cell, ...]
    here: str

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


def matrix(
    found: Iterable[Coverage],
    modes: Mapping[str, Mode],
    *,
    here: str,
    also_here: Collection[str] = (),
) -> Matrix:
    """Return the matrix of what is there and what is missing.

    Wanted is every workload that can be raced, in its own mode and in every mode in which it was
    raced anywhere, on every machine that has figures and on this one.

    Parameters
    ----------
    found
        As a store's `matrix` gives it.
    modes
        Workloads that can be raced, with their own mode.
    here
        Fingerprint of this machine.
    also_here
        What else it is called: workloads that name libraries of their own give it others.

    Examples
    --------
    >>> empty = matrix([], {"sorting": Mode.BATCH}, here="a1")
    >>> empty.share, [cell.workload for cell in empty.missing_here]
    (0.0, ['sorting'])
    """
    runs: Counter[tuple[str, Mode, str]] = Counter()
    for cell in covered(found):
        machine = here if cell.machine in also_here else cell.machine
        if machine:
            runs[cell.workload, cell.mode, machine] += cell.runs
    raced = {(workload, mode) for workload, mode, _ in runs if workload in modes}
    machines = {machine for workload, _, machine in runs if workload in modes} | {here}
    wanted = {
        (workload, mode, machine)
        for workload, mode in {*modes.items(), *raced}
        for machine in machines
    }
    return Matrix(
        here=here,
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
