"""Four copies of one function: what an A/A race of `parbench doctor` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parbench_lab.core.candidate import Candidate

if TYPE_CHECKING:
    import numpy as np

N_COPIES = 4


class IdenticalCode:
    """Sort random numbers, always with the same function."""

    name = "identical_code"
    default_batch_size = 20_000

    def make_case(self, size: int, rng: np.random.Generator) -> Any:
        """Return `size` random numbers."""
        return rng.random(size)

    def check(self, case: Any, result: Any) -> None:
        """Raise where the result is not in order."""
        if len(result) != len(case) or bool((result[1:] < result[:-1]).any()):
            raise ValueError("not in order")


def sort(case: Any) -> Any:
    """Return a sorted copy."""
    import numpy as np  # noqa: PLC0415 - only workers run this

    return np.sort(case)


def copies() -> list[Candidate]:
    """Return candidates that differ in nothing but their names."""
    return [
        Candidate(name=f"copy {n}", function=f"{__name__}:sort") for n in range(1, N_COPIES + 1)
    ]
