"""The pages: pdoc writes one for every public module, and a first page with the diagrams."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pdoc.doc
import pdoc.render

import parbench_lab
from parbench_lab.store.schema import METADATA
from tests.reference.annotations import shorten_annotations
from tests.reference.checks import check_docstrings
from tests.reference.components import Component, components, components_diagram
from tests.reference.drawing import svg
from tests.reference.schema import schema_diagram

TEMPLATES = Path(__file__).parent / "templates"


def write_reference(out: Path) -> tuple[Path, ...]:
    """Write all pages into a folder.

    Parameters
    ----------
    out
        The folder; made if missing.

    Returns
    -------
    tuple of Path
        The pages, the first page first.
    """
    modules = {module.__name__: pdoc.doc.Module(module) for module in public_modules()}
    for module in modules.values():
        check_docstrings(module)
        shorten_annotations(module)
    # pdoc takes for submodules what lies in the folder; some that the facade offers lie deeper
    modules["parbench_lab"].submodules = [modules[one.__name__] for one in _offered()]
    rooms = components()
    drawings = {
        "components": svg(components_diagram(rooms)),
        "schema": svg(schema_diagram(METADATA)),
    }
    _configure(drawings, rooms)
    out.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawings.items():
        (out / f"{name}.svg").write_text(drawing, encoding="utf-8")
    pages = {"index.html": pdoc.render.html_index(modules)}
    for name, module in modules.items():
        pages[f"{name.replace('.', '/')}.html"] = pdoc.render.html_module(module, modules)
    (out / "search.js").write_text(pdoc.render.search_index(modules), encoding="utf-8")
    return tuple(_written(out / name, text) for name, text in pages.items())


def public_modules() -> list[ModuleType]:
    """Return the modules that have a page.

    The facade, the modules it offers, the values of core, and where public classes inherit from:
    a method has its docstring there.
    """
    names, offered = _all_of(parbench_lab), _offered()
    core = importlib.import_module("parbench_lab.core")
    values = [f"parbench_lab.core.{one.name}" for one in pkgutil.iter_modules(core.__path__)]
    public = [*names, *(value for module in offered for value in _all_of(module))]
    known = dict.fromkeys(["parbench_lab", *(one.__name__ for one in (*offered, core)), *values])
    known.update(dict.fromkeys(_homes_of_bases(public)))
    return [importlib.import_module(name) for name in known]


def _homes_of_bases(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        for base in inspect.getmro(value)[1:] if inspect.isclass(value) else ():
            if base.__module__.startswith("parbench_lab."):
                yield base.__module__


def _offered() -> list[ModuleType]:
    """Return the modules among the facade's names."""
    return [value for value in _all_of(parbench_lab) if isinstance(value, ModuleType)]


def _all_of(module: ModuleType) -> list[object]:
    """Return a module's public values, loaded: pdoc sees only those that are there."""
    names = getattr(module, "__all__", ())
    for name in names:
        setattr(module, name, getattr(module, name))
    return [getattr(module, name) for name in names]


def _configure(drawings: dict[str, str], rooms: tuple[Component, ...]) -> None:
    version = parbench_lab.__version__
    pdoc.render.configure(
        docformat="numpy", template_directory=TEMPLATES, footer_text=f"parbench_lab {version}"
    )
    # what our index.html.jinja2 shows
    pdoc.render.env.globals.update(drawings=drawings, components=rooms, version=version)


def _written(page: Path, text: str) -> Path:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return page
