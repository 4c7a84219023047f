from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from parbench_lab.errors import StoreError
from parbench_lab.store import open_store
from parbench_lab.store.location import Place, make_folder, place_of, without_password
from tests.store.records import header

HERE = Path("/somewhere")


@pytest.mark.parametrize(
    ("location", "environment", "path"),
    [
        pytest.param(None, {}, "/somewhere/.parbench/runs.db", id="default"),
        pytest.param(None, {"PARBENCH_STORE": "team.db"}, "/somewhere/team.db", id="environment"),
        pytest.param(None, {"PARBENCH_STORE": ""}, "/somewhere/.parbench/runs.db", id="empty env"),
        pytest.param("a.db", {"PARBENCH_STORE": "team.db"}, "/somewhere/a.db", id="argument wins"),
        pytest.param(Path("/x/a.db"), {}, "/x/a.db", id="path"),
        pytest.param("sqlite:///a.db", {}, "/somewhere/a.db", id="relative URL"),
        pytest.param("sqlite:////x/a%20b.db", {}, "/x/a b.db", id="absolute URL"),
        pytest.param("sqlite+pysqlite:///a.db", {}, "/somewhere/a.db", id="URL with a driver"),
        pytest.param("sqlite:///a#b.db", {}, "/somewhere/a#b.db", id="a number sign"),
        pytest.param("sqlite:///file:a.db?uri=true", {}, "/somewhere/a.db", id="SQLite's own URI"),
        pytest.param("sqlite:///a.db?mode=rwc", {}, "/somewhere/a.db", id="for writing"),
        pytest.param(
            "sqlite:////x/a.db?timeout=30&check_same_thread=false", {}, "/x/a.db", id="tuned"
        ),
    ],
)
def test_a_location_means_an_absolute_file(location, environment, path):
    assert place_of(location, environment=environment, folder=HERE) == Place(path=Path(path))


@pytest.mark.parametrize("location", [":memory:", "sqlite://", "sqlite:///:memory:"])
def test_memory_is_a_place(location):
    assert place_of(location, environment={}, folder=HERE) == Place(path=None)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        pytest.param("  ", "is empty", id="blank"),
        pytest.param("postgresql://me:secret@host", "names no database", id="no database"),
        pytest.param("postgresql://me:secret@host:x/db", "is malformed", id="port is no number"),
        pytest.param("postgresql://me:my@secret@host/db", "password as %40", id="two at signs"),
        pytest.param("sqlite://runs.db", "three slashes", id="two slashes"),
        pytest.param("sqlite:///runs.db?cache=shared", "only .mode=ro", id="unknown option"),
        pytest.param("sqlite:///runs.db?mode=memory", "only .mode=ro", id="unknown mode"),
        pytest.param("sqlite:///none.db?mode=rw", "leave it out", id="may not be made"),
        pytest.param("a" * 5000, r"cannot be looked for \(File name too long\)", id="too long"),
        pytest.param("a\0b.db", r"cannot be looked for \(embedded null byte\)", id="NUL"),
        pytest.param("~nobody.at.all/a.db", "cannot be looked for", id="nobody's home"),
        pytest.param("postgresql://me:secret@host?sslmode=require", "no database", id="options"),
        pytest.param("mysql+pymysql://me:secret@host", "names no database", id="MySQL"),
        pytest.param("/tmp", "is a folder", id="folder"),
    ],
)
def test_a_location_that_makes_no_sense_is_refused_with_words(location, words):
    with pytest.raises(StoreError, match=words) as refusal:
        place_of(location, environment={}, folder=HERE)

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://me:s%40cret@host:5433/db", id="in its place"),
        pytest.param("postgresql://me@host:5433/db?password=s%40cret", id="as an option"),
    ],
)
def test_the_password_of_a_server_is_never_shown(url):
    place = place_of(url, environment={}, folder=HERE)

    assert str(place) == "postgresql://me@host:5433/db"
    assert "cret" not in repr(place)
    assert "s@cret" in place.secrets


def test_a_file_may_be_named_for_reading_only_as_sqlite_itself_does():
    place = place_of("sqlite:///file:/x/a.db?mode=ro&uri=true", environment={}, folder=HERE)

    assert place == Place(path=Path("/x/a.db"), read_only=True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://?service=team", "postgresql+psycopg://?service=team"),
        ("postgresql://me:secret@host?dbname=db", "postgresql://me@host?dbname=db"),
        ("postgresql://me@/db?host=/run/a&host=/run/b", "postgresql://me@/db"),
        ("postgresql://me:se#c/r?et[@[::1]:5433/db", "postgresql://me@[::1]:5433/db"),
        ("postgresql+psycopg2://?dsn=password=secret host=h", "postgresql+psycopg2://"),
        ("mssql+pyodbc://me:secret@team", "mssql+pyodbc://me@team"),
        ("mssql+pyodbc:///?odbc_connect=DSN%3Dteam%3BPWD%3Dsecret", "mssql+pyodbc:///"),
        ("oracle+oracledb://me:secret@h:1/?service_name=s", "oracle+oracledb://me@h:1/"),
    ],
)
def test_a_server_may_be_named_in_every_way_that_sqlalchemy_reads(url, shown):
    place = place_of(url, environment={}, folder=HERE)

    assert str(place) == without_password(url) == shown
    assert place.server == url
    assert ("secret" in place.secrets) == ("secret" in url)


def test_a_service_of_postgresql_is_asked_for_by_its_name():
    pytest.importorskip("psycopg")
    with (
        contextlib.closing(open_store("postgresql+psycopg://?service=nobodys")) as store,
        pytest.raises(StoreError, match='definition of service "nobodys" not found'),
    ):
        store.runs()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("nosuchbase://me:secret@host/db", "none that SQLAlchemy knows", id="kind"),
        pytest.param("mysql+pymysql://me:secret@host/db", "needs pymysql: pip inst", id="driver"),
    ],
)
def test_a_server_that_cannot_be_spoken_to_is_told_at_once(url, words):
    with pytest.raises(StoreError, match=words) as refusal:
        open_store(url)

    assert "secret" not in str(refusal.value)


def test_the_store_stays_where_it_was_opened_when_the_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(open_store("runs.db")) as store:
        monkeypatch.chdir(tmp_path / "elsewhere")

        store.create_run(header("a"))

    assert (tmp_path / "runs.db").exists()


def test_reading_makes_no_file_and_the_first_run_makes_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARBENCH_STORE", raising=False)
    with contextlib.closing(open_store(None)) as store:
        assert store.runs() == ()
        assert list(tmp_path.iterdir()) == []

        store.create_run(header("a"))

        assert [run.id for run in store.runs()] == ["a"]
    assert sorted(path.name for path in (tmp_path / ".parbench").iterdir()) == [
        ".gitignore",
        "runs.db",
    ]


def test_importing_the_package_does_not_load_the_database_library():
    code = (
        "import sys, parbench_lab, parbench_lab.store; "
        "print([name for name in ('sqlalchemy', 'sqlite3') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60
    )

    assert done.stdout.strip() == "[]"


def test_git_leaves_a_new_folder_of_ours_alone_and_no_other(tmp_path):
    make_folder(tmp_path / ".parbench")
    make_folder(tmp_path / "mine")

    assert (tmp_path / ".parbench" / ".gitignore").read_text() == "*\n"
    assert not list((tmp_path / "mine").iterdir())


def test_a_folder_that_was_there_keeps_what_its_owner_wants_of_git(tmp_path):
    (tmp_path / ".parbench").mkdir()

    make_folder(tmp_path / ".parbench")

    assert not list((tmp_path / ".parbench").iterdir())
