"""Ctrl-C and SIGTERM: the first asks for an end, the second aborts, the third kills."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ABORTED = 130


class Interrupts:
    """Counts the user's requests to end.

    Parameters
    ----------
    hint
        Written to stderr at the first one, as a signal handler may: in one system call. Empty
        while a live view is drawn, which says it itself.
    """

    def __init__(self, hint: str = "") -> None:
        self.hint = hint
        self._count = 0

    @property
    def asked(self) -> bool:
        """Whether the user asked for an end."""
        return self._count > 0

    def receive(self, _signum: int = signal.SIGINT, _frame: FrameType | None = None) -> None:
        """Take one request.

        Raises
        ------
        KeyboardInterrupt
            At the second one.
        """
        self._count += 1
        if self._count == 1:
            if self.hint:
                os.write(2, f"\n{self.hint}\n".encode())
            return
        if self._count == 2:
            raise KeyboardInterrupt
        _exit_now()


def _exit_now() -> NoReturn:
    # the journal is on disk after every block, and workers end with their parent
    os._exit(_ABORTED)


@contextlib.contextmanager
def interrupts(hint: str = "stopping the race (again: abort)") -> Iterator[Interrupts]:
    """Receive Ctrl-C and SIGTERM inside the block, and put the old handlers back after it.

    A signal that was ignored stays ignored (a job put into the background by ``nohup``). Outside
    the main thread nothing can be received.
    """
    received = Interrupts(hint)
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, received.receive)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
