"""Night after night: when the next one begins. The clock comes in through the door."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from parbench_lab.errors import UsageError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_EVERY = re.compile(r"^(?P<number>\d+)(?P<unit>[smhdw])$")
_NAP_S = 0.5

T = TypeVar("T")


def parse_every(text: str) -> float:
    """Return a period in seconds: ``30m``, ``6h``, ``1d``.

    Raises
    ------
    UsageError
        If it is none.

    Examples
    --------
    >>> parse_every("1d")
    86400.0
    """
    found = _EVERY.match(text.strip())
    if found is None or int(found["number"]) == 0:
        raise UsageError(f"a period is a number and s, m, h, d or w, like 1d, but got {text!r}")
    return float(int(found["number"]) * _UNITS_S[found["unit"]])


def next_start_s(first_s: float, every_s: float, now_s: float) -> float:
    """Return when the next one begins: on the beat of the first; those that were missed stay so.

    Examples
    --------
    >>> next_start_s(100.0, 10.0, 103.0), next_start_s(100.0, 10.0, 127.0)
    (110.0, 130.0)
    """
    beats = int((now_s - first_s) // every_s) + 1
    return first_s + beats * every_s


def on_schedule(
    run: Callable[[], T],
    *,
    every_s: float,
    most: int | None,
    stop: Callable[[], bool],
    now_s: Callable[[], float],
    sleep: Callable[[float], object],
    waiting: Callable[[float], None],
) -> T:
    """Run something now and then on every beat, and return what the last one gave.

    Parameters
    ----------
    every_s
        The period.
    most
        How often; None: until the user stops it.
    stop
        Whether the user asked for an end.
    now_s, sleep
        The clock.
    waiting
        Told the seconds until the next one.
    """
    first_s = now_s()
    count = 1
    result = run()
    while not stop() and (most is None or count < most):
        start_s = next_start_s(first_s, every_s, now_s())
        waiting(start_s - now_s())
        while not stop() and (left_s := start_s - now_s()) > 0:
            sleep(min(_NAP_S, left_s))  # short naps: a request to end is seen soon
        if not stop():
            result = run()
            count += 1
    return result
