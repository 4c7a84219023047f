"""The benchmark database: every run with its events and measurements, append only."""

from parbench_lab.store.location import open_store
from parbench_lab.store.run_id import new_run_id

__all__ = ["new_run_id", "open_store"]
