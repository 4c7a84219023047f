"""``parbench prove``: parallel gives the same result, and this is how much sooner."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import common_options, examples
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import count, printable

if TYPE_CHECKING:
    from parbench_lab.scaling.proof import Proof


@click.command(
    epilog=examples("parbench prove", "parbench prove --workers 4 --backend threads --json")
)
@click.option(
    "--workers", type=int, help="Workers of the parallel run.  [default: the physical cores]"
)
@click.option(
    "--backend",
    type=click.Choice(["threads", "processes", "dask"]),
    default="processes",
    show_default=True,
)
@click.option(
    "--configurations", type=int, default=48, show_default=True, help="How much work it is."
)
@click.option("--repeats", type=int, default=5, show_default=True, help="Pairs of runs.")
@click.option("--seed", type=int, default=0, show_default=True)
@common_options
@click.pass_context
def prove(ctx: click.Context, /, *, as_json: bool, output: Path | None, **asked: Any) -> int:
    """Run one job serially and in parallel, and compare the results bit by bit.

    The job is a backtest of portfolio strategies. Exit code 1 if the results differ.
    """
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    checked_output(output)
    del asked["config"]  # checked; it has nothing for a proof, which keeps no run
    proof = ctx.ensure_object(Doors).prove(**asked)
    if not as_json:
        _print(proof, sys.stdout)
    document = {
        **jsonable(proof),
        "saved_s": proof.saved_s,
        "saved_percent": proof.saved_percent,
        "serial_per_s": jsonable(_per_s(proof, proof.serial_s)),
        "parallel_per_s": jsonable(_per_s(proof, proof.parallel_s)),
    }
    deliver(document, as_json=as_json, output=output)
    return 0 if proof.identical else 1


def _print(proof: Proof, screen: IO[str]) -> None:
    verdict = "identical bit by bit" if proof.identical else "DIFFERENT: do not use them"
    faster = f"{proof.saved_s:.3g} s saved ({proof.saved_percent:.0f} %)"
    outside = f"{_told(proof.outside, 100)} % of the time outside of the map"
    rows = {
        "results": f"{verdict}; best: {printable(proof.winner)}",
        "serial": f"{_told(proof.serial_s)} s, {_rate(proof, proof.serial_s)}",
        "parallel": f"{_told(proof.parallel_s)} s, {_rate(proof, proof.parallel_s)}; {faster}",
        "speedup": f"{_told(proof.speedup)}, efficiency {_told(proof.efficiency, 100)} %",
        "Amdahl": f"predicts {_told(proof.amdahl)} from {outside}",
        "limit": f"{proof.limit:.3g} times as fast with any number of workers, by that share",
        "Karp-Flatt": f"serial fraction as measured {_told(proof.serial_fraction, 100)} %",
    }
    where = f"{proof.workers} workers ({proof.backend}, {count(proof.cores, 'core')})"
    print(f"{proof.job}: {proof.items:,} {proof.unit}, serial and on {where}", file=screen)
    for label, told in rows.items():
        print(f"  {label:<11}{told}", file=screen)
    _print_projections(proof, screen)
    print(f"\n{proof.carried}.", file=screen)


def _print_projections(proof: Proof, screen: IO[str]) -> None:
    from parbench_lab.scaling.proof import PROJECTED_ITEMS  # noqa: PLC0415 - loads numpy

    ways = list(dict.fromkeys(p.way for p in proof.projections))
    rows = [("cores", "workers", *ways)]
    for cores in dict.fromkeys(p.cores for p in proof.projections):
        row = [p for p in proof.projections if p.cores == cores]
        told = [
            "no answer" if p.speedup is None else f"{p.speedup:.2f}, {p.time_s:.3g} s" for p in row
        ]
        rows.append((str(cores), str(row[0].workers), *told))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    title = f"projected speedup, and time for {PROJECTED_ITEMS:,} {proof.unit}"
    print(f"\n{title}", file=screen)
    for line in rows:
        cells = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print(f"  {'   '.join(cells)}", file=screen)


def _rate(proof: Proof, time: Estimate) -> str:
    return f"{_per_s(proof, time).point:,.0f} {proof.unit}/s"


def _per_s(proof: Proof, time: Estimate) -> Estimate:
    """Return how many items a second that is: the shorter the time, the more."""
    return Estimate(
        point=proof.items / time.point,
        low=proof.items / time.high,
        high=proof.items / time.low,
        confidence=time.confidence,
        n=time.n,
    )


def _told(estimate: Estimate, factor: float = 1.0) -> str:
    point, low, high = (factor * v for v in (estimate.point, estimate.low, estimate.high))
    return f"{point:.3g} [{low:.3g}, {high:.3g}]"
