"""Which workloads there are: built in, registered by hand, and brought by installed packages.

A built-in workload's module is imported when it is asked for, a package's when it is asked for or
when candidates are looked for everywhere. Nothing here imports a candidate's library.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from parbench_lab.core.ports import Workload, workload_name
from parbench_lab.errors import UsageError
from parbench_lab.workloads.function_workload import as_workload
from parbench_lab.workloads.naming import not_found

ENTRY_POINT_GROUP = "parbench_lab.workloads"

_BUILT_IN = {
    "moving_average": "MovingAverage",
    "numeric_integration": "NumericIntegration",
    "sorting": "Sorting",
    "json_parsing": "JsonParsing",
    "nearest_neighbours": "NearestNeighbours",
    "text_search": "TextSearch",
    "model_selection": "ModelSelection",
    "portfolio_backtest": "PortfolioBacktest",
    "matrix_product": "MatrixProduct",
    "row_norms": "RowNorms",
    "quantization": "Quantization",
    "calibration": "Calibration",
}

_registered: dict[str, Workload] = {}


def workload_names() -> tuple[str, ...]:
    """Return the names of all workloads: built-in ones first, then registered, then packages'.

    Examples
    --------
    >>> workload_names()[:3]
    ('moving_average', 'numeric_integration', 'sorting')
    """
    return tuple(dict.fromkeys([*_BUILT_IN, *_registered, *_plugins()]))


def workload_by_name(name: str) -> Workload:
    """Return a workload; a registered one hides a built-in one, that hides a package's.

    Raises
    ------
    UnknownNameError
        If there is none; the text lists what there is, the most alike first.
    UsageError
        If a package's workload cannot be loaded.
    """
    if name in _registered:
        return _registered[name]
    if name in _BUILT_IN:
        module = importlib.import_module(f"parbench_lab.workloads.{name}")
        return as_workload(getattr(module, _BUILT_IN[name]))
    plugins = _plugins()
    if name in plugins:
        return _load(plugins[name])
    raise not_found(
        "workload", name, workload_names(), "or give an object with make_case and check"
    )


def register_workload(workload: Any, *, name: str | None = None) -> Workload:
    """Make a workload known by its name for the rest of this process; the latest wins.

    Registering a name again replaces it, so a notebook cell may be run twice.

    Parameters
    ----------
    workload
        A workload, its class, or the pair ``(make_case, check)``.
    name
        The workload's own name by default.

    Raises
    ------
    UsageError
        If it is no workload.
    """
    made = as_workload(workload)
    _registered[name or workload_name(made)] = made
    return made


def forget_workload(name: str) -> None:
    """Undo `register_workload`; a name that is not registered is none of our business."""
    _registered.pop(name, None)


def loadable_workloads() -> Iterator[tuple[str, Workload]]:
    """Yield every workload with its name; one that cannot be loaded is a warning, no error."""
    for name in workload_names():
        try:
            yield name, workload_by_name(name)
        except UsageError as error:
            warnings.warn(str(error), stacklevel=2)


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}


def _load(entry: EntryPoint) -> Workload:
    package = entry.dist.name if entry.dist is not None else entry.module
    try:
        return as_workload(entry.load())
    except Exception as error:
        raise UsageError(
            f"workload {entry.name!r} of the package {package!r} cannot be loaded "
            f"({type(error).__name__}: {error}): repair or uninstall the package"
        ) from error
