"""A store on a server that a team shares: several writers, and what may go wrong on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from parbench_lab.errors import StoreError
from parbench_lab.store import open_store
from parbench_lab.store.location import Place
from parbench_lab.store.schema import METADATA
from parbench_lab.store.server import ServerBackend
from tests.store.records import event, header, measurement
from tests.store.test_processes import EVENTS_PER_BATCH, FOR_EVER, writer


def sql(url, statement):
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as link:
        link.execute(statement)


def test_several_processes_that_begin_at_once_on_an_empty_database_all_get_through(postgres_url):
    children = [writer(postgres_url, f"run-{i}", 10) for i in range(2)]
    with contextlib.closing(open_store(postgres_url)) as store:
        store.create_run(header("own"))
        for seq in range(30):
            store.append("own", [event(seq, n_measurements=20)])

        ends = [child.communicate(timeout=120)[0].splitlines()[-1] for child in children]

        assert ends == ["9"] * 2
        for run_id in ("run-0", "run-1", "own"):
            assert len(list(store.events(run_id))) == 10 * EVENTS_PER_BATCH


def test_kills_lose_at_most_the_batch_in_flight_on_a_server_too(postgres_url):
    rng = random.Random(5)
    for kill in range(3):
        with writer(postgres_url, f"run-{kill}", FOR_EVER) as child:
            lines = [child.stdout.readline() for _ in range(rng.randrange(1, 30))]
            child.kill()
            told = len(lines) + len(child.stdout.read().splitlines())

        with contextlib.closing(open_store(postgres_url)) as store:
            n = len(list(store.events(f"run-{kill}")))
        assert n in (told * EVENTS_PER_BATCH, (told + 1) * EVENTS_PER_BATCH)


@pytest.mark.parametrize("attribute", ["sqlstate", "pgcode"], ids=["psycopg", "psycopg2"])
def test_what_passes_is_known_by_the_state_that_each_driver_tells(attribute):
    pytest.importorskip("psycopg")
    error = RuntimeError("too many clients")
    setattr(error, attribute, "53300")

    backend = ServerBackend(Place(path=None, server="postgresql://team@host/db"))

    assert backend.is_passing(error, tried=1)
    assert "cannot be used" in backend.explain(error)


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: table.name)
def test_mysql_is_told_tables_that_it_takes(table):
    statement = str(CreateTable(table).compile(dialect=mysql.dialect()))

    columns = [line.split() for line in statement.splitlines()]
    assert not [words for words in columns if {"TEXT", "DEFAULT"} <= {*words}]
    assert not [words for words in columns if words[:2] == ["document", "TEXT"]]  # of 64 KiB
    for index in table.indexes:
        assert sum(4 * column.type.length for column in index.columns if is_text(column)) <= 3072


def is_text(column):
    return isinstance(column.type, sa.String)


def test_two_writers_of_one_run_do_not_pass_each_other(postgres_url):
    first, second = open_store(postgres_url), open_store(postgres_url)
    with contextlib.closing(first), contextlib.closing(second):
        first.create_run(header("a"))
        refused = []

        def write(store):
            for _ in range(20):
                n = len(list(store.events("a")))
                try:
                    store.append("a", [event(n)])
                except StoreError as error:
                    refused.append(str(error))

        threads = [threading.Thread(target=write, args=(store,)) for store in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        seqs = [record.seq for record in first.events("a")]
        assert seqs == list(range(40 - len(refused)))
        assert all("another process writing the same run" in words for words in refused)


def test_one_id_for_two_runs_at_once_is_given_once(postgres_url):
    stores = [open_store(postgres_url) for _ in range(4)]
    refused = []

    def create(store):
        try:
            store.create_run(header("a", machine={"fingerprint": "f00", "cpu_model": "Abacus"}))
        except StoreError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=create, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 3
    assert all("is taken" in words for words in refused)
    for store in stores:
        store.close()


def test_many_measurements_at_once_come_back_exactly_whatever_they_hold(postgres_url):
    odd = ["\ud800\0", "tab\tand\nline", "\\N", "\\.", "ü 😀", ""]
    rows = tuple(
        dataclasses.replace(
            measurement(0, slot, wall_time_s=1e-300 * slot, further_s=-0.0),
            message=odd[slot % len(odd)],
            worker="\\N" if slot else "",
            warm_up=slot % 2 == 0,
        )
        for slot in range(60)
    )
    with contextlib.closing(open_store(postgres_url)) as store:
        store.create_run(header("a"))
        given = dataclasses.replace(event(0), measurements=rows)
        store.append("a", [given])

        assert list(store.events("a")) == [given]


def test_other_tables_may_live_beside_ours_but_not_under_our_names(postgres_url):
    sql(postgres_url, "CREATE TABLE recipes (name TEXT)")
    with contextlib.closing(open_store(postgres_url)) as store:
        store.create_run(header("a"))

        assert [run.id for run in store.runs()] == ["a"]

    sql(postgres_url, "DROP TABLE parbench_schema")
    with (
        contextlib.closing(open_store(postgres_url)) as store,
        pytest.raises(StoreError, match="is the database of another program"),
    ):
        store.runs()


def test_a_newer_schema_on_a_server_is_refused(postgres_url):
    with contextlib.closing(open_store(postgres_url)) as store:
        store.create_run(header("a"))
    sql(postgres_url, "INSERT INTO parbench_schema VALUES (99)")

    with (
        contextlib.closing(open_store(postgres_url)) as store,
        pytest.raises(StoreError, match="has schema version 99, this program knows 2: upgrade"),
    ):
        store.runs()


def test_a_server_that_takes_no_writes_says_so_in_one_line(postgres_url):
    with contextlib.closing(open_store(postgres_url)) as store:
        store.create_run(header("a"))
    readers = f"{postgres_url}&options=-cdefault_transaction_read_only%3Don"

    with contextlib.closing(open_store(readers)) as store:
        assert [run.id for run in store.runs()] == ["a"]
        with pytest.raises(StoreError, match="takes no writes") as refusal:
            store.create_run(header("b"))

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("@/", "@/no_such_"), id="no such database"),
        pytest.param(("parbench@", "nobody:s3cret@"), id="no such user"),
        pytest.param(("?host=", "?host=/nowhere"), id="no server there"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_in_one_line_without_the_password(
    postgres_url, change
):
    with (
        contextlib.closing(open_store(postgres_url.replace(*change))) as store,
        pytest.raises(StoreError, match="cannot be reached") as refusal,
    ):
        store.runs()

    words = str(refusal.value)
    assert "\n" not in words
    assert "s3cret" not in words
    assert words.startswith("store postgresql+psycopg://")


def test_a_connection_that_was_cut_is_replaced(postgres_url):
    with contextlib.closing(open_store(postgres_url)) as store:
        store.create_run(header("a"))
        sql(
            postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'parbench' AND datname = current_database()",
        )

        store.append("a", [event(0)])

        assert len(list(store.events("a"))) == 1


def test_a_run_is_carried_from_a_file_to_a_server_and_back(postgres_url, tmp_path):
    places = (tmp_path / "a.db", postgres_url, tmp_path / "b.db")
    stores = [open_store(place) for place in places]
    stores[0].create_run(header("a", machine={"fingerprint": "f00"}, seed=3))
    stores[0].append("a", [event(seq, n_measurements=4) for seq in range(5)])
    stores[0].finish_run("a", "decided", {"winner": "x"})

    for here, there in ((0, 1), (1, 2)):
        stores[there].take_in([stores[here].record("a")])

    assert stores[2].record("a") == stores[0].record("a")
    assert stores[1].series() == stores[0].series() == stores[2].series() != []
    for store in stores:
        store.close()
