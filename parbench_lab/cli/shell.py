"""The table of contents of the shell, and how it ends: in one line, with an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from parbench_lab import __version__
from parbench_lab.cli.bisect import bisect
from parbench_lab.cli.compare import compare
from parbench_lab.cli.doctor import doctor
from parbench_lab.cli.doors import Doors
from parbench_lab.cli.exchange import export_runs, import_runs
from parbench_lab.cli.fill import fill, matrix
from parbench_lab.cli.flags import as_flags
from parbench_lab.cli.history import history
from parbench_lab.cli.lab import lab
from parbench_lab.cli.options import debug_option, examples
from parbench_lab.cli.profile import profile
from parbench_lab.cli.prove import prove
from parbench_lab.cli.prune import prune
from parbench_lab.cli.quantize import quantize
from parbench_lab.cli.race import race
from parbench_lab.cli.report import report
from parbench_lab.cli.runs import runs, show
from parbench_lab.cli.scale import scale
from parbench_lab.cli.watch import watch
from parbench_lab.cli.workloads import workloads
from parbench_lab.core.wording import printable
from parbench_lab.errors import ParbenchError, UsageError

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


class _OneLineGroup(click.Group):
    """A group whose errors are one line on stderr; a traceback only with ``--debug``."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line and exit with its code."""
        doors = extra.setdefault("obj", Doors())
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help() if error.ctx else "")
            code = DONE
        except (Exception, KeyboardInterrupt) as error:
            if doors.debug and not isinstance(error, click.exceptions.Exit):
                raise
            code = _told(error)
        sys.exit(code if isinstance(code, int) else DONE)


def _told(error: BaseException) -> int:
    """Say in one line what went wrong and what to do; return the exit code."""
    if isinstance(error, BrokenPipeError) or getattr(error, "errno", None) == errno.EPIPE:
        # whoever read our output has left; the interpreter must not try to flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        click.echo("parbench: aborted", err=True)
        return INTERRUPTED
    click.echo(f"parbench: {printable(as_flags(_message(error)))}", err=True)
    if isinstance(error, click.ClickException):
        return error.exit_code
    return WRONG_USE if isinstance(error, UsageError) else FAILED


def _message(error: BaseException) -> str:
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "parbench"
        return f"{error.format_message().rstrip('.')}; see {path} --help"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, ParbenchError):
        return str(error)
    kind = type(error).__name__
    return f"unexpected {kind}: {error}; run it again with --debug and report the traceback"


@click.group(
    cls=_OneLineGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "parbench race                a first race, of moving averages",
        "parbench race mymodule.py    every @candidate function of your module",
        "parbench scale               a job over worker counts",
        "parbench show latest         the result again",
        "parbench lab                 JupyterLab on a copy of the notebooks",
    )
    + "\n\nExit codes: 0 done, 1 a check or a race failed, 2 wrong use.",
)
@click.version_option(__version__, prog_name="parbench")
@debug_option
def parbench() -> None:
    """Race implementations in parallel, with evidence that holds."""
    here = str(Path.cwd())  # as python -m does: "module:function" means a file of this folder too
    if here not in sys.path:
        # at the end: a user's file must not hide an installed package that is imported later
        sys.path.append(here)


for _command in (
    race,
    scale,
    prove,
    quantize,
    watch,
    bisect,
    compare,
    history,
    report,
    profile,
    matrix,
    fill,
    runs,
    show,
    doctor,
    workloads,
    lab,
    export_runs,
    import_runs,
    prune,
):
    parbench.add_command(_command)


def main() -> NoReturn:
    """Run ``parbench`` with the arguments of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal that lacks a letter shows "?" instead of ending the race
            stream.reconfigure(errors="replace")
    parbench.main(prog_name="parbench")
    sys.exit(DONE)
