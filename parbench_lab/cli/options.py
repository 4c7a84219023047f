"""Options that several commands share, and a flag for every knob, from its metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.core.reading import whole_number
from parbench_lab.errors import UsageError
from parbench_lab.lab.configuration import Layer, checked_budget, file_layers, merged
from parbench_lab.racing.settings import knobs

F = TypeVar("F", bound=Callable[..., Any])


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        ctx.ensure_object(Doors).debug = True


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_debug,
    help="Show tracebacks of errors.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would run and about how long; nothing is kept.",
)

output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the JSON to a file.",
)


def _refuse_unknown_keys(
    ctx: click.Context, _param: click.Parameter, value: Path | None
) -> Path | None:
    """Read the files: a typo is refused, whatever the command needs of them."""
    if not ctx.resilient_parsing:
        file_layers(Path.cwd(), value)
    return value


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    callback=_refuse_unknown_keys,
    help="Configuration, TOML or JSON; flags win. [tool.parbench] of pyproject.toml is read too.",
)

store_option = click.option(
    "--store",
    metavar="PATH",
    envvar="PARBENCH_STORE",
    show_envvar=True,
    help="Where runs are kept: a file or a database's URL.  [default: .parbench/runs.db]",
)


class _Gpus(click.ParamType["int | str"]):
    """``auto`` or a whole number; the range is checked where the rule is kept."""

    name = "N|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        try:
            return "auto" if value == "auto" else int(value)
        except ValueError:
            self.fail(f"{value!r} is neither 'auto' nor a whole number", param, ctx)


gpus_option = click.option(
    "--gpus",
    type=_Gpus(),
    metavar="N|auto",
    help="GPUs that get local worker processes; 0 for none.  [default: auto, all visible]",
)

quarantine_option = click.option(
    "--quarantine",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="TOML: [[quarantine]] tables of series that must not block, with reason and until.",
)


def budget_option(flag: str, *, whole: bool = False, **attributes: Any) -> Callable[[F], F]:
    """Return an option for a budget, which is refused at once unless positive and finite."""

    def checked(_ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
        return None if value is None else checked_budget(param.opts[0], value)

    return click.option(flag, type=int if whole else float, callback=checked, **attributes)


def examples(*lines: str) -> str:
    """Return command lines as the epilogue of a command's help, line breaks kept."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])


def common_options(function: F) -> F:
    """Add what every command has: ``--json --output --config --debug``."""
    for option in (debug_option, config_option, output_option, json_option):
        function = option(function)
    return function


def given_layers(ctx: click.Context, names: Mapping[str, str]) -> list[Layer]:
    """Return the parameters a user gave, by environment and by flag, as layers.

    Parameters
    ----------
    ctx
        Of the running command.
    names
        Name of click's parameter to key of the configuration.
    """
    found: dict[str, dict[str, Any]] = {"environment": {}, "flag": {}}
    layer_of = {
        click.core.ParameterSource.ENVIRONMENT: "environment",
        click.core.ParameterSource.COMMANDLINE: "flag",
    }
    for parameter, key in names.items():
        source = ctx.get_parameter_source(parameter)
        if source in layer_of:
            value = ctx.params[parameter]
            found[layer_of[source]][key] = list(value) if isinstance(value, tuple) else value
    return [Layer(source=source, values=values) for source, values in found.items() if values]


def given_flags(ctx: click.Context, names: Iterable[str]) -> list[str]:
    """Return the flags that a user typed, as they are written, of the parameters named."""
    given: dict[str, Any] = {}
    for layer in given_layers(ctx, {name: name for name in names}):
        if layer.source == "flag":
            given.update(layer.values)
    return [
        option.opts[0]
        for option in ctx.command.params
        if isinstance(option, click.Option)
        and option.name in given
        and (option.is_bool_flag or not option.is_flag or option.flag_value == given[option.name])
    ]


def refuse_flags(ctx: click.Context, names: Iterable[str], *, why: str) -> None:
    """Refuse the flags of these parameters, all in one line, if any of them was typed.

    Raises
    ------
    UsageError
        With the flags, and `why` they are of no use.
    """
    flags = given_flags(ctx, names)
    if flags:
        them = "it" if len(flags) == 1 else "them"
        raise UsageError(f"{', '.join(flags)}: {why}; leave {them} out")


class OneOfEach(click.Command):
    """A command that refuses two flags of one choice: of these the last would win in silence."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look at what was typed before the flags are one value."""
        _, _, typed = self.make_parser(ctx).parse_args(args=list(args))
        flags: dict[str | None, set[str]] = {}
        for option in typed:
            flags.setdefault(option.name, set()).add(option.opts[0])
        for several in flags.values():
            if len(several) > 1:
                raise UsageError(f"{', '.join(sorted(several))}: choose one of them")
        return super().parse_args(ctx, args)


def store_of(ctx: click.Context) -> str | None:
    """Return where the user wants the store to be: by flag, environment or file; else None."""
    layers = file_layers(Path.cwd(), ctx.params["config"])
    found = merged([*layers, *given_layers(ctx, {"store": "store"})])
    store = found.values.get("store")
    return None if store is None else str(store)


def located(store: str) -> str:
    """Return a store's place such that it means the same from any folder.

    Examples
    --------
    >>> located(":memory:"), located("sqlite:///x.db"), Path(located("x.db")).is_absolute()
    (':memory:', 'sqlite:///x.db', True)
    """
    return store if "://" in store or store == ":memory:" else str(Path(store).absolute())


# ---------------------------------------------------------------- knobs


class _Number(click.ParamType[float]):
    """A number of any size: the range is checked by `Settings`, where the rule is kept."""

    def __init__(self, *, whole: bool) -> None:
        self.name = "integer" if whole else "number"
        self._words = "a whole number" if whole else "a number"
        self._parse = whole_number if whole else float

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return self._parse(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not {self._words}", param, ctx)


def knob_options(function: F) -> F:
    """Add a flag for every knob of `Settings`, with its help words, default and range."""
    for name, meta in reversed(list(knobs().items())):
        function = _knob_option(name, meta)(function)
    return function


def _knob_option(name: str, meta: Mapping[str, Any]) -> Callable[[F], F]:
    flag = "--" + name.replace("_", "-")
    kind = meta["type"]
    words = meta["help"][0].upper() + meta["help"][1:] + "." + _range_words(name, meta)
    if kind == "bool":
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=words)
    if kind.startswith("tuple"):
        return click.option(flag, name, multiple=True, metavar="TEXT", help=f"{words} Repeatable.")
    if "choices" in meta:
        return click.option(flag, name, type=click.Choice(meta["choices"]), help=words)
    if kind == "str":
        return click.option(flag, name, metavar="NAME", help=words)
    number = _Number(whole=kind.startswith("int"))
    return click.option(flag, name, type=number, metavar=number.name.upper(), help=words)


def _range_words(name: str, meta: Mapping[str, Any]) -> str:
    default = "the workload's" if name == "batch_size" else meta["default"]
    said = [] if default in (None, ()) else [f"default: {_short(default)}"]
    if "min" in meta:
        said.append(f"{_short(meta['min'])} to {_short(meta['max'])}")
    return f"  [{'; '.join(said)}]" if said else ""


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
