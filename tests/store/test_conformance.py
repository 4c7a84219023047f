from __future__ import annotations

import pytest

from parbench_lab.store import open_store
from parbench_lab.testing.store import check_store


class Forgetful:
    """Passes everything on to a real store, but for one thing."""

    def __init__(self, **instead):
        self._store = open_store(":memory:")
        self._instead = instead

    def __getattr__(self, name):
        return self._instead.get(name) or getattr(self._store, name)


def test_the_store_in_a_file_keeps_its_promises(tmp_path):
    check_store(lambda: open_store(tmp_path / "runs.db"))


def test_the_store_on_a_postgresql_server_keeps_its_promises(postgres_url):
    check_store(lambda: open_store(postgres_url))


def test_the_store_in_memory_keeps_its_promises():
    check_store(lambda: open_store(":memory:"), persistent=False)


@pytest.mark.parametrize(
    ("instead", "broken"),
    [
        pytest.param({"append": lambda *_: None}, "events of no run are taken", id="no append"),
        pytest.param({"runs": lambda **_: ()}, "oldest first", id="no list"),
        pytest.param({"finish_run": lambda *_: None}, "has ended has its status", id="no end"),
    ],
)
def test_a_store_that_breaks_a_promise_is_found_out(instead, broken):
    with pytest.raises(AssertionError, match=broken):
        check_store(lambda: Forgetful(**instead), persistent=False)


def test_a_store_that_forgets_at_the_end_is_found_out():
    with pytest.raises(AssertionError, match="are there again"):
        check_store(lambda: open_store(":memory:"), persistent=True)
