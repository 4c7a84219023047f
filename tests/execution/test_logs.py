"""Dask's loggers are quiet while somebody wants it, and as before afterwards."""

from __future__ import annotations

import logging

from parbench_lab.execution.logs import quiet_logs


def test_levels_come_back_when_the_last_of_two_leaves():
    logger = logging.getLogger("distributed.client")
    before = logger.level
    first, second = quiet_logs(), quiet_logs()

    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    during = logger.level
    second.__exit__(None, None, None)

    assert during == logging.CRITICAL
    assert logger.level == before
