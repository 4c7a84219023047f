"""Which notebook is executed: one of those shipped here, or the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.reports.parameters import TAG, Parameter, parameters_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = Path(__file__).parent / "notebooks"
SUFFIX = ".ipynb"
_PYTHON = "python3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A notebook that can be executed with parameters.

    Parameters
    ----------
    name
        Without its suffix: the files of the report are called so.
    path
        Of the notebook.
    notebook
        As nbformat reads it, brought up to its version 4.
    parameters
        That it declares.
    shipped
        Whether it comes with this package.
    """

    name: str
    path: Path
    notebook: NotebookNode
    parameters: tuple[Parameter, ...]
    shipped: bool

    @property
    def title(self) -> str:
        """The first heading, or the name."""
        for cell in self.notebook.cells:
            for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
                if line.startswith("#"):
                    return str(line.lstrip("# ").strip()) or self.name
        return self.name

    @property
    def kernel(self) -> str:
        """Name of the kernel that it asks for; this Python's own for those shipped."""
        wanted = self.notebook.metadata.get("kernelspec", {}).get("name", _PYTHON)
        return _PYTHON if self.shipped else str(wanted)

    @property
    def folder(self) -> Path:
        """Where it runs: a user's notebook beside itself, as in Jupyter; ours where we are."""
        return Path.cwd() if self.shipped else self.path.parent


def shipped() -> tuple[str, ...]:
    """Return the names of the reports that come with this package."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))


def source_of(notebook: str | Path) -> Source:
    """Return the notebook of that name or path, read and parsed but not run.

    Parameters
    ----------
    notebook
        One of `shipped`, or the path of an ``.ipynb`` file.

    Raises
    ------
    UnknownNameError
        If there is no such report and no such file.
    UsageError
        If it is no notebook, is not in Python, or has not exactly one cell of parameters.

    Examples
    --------
    >>> source_of("race").parameters[0].name
    'workload'
    """
    known = shipped()
    if str(notebook) in known:
        return _read(FOLDER / f"{notebook}{SUFFIX}", shipped_here=True)
    path = Path(notebook).absolute()
    if not path.is_file() or path.suffix != SUFFIX:
        raise UnknownNameError(
            f"report {str(notebook)!r}: not found; there are {', '.join(known)}; "
            "or give the path of a notebook (.ipynb)"
        )
    return _read(path, shipped_here=False)


def _read(path: Path, *, shipped_here: bool) -> Source:
    notebook = _parsed(path)
    language = notebook.metadata.get("language_info", {}).get("name")
    language = language or notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise UsageError(f"notebook {path.name}: must be in Python but is in {language}")
    tagged = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and TAG in cell.metadata.get("tags", [])
    ]
    if len(tagged) != 1:
        raise UsageError(
            f"notebook {path.name}: must have one code cell tagged {TAG!r} but has {len(tagged)}; "
            "in JupyterLab a cell's tags are under the gear at the top right"
        )
    try:
        parameters = parameters_of(tagged[0].source)
    except UsageError as error:
        raise UsageError(f"notebook {path.name}: {error}") from error
    return Source(
        name=path.stem,
        path=path,
        notebook=notebook,
        parameters=parameters,
        shipped=shipped_here,
    )


def _parsed(path: Path) -> Any:
    try:
        import nbformat  # noqa: PLC0415 - only a report needs it
    except ImportError as error:
        raise missing_extra(error) from error
    try:
        found = nbformat.read(path, as_version=4)
        nbformat.validate(found)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"notebook {path.name}: cannot be read ({error})") from error
    except Exception as error:  # nbformat raises many kinds for what is no notebook
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise UsageError(f"notebook {path.name}: is no notebook ({first[0]})") from error
    return found


def missing_extra(error: ImportError) -> UsageError:
    """Return what to do where a library of the extra is missing."""
    return UsageError(f"{error.name} is not installed: pip install 'parbench_lab[lab]'")
