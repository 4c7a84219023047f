"""Dask's loggers are quiet while somebody wants it, and as before afterwards."""

from __future__ import annotations

import asyncio
import gc
import logging

import distributed  # noqa: F401 - its loggers
import pytest

from parbench_lab.execution.logs import forgive_timeouts, muted_handlers, quiet_logs


@pytest.mark.parametrize("quiet", [quiet_logs, muted_handlers])
def test_levels_come_back_when_the_last_of_two_leaves(quiet):
    logger = logging.getLogger("distributed.client")
    if quiet is muted_handlers:
        (logger,) = logging.getLogger("distributed").handlers
    before = logger.level
    first, second = quiet(), quiet()

    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    during = logger.level
    second.__exit__(None, None, None)

    assert during == logging.CRITICAL
    assert logger.level == before


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
