"""How the parallel operations are spread: workers, chunks, backend."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.given import MOST_WORKERS, checked_workers
from parbench_lab.errors import UsageError
from parbench_lab.hardware.cores import available_cores
from parbench_lab.workloads.ml.chunks import chunk_size_for

ENVIRONMENT_VARIABLE = "PARBENCH_NUM_WORKERS"
BACKENDS = ("threads", "processes", "dask", "serial")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelConfig:
    """How an operation is spread over workers.

    Parameters
    ----------
    n_workers
        How many work at once, 1 to 4096. None: what the environment variable
        ``PARBENCH_NUM_WORKERS`` says, or else one per core that this process may use; of a given
        cluster all its workers.
    chunk_size
        Rows that a worker gets at a time. None: about 32 chunks of 64 to 8192 rows. It is never
        derived from the worker count, so results do not depend on that.
    backend
        ``"threads"`` (start at once, share the data; best where the work is done in numpy,
        scikit-learn or another library that frees the interpreter lock), ``"processes"`` (for
        plain Python), ``"dask"`` or ``"serial"`` (no worker but the caller).
    cluster
        For ``"dask"``: an address, a client or a cluster object; None for one of our own.

    Raises
    ------
    UsageError
        If one of them is not usable.

    Examples
    --------
    >>> ParallelConfig(n_workers=4).workers({})
    4
    >>> ParallelConfig().workers({"PARBENCH_NUM_WORKERS": "3"})
    3
    >>> ParallelConfig(n_workers=0)
    Traceback (most recent call last):
    ...
    parbench_lab.errors.UsageError: n_workers must be a whole number from 1 to 4,096 but got 0
    """

    n_workers: int | None = None
    chunk_size: int | None = None
    backend: str = "threads"
    cluster: Any = None

    def __post_init__(self) -> None:
        if self.n_workers is not None:
            checked_workers(self.n_workers, "n_workers")
        chunk_size_for(1, self.chunk_size)
        if self.backend not in BACKENDS:
            raise UsageError(
                f"backend must be one of {', '.join(BACKENDS)} but got {self.backend!r}"
            )
        if self.backend == "serial" and (self.n_workers or 1) > 1:
            raise UsageError(
                f"backend='serial' has one worker but n_workers is {self.n_workers}: change one"
            )
        if self.cluster is not None and self.backend != "dask":
            raise UsageError(
                f"a cluster is for backend='dask' but the backend is {self.backend!r}: change one"
            )

    def workers(self, environment: Mapping[str, str] | None = None) -> int:
        """Return the number of workers on this machine, at least 1, looked up now.

        As `asked_workers`, which says what it takes and raises, with one per core that this
        process may use where nothing is asked for; how many a given cluster has is not looked up.
        """
        asked = self.asked_workers(environment)
        return available_cores() if asked is None else asked

    def asked_workers(self, environment: Mapping[str, str] | None = None) -> int | None:
        """Return the number of workers that is asked for, None where there is no word of it.

        Then it is one per core that this process may use, or all that a given cluster has.

        Parameters
        ----------
        environment
            Where ``PARBENCH_NUM_WORKERS`` is looked for; this process's by default.

        Raises
        ------
        UsageError
            If the variable is set to anything but a whole number from 1 to 4096.

        Examples
        --------
        >>> ParallelConfig(backend="dask", cluster="tcp://10.0.0.5:8786").asked_workers({}) is None
        True
        """
        if self.n_workers is not None:
            return int(self.n_workers)
        if self.backend == "serial":
            return 1
        text = (os.environ if environment is None else environment).get(ENVIRONMENT_VARIABLE, "")
        return parse_workers(text) if text.strip() else None


def chosen_config(config: ParallelConfig | None) -> ParallelConfig:
    """Return the configuration that was given, the default one for None.

    Raises
    ------
    UsageError
        If it is something else.
    """
    if config is not None and not isinstance(config, ParallelConfig):
        raise UsageError(
            f"config must be a ParallelConfig but got {config!r}: give ParallelConfig(n_workers=4)"
        )
    return config or ParallelConfig()


def parse_workers(text: str) -> int:
    """Return the worker count that a text says.

    Raises
    ------
    UsageError
        If it is no whole number from 1 to 4096.

    Examples
    --------
    >>> parse_workers(" 8 ")
    8
    """
    try:
        return checked_workers(int(text))
    except ValueError:
        raise UsageError(
            f"{ENVIRONMENT_VARIABLE} must be a whole number from 1 to {MOST_WORKERS:,} but is "
            f"{text!r}: correct or unset it"
        ) from None
