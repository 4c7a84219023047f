"""A pool whose clock is its own: jobs take what the test says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from parbench_lab.errors import ClusterError


class CountingPool:
    """Real threads, and a record of what was opened, closed and mapped."""

    def __init__(self, opened, backend, n_workers):
        self.backend, self.n_workers = backend, n_workers
        self.closed = False
        self.used = []
        self._executor = ThreadPoolExecutor(n_workers)
        opened.append(self)

    def map(self, function, /, *items):
        if self.closed:
            raise ClusterError("closed")
        return self._executor.map(function, *items)

    def use(self, n_workers):
        self.used.append(n_workers)

    def process_ids(self):
        return (1,)

    def take_spans(self):
        return ()

    def peak_memory_bytes(self):
        return 1000 * self.n_workers

    def close(self):
        self.closed = True
        self._executor.shutdown()
