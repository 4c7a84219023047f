"""A PostgreSQL server of the tests' own: Debian's, on a socket in a temporary folder, no TCP."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

USER = "postgres"
_names = (f"store_{i}" for i in itertools.count())


def binaries():
    """Return the folder of the newest server that is installed, None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: p.parts[4])
    return found[-1].parent if found else None


def as_server():
    """Return the words that run a command as somebody whom PostgreSQL accepts, dying with us."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:  # it refuses to run as root
        words += ["--reuid", USER, "--regid", USER, "--clear-groups"]
    return words


@pytest.fixture(scope="session")
def postgres_socket():
    folder_of_binaries = binaries()
    if folder_of_binaries is None:
        words = "there is no PostgreSQL server: apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(words)
    folder = Path(tempfile.mkdtemp(prefix="pb-pg-", dir="/tmp"))  # a socket's path is short
    data = folder / "data"
    environment = {**os.environ, "LC_ALL": "C"}
    if os.geteuid() == 0:
        shutil.chown(folder, USER, USER)
    subprocess.run(
        [
            *as_server(), folder_of_binaries / "initdb", "-D", data, "-A", "trust",
            "-U", "parbench", "-E", "UTF8", "--locale=C", "--no-sync",
        ],
        check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder, timeout=120,
    )  # fmt: skip
    server = subprocess.Popen(
        [
            *as_server(), folder_of_binaries / "postgres", "-D", data, "-k", folder,
            "-c", "listen_addresses=", "-c", "fsync=off",
        ],
        stderr=subprocess.PIPE, text=True, env=environment, cwd=folder,
    )  # fmt: skip
    log = []
    for line in server.stderr:
        log.append(line)
        if "ready to accept connections" in line:
            break
    else:
        pytest.fail("".join(log))
    # what it says from now on has nowhere to go, and must not fill a pipe
    drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
    server.stderr.close()
    yield folder
    server.terminate()
    try:
        server.wait(timeout=120)
    except subprocess.TimeoutExpired:
        server.send_signal(3)  # "immediate shutdown": a test has left a connection
        server.wait(timeout=120)
    drain.wait(timeout=120)
    shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_socket):
    """Return the URL of an empty database."""
    import psycopg

    name = next(_names)
    with psycopg.connect(
        host=str(postgres_socket), user="parbench", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://parbench@/{name}?host={postgres_socket}"
