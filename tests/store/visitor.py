"""A process that reads a store as somebody else and tells its runs; run by the tests."""

from __future__ import annotations

import os
import sys

from parbench_lab.errors import StoreError
from parbench_lab.store import open_store
from tests.store.records import header


def main(location: str, user: int) -> None:
    """Write the id of each run and how many figures there are, or the error; user 0: nobody."""
    # all is imported before this process becomes somebody who may not read the libraries
    open_store(":memory:").create_run(header("a"))
    if user:
        os.setuid(user)
    try:
        store = open_store(location)
        words = [*(run.id for run in store.runs()), str(len(store.series()))]
    except StoreError as error:
        words = ["StoreError:", str(error)]
    sys.stdout.write(f"{' '.join(words)}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
