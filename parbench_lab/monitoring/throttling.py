"""What held this process's GPU back, and when: noted by its sampler, asked after a block.

The code that measures asks once per block::

    from parbench_lab.monitoring.throttling import throttle_reasons_during

    began_ns = time.perf_counter_ns()
    ...  # the block
    throttled = throttle_reasons_during(began_ns, time.perf_counter_ns())

It costs one look at an empty deque in a process without a GPU.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

HOLD_NS = 1_000_000_000
"""How long a sample speaks for what follows it; the next one comes within that time."""
_KEPT = 3000  # ten minutes at 5 a second

Noted = tuple[int, tuple[str, ...]]

_NOTED: deque[Noted] = deque(maxlen=_KEPT)


def note_throttling(at_ns: int, reasons: tuple[str, ...]) -> None:
    """Remember why the GPU was held back at a moment of ``perf_counter_ns``; empty: it was not."""
    _NOTED.append((at_ns, reasons))


def throttle_reasons_during(start_ns: int, end_ns: int) -> tuple[str, ...]:
    """Return why this process's GPU was held back between two moments of ``perf_counter_ns``.

    Empty where it was not, where there is no GPU, and where nobody samples.
    """
    if not _NOTED:
        return ()
    return reasons_between(tuple(_NOTED), start_ns, end_ns)


def reasons_between(noted: Iterable[Noted], start_ns: int, end_ns: int) -> tuple[str, ...]:
    """Return the reasons of the samples within a span and of the last one before it.

    Examples
    --------
    >>> noted = [(0, ("thermal",)), (200, ()), (400, ("power cap",))]
    >>> reasons_between(noted, 50, 100), reasons_between(noted, 250, 300)
    (('thermal',), ())
    >>> reasons_between(noted, 150, 500)
    ('thermal', 'power cap')
    """
    before: tuple[str, ...] = ()
    within: list[str] = []
    for at_ns, reasons in noted:
        if at_ns < start_ns:
            before = reasons if start_ns - at_ns <= HOLD_NS else ()
        elif at_ns <= end_ns:
            within += reasons
    return tuple(dict.fromkeys((*before, *within)))


def forget_throttling() -> None:
    """Forget everything that was noted."""
    _NOTED.clear()
