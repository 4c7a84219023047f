"""Runs as files: out of a store, into another one, and from other tools' files."""

from parbench_lab.store.exchange.reading import DEFAULT_MAX_BYTES, Found, read_file, read_runs
from parbench_lab.store.exchange.writing import chunks

__all__ = ["DEFAULT_MAX_BYTES", "Found", "chunks", "read_file", "read_runs"]
