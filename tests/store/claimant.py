"""A process that holds a name in a store until it is killed; run by the tests."""

from __future__ import annotations

import sys

from parbench_lab.store import open_store


def main(location: str, name: str) -> None:
    """Tell whether the name was free, and hold it until there is nothing more to read."""
    with open_store(location).claimed(name) as free:
        sys.stdout.write(f"{free}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
