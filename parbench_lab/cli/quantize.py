"""``parbench quantize``: whole models quantised over threads, sizes and modes."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from parbench_lab.cli.options import (
    common_options,
    dry_run_option,
    examples,
    store_of,
    store_option,
)
from parbench_lab.cli.output import checked_folder, checked_output, deliver, plan_line, tell_plan
from parbench_lab.cli.scale import Counts
from parbench_lab.core.wording import amount, count, memory, printable, span

if TYPE_CHECKING:
    from parbench_lab.core.ports import EventRecord, RunHeader, RunSummary
    from parbench_lab.lab.quantization.study import Progress, QuantizationStudy

ALL_CORES = (1, 2, 4, 8, 16)
ALL_SIZES = ("100M", "600M", "7B")
"""As the models were first called; the last holds 3.36 billion parameters."""

WEIGHT_S = 1e-8
"""To read, quantise and write a weight with one thread, roughly."""
PROCESS_S = 1.0
"""To start a process with its libraries, roughly."""


@click.command(
    epilog=examples(
        "parbench quantize                                   100M over this machine's cores",
        "parbench quantize --cores 1,2,4,8,16 --model-size 600M",
        "parbench quantize --model-sizes 100M,600M,7B --threads 8   (7B holds 3.36 billion)",
        "parbench quantize --streaming-comparison --bits 4 --group-size 128",
        "parbench quantize --model model.safetensors --cores 1,2 --json --output found.json",
        "parbench quantize --all",
    )
    + "\n\nExit codes: 0 done, 1 a run failed or a target that can be measured here is missed, "
    "2 wrong use."
)
@click.option(
    "--cores",
    type=Counts(),
    help="Threads of the core scaling.  [default: up to the cores, if nothing else is asked, or "
    "a model is given that nothing else measures]",
)
@click.option(
    "--model-size",
    metavar="NAME",
    help="Model of the core scaling: 100M (104.9 M parameters), 600M (629 M), 7B (holds 3.36 "
    "billion), 7B-true (6.74 billion) or LAYERSxROWSxCOLUMNS.  [default: 100M; 600M with --all]",
)
@click.option(
    "--model-sizes", metavar="NAME,NAME,...", help="Models to measure with --threads threads."
)
@click.option(
    "--threads",
    type=int,
    default=8,
    show_default=True,
    help="Of --model-sizes and --streaming-comparison.",
)
@click.option(
    "--streaming-comparison",
    is_flag=True,
    help="Compare batch and streaming on 100 layers of (1024, 4096), or on --model.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="All three: --cores 1,2,4,8,16, --model-sizes 100M,600M,7B (the last holds 3.36 billion "
    "parameters), --streaming-comparison.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Your own weights, .safetensors or .npz; not together with --model-size.",
)
@click.option("--bits", type=int, default=8, show_default=True, help="8, 4 or 2.")
@click.option(
    "--group-size",
    type=int,
    metavar="N",
    help="So many columns share a scale.  [default: a whole row, that is a channel]",
)
@click.option(
    "--mode",
    type=click.Choice(["auto", "batch", "streaming"]),
    default="auto",
    show_default=True,
    help="Whole model in memory, or some pieces at a time; auto: batch where it fits.",
)
@click.option(
    "--repeats", type=int, default=5, show_default=True, help="How often each is measured."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where weights and results are kept meanwhile.  [default: the system's temporary folder]",
)
@click.option(
    "--reports",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=".benchmarks/parallel",
    show_default=True,
    metavar="FOLDER",
    help="Where the text and the JSON report go.",
)
@dry_run_option
@store_option
@common_options
@click.pass_context
def quantize(
    ctx: click.Context, /, *, everything: bool, folder: Path, dry_run: bool, as_json: bool,
    output: Path | None, **asked: Any,
) -> int:  # fmt: skip
    """Quantise whole models to int8, int4 or int2 and measure time, memory and error.

    Each run is made in a fresh process that reads a file of weights and writes a file of codes
    and scales: with the whole model in memory (batch) or some pieces at a time (streaming).
    Ctrl-C ends the study with what was measured.
    """
    checked_output(output)
    checked_folder(folder, flag="--reports")
    del asked["config"]  # of which only the store concerns it
    asked["store"] = store_of(ctx)
    if dry_run:
        with study_of({**asked, "store": ":memory:"}, everything=everything) as study:
            tell_plan(_planned(study), as_json=as_json, output=output)
        return 0
    screen = sys.stderr if as_json else sys.stdout
    with _sigterm_is_ctrl_c(), study_of(asked, everything=everything) as study:
        _measure(study, screen)
        results = study.results
    from parbench_lab.analysis.quantization.targets import failed  # noqa: PLC0415 - loads numpy
    from parbench_lab.reports import quantization  # noqa: PLC0415 - loads numpy

    print(f"\n{quantization.quantization_text(results)}\n", file=screen)
    if results.runs:  # an older report is worth more than none
        for path in quantization.write_reports(results, folder):
            print(printable(str(path)), file=screen)
    if not results.complete:
        kept = count(len(results.runs), "run")
        print(f"ended early: {kept} measured, and kept as {study.run_id}", file=screen)
    document = {"run": study.run_id, **quantization.quantization_document(results)}
    deliver(document, as_json=as_json, output=output)
    return 1 if failed(results) or results.failures else 0


def study_of(asked: dict[str, Any], *, everything: bool) -> QuantizationStudy:
    """Return the study that these options ask for; nothing is measured yet."""
    from parbench_lab.lab.quantization.study import (  # noqa: PLC0415 - loads numpy, SQL
        QuantizationStudy,
    )

    sizes = asked.pop("model_sizes")
    scaled = everything and asked["model"] is None
    given = {
        **asked,
        "cores": asked["cores"] or (ALL_CORES if everything else None),
        "model_size": "600M" if scaled and asked["model_size"] is None else asked["model_size"],
        "streaming_comparison": asked["streaming_comparison"] or everything,
    }
    default = ALL_SIZES if everything else ()
    return QuantizationStudy(model_sizes=default if sizes is None else sizes.split(","), **given)


def _planned(study: QuantizationStudy) -> list[str]:
    """Return what would be measured, and about how long."""
    plan = study.plan
    runs = plan.repeats * len(plan.configurations)
    weights = plan.repeats * sum(one.n_weights for one in plan.configurations)
    about_s = weights * WEIGHT_S + runs * PROCESS_S
    return [
        *(plan_line("model", model.title) for model in plan.models),
        *(plan_line("measured", one.name) for one in plan.configurations),
        plan_line("runs", f"{count(runs, 'run')}, each in a fresh process"),
        plan_line("disk", memory(max(model.disk_bytes for model in plan.models))),
        plan_line(
            "takes",
            f"about {span(about_s)}, where one thread quantises {amount(1 / WEIGHT_S)} weights a "
            f"second and a process starts in {PROCESS_S:g} s (more threads, or less memory at "
            "once, are faster); making the weights comes on top",
        ),
    ]


def _measure(study: QuantizationStudy, screen: TextIO) -> None:
    """Measure with a progress bar."""
    from rich.console import Console  # noqa: PLC0415 - slow to load
    from rich.progress import Progress as Bar  # noqa: PLC0415 - slow to load

    with Bar(console=Console(file=screen)) as bar:
        task = bar.add_task("quantize", total=None)

        def step(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.done,
                total=progress.planned,
                description=printable(progress.what),
            )

        study.on_progress = step
        study.run()


@contextlib.contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    """End as after Ctrl-C where the process is asked to end: gigabytes are to be cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def show_quantization(
    summary: RunSummary, header: RunHeader, events: Iterator[EventRecord], *, as_json: bool
) -> dict[str, Any]:
    """Print a stored study unless JSON is asked for; return it as JSON values."""
    from parbench_lab.lab.quantization.journal import read_results  # noqa: PLC0415 - loads numpy
    from parbench_lab.reports import quantization  # noqa: PLC0415 - loads numpy

    results = read_results(header, events)
    if not as_json:
        about = f"{summary.kind} {summary.id}: {summary.started_utc}, {summary.status_in_words}"
        click.echo(f"{printable(about)}\n\n{quantization.quantization_text(results)}")
    return {
        "id": summary.id,
        "kind": summary.kind,
        "name": summary.name,
        "started_utc": summary.started_utc,
        "status": summary.status,
        **quantization.quantization_document(results),
    }
