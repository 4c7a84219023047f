"""Dask's loggers are quiet while somebody wants it, and as before afterwards."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from parbench_lab.execution.logs import forgive_timeouts, muted_handlers, quiet_logs


def levels_with(quiet, heard):
    """Return the level while two are quiet and one of them left, and when both left."""
    first, second = quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    during = heard.level
    second.__exit__(None, None, None)
    return during, heard.level


def test_levels_of_loggers_come_back_when_the_last_of_two_leaves():
    logger = logging.getLogger("distributed.client")
    before = logger.level

    assert levels_with(quiet_logs, logger) == (logging.CRITICAL, before)


def test_levels_of_handlers_come_back_when_the_last_of_two_clusters_ends():
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.getLogger("distributed").addHandler(handler)

    levels = levels_with(muted_handlers, handler)
    logging.getLogger("distributed").removeHandler(handler)

    assert levels == (logging.CRITICAL, logging.WARNING)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(TimeoutError("Timeout"), False, id="a timeout"),
        pytest.param(ValueError("a fault"), True, id="a fault"),
    ],
)
def test_a_loop_that_is_stopped_tells_of_faults_and_not_of_timeouts(caplog, error, said):
    loop = asyncio.new_event_loop()
    forgive_timeouts(loop)
    future = loop.create_future()

    future.set_exception(error)
    del future
    gc.collect()
    loop.close()

    assert ("never retrieved" in caplog.text) is said
