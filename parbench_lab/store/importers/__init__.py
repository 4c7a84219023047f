"""Other tools' files: who wrote one is told by its content; each tool has a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from parbench_lab.core.runs import RunRecord
from parbench_lab.errors import StoreError
from parbench_lab.store.importers import (
    asv,
    google_benchmark,
    hyperfine,
    pyperf,
    pytest_benchmark,
)
from parbench_lab.store.importers.foreign import About, ForeignRun, as_records
from parbench_lab.store.importers.node import Node

__all__ = ["IMPORTERS", "About", "Importer", "importer_of", "records_of"]


class Importer(Protocol):
    """A module of this folder."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """How the tool is called."""

    def matches(self, document: Any) -> bool:
        """Return whether the tool wrote a JSON document, by its unmistakable keys."""

    def parse(self, document: Node, about: About) -> Sequence[ForeignRun]:
        """Return its runs.

        Raises
        ------
        StoreError
            With the JSON path of what is malformed.
        """


IMPORTERS: tuple[Importer, ...] = (pytest_benchmark, google_benchmark, hyperfine, pyperf, asv)


def importer_of(document: Any) -> Importer | None:
    """Return the importer for a document, None where nobody knows it.

    Examples
    --------
    >>> importer_of({"results": [{"command": "ls", "times": [0.1]}]}).NAME
    'hyperfine'
    >>> importer_of({"colour": "red"}) is None
    True
    """
    return next((one for one in IMPORTERS if one.matches(document)), None)


def records_of(importer: Importer, document: Any, about: About) -> tuple[RunRecord, ...]:
    """Return another tool's runs as records of kind "imported".

    Raises
    ------
    StoreError
        If the document is malformed, or holds no benchmark.
    """
    runs = importer.parse(Node(document), about)
    if not any(run.benchmarks for run in runs):
        raise StoreError(f"holds no measured benchmark of {importer.NAME}")
    return as_records(runs, tool=importer.NAME, document=document, about=about)
