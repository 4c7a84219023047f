"""``parbench race``: put a race together from flags and files, watch it, say who won."""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from parbench_lab.cli.ci_files import CiFiles, ci_options
from parbench_lab.cli.doors import Bench, Doors, Result
from parbench_lab.cli.interrupts import Interrupts, interrupts
from parbench_lab.cli.options import (
    budget_option,
    common_options,
    dry_run_option,
    examples,
    given_layers,
    gpus_option,
    knob_options,
    store_option,
)
from parbench_lab.cli.output import checked_output, deliver, plan_line, tell_plan
from parbench_lab.cli.resuming import (
    refuse_other_kinds_and_ended,
    source_document,
    source_to_resume,
)
from parbench_lab.cli.spectators import print_sentence, print_table, spectator, watch
from parbench_lab.cli.tables_for_ci import race_table
from parbench_lab.core.series import Mode
from parbench_lab.core.wording import count, printable, resume_hint
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.hardware.cores import available_cores
from parbench_lab.lab.configuration import RUN_KEYS, Configuration, Layer, file_layers, merged
from parbench_lab.racing.settings import knobs, refuse_dead

FIRST_WORKLOAD = "moving_average"
DEFAULTS = Layer(source="default", values={"seconds": 20.0, "seed": 0, "forever": False})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for: the effective configuration and what only flags can say."""

    configuration: Configuration
    resume: str | None
    dry_run: bool
    quiet: bool
    as_json: bool
    output: Path | None
    files: CiFiles = CiFiles()  # noqa: RUF009 - frozen

    def get(self, key: str) -> Any:
        """Return a value of the configuration, None where nothing gives it."""
        return self.configuration.values.get(key)

    @property
    def budget_s(self) -> float | None:
        """Seconds of race time, None without limit; ``--forever`` beats only the default."""
        if self.get("forever") and self.configuration.sources["seconds"] == DEFAULTS.source:
            return None
        return float(self.get("seconds"))

    @property
    def screen(self) -> IO[str]:
        """Where people read: stderr where stdout carries JSON."""
        return sys.stderr if self.as_json else sys.stdout


@click.command(
    epilog=examples(
        "parbench race",
        "parbench race sorting --batch-size 10000 --seconds 60",
        "parbench race mymodule.py -a mine -a theirs --json --output result.json",
        "parbench race mymodule.py --gpus 1 --target-gpu-utilization 95",
    )
)
@click.argument("workload", required=False, metavar="[WORKLOAD|MODULE|FILE.py]")
@click.option(
    "-a",
    "--algorithm",
    "algorithms",
    multiple=True,
    metavar="NAME",
    help="Race only this candidate (a name or module:function). Repeatable.  [default: all]",
)
@budget_option("--seconds", help="Budget of race time.  [default: 20]")
@budget_option("--measurements", whole=True, help="Budget of measurements.  [default: none]")
@click.option(
    "--forever", is_flag=True, help="Go on after the decision: the leader is watched for changes."
)
@click.option("--resume", metavar="RUN", help="Go on with an interrupted run (an id, or latest).")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="A Dask scheduler (tls://: certificates from Dask's configuration).  [default: local]",
)
@click.option("--workers", type=int, help="Local worker processes.  [default: one per core]")
@gpus_option
@store_option
@click.option("--seed", type=int, help="Of orders, cases and coins.  [default: 0]")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="What the figures stand for; never mixed.  [default: the workload's, or batch]",
)
@dry_run_option
@click.option("-q", "--quiet", is_flag=True, help="Print only the result.")
@knob_options
@ci_options
@common_options
@click.pass_context
def race(ctx: click.Context, /, **_params: Any) -> None:
    """Race implementations in parallel and eliminate the certainly worse ones.

    WORKLOAD is a built-in one (`parbench workloads` lists them); MODULE or FILE.py races every
    function marked with @candidate (MODULE:CLASS where it has several workloads); modules of the
    current folder are found too. Ctrl-C ends the race with its result so far.

    In the table, "ratio" is the median over up to 1000 blocks in which a candidate met the
    leader; "time" and "items/s" are of the median of its latest 128 runs, whoever ran beside it,
    so the two need not agree to the last digit.
    """
    doors = ctx.ensure_object(Doors)
    request = _requested(ctx)
    with interrupts() as asked, _bench(doors, request) as bench:
        if request.dry_run:
            _tell_plan(bench, request)
            return
        result = _raced(bench, request, asked)
    _tell_result(result, bench.run_id, request)
    ctx.exit(1 if result.status == "failed" else 0)


# ---------------------------------------------------------------- asked for


def _requested(ctx: click.Context) -> Request:
    params = ctx.params
    flags = given_layers(ctx, {name: name for name in (*RUN_KEYS, *knobs())})
    files = file_layers(Path.cwd(), params["config"])
    if params["resume"] is not None:
        files = [_for_resume(layer) for layer in files]
        _refuse_with_resume(ctx)
    return Request(
        configuration=merged([DEFAULTS, *files, *flags]),
        resume=params["resume"],
        dry_run=params["dry_run"],
        quiet=params["quiet"],
        as_json=params["as_json"],
        output=checked_output(params["output"]),
        files=CiFiles.checked(params),
    )


def _for_resume(layer: Layer) -> Layer:
    """Return what of a file concerns a resumed run: it keeps its own workload and settings."""
    kept = ("seconds", "measurements", "forever", "cluster", "workers", "gpus", "store")
    return Layer(source=layer.source, values={k: v for k, v in layer.values.items() if k in kept})


def _refuse_with_resume(ctx: click.Context) -> None:
    for name in ("seed", "mode"):
        if given_layers(ctx, {name: name}):
            raise UsageError(f"--{name}: a resumed race keeps its {name}; leave it out")


def _beginning(request: Request) -> str:
    if request.get("cluster"):
        return f"connecting to {printable(request.get('cluster'))}"
    return f"starting {count(request.get('workers') or available_cores(), 'worker')}"


# ---------------------------------------------------------------- put together


def _bench(doors: Doors, request: Request) -> Bench:
    environment = {
        "store": request.get("store"),
        "cluster": request.get("cluster"),
        "n_workers": request.get("workers"),
        **({} if request.get("gpus") is None else {"gpus": request.get("gpus")}),
    }
    if request.resume is not None:
        return _resumed(doors, request, environment)
    algorithms, workload = _entrants(doors, request)
    return doors.new_bench(
        algorithms,
        workload,
        **environment,
        seed=request.get("seed"),
        **({} if request.get("mode") is None else {"mode": request.get("mode")}),
        configuration={
            "command": "race",
            **request.configuration.as_json(),
            **source_document(request.get("workload"), doors.source),
            "git": doors.git(Path.cwd()),
        },
        **request.configuration.settings(),
    )


def _resumed(doors: Doors, request: Request, environment: Mapping[str, Any]) -> Bench:
    changes = request.configuration.settings()
    refuse_dead(changes)
    given: dict[str, Any] = {}
    run_id = request.resume or "latest"
    if request.get("workload") is not None or request.get("algorithms"):
        algorithms, workload = _entrants(doors, request)
        given = {"algorithms": algorithms, "workload": workload}
    else:
        with contextlib.closing(doors.open_store(request.get("store"))) as store:
            header = store.header(run_id)
            refuse_other_kinds_and_ended(store.summary(header.id))
        run_id, source = header.id, source_to_resume(header, doors.source)
        if source is not None:
            workload, candidates = doors.targets(source)
            given = {"algorithms": list(candidates), "workload": workload}
    bench = doors.resumed_bench(run_id, **given, **environment)
    if changes:
        bench.change(**changes)
    return bench


def _entrants(doors: Doors, request: Request) -> tuple[Sequence[Any] | None, Any]:
    """Return the algorithms and the workload, as `ParallelBenchmarking` takes them."""
    name, wanted = request.get("workload"), request.get("algorithms")
    if name is None:
        return (wanted, None) if wanted else (None, FIRST_WORKLOAD)
    workload, candidates = doors.targets(name)
    if not wanted:
        return list(candidates), workload
    known = {candidate.name: candidate for candidate in candidates}
    for algorithm in wanted:
        if algorithm not in {*known, *_further(workload)} and ":" not in algorithm:
            _refuse_algorithm(algorithm, name, list(known))
    return [known.get(algorithm, algorithm) for algorithm in wanted], workload


def _further(workload: Any) -> set[str]:
    """Return the candidates that cannot run on this machine: the race itself says why, or runs."""
    from parbench_lab.workloads import members  # noqa: PLC0415 - loads numpy

    elsewhere = {candidate.name for candidate in members.candidates_elsewhere(workload)}
    return elsewhere | set(members.missing_candidates(workload))


def _refuse_algorithm(algorithm: str, workload: str, known: list[str]) -> None:
    close = difflib.get_close_matches(algorithm, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
    raise UnknownNameError(f"{workload} has no candidate {algorithm!r}; {hint}")


# ---------------------------------------------------------------- run and watch


def _raced(bench: Bench, request: Request, asked: Interrupts) -> Result:
    bench.limit(
        request.budget_s,
        request.get("measurements"),
        stop_when_decided=not request.get("forever"),
    )
    began_s = bench.scoreboard.elapsed_s  # not 0 where a race is taken up again
    if not request.quiet:  # all that was asked for is there and in range: now it takes time
        click.echo(f"{_beginning(request)} ...", file=request.screen)
    bench.start()
    if not request.quiet:
        dashboard = f", Dask dashboard {bench.dashboard_link}" if bench.dashboard_link else ""
        click.echo(printable(f"run {bench.run_id}{dashboard}"), file=request.screen)
    asked.hint = ""
    title = f"parbench race · run {bench.run_id}"
    watcher = spectator(
        request.screen,
        title=title,
        budget_s=request.budget_s,
        began_s=began_s,
        quiet=request.quiet,
    )
    return watch(bench, watcher, asked)


# ---------------------------------------------------------------- said


def _tell_plan(bench: Bench, request: Request) -> None:
    tell_plan(
        [*bench.plan().splitlines(), plan_line("takes", _how_long(request))],
        as_json=request.as_json,
        output=request.output,
        configuration=request.configuration.as_json(),
    )


def _how_long(request: Request) -> str:
    limits = []
    if request.budget_s is not None:
        limits.append(f"{request.budget_s:g} s")
    if request.get("measurements") is not None:
        limits.append(count(request.get("measurements"), "measurement"))
    at_most = f"at most {' or '.join(limits)}" if limits else "no limit: until Ctrl-C"
    ends = "goes on after the decision" if request.get("forever") else "ends when decided"
    return f"{at_most}, {ends}; about 3 s more to start and stop the workers"


def _tell_result(result: Result, run_id: str, request: Request) -> None:
    request.files.write(race_table(result))
    deliver(result.to_dict(), as_json=request.as_json, output=request.output)
    if not request.as_json and not request.quiet:
        print_table(request.screen, result.scoreboard, result.settings)
        click.echo(f"stored as {run_id} (parbench show {run_id})")
    if result.resumable and not request.quiet:
        click.echo(resume_hint(run_id), file=request.screen)
    if request.output is not None and not request.quiet:
        click.echo(f"written to {request.output}", file=request.screen)
    if not request.as_json or not request.quiet:
        print_sentence(request.screen, result.sentence)
