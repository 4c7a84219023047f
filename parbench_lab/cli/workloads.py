"""``parbench workloads``: what can be raced without writing anything."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from parbench_lab.cli.options import common_options, examples
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.core.ports import Workload, workload_name
from parbench_lab.core.wording import printable
from parbench_lab.lab.configuration import file_layers


@click.command(epilog=examples("parbench workloads", "parbench race sorting"))
@common_options
def workloads(*, as_json: bool, output: Path | None, config: Path | None) -> None:
    """List the workloads that can be raced by name, with their candidates."""
    from parbench_lab.workloads.catalogue import loadable_workloads  # noqa: PLC0415 - loads numpy

    path = checked_output(output)
    file_layers(Path.cwd(), config)
    documents = [workload_document(workload) for _, workload in loadable_workloads()]
    deliver(documents, as_json=as_json, output=path)
    if not as_json:
        for document in documents:
            _print_workload(document)


def workload_document(workload: Workload) -> dict[str, Any]:
    """Return a workload as JSON values: name, summary, candidates, objectives, batch size.

    `missing` are its candidates whose library is not installed, with the library's name;
    `elsewhere` those that need a GPU where this machine has none.
    """
    from parbench_lab.workloads import members  # noqa: PLC0415 - loads numpy

    kind = workload if inspect.isclass(workload) else type(workload)
    summary = (inspect.getdoc(kind) or "").partition("\n")[0]
    return {
        "name": workload_name(workload),
        "summary": summary,
        "candidates": [candidate.name for candidate in getattr(workload, "candidates", ())],
        "missing": dict(members.missing_candidates(workload)),
        "elsewhere": [candidate.name for candidate in members.candidates_elsewhere(workload)],
        "objectives": list(getattr(workload, "objectives", ("wall_time_s",))),
        "default_batch_size": int(getattr(workload, "default_batch_size", 1000)),
    }


def _print_workload(document: Mapping[str, Any]) -> None:
    click.echo(
        printable(
            f"{document['name']}: {document['summary']} "
            f"({', '.join(document['objectives'])}; {document['default_batch_size']} items)"
        )
    )
    names = ", ".join(document["candidates"])
    if names:
        click.echo(f"  {printable(names)}")
    for words, missing in _missing_by_source(document["missing"]).items():
        click.echo(f"  not installed, {words}: {printable(missing)}")
    if document["elsewhere"]:
        click.echo(f"  need a GPU, none is visible: {printable(', '.join(document['elsewhere']))}")


def _missing_by_source(missing: Mapping[str, str]) -> dict[str, str]:
    """Return the missing candidates with their libraries, apart by where those come from."""
    from parbench_lab.workloads.members import NOT_IN_THE_EXTRA  # noqa: PLC0415 - loads numpy

    found: dict[str, list[str]] = {}
    for name, library in missing.items():
        words = (
            "too large for an extra" if library in NOT_IN_THE_EXTRA else "in the extra [workloads]"
        )
        found.setdefault(words, []).append(f"{name} ({library})")
    return {words: ", ".join(names) for words, names in found.items()}
