"""A process that appends to a store and tells each batch that is safe; run by the tests."""

from __future__ import annotations

import os
import resource
import sys

from parbench_lab.errors import StoreError
from parbench_lab.store import open_store
from tests.store.records import event, header

EVENTS_PER_BATCH = 3
MEASUREMENTS_PER_EVENT = 20


def main(location: str, run_id: str, n_batches: int, max_file_bytes: int, user: int) -> int:
    """Append batches; after each, write its number on a line of its own.

    A limit of 0 bytes and user 0 leave things as they are.
    """
    # all is imported before this process becomes somebody who may not read the libraries
    open_store(":memory:").create_run(header(run_id))
    if user:
        os.setuid(user)
    if max_file_bytes:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, hard))
    try:
        store = open_store(location)
        store.create_run(header(run_id))
        for batch in range(n_batches):
            first = batch * EVENTS_PER_BATCH
            seqs = range(first, first + EVENTS_PER_BATCH)
            store.append(
                run_id, [event(seq, n_measurements=MEASUREMENTS_PER_EVENT) for seq in seqs]
            )
            sys.stdout.write(f"{batch}\n")
            sys.stdout.flush()
        store.close()
    except StoreError as error:
        sys.stdout.write(f"StoreError: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
