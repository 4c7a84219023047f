"""What a live view asks of a race beyond its standings: challengers, and the past."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.ports import Workload
from parbench_lab.lab.parts import renamed
from parbench_lab.workloads.modules import module_candidates


def available(
    workload: Workload, entered: Sequence[Candidate], notebook: ModuleType | None = None
) -> dict[str, Candidate]:
    """Return who could enter: label to candidate, the workload's own first.

    A function of the notebook that was written anew since it entered is there again, under the
    name it would race under.
    """
    functions = {id(candidate.function) for candidate in entered}
    names = {candidate.name for candidate in entered}
    own = [c for c in getattr(workload, "candidates", ()) if c.name not in names]
    place = notebook if notebook is not None else sys.modules["__main__"]
    written = [c for c in module_candidates(place) if id(c.function) not in functions]
    found: dict[str, Candidate] = {}
    for candidate in [*own, *written]:
        label = renamed(candidate, names | found.keys())
        found[label.name] = label
    return found
