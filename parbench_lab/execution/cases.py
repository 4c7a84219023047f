"""The cases of this process: made once, read-only where that is cheap, and watched for changes."""

from __future__ import annotations

import dataclasses
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import cloudpickle
import numpy as np

from parbench_lab.core.block import Case
from parbench_lab.core.ports import Workload
from parbench_lab.core.seal import Seal, pickled_digest

KEPT_CASES = 4
_FREEZE_DEPTH = 4
_MADE_TWICE_S = 5.0
"""A case that takes longer to make is not made again to see whether it is the same."""


@dataclasses.dataclass(slots=True)
class KeptCase:
    """A case's data with what is needed to see whether somebody changed it.

    `fingerprint_s` is what looking at its seal costs in seconds. `unverified` are candidates that
    ran on it since it was last seen unchanged.
    """

    data: Any
    made_s: float
    seal: Seal
    fingerprint_s: float
    unverified: set[str] = dataclasses.field(default_factory=set)

    def changed(self) -> bool:
        """Return whether the data differ from what was made, False where that is unknown."""
        return not self.seal.is_intact(self.data)

    @property
    def fingerprint(self) -> bytes | None:
        """Digest of the data as they were made; None where they cannot be pickled."""
        return self.seal.digest


class CaseShelf:
    """Keeps the few cases used last.

    Parameters
    ----------
    capacity
        Cases kept at most.
    """

    def __init__(self, capacity: int = KEPT_CASES) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[tuple[str, Case], KeptCase] = OrderedDict()

    def get(self, token: str, workload: Workload, case: Case) -> tuple[KeptCase, float]:
        """Return the case and the seconds spent making it now, 0.0 where it was there.

        Parameters
        ----------
        token
            Stands for the workload: equal tokens, equal workloads.

        Raises
        ------
        Exception
            Whatever `make_case` raises.
        """
        key = (token, case)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept, 0.0
        kept = make_case(workload, case)
        self._kept[key] = kept
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return kept, kept.made_s

    def renew(self, token: str, workload: Workload, case: Case) -> KeptCase:
        """Make the case anew and return it."""
        self._kept.pop((token, case), None)
        return self.get(token, workload, case)[0]


def make_case(workload: Workload, case: Case) -> KeptCase:
    """Make a case's data, its arrays read-only, and fingerprint it."""
    start_ns = time.perf_counter_ns()
    data = workload.make_case(case.size, np.random.default_rng(case.seed))
    freeze(data)
    made_ns = time.perf_counter_ns()
    seal = Seal.of(data)
    print_s = (time.perf_counter_ns() - made_ns) / 1e9
    return KeptCase(data=data, made_s=(made_ns - start_ns) / 1e9, seal=seal, fingerprint_s=print_s)


def by_chance(workload: Workload, case: Case, kept: KeptCase, drawn: Sequence[str]) -> str:
    """Return what is wrong where one seed makes two cases, "" where it does not.

    Parameters
    ----------
    kept
        The case, made a moment ago.
    drawn
        Global random generators that were drawn from meanwhile, in words; they have not been put
        back, so that another case gets other draws. None: the case is not made again.

    Raises
    ------
    Exception
        Whatever `make_case` raises.
    """
    if not drawn or kept.fingerprint is None or kept.made_s > _MADE_TWICE_S:
        return ""
    if make_case(workload, case).fingerprint == kept.fingerprint:
        return ""
    return (
        f"make_case(size={case.size}) of workload {case.workload!r} makes different cases of one "
        f"seed: it draws from {' and '.join(drawn)}; take all chance from its rng"
    )


def freeze(data: Any, depth: int = _FREEZE_DEPTH) -> None:
    """Make the numpy arrays in (nested) containers and dataclasses read-only.

    Examples
    --------
    >>> import numpy as np
    >>> case = {"x": [np.zeros(2)]}
    >>> freeze(case)
    >>> case["x"][0].flags.writeable
    False
    """
    if isinstance(data, np.ndarray):
        data.flags.writeable = False
    elif depth > 0:
        for part in _parts(data):
            freeze(part, depth - 1)


def digest_of(result: Any) -> str:
    """Return a short digest of a result (16 hexadecimal digits), "" where it has none."""
    mark = pickled_digest(result, cloudpickle.dump)
    return "" if mark is None else mark.hex()


def _parts(data: Any) -> Iterable[Any]:
    if isinstance(data, (list, tuple)):
        # long lists hold numbers, not arrays; looking at each would cost more than it protects
        return data[:64]
    if isinstance(data, dict):
        return list(data.values())[:64]
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return [getattr(data, field.name, None) for field in dataclasses.fields(data)]
    return ()
