"""``parbench lab``: JupyterLab on a copy of the notebooks, or the panel alone as a page."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

import parbench_lab
from parbench_lab.cli.options import config_option, debug_option, examples, located, store_of
from parbench_lab.errors import UsageError
from parbench_lab.store.location import ENVIRONMENT_VARIABLE

FOLDER = "parbench-notebooks"
FIRST = "00_start_here.ipynb"
END_LIMIT_S = 15.0
_PANEL = """\
import parbench_lab as pb

bench = pb.ParallelBenchmarking(workload={workload!r})
bench.panel()
"""

_ONLY_HERE = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ws: wss:; frame-ancestors 'self'"
)
VOILA_OPTIONS = (
    "--Voila.ip=127.0.0.1",
    "--show_tracebacks=True",
    # Notebook 7's own, which does not fit Voila and says so in the page's console
    "--VoilaConfiguration.extension_denylist=@jupyter-notebook/lab-extension",
    # Voila's page asks a CDN for icons that it has itself: let no browser ask anybody else
    "--Voila.tornado_settings=" + repr({"headers": {"Content-Security-Policy": _ONLY_HERE}}),
)
"""How a page of the panel is served: from this machine, asking no other."""


@click.command(
    epilog=examples(
        "parbench lab                         notebooks in ./parbench-notebooks",
        "parbench lab --fresh                 a new copy beside the one you changed",
        "parbench lab --voila sorting         the panel of one workload as a page",
    )
)
@click.argument("workload", required=False)
@click.option("--voila", is_flag=True, help="Serve the panel alone as a page, no notebook.")
@click.option(
    "--fresh", is_flag=True, help="Copy the notebooks into a new folder, whatever is there."
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on (this machine only)."
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser; print the address only.")
@config_option
@debug_option
@click.pass_context
def lab(
    ctx: click.Context, /, *, workload: str | None, voila: bool, fresh: bool, port: int | None,
    no_browser: bool, **_params: Any,
) -> int:  # fmt: skip
    """Open JupyterLab on a copy of the notebooks; your changes to them are never overwritten.

    WORKLOAD is what the panel of --voila races (moving_average by default). Where the
    configuration names a store, the races of the notebooks are kept there.
    """
    environment = server_environment(store_of(ctx), os.environ)
    if workload is not None and not voila:
        raise UsageError("a workload is for --voila; the notebooks name their own")
    if voila and fresh:
        raise UsageError("--fresh copies notebooks, and --voila has none")
    _require("voila" if voila else "jupyterlab")
    if voila:
        return _serve_panel(
            workload or "moving_average", port, no_browser=no_browser, environment=environment
        )
    folder, added = copied_notebooks(Path.cwd(), fresh=fresh)
    click.echo(f"{folder}: {added} notebooks copied" if added else f"{folder}: yours, as they are")
    options = [f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1", str(folder / FIRST)]
    options.append("--LabApp.news_url=None")  # asks for news over the panel, from another host
    if port is not None:
        options.append(f"--ServerApp.port={port}")
    if no_browser:
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # in a container; it listens on this machine only
    return _run(["jupyterlab", *options], environment)


def server_environment(store: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a server whose notebooks keep their runs in the user's store.

    Parameters
    ----------
    store
        As the configuration names it; None where it names none. A kernel has another folder than
        we, so a file's place becomes an absolute one.
    environment
        Ours; a store that it names wins.

    Examples
    --------
    >>> server_environment(":memory:", {"HOME": "/home/me"})
    {'PARBENCH_STORE': ':memory:', 'HOME': '/home/me'}
    """
    named = {} if store is None else {ENVIRONMENT_VARIABLE: located(store)}
    return {**named, **environment}


def shipped_notebooks() -> tuple[Path, ...]:
    """Return the notebooks of this installation.

    Raises
    ------
    UsageError
        If they were not installed.
    """
    package = Path(parbench_lab.__file__).parent
    for place in (package / "_notebooks", package.parent / "notebooks"):
        found = tuple(sorted(place.glob("*.ipynb")))
        if found:
            return found
    raise UsageError("the notebooks are not installed; reinstall parbench_lab")


def copied_notebooks(where: Path, *, fresh: bool = False) -> tuple[Path, int]:
    """Copy the notebooks into a folder of `where`; return it and how many were copied.

    Those that are there already stay as they are; with `fresh` the folder is a new one.

    Raises
    ------
    UsageError
        If the folder cannot be written.
    """
    names = itertools.chain([FOLDER], (f"{FOLDER}-{n}" for n in itertools.count(2)))
    folder = where / (next(n for n in names if not (where / n).exists()) if fresh else FOLDER)
    try:
        folder.mkdir(exist_ok=True)
        missing = [path for path in shipped_notebooks() if not (folder / path.name).exists()]
        for path in missing:
            shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise UsageError(
            f"the notebooks cannot be copied to {folder}: {error.strerror}"
        ) from error
    return folder, len(missing)


def _require(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"{module} is not installed: pip install 'parbench_lab[lab]'")


def _serve_panel(
    workload: str, port: int | None, *, no_browser: bool, environment: Mapping[str, str]
) -> int:
    from parbench_lab.workloads.catalogue import workload_by_name  # noqa: PLC0415 - loads numpy

    workload_by_name(workload)  # an unknown one is refused here, not in the page
    with tempfile.TemporaryDirectory(prefix="parbench-panel-") as folder:
        page = Path(folder) / "panel.ipynb"
        page.write_text(json.dumps(_notebook(_PANEL.format(workload=workload))), encoding="utf-8")
        options = [*VOILA_OPTIONS, str(page)]
        if port is not None:
            options.append(f"--port={port}")
        if no_browser:
            options.append("--no-browser")
        return _run(["voila", *options], environment)


def _notebook(code: str) -> dict[str, object]:
    cell: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "panel",
        "metadata": {},
        "outputs": [],
        "source": code,
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a server of this Python until it ends; Ctrl-C and SIGTERM are passed on to it."""
    words = [sys.executable, "-m", *command]
    server = subprocess.Popen(words, env=environment)  # noqa: S603 - our own words
    with server, _passed_on(server):
        try:
            return server.wait()
        finally:
            if server.poll() is None:
                _end(server)


@contextlib.contextmanager
def _passed_on(server: subprocess.Popen[bytes]) -> Iterator[None]:
    # Ctrl-C reaches the whole group: the server asks or ends, and we end with it
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    other = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, other)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.kill()
