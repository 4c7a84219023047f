"""What workers offer beyond a CPU, and who must be refused because nobody offers it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.ports import WorkerInfo
from parbench_lab.core.wording import count
from parbench_lab.errors import UsageError
from parbench_lab.execution.plans import GPU
from parbench_lab.hardware.gpu import GpuInventory


def refuse_unoffered(
    candidate: Candidate, offers: Iterable[Mapping[str, float]], *, why: str
) -> None:
    """Refuse a candidate that no worker can ever run.

    Parameters
    ----------
    candidate
        With the `resources` it needs.
    offers
        Resources of every worker.
    why
        What to do about it, or why there is no such worker: ends the sentence.

    Raises
    ------
    UsageError
        If no worker offers all that it needs.

    Examples
    --------
    >>> needy = Candidate(name="mine", function=abs, resources={"GPU": 1})
    >>> refuse_unoffered(needy, [{}, {"GPU": 1.0}], why="")
    >>> refuse_unoffered(needy, [{}], why="no GPU can be used: no NVIDIA driver")
    Traceback (most recent call last):
        ...
    parbench_lab.errors.UsageError: candidate 'mine' needs GPU=1, which no worker offers: \
no GPU can be used: no NVIDIA driver
    """
    needs = candidate.resources
    if not needs:
        return
    for offer in offers:
        if all(offer.get(resource, 0.0) >= amount for resource, amount in needs.items()):
            return
    raise UsageError(
        f"candidate {candidate.name!r} needs {amounts(needs)}, which no worker offers: {why}"
    )


def amounts(resources: Mapping[str, float]) -> str:
    """Return resources as they are typed.

    Examples
    --------
    >>> amounts({"GPU": 1.0, "MEM": 2.5})
    'GPU=1 MEM=2.5'
    """
    return " ".join(f"{name}={amount:g}" for name, amount in resources.items())


def why_not_here(needs: Mapping[str, float], inventory: GpuInventory) -> str:
    """Return why the local cluster has no worker that offers this.

    Examples
    --------
    >>> why_not_here({"GPU": 1}, GpuInventory(reason="no NVIDIA driver"))
    'no GPU can be used: no NVIDIA driver'
    >>> why_not_here({"TPU": 1}, GpuInventory(reason="no NVIDIA driver"))
    "local workers offer nothing beyond a CPU; give cluster= with workers started with \
--resources 'TPU=1'"
    """
    elsewhere = f"give cluster= with workers started with --resources {amounts(needs)!r}"
    if inventory.gpus:
        return f"local workers offer GPU=1 at most; {elsewhere}"
    if GPU not in needs:
        return f"local workers offer nothing beyond a CPU; {elsewhere}"
    missing = f"no GPU can be used: {inventory.reason}"
    return missing if set(needs) == {GPU} else f"{missing}; {elsewhere}"


def why_not_there(needs: Mapping[str, float], workers: Sequence[WorkerInfo]) -> str:
    """Return why no worker of a given cluster can run this, and what to do about it.

    Examples
    --------
    >>> why_not_there({"GPU": 1}, [WorkerInfo(name="w0", process="a", local=True, gpu="GPU-a")])
    "worker w0 sees a GPU but does not offer it; start it with --resources 'GPU=1' \
(dask_cuda: resources={'GPU': 1})"
    >>> why_not_there({"GPU": 1}, [WorkerInfo(name="w0", process="a", local=True)])
    "the cluster has 1 worker; start one with --resources 'GPU=1'"
    """
    typed = amounts(needs)
    silent = [info.name for info in workers if info.gpu and GPU not in info.resources]
    if GPU in needs and silent:
        return (
            f"worker {silent[0]} sees a GPU but does not offer it; start it with "
            f"--resources {typed!r} (dask_cuda: resources={dict(needs)})"
        )
    return f"the cluster has {count(len(workers), 'worker')}; start one with --resources {typed!r}"
