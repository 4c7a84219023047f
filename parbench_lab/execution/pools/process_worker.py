"""The process of a worker: reads parcels from its standard input until that is closed.

It never imports the user's main script, so scripts need no guard and notebooks just work: it is
started with a line of code, and everything else comes by value.
"""

from __future__ import annotations

import faulthandler
import gc
import pickle
import signal
from typing import Any

from parbench_lab.execution.parent import end_with_parent
from parbench_lab.execution.pools.blas import PIN
from parbench_lab.execution.pools.channel import Channel, boot_code, own_channel
from parbench_lab.execution.pools.workbench import Workbench

BOOT = boot_code(__name__, 'sys.path[:] = told.pop("path")')
"""Started with this; what it cannot import is told as the one piece of its first message."""
READY = b"ready"


def main(*, parent: int, trace: str) -> None:
    """Work until the parent closes the channel, or is gone.

    Parameters
    ----------
    parent
        Process id of who started this one.
    trace
        File for the traceback of a crash.
    """
    channel = own_channel()
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    crash = open(trace, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for life
    faulthandler.enable(crash, all_threads=False)
    PIN.begin()
    gc.collect()
    gc.freeze()  # the libraries' objects are never garbage
    channel.send(READY)
    try:
        _serve(channel)
    except (EOFError, OSError):
        return  # the parent is gone, or done with this process


def _serve(channel: Channel) -> None:
    bench = Workbench()
    while True:
        head, order, items = channel.receive()
        job, live = pickle.loads(head)  # noqa: S301 - from the process that started this one
        done: Any = bench.do(job, live, order, items)
        pieces = [piece for one in done for piece in (one.stamps(), one.answer)]
        channel.send(*pieces)
        del order, items, done, pieces  # while waiting, hold nothing
