"""``python -m tests.cli.endless ...``: the shell over a race that never ends by itself.

With ``HOLD`` in the environment its start blocks, as with a cluster that does not answer.
"""

from __future__ import annotations

import os
import sys
import threading

from parbench_lab.cli import parbench
from tests.cli.doubles import ScriptedBench, Visitors


class Blocked(ScriptedBench):
    def start(self):
        print("starting blocks", file=sys.stderr, flush=True)  # noqa: T201 - read by the test
        threading.Event().wait()


if __name__ == "__main__":
    kind = Blocked if "HOLD" in os.environ else ScriptedBench
    parbench.main(prog_name="parbench", obj=Visitors(bench=kind(endless=True)).doors())
