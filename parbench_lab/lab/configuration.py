"""The configuration: files are read, merged and refused here; flags win.

Layers, weakest first: defaults, ``[tool.parbench]`` of the nearest ``pyproject.toml``,
``--config FILE``, environment, flags. Keys are the names of `Settings` and of `RUN_KEYS`, with
``-`` or ``_``. An unknown key is refused: a typo must not run a race on defaults.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from parbench_lab.errors import SettingError, UsageError
from parbench_lab.racing.settings import Settings, knobs
from parbench_lab.store.location import without_password

PYPROJECT = "pyproject.toml"

RUN_KEYS: Mapping[str, tuple[type, ...]] = {
    "workload": (str,),
    "algorithms": (list,),
    "seconds": (int, float),
    "measurements": (int,),
    "forever": (bool,),
    "cluster": (str,),
    "workers": (int,),
    "gpus": (int, str),
    "store": (str,),
    "seed": (int,),
    "mode": (str,),
}
"""Keys beside the settings, with the types a file may give them."""

BUDGETS = ("seconds", "measurements")

_KINDS = {str: "a text", list: "a list of texts", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values of one source; `source` is how a person would call it."""

    source: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The effective values, and where each came from."""

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def settings(self) -> dict[str, Any]:
        """Return the values that are knobs of `Settings`."""
        return {name: value for name, value in self.values.items() if name in knobs()}

    def as_json(self) -> dict[str, Any]:
        """Return the values and their sources as JSON values; no password is among them."""
        values = dict(self.values)
        if isinstance(values.get("store"), str):
            values["store"] = without_password(values["store"])
        return {"values": values, "sources": dict(self.sources)}


def merged(layers: Sequence[Layer]) -> Configuration:
    """Return what holds when later layers win over earlier ones.

    Examples
    --------
    >>> found = merged([
    ...     Layer(source="pyproject.toml", values={"seed": 1, "workers": 2}),
    ...     Layer(source="flag", values={"seed": 5}),
    ... ])
    >>> dict(found.values), found.sources["seed"]
    ({'seed': 5, 'workers': 2}, 'flag')
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in layers:
        values.update(layer.values)
        sources.update(dict.fromkeys(layer.values, layer.source))
    return Configuration(values=values, sources=sources)


def file_layers(folder: Path, config: Path | None) -> list[Layer]:
    """Return the layers that come from files: the project's table and the file given.

    Parameters
    ----------
    folder
        Where the search for a ``pyproject.toml`` begins; it goes upward and ends at the first.
    config
        TOML or JSON (by its suffix); of a ``pyproject.toml`` its ``[tool.parbench]`` counts.

    Raises
    ------
    UsageError
        If a file cannot be read, or holds an unknown key or a value of the wrong kind.
    """
    layers = []
    project = nearest_pyproject(folder)
    if project is not None:
        layers.append(read_layer(project))
    if config is not None:
        layers.append(read_layer(config))
    return layers


def nearest_pyproject(folder: Path) -> Path | None:
    """Return the first ``pyproject.toml`` from `folder` upward."""
    for place in (folder, *folder.parents):
        if (place / PYPROJECT).is_file():
            return place / PYPROJECT
    return None


def read_layer(path: Path) -> Layer:
    """Return the checked values of one file; its relative paths are relative to its folder.

    Raises
    ------
    UsageError
        As `file_layers`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read the configuration ({error})") from error
    try:
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"{path}: {error}; give TOML, or JSON in a .json file") from error
    if path.name == PYPROJECT:
        tools = document.get("tool", {})
        document = tools.get("parbench", {}) if isinstance(tools, dict) else tools
    values = checked(document, source=str(path))
    return Layer(source=str(path), values=_located(values, path.parent))


def checked(document: Any, *, source: str) -> dict[str, Any]:
    """Return a file's values under their proper names.

    Raises
    ------
    UsageError
        If `document` is no table, or a key is unknown (close matches are named), given twice or
        of the wrong kind or range.
    """
    if not isinstance(document, dict):
        raise UsageError(f"{source}: the configuration must be a table of keys and values")
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = key.replace("-", "_")
        _refuse_unknown(key, name, source)
        if name in values:
            raise UsageError(f"{source}: {key!r} is given twice (with - and with _)")
        values[name] = _checked_value(name, value, source)
    try:
        Settings().replace(**{k: v for k, v in values.items() if k in knobs()})
    except SettingError as error:
        raise UsageError(f"{source}: {error}") from error
    return values


def _refuse_unknown(key: str, name: str, source: str) -> None:
    known = [*RUN_KEYS, *knobs()]
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known ones: {', '.join(known)}"
    raise UsageError(f"{source}: unknown key {key!r}; {hint}")


def _checked_value(name: str, value: Any, source: str) -> Any:
    """Return the value; those of `Settings` are checked by `Settings`."""
    if name not in RUN_KEYS:
        return value
    kinds = RUN_KEYS[name]
    wrong_bool = isinstance(value, bool) and bool not in kinds
    wrong_items = isinstance(value, list) and not all(isinstance(item, str) for item in value)
    if wrong_bool or wrong_items or not isinstance(value, kinds):
        kind = "a number" if float in kinds else " or ".join(_KINDS[one] for one in kinds)
        raise UsageError(f"{source}: {name} must be {kind} but got {value!r}")
    if name in BUDGETS:
        checked_budget(f"{source}: {name}", cast("float", value))
    return value


def checked_budget(name: str, value: float) -> float:
    """Return a budget, of seconds or of measurements, that was given as `name`.

    Raises
    ------
    UsageError
        If it is not positive and finite: a race without a limit is asked for in other words.
    """
    if not 0 < value < math.inf:
        raise UsageError(f"{name} must be positive and finite but got {value:g}")
    return value


def _located(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the values with relative files (a store, a module) made relative to `folder`."""
    located = dict(values)
    store = located.get("store")
    if store and store != ":memory:" and "://" not in store:
        located["store"] = str(folder / store)
    workload = located.get("workload")
    if workload and workload.endswith(".py"):
        located["workload"] = str(folder / workload)
    return located
