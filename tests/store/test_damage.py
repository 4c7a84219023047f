"""Files that are not what they should be: told in one line, and left as they are."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa

from parbench_lab.errors import StoreError
from parbench_lab.store import cut_off, open_store
from parbench_lab.store.database import Database
from parbench_lab.store.engine import patiently
from parbench_lab.store.location import Place
from parbench_lab.store.rows import measurement_rows
from parbench_lab.store.schema import MEASUREMENT
from parbench_lab.store.sqlite import SqliteBackend, explain
from tests.store.records import event, header

PAGE_BYTES = 4096


def one_run(path):
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a"))
        store.append("a", [event(seq, n_measurements=50) for seq in range(20)])


def change(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def garbage(path):
    path.write_bytes(b"dear diary, " * 1000)


def truncated(path):
    one_run(path)
    os.truncate(path, path.stat().st_size // 2 + 100)


def cut_within_a_page(path):
    one_run(path)
    os.truncate(path, path.stat().st_size - 100)


def cut_at_a_whole_page(path):
    one_run(path)
    os.truncate(path, path.stat().st_size // PAGE_BYTES // 2 * PAGE_BYTES)


def cut_to_one_byte(path):
    one_run(path)
    os.truncate(path, 1)


def garbled(path):
    one_run(path)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE run", b"CREATE T\xce\xff\xffE run"))


def beheaded(path):
    one_run(path)
    path.write_bytes(path.read_bytes()[4096:])


def newer(path):
    one_run(path)
    change(path, "UPDATE parbench_schema SET version = 99")


def foreign(path):
    change(path, "CREATE TABLE recipes (name TEXT)")


def left_behind(path, *, in_the_log):
    """Make what a killed writer leaves: a file, and beside it a log with the newest events."""
    writing = path.with_name("writing.db")
    with contextlib.closing(open_store(writing)) as store:
        store.create_run(header("a"))
        store.append("a", [event(seq, n_measurements=50) for seq in range(20)])
        with contextlib.closing(sqlite3.connect(writing)) as checkpointer:
            if not in_the_log:
                checkpointer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.append("a", [event(20)])
        for end in ("", "-wal"):
            shutil.copy(f"{writing}{end}", f"{path}{end}")


def cut_beside_a_log(path):
    left_behind(path, in_the_log=False)
    os.truncate(path, path.stat().st_size // PAGE_BYTES // 2 * PAGE_BYTES)


def cut_a_little_beside_a_log(path):
    left_behind(path, in_the_log=False)
    os.truncate(path, path.stat().st_size - 3 * PAGE_BYTES)


def cut_within_a_page_beside_a_log(path):
    left_behind(path, in_the_log=False)
    os.truncate(path, path.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES + 100)


def emptied_beside_a_log(path):
    left_behind(path, in_the_log=False)
    os.truncate(path, 0)


ADVICE = "it was left as it is: move it away, or give another place with --store or PARBENCH_STORE"
DAMAGED, NOT_SQLITE = f"is damaged; {ADVICE}", f"is no SQLite database; {ADVICE}"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(garbage, NOT_SQLITE, id="garbage"),
        pytest.param(truncated, DAMAGED, id="truncated"),
        pytest.param(cut_within_a_page, DAMAGED, id="within a page"),
        pytest.param(cut_at_a_whole_page, DAMAGED, id="at a whole page"),
        pytest.param(cut_to_one_byte, DAMAGED, id="one byte"),
        pytest.param(cut_beside_a_log, DAMAGED, id="at a whole page, beside a log"),
        pytest.param(cut_a_little_beside_a_log, DAMAGED, id="a few pages, beside a log"),
        pytest.param(cut_within_a_page_beside_a_log, DAMAGED, id="within a page, beside a log"),
        pytest.param(emptied_beside_a_log, DAMAGED, id="empty, beside a log"),
        pytest.param(garbled, DAMAGED, id="names are no text"),
        pytest.param(beheaded, NOT_SQLITE, id="first page missing"),
        pytest.param(newer, "has schema version 99, this program knows 2: upgrade", id="newer"),
        pytest.param(foreign, "is the database of another program", id="foreign"),
    ],
)
def test_a_file_that_is_no_store_is_told_and_left_as_it_is(tmp_path, spoil, words):
    path = tmp_path / "runs.db"
    spoil(path)
    log = path.with_name("runs.db-wal")
    before = path.read_bytes(), log.exists() and log.read_bytes()

    for action in (
        lambda store: store.runs(),
        lambda store: store.header("latest"),
        lambda store: store.create_run(header("b")),
    ):
        with contextlib.closing(open_store(path)) as store:
            with pytest.raises(StoreError, match=words) as refusal:
                action(store)
            assert "\n" not in str(refusal.value)
            assert str(path) in str(refusal.value)

    assert (path.read_bytes(), log.exists() and log.read_bytes()) == before


def test_a_file_that_was_emptied_beside_its_log_is_told_through_a_link_too(tmp_path):
    path, link = tmp_path / "far.db", tmp_path / "runs.db"
    emptied_beside_a_log(path)
    link.symlink_to(path)
    before = path.with_name("far.db-wal").read_bytes()

    with contextlib.closing(open_store(link)) as store, pytest.raises(StoreError, match="damaged"):
        store.create_run(header("b"))

    assert path.with_name("far.db-wal").read_bytes() == before


def test_a_log_that_goes_away_while_it_is_looked_at_is_none(tmp_path, monkeypatch):
    path = tmp_path / "runs.db"
    one_run(path)
    log = path.with_name("runs.db-wal")
    log.write_bytes(b"")

    def is_file(place):
        there = place.exists()
        if place.name == log.name:
            log.unlink(missing_ok=True)
        return there

    monkeypatch.setattr(Path, "is_file", is_file)

    cut_off.refuse_cut_off(path, timeout_s=1.0)


@pytest.mark.parametrize("in_the_log", [True, False])
def test_what_a_killed_writer_leaves_is_read_to_the_last_event(tmp_path, in_the_log):
    path = tmp_path / "runs.db"
    left_behind(path, in_the_log=in_the_log)

    with contextlib.closing(open_store(path)) as store:
        assert len(list(store.events("a"))) == 21
        store.append("a", [event(21)])


def test_a_file_that_ends_early_is_read_where_its_log_has_the_rest(tmp_path):
    path = tmp_path / "runs.db"
    left_behind(path, in_the_log=True)
    os.truncate(path, path.stat().st_size - 100)

    with contextlib.closing(open_store(path)) as store:
        assert len(list(store.events("a"))) == 21


def test_an_empty_file_is_a_place_for_a_new_store(tmp_path):
    path = tmp_path / "runs.db"
    path.touch()

    with contextlib.closing(open_store(path)) as store:
        assert store.runs() == ()
        store.create_run(header("a"))

        assert [run.id for run in store.runs()] == ["a"]


def test_a_store_opened_for_reading_is_read_and_not_written(tmp_path):
    path = tmp_path / "runs.db"
    one_run(path)

    with contextlib.closing(open_store(f"sqlite:///{path}?mode=ro")) as store:
        assert len(list(store.events("a"))) == 20
        with pytest.raises(StoreError, match="for reading only"):
            store.create_run(header("b"))


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE event SET payload = '{' WHERE seq = 3", id="half a payload"),
        pytest.param("UPDATE event SET payload = '[]' WHERE seq = 3", id="payload is a list"),
        pytest.param("UPDATE measurement SET message = 'é' WHERE seq = 3", id="message"),
        pytest.param("UPDATE measurement SET further_values = 'x' WHERE seq = 3", id="values"),
    ],
)
def test_a_damaged_event_is_named(tmp_path, statement):
    path = tmp_path / "runs.db"
    one_run(path)
    change(path, statement)

    with (
        contextlib.closing(open_store(path)) as store,
        pytest.raises(StoreError, match="event 3 is damaged in the store"),
    ):
        list(store.events("a"))


@pytest.mark.parametrize("place", ["a file", "memory"])
def test_a_measurement_of_no_event_is_refused_by_the_database_itself(tmp_path, place):
    path = tmp_path / "runs.db" if place == "a file" else None
    orphans = measurement_rows(7, event(0, n_measurements=1))
    with contextlib.closing(Database(Place(path=path))) as database:
        with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"):
            database.write(lambda c: database.insert(c, MEASUREMENT, orphans))

        assert database.select(sa.select(MEASUREMENT)) == []


def test_a_file_removed_while_it_is_in_use_is_told_before_anything_is_lost(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a"))
        path.unlink()

        with pytest.raises(StoreError, match="was removed or replaced"):
            store.append("a", [event(0)])


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()

    with (
        contextlib.closing(open_store(tmp_path / "file" / "runs.db")) as store,
        pytest.raises(StoreError, match="cannot be made"),
    ):
        store.create_run(header("a"))


def nowhere(folder):
    path = folder / "runs.db"
    path.symlink_to(folder / "gone" / "runs.db")
    return path


def of_the_kernel(folder):
    return Path("/proc/runs.db")


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(nowhere, id="a link into a folder that is not there"),
        pytest.param(
            of_the_kernel,
            id="a folder that cannot be written",
            marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="of Linux"),
        ),
    ],
)
def test_a_new_file_that_cannot_be_made_is_told(tmp_path, place):
    path = place(tmp_path)

    with (
        contextlib.closing(open_store(path)) as store,
        pytest.raises(StoreError, match="cannot be opened: see that its folder is") as refusal,
    ):
        store.create_run(header("a"))

    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_folder_that_came_in_the_place_of_a_new_file_is_told(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        path.mkdir()

        with pytest.raises(StoreError, match="cannot be opened"):
            store.create_run(header("a"))


def test_a_database_that_may_not_grow_is_explained_as_a_full_disk(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "full.db")) as connection:
        connection.execute("PRAGMA max_page_count=2")
        connection.execute("CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")

    assert explain(full.value, "runs.db") == (
        "store runs.db cannot grow, the disk is full: free some space, or give another place "
        "with --store or PARBENCH_STORE (database or disk is full)"
    )


@contextlib.contextmanager
def a_busy_store(tmp_path):
    """Make a store to which another process writes without a pause; give its place."""
    path = tmp_path / "runs.db"
    one_run(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield path


def test_a_lock_that_outlives_all_patience_is_told_without_the_words_of_sqlite(tmp_path):
    with (
        a_busy_store(tmp_path) as path,
        contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer,
        pytest.raises(sqlite3.OperationalError) as locked,
    ):
        writer.execute("BEGIN IMMEDIATE")

    assert explain(locked.value, "runs.db") == (
        "store runs.db is busy, another process writes without a pause: try again later, or give "
        "another place with --store or PARBENCH_STORE"
    )


def test_the_traceback_of_a_lock_that_stays_is_without_the_words_of_sqlite(tmp_path):
    with a_busy_store(tmp_path) as path:
        engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})

        def write():
            with engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM measurement"))

        with pytest.raises(StoreError, match="is busy") as refusal:
            patiently(write, backend=SqliteBackend(Place(path=path)), patience_s=0)
        engine.dispose()

    assert "locked" not in "".join(traceback.format_exception(refusal.value))


def test_a_closed_store_says_so(tmp_path):
    store = open_store(tmp_path / "runs.db")
    store.create_run(header("a"))
    store.close()
    store.close()

    with pytest.raises(StoreError, match="is closed"):
        store.append("a", [event(0)])
    with pytest.raises(StoreError, match="is closed"):
        list(store.events("a"))
