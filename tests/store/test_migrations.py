"""A store of an older version is brought up, whole, where it is first used."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from parbench_lab.errors import StoreError
from parbench_lab.lab.stored import load_curves
from parbench_lab.store import migrations, open_store
from parbench_lab.store.schema import METADATA, VERSION
from tests.store.records import event, header

OLD = Path(__file__).parent / "old" / "version_1.sql"
IDS = ["old-early", "old-late", "old-study"]


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text())
    return path


def columns(path):
    engine = sa.create_engine(f"sqlite:///{path}")
    inspector = sa.inspect(engine)
    found = {
        (table, column["name"], str(column["type"]), column["nullable"])
        for table in inspector.get_table_names()
        for column in inspector.get_columns(table)
    }
    keys = {
        (table, tuple(key["constrained_columns"]), key["referred_table"])
        for table in inspector.get_table_names()
        for key in inspector.get_foreign_keys(table)
    }
    engine.dispose()
    return found | keys


def versions(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT version FROM parbench_schema")]


def test_an_old_store_becomes_what_a_new_one_is(old, tmp_path):
    with contextlib.closing(open_store(old)) as store:
        store.runs()
    with contextlib.closing(open_store(tmp_path / "new.db")) as store:
        store.create_run(header("a"))

    assert columns(old) == columns(tmp_path / "new.db")
    assert versions(old) == list(range(1, VERSION + 1))
    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_follows_from_old_documents_is_filled_in(old):
    with contextlib.closing(open_store(old)) as store:
        late = store.summary("old-late")
        runs = store.runs()

    # 10:00+02:00 is before 09:30 in UTC: version 1 sorted by the text
    assert [run.id for run in runs] == ["old-late", "old-early", "old-study"]
    assert (late.mode, late.commit, late.dirty) == ("batch", "c0ffee", True)
    assert (late.machine, late.pinned) == ("0ff1ce0ff1ce", False)


def test_histories_are_there_of_old_runs_and_of_those_that_were_killed(old):
    with contextlib.closing(open_store(old)) as store:
        points = store.series(candidate="quick")

    assert [point.run_id for point in points] == ["old-late", "old-early"]
    assert [point.median.n for point in points] == [7, 7]
    assert points[0].median.point == pytest.approx(0.4)


def test_old_events_and_curves_are_read_as_they_were(old):
    with contextlib.closing(open_store(old)) as store:
        (event_of_race,) = store.events("old-late")
        (curve,) = load_curves("old-study", store).values()

    assert len(event_of_race.measurements) == 14
    assert [level.workers for level in curve.levels] == [1, 2]


def test_a_run_that_was_killed_goes_on_after_the_store_was_brought_up(old):
    with contextlib.closing(open_store(old)) as store:
        store.append("old-early", [event(1)])
        store.finish_run("old-early", "stopped", {})

        assert store.summary("old-early").status == "stopped"


def test_a_second_machine_of_an_old_store_is_still_kept_once(old):
    with contextlib.closing(open_store(old)) as store:
        machine = store.header("old-late").document["machine"]
        store.create_run(header("new", machine=machine))

    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT count(*) FROM machine").fetchone() == (2,)


def test_an_old_store_that_is_opened_for_reading_only_is_left_as_it_is(old):
    before = old.read_bytes()

    with (
        contextlib.closing(open_store(f"sqlite:///{old}?mode=ro")) as store,
        pytest.raises(StoreError, match="an older version made it"),
    ):
        store.runs()

    assert old.read_bytes() == before


def test_a_step_that_fails_on_the_way_leaves_the_old_store_as_it_was(old):
    with contextlib.closing(sqlite3.connect(old)) as connection:
        # the last table of the step is in its way: all that came before must go again
        connection.execute("CREATE TABLE fit (somebody TEXT)")
    before = columns(old)

    with (
        contextlib.closing(open_store(old)) as store,
        pytest.raises(StoreError, match="table fit already exists"),
    ):
        store.runs()

    assert columns(old) == before
    assert versions(old) == [1]


def test_every_version_has_a_step_to_the_next():
    assert sorted(migrations._STEPS) == list(range(1, VERSION))
    assert METADATA.tables.keys() >= {
        "machine", "run", "candidate", "epoch", "measurement", "event", "usage", "curve", "fit",
    }  # fmt: skip
