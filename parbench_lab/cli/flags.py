"""The words of Python in the words of the shell: ``n_workers`` is ``--workers`` here. Pure."""

from __future__ import annotations

import re

from parbench_lab.racing.settings import knobs

_OTHER_NAMES = {
    "n_workers": "workers",
    "max_seconds": "seconds",
    "max_measurements": "measurements",
}
_PARAMETERS = "|".join([*_OTHER_NAMES, "seed", *knobs()])
_QUOTED_OR_PARAMETER = re.compile(
    r"'[^']*'"
    r'|"[^"]*"'
    rf"|(?<![\w.-])(?P<name>{_PARAMETERS})(?:=(?P<value>[\w.+-]*\w)|(?![\w=-]|\.\w))"
)


def as_flags(text: str) -> str:
    """Return a text that speaks of Python's parameters in the words of the shell.

    What is quoted stays. A name that is a plain word too (``tolerance``) is taken for a parameter
    only at the beginning, or with a value.

    Examples
    --------
    >>> as_flags("n_workers must be at least 1; lower max_concurrent")
    '--workers must be at least 1; lower --max-concurrent'
    >>> as_flags("equal within the tolerance: start with epoch_blocks=10, not 'epoch_blocks'")
    "equal within the tolerance: start with --epoch-blocks 10, not 'epoch_blocks'"
    """
    return _QUOTED_OR_PARAMETER.sub(_as_flag, text)


def _as_flag(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if name is None or (value is None and found.start() > 0 and "_" not in name):
        return found[0]
    flag = "--" + _OTHER_NAMES.get(name, name).replace("_", "-")
    return flag if value is None else f"{flag} {value}"
