"""``backend="auto"``: a job is tried on the backends, and the choice has its reason."""

from __future__ import annotations

from typing import Any

import numpy as np

from parbench_lab.core.scalable import Scalable
from parbench_lab.execution.pools import BACKENDS, probe_job

SAMPLE_SHARE = 0.25


def choose_backend(scalable: Scalable, *, seed: int, cluster: Any = None) -> tuple[str, str]:
    """Return the backend that runs a quarter of the job's own size fastest, and why it is taken.

    Whoever is nearly as fast and simpler goes before (threads, processes, Dask); Dask is tried
    only where a cluster is given.
    """
    size = max(1, int(SAMPLE_SHARE * scalable.default_size))
    case = scalable.make_case(size, np.random.default_rng(seed))
    choice = probe_job(
        lambda spread: scalable.run(case, map=spread),
        cluster=cluster,
        backends=("threads", "processes") if cluster is None else BACKENDS[1:],
        what=f"{size:,} {scalable.unit} of {scalable.name}",
    )
    return choice.backend, choice.reason
