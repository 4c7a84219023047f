"""The system's page cache, the same for every run of a model: all of the weights in it, or none.

Both modes read the same file. Where weights and batch mode fit into memory together, the file is
read once before each run, so that no run waits for the disk; where they do not, it is dropped from
the cache before each run, so that every run does.
"""

from __future__ import annotations

import os
from pathlib import Path

_CHUNK_BYTES = 8 << 20


def warm(path: Path) -> None:
    """Read a file through, so that it is in the page cache."""
    buffer = bytearray(_CHUNK_BYTES)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def drop(path: Path) -> bool:
    """Ask for a file to leave the page cache; return whether this system can be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return True
