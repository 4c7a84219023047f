"""A process that has imported everything and forks a writer for each line it reads.

So fifty writers can be killed in the time that one takes to start.
"""

from __future__ import annotations

import os
import sys

from parbench_lab.store import open_store
from tests.store.writer import main as write

FOR_EVER = 10**9


def main(location: str) -> None:
    """For each run id on stdin: a writer's pid, its lines, and ``gone`` when it has ended."""
    open_store(":memory:").close()  # which is what imports the database library
    for run_id in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            tell(os.getpid())
            write(location, run_id.strip(), FOR_EVER, 0, 0)
            os._exit(0)
        os.waitpid(child, 0)
        tell("gone")


def tell(word: object) -> None:
    """Write a line in one go: child and parent share a pipe."""
    os.write(sys.stdout.fileno(), f"{word}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
