"""``--junit`` and ``--markdown``: where a check's tables go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from parbench_lab.cli.output import checked_output, write_atomically
from parbench_lab.cli.tables_for_ci import CheckTable, junit_xml, markdown

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class CiFiles:
    """The files that were asked for."""

    junit: Path | None = None
    markdown: Path | None = None

    @classmethod
    def checked(cls, params: Mapping[str, Any]) -> CiFiles:
        """Return the files of a command's parameters, refused before the work is done.

        Raises
        ------
        UsageError
            If a folder is missing or cannot be written.
        """
        return cls(
            junit=checked_output(params["junit"], flag="--junit"),
            markdown=checked_output(params["markdown"], flag="--markdown"),
        )

    def write(self, table: CheckTable) -> None:
        """Write a check into them.

        Raises
        ------
        UsageError
            If one cannot be written.
        """
        if self.junit is not None:
            write_atomically(self.junit, junit_xml(table))
        if self.markdown is not None:
            write_atomically(self.markdown, markdown(table))


def ci_options(function: F) -> F:
    """Add ``--junit FILE`` and ``--markdown FILE``."""
    words = {
        "--markdown": "Write the verdicts as Markdown, for a pull request.",
        "--junit": "Write the verdicts as JUnit XML.",
    }
    for flag, help_words in words.items():
        kind = click.Path(path_type=Path, dir_okay=False)
        function = click.option(flag, type=kind, metavar="FILE", help=help_words)(function)
    return function
