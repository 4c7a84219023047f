"""``parbench scale``: a job over worker counts, as a table with what it says underneath."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import (
    OneOfEach,
    common_options,
    dry_run_option,
    examples,
    refuse_flags,
    store_of,
    store_option,
)
from parbench_lab.cli.output import checked_output, deliver, plan_line, tell_plan
from parbench_lab.cli.studies import print_study, study_document
from parbench_lab.core.wording import count, printable, study_hint
from parbench_lab.errors import UsageError

if TYPE_CHECKING:
    from parbench_lab.lab.scaling_study import ScalingStudy
    from parbench_lab.workloads.ml.config import ParallelConfig

FIRST_JOB = "prime_count"
ML_OPERATIONS = "ml_operations"
OF_THE_JOB = ("configurations", "window_days", "test_windows", "timeframe")
OF_A_PLAN = (
    *("workers", "mode", "backends", "sizes", "batch_sizes", "repeats", "seed"),
    *OF_THE_JOB,
)
"""What a study plans when it begins, and keeps when it is resumed."""
OF_A_STUDY = (
    *("mode", "sizes", "make_case", "law", "include_oversubscribed", "resume", "store"),
    *OF_THE_JOB,
)
"""What `ML_OPERATIONS` cannot use: it is no study and keeps no run."""
UNASKED_CLUSTER = "--dry-run asks nothing of a cluster: say how many --workers"


class Counts(click.ParamType):  # type: ignore[type-arg] # generic in click's newest only
    """Whole numbers with commas: ``1,2,4``."""

    name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\d+(,\d+)*", value):
            self.fail(f"{value!r} is no list of whole numbers like 1,2,4", param, ctx)
        return tuple(map(int, value.split(",")))


class WorkerCounts(Counts):
    """The same, or ``adaptive``."""

    name = "N,N,...|adaptive"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the numbers, or the word."""
        return value if value == "adaptive" else super().convert(value, param, ctx)


@click.command(
    cls=OneOfEach,
    epilog=examples(
        "parbench scale",
        "parbench scale portfolio_backtest --quick --workers 8 --window-days 365",
        "parbench scale portfolio_backtest --batch-sizes 10,50,100,200,500",
        "parbench scale ml_operations --quick",
        "parbench scale mymodule:job --mode weak --repeats 9 --json --output curve.json",
    ),
)
@click.argument("job", required=False, metavar="[JOB|ml_operations|MODULE:FUNCTION]")
@click.option(
    "--workers",
    type=WorkerCounts(),
    metavar="N,N,...|adaptive",
    help="Worker counts; one number N measures 1, 2, 4, ... N; adaptive: as many as the load of "
    "others on this machine leaves room for.  [default: up to the cores, or all workers of the "
    "--cluster; ml_operations: 1,2,4,8]",
)
@click.option("--mode", type=click.Choice(["strong", "weak"]), default="strong", show_default=True)
@click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(["auto", "serial", "threads", "processes", "dask"]),
    help="What runs the parts; repeat it for curves side by side.  [default: auto]",
)
@click.option("--sizes", type=Counts(), help="Items of the case.  [default: the job's own]")
@click.option(
    "--batch-sizes",
    type=Counts(),
    help="Items that go to a worker at once, a series each.  [default: the job's own]",
)
@click.option(
    "--repeats", type=int, default=5, show_default=True, help="How often each level is measured."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--make-case",
    metavar="MODULE:FUNCTION",
    help="make_case(size, rng) of a job of your own.  [default: the job's attribute make_case, "
    "or the function make_case of its module]",
)
@click.option("--cluster", metavar="ADDRESS", help="A Dask scheduler, for --backend dask.")
@click.option(
    "--law",
    type=click.Choice(["usl", "amdahl", "gustafson", "none"]),
    help="The law to fit.  [default: usl, gustafson in weak scaling]",
)
@click.option("--include-oversubscribed", is_flag=True, help="Fit levels beyond the cores too.")
@click.option(
    "--quick",
    "configurations",
    flag_value="quick",
    help="portfolio_backtest: 100 configurations; ml_operations: small cases.",
)
@click.option("--full", "configurations", flag_value="full", help="portfolio_backtest: 10 000.")
@click.option("--large", "configurations", flag_value="large", help="portfolio_backtest: 50 000.")
@click.option("--window-days", type=float, help="portfolio_backtest: days of history.")
@click.option("--test-windows", type=int, help="portfolio_backtest: windows to test on.")
@click.option(
    "--timeframe", type=click.Choice(["15m", "1h", "4h", "1d"]), help="portfolio_backtest: period."
)
@click.option("--resume", metavar="RUN", help="Go on with a study that was cut off.")
@click.option("--list", "listing", is_flag=True, help="List the built-in jobs, and end.")
@dry_run_option
@store_option
@common_options
@click.pass_context
def scale(
    ctx: click.Context, /, job: str | None, *, listing: bool, dry_run: bool, as_json: bool,
    output: Path | None, **asked: Any,
) -> int:  # fmt: skip
    """Measure a job over worker counts: time, speedup, efficiency, and a law with its intervals.

    Every level is measured in random order within each repetition, after a warm-up, and every
    result is compared with the serial one.

    MODULE:FUNCTION is a function job(case, *, map) that sends its parallel work through that map;
    make_case(size, rng) in the same module makes its case. Modules of the current folder are
    found too.

    The JSON has every level, the words, and "fit": alpha, beta, gamma, limit, peak and hold-out
    score of the law, with intervals or with the reason why there is none; "backend_reason" says
    why --backend auto took the one it took, "batch_reason" which batch sizes are one and the same
    and measured once (null where there is nothing to say). A dry run runs the job's smallest case
    once, serially, to say how long the study takes.
    """
    from parbench_lab.workloads.scalables import (  # noqa: PLC0415 - loads numpy
        option_names,
        scalable_names,
    )

    if listing:
        for name in scalable_names():
            click.echo(name)
        return 0
    checked_output(output)
    screen = sys.stderr if as_json else sys.stdout
    named, job = job, job or FIRST_JOB
    if job == ML_OPERATIONS:
        run = _ml_operations if not dry_run else _plan_operations
        return run(ctx, asked, as_json=as_json, output=output, screen=screen)
    if asked["resume"]:
        refuse_flags(ctx, OF_A_PLAN, why="a resumed study keeps what it planned")
    else:
        foreign = [name for name in OF_THE_JOB if name not in option_names(job)]
        refuse_flags(ctx, foreign, why=f"of no use with {job}")
    asked["store"] = store_of(ctx)
    if dry_run:
        tell_plan(_planned(named, asked), as_json=as_json, output=output)
        return 0
    law, include = asked["law"], asked["include_oversubscribed"]
    with _study(named, asked) as study:
        for reason in filter(None, (study.backend_reason, study.batch_reason)):
            print(reason, file=screen)
        _measure(study, screen)
        curves = study.curves
        done, planned = study.progress
        options = {
            "law": law,
            "include_oversubscribed": include,
            "batch_unit": study.scalable.batch_unit,
        }
        print_study(curves, screen, **options)
        if done < planned:
            again = study_hint(study.run_id, on_cluster=study.on_cluster)
            print(f"{done} of {planned} runs; go on: {again}", file=screen)
        document = {
            "run": study.run_id,
            "backend_reason": study.backend_reason or None,
            "batch_reason": study.batch_reason or None,
            **study_document(curves, **options),
        }
    deliver(document, as_json=as_json, output=output)
    # a curve without any time has agreed with nobody
    good = all(curve.agrees and curve.base is not None for curve in curves.values())
    return 0 if good else 1


def _study(job: str | None, asked: dict[str, Any]) -> ScalingStudy:
    """Return the study of a job, None where none was named."""
    from parbench_lab.lab.scaling_study import ScalingStudy  # noqa: PLC0415 - loads numpy, SQL
    from parbench_lab.lab.study_parts import default_workers  # noqa: PLC0415 - loads numpy

    if asked["resume"]:
        return ScalingStudy.resume_run(
            asked["resume"],
            job,
            store=asked["store"],
            cluster=asked["cluster"],
            make_case=asked["make_case"],
        )
    chosen = {name: asked[name] for name in OF_THE_JOB if asked[name] is not None}
    workers = asked["workers"]
    if isinstance(workers, tuple) and len(workers) == 1:
        workers = default_workers(workers[0])
    backends = asked["backends"] or ("auto",)
    if "auto" in backends and len(backends) > 1:
        raise UsageError("--backend auto chooses one: leave the others out")
    return ScalingStudy(
        job or FIRST_JOB,
        options=chosen,
        make_case=asked["make_case"],
        workers=workers,
        mode=asked["mode"],
        backend=backends[0] if len(backends) == 1 else backends,
        sizes=asked["sizes"],
        batch_sizes=asked["batch_sizes"],
        repeats=asked["repeats"],
        seed=asked["seed"],
        cluster=asked["cluster"],
        store=asked["store"],
    )


def _ml_operations(
    ctx: click.Context,
    asked: dict[str, Any],
    *,
    as_json: bool,
    output: Path | None,
    screen: TextIO,
) -> int:
    """Measure every machine-learning operation, sequentially and in parallel."""
    levels, backend = _levels_of_operations(ctx, asked)
    from parbench_lab.lab import ml  # noqa: PLC0415 - loads numpy and scikit-learn
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    config = _config_of_operations(asked, backend)
    if asked["cluster"] is not None and "worker_levels" not in levels:
        from parbench_lab.lab.study_parts import (  # noqa: PLC0415 - loads numpy
            cluster_workers,
            default_workers,
        )

        levels["worker_levels"] = default_workers(cluster_workers(asked["cluster"]))
    benchmark = ctx.ensure_object(Doors).ml_benchmark(
        config=config,
        repeats=asked["repeats"],
        seed=asked["seed"],
        size_factor=0.1 if asked["configurations"] == "quick" else 1.0,
        progress=lambda line: click.echo(printable(line), err=True),
        **levels,
    )
    ml.print_benchmark_results(benchmark, file=screen)
    document = {**jsonable(benchmark), "targets": jsonable(benchmark.targets)}
    deliver(document, as_json=as_json, output=output)
    return 0 if benchmark.identical else 1


def _plan_operations(
    ctx: click.Context,
    asked: dict[str, Any],
    *,
    as_json: bool,
    output: Path | None,
    screen: TextIO,
) -> int:
    """Say what would be measured of the machine-learning operations."""
    levels, backend = _levels_of_operations(ctx, asked)
    del screen  # a plan goes where results go
    from parbench_lab.lab.ml.benchmark import (  # noqa: PLC0415 - loads numpy
        BATCH_SIZES,
        WORKER_LEVELS,
        checked_benchmark,
    )
    from parbench_lab.workloads.ml.scalables import ml_scalables  # noqa: PLC0415 - scikit-learn

    config = _config_of_operations(asked, backend)
    if asked["cluster"] is not None and "worker_levels" not in levels:
        raise UsageError(UNASKED_CLUSTER)
    checked_benchmark(config, repeats=asked["repeats"], seed=asked["seed"], **levels)
    names = list(ml_scalables())
    tables = (("workers", "worker_levels", WORKER_LEVELS), ("batches", "batch_sizes", BATCH_SIZES))
    lines = [
        plan_line("operations", f"{len(names)}: {', '.join(names)}"),
        *(
            plan_line(label, ", ".join(map(str, levels.get(name, default))))
            for label, name, default in tables
        ),
        plan_line("backend", backend),
        plan_line("runs", f"{asked['repeats']} of each, sequentially and in parallel"),
        plan_line("takes", "not known before it runs; --quick takes cases of a tenth"),
    ]
    tell_plan(lines, as_json=as_json, output=output)
    return 0


def _levels_of_operations(
    ctx: click.Context, asked: dict[str, Any]
) -> tuple[dict[str, tuple[int, ...]], str]:
    """Return the levels that were asked for, and the backend; refuse what is of no use."""
    of_no_use = [name for name in OF_A_STUDY if (name, asked[name]) != ("configurations", "quick")]
    refuse_flags(ctx, of_no_use, why=f"of no use with {ML_OPERATIONS}")
    from parbench_lab.lab.study_parts import default_workers  # noqa: PLC0415 - loads numpy

    backends = [backend for backend in asked["backends"] if backend != "auto"] or ["threads"]
    if len(backends) > 1:
        raise UsageError(f"{ML_OPERATIONS} is measured on one --backend at a time")
    workers = asked["workers"]
    if workers == "adaptive":
        raise UsageError(f"{ML_OPERATIONS} needs worker counts; adaptive is for a single job")
    levels = {}
    if asked["batch_sizes"] is not None:
        levels["batch_sizes"] = asked["batch_sizes"]
    if workers is not None:
        levels["worker_levels"] = default_workers(*workers) if len(workers) == 1 else workers
    return levels, backends[0]


def _config_of_operations(asked: dict[str, Any], backend: str) -> ParallelConfig:
    from parbench_lab.workloads.ml.config import ParallelConfig  # noqa: PLC0415 - loads numpy

    return ParallelConfig(
        n_workers=None if asked["workers"] is None else max(asked["workers"]),
        backend=backend,
        cluster=asked["cluster"],
    )


def _planned(job: str | None, asked: dict[str, Any]) -> list[str]:
    """Return what a study would measure and about how long; no worker is started for it."""
    from parbench_lab.lab.foretelling import foretell, kept_of  # noqa: PLC0415 - loads numpy, SQL

    kept = kept_of(asked["resume"], asked["store"]) if asked["resume"] else None
    tried = kept is None and asked["backends"] in ((), ("auto",))
    if not (tried or kept) and asked["cluster"] is not None and asked["workers"] is None:
        raise UsageError(UNASKED_CLUSTER)
    if kept is None:
        asked = {**asked, "store": ":memory:"}
        if tried:  # nothing runs on it here: no worker is asked of a cluster either
            asked |= {"backends": ("threads",), "cluster": None}
        study = _study(job, asked)
    else:
        given = {"cluster": asked["cluster"], "make_case": asked["make_case"]}
        study = kept.again(job, given)
    with study:
        told = foretell(study, done=0 if kept is None else kept.done)
        plan = study.plan
    backends = "the fastest, by trying all that can run it" if tried else ", ".join(plan.backends)
    levels = "adaptive" if plan.adaptive else ", ".join(map(str, plan.workers))
    where = "on the cluster" if study.on_cluster else count(study.cores, "core")
    sizes = ", ".join(f"{size:,}" for size in plan.sizes)
    return [
        plan_line("job", f"{study.scalable.name}, {sizes} {study.scalable.unit}"),
        plan_line("workers", f"{levels} ({plan.mode} scaling, {where})"),
        plan_line("backend", backends),
        *(
            [plan_line("batches", ", ".join(map(str, plan.batch_sizes)))]
            if plan.batch_sizes
            else []
        ),
        plan_line("runs", told.runs),
        plan_line("takes", told.takes),
    ]


def _measure(study: ScalingStudy, screen: TextIO) -> None:
    """Measure with a progress bar; Ctrl-C ends it with what there is."""
    from rich.console import Console  # noqa: PLC0415 - slow to load
    from rich.progress import Progress  # noqa: PLC0415 - slow to load

    with Progress(console=Console(file=screen)) as bar:
        done, planned = study.progress
        task = bar.add_task(printable(study.scalable.name), total=planned, completed=done)

        def step(cell: Any, _trial: Any) -> None:
            now, of = study.progress
            about = f"{printable(study.scalable.name)}, {cell.series.backend}"
            bar.update(task, completed=now, total=of, description=about)

        study.on_trial = step
        study.run()
