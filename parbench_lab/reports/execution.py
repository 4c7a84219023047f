"""A notebook is executed through papermill, the one speaker of it here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.core.wording import printable
from parbench_lab.reports.sources import Source, missing_extra

ERROR_MARKER_TAG = "papermill-error-cell-tag"
EXPECTED_TAG = "raises-exception"
"""Jupyter's own word for a cell whose error is meant, and after which a notebook goes on."""
_TITLE_LETTERS = 48
_SILENT = "--IPKernelApp.log_level=50"
"""The kernel would complain on our screen of being stopped; what fails is in its notebook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProgress:
    """How far a notebook is.

    Parameters
    ----------
    number, total
        Of the code cell, from 1; of all code cells.
    title
        The heading above it.
    seconds
        It took; None while it runs.
    """

    number: int
    total: int
    title: str
    seconds: float | None = None


OnCell = Callable[[CellProgress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Where a notebook ended before its end.

    Parameters
    ----------
    cell_id
        Of the cell, as nbformat names it; "" where no cell had begun.
    number, title
        As in `CellProgress`; 0 where no cell had begun.
    error, message
        Type of the exception, and its words on one line.
    """

    cell_id: str
    number: int
    title: str
    error: str
    message: str

    def __str__(self) -> str:
        where = f"cell {self.number} ({self.title})" if self.number else "before the first cell"
        return f"{where}: {self.error}: {self.message}".rstrip(": ")


class _Watch:
    """Follows the cells of one execution."""

    def __init__(self, notebook: Any, on_cell: OnCell) -> None:
        self._cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self._ids = [cell["id"] for cell in self._cells]
        self._titles = _titles(notebook)
        self._on_cell = on_cell
        self._began_ns = 0
        self.current: CellProgress | None = None
        self.current_id = ""

    def started(self, cell: Any, **_more: Any) -> None:
        """Take note that a cell begins."""
        if cell.cell_type != "code" or cell["id"] not in self._ids:
            return
        self._began_ns = time.perf_counter_ns()
        self.current_id = cell["id"]
        self.current = CellProgress(
            number=self._ids.index(cell["id"]) + 1,
            total=len(self._ids),
            title=self._titles[cell["id"]],
        )
        self._on_cell(self.current)

    def ended(self, cell: Any, **_more: Any) -> None:
        """Take note that a cell has been run, well or not."""
        if self.current is not None and cell["id"] == self.current_id:
            seconds = (time.perf_counter_ns() - self._began_ns) / 1e9
            self._on_cell(
                CellProgress(
                    number=self.current.number,
                    total=self.current.total,
                    title=self.current.title,
                    seconds=seconds,
                )
            )

    @property
    def came_to_the_end(self) -> bool:
        """Whether no code cell is left that has not begun."""
        return not self._ids or self.current_id == self._ids[-1]

    def failure(self, error: str, message: str) -> Failure:
        """Return that the current cell was the last."""
        at = self.current
        return Failure(
            cell_id=self.current_id,
            number=at.number if at else 0,
            title=at.title if at else "",
            error=error,
            message=printable(message),
        )


def execute(
    source: Source,
    values: Mapping[str, Any],
    output: Path,
    *,
    folder: Path,
    kernel: str,
    on_cell: OnCell,
) -> tuple[Any, Failure | None]:
    """Run a notebook from top to bottom; return it as it was left, and why it ended early.

    It is written to `output` after every cell. An error of a cell that is tagged
    ``raises-exception`` ends nothing.

    Parameters
    ----------
    source, values
        What is run, with values that `values.checked` let pass.
    output
        File for the executed notebook.
    folder
        Working directory of the kernel.
    kernel
        Name of the kernel.
    on_cell
        Called when a cell begins, and when it has been run.

    Raises
    ------
    UsageError
        If papermill or the kernel is not installed.
    """
    try:
        import nbformat  # noqa: PLC0415 - slow to load
        import papermill  # noqa: PLC0415 - takes over a second to load
        from nbclient.exceptions import DeadKernelError  # noqa: PLC0415
    except ImportError as error:
        raise missing_extra(error) from error
    from parbench_lab.reports.kernels import manager_of  # noqa: PLC0415 - loads jupyter_client

    manager = manager_of(kernel)
    notebook = _with_ids(source.notebook)
    watch = _Watch(notebook, on_cell)
    nbformat.write(notebook, output)
    failure = None
    try:
        papermill.execute_notebook(
            notebook,
            _literal(output),
            dict(values),
            kernel_name=kernel,
            language="python",
            progress_bar=False,
            cwd=str(folder),
            kernel_manager_class=manager,
            extra_arguments=[_SILENT],
            on_cell_start=watch.started,
            on_cell_executed=watch.ended,
        )
        if not watch.came_to_the_end:  # papermill takes `sys.exit()` for an end as good as any
            failure = watch.failure("SystemExit", "the notebook ended itself before its last cell")
    except papermill.PapermillExecutionError as error:
        if not _is_expected(error, output):
            failure = watch.failure(error.ename, error.evalue)
    except DeadKernelError:
        failure = watch.failure("the kernel died", "it crashed, or was killed for want of memory")
    except KeyboardInterrupt:
        failure = watch.failure("interrupted", "stopped by the user")
    return nbformat.read(output, as_version=4), failure


def _is_expected(error: Any, output: Path) -> bool:
    """Return whether the cell of an error says that it raises one; if so, the file tells of none.

    papermill looks for errors after the last cell, and puts where it found one into the file.
    """
    import nbformat  # noqa: PLC0415 - slow to load

    executed = nbformat.read(output, as_version=4)
    executed.cells = [
        cell for cell in executed.cells if ERROR_MARKER_TAG not in cell.metadata.get("tags", [])
    ]
    expected = EXPECTED_TAG in executed.cells[error.cell_index].metadata.get("tags", [])
    if expected:
        nbformat.write(executed, output)
    return expected


def _with_ids(notebook: Any) -> Any:
    """Return a copy in which every cell has an id: older notebooks have none."""
    import copy  # noqa: PLC0415 - one use

    made = copy.deepcopy(notebook)
    made.nbformat_minor = max(5, made.get("nbformat_minor", 0))
    for number, cell in enumerate(made.cells):
        cell.setdefault("id", f"cell-{number}")
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return made


def _literal(path: Path) -> str:
    """Return a path as papermill takes it: braces would be the places of parameters."""
    return str(path.absolute()).replace("{", "{{").replace("}", "}}")


def _titles(notebook: Any) -> dict[str, str]:
    """Return a code cell's id to the nearest heading above it, or to its own first line."""
    heading, found = "", {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heads = [line for line in cell.source.splitlines() if line.startswith("#")]
            heading = heads[-1].lstrip("# ") if heads else heading
        elif cell.cell_type == "code":
            words = heading or next(iter(cell.source.strip().splitlines()), "")
            found[cell["id"]] = printable(words)[:_TITLE_LETTERS]
    return found
