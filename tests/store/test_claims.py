"""A name that is held in a store on a server is held against every machine that uses it."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import sys

import psycopg
import pytest

import parbench_lab as pb
from parbench_lab.errors import UsageError
from parbench_lab.store import open_store
from parbench_lab.store.server import claim_key
from tests.execution.builds.repos import spinning
from tests.store.test_processes import ROOT

NAME = "watch of sorting"


def granted(store, name=NAME):
    with store.claimed(name) as free:
        return free


def claimant(url):
    """Return another process that holds the name."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.claimant", url, NAME],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_until_free(url, name):
    """Wait in the server's own queue: a death is seen when the socket's end has arrived."""
    plain = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, autocommit=True) as link:
        link.execute("SET lock_timeout = '60s'")
        link.execute("SELECT pg_advisory_lock(%s)", [claim_key(name)])


def test_a_name_is_held_once_and_other_names_are_free(postgres_url):
    first, second = open_store(postgres_url), open_store(postgres_url)
    with contextlib.closing(first), contextlib.closing(second):
        with first.claimed(NAME) as free:
            while_held = [granted(second), granted(first), granted(second, "another")]
        afterwards = granted(second)

    assert free
    assert while_held == [False, False, True]
    assert afterwards


def test_a_name_is_given_back_where_the_block_raises(postgres_url):
    with contextlib.closing(open_store(postgres_url)) as store:
        with pytest.raises(KeyError), store.claimed(NAME):
            raise KeyError

        assert granted(store)


def test_a_holder_that_is_killed_frees_the_name(postgres_url):
    with contextlib.closing(open_store(postgres_url)) as store, claimant(postgres_url) as child:
        told = child.stdout.readline()
        while_held = granted(store)

        child.kill()
        child.wait()
        wait_until_free(postgres_url, NAME)

        assert told == "True\n"
        assert not while_held
        assert granted(store)


def test_a_holder_whose_session_the_server_ended_goes_on_and_ends_quietly(postgres_url):
    plain = postgres_url.replace("postgresql+psycopg", "postgresql")
    with contextlib.closing(open_store(postgres_url)) as store:
        with store.claimed(NAME), psycopg.connect(plain, autocommit=True) as link:
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )
        wait_until_free(postgres_url, NAME)

        assert granted(store)


@pytest.mark.parametrize("location", ["runs.db", ":memory:"])
def test_a_file_grants_every_name(tmp_path, monkeypatch, location):
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(open_store(location)) as store, store.claimed(NAME) as free:
        again = granted(store)

    assert free
    assert again
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- watches


def refusal(url):
    with pytest.raises(UsageError) as refused:
        pb.watch("bench.py", baseline="HEAD", blocks=10, store=url)
    return str(refused.value)


def test_watches_of_one_host_or_of_one_series_do_not_run_at_once(
    postgres_url, tmp_path, monkeypatch
):
    here, elsewhere = (spinning(tmp_path / name).folder for name in ("here", "elsewhere"))
    monkeypatch.delenv("PARBENCH_STORE", raising=False)
    monkeypatch.chdir(here)
    told = []

    def meanwhile(*_):
        with monkeypatch.context() as there:
            there.chdir(elsewhere)
            told.append(refusal(postgres_url))
            there.chdir(here)  # the same commit, so the same series
            (here / ".parbench" / "watch.lock").unlink()  # another machine has folders of its own
            there.setattr(platform, "node", lambda: "its-twin")
            told.append(refusal(postgres_url))

    first = pb.watch(
        "bench.py", baseline="HEAD", blocks=10, store=postgres_url, progress=meanwhile
    )
    with contextlib.closing(open_store(postgres_url)) as store:
        afterwards = granted(store, f"watch on {platform.node()}")

    assert "another watch is running on this machine" in told[0]
    assert "another watch of bench against the same baseline is running" in told[1]
    assert first.status == "finished"
    assert afterwards
