from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import EventRecord, MeasurementRow, RunStore
from parbench_lab.errors import StoreError
from parbench_lab.store import open_store
from tests.store.records import event, header, measurement

WHOLES = st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
MESSAGES = st.text(st.characters(exclude_categories=()), max_size=20)
# halves of surrogate pairs, put side by side, are the one text that JSON changes
ANY_TEXT = MESSAGES.filter(lambda text: json.loads(json.dumps(text)) == text)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(ANY_TEXT, JSON_VALUES, max_size=4)
METRICS = st.sampled_from(["wall_time_s", "peak_rss_bytes", "abs_error", "naïve_score"]) | NAMES
MEASUREMENTS = st.builds(
    MeasurementRow,
    block=WHOLES,
    slot=WHOLES,
    epoch=WHOLES,
    candidate=NAMES,
    copy=WHOLES,
    size=WHOLES,
    worker=NAMES,
    outcome=NAMES,
    warm_up=st.booleans(),
    checked=st.booleans(),
    repeats=WHOLES,
    values=st.dictionaries(METRICS, FINITE, max_size=4),
    digest=NAMES,
    message=MESSAGES,
)
JOURNALS = st.lists(
    st.tuples(FINITE, NAMES, PAYLOADS, st.lists(MEASUREMENTS, max_size=3)), max_size=4
).map(
    lambda parts: [
        EventRecord(
            seq=seq, at_s=at_s, kind=kind, payload=payload, measurements=tuple(measurements)
        )
        for seq, (at_s, kind, payload, measurements) in enumerate(parts)
    ]
)


def _memory() -> contextlib.closing[RunStore]:
    return contextlib.closing(open_store(":memory:"))


@given(journal=JOURNALS, split=st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_events_come_back_exactly_as_they_were(journal, split):
    with _memory() as store:
        store.create_run(header("a"))

        store.append("a", journal[:split])
        store.append("a", journal[split:])

        assert list(store.events("a")) == journal


@given(document=PAYLOADS, result=PAYLOADS)
@settings(max_examples=30, deadline=None)
def test_documents_come_back_as_they_were(document, result):
    with _memory() as store:
        given_header = header("a", document=document)

        store.create_run(given_header)
        store.finish_run("a", "finished", result)

        assert store.header("a") == given_header
        assert store.summary("a").result == result


@pytest.mark.parametrize("message", ["\ud83d\ude00", "\0", "C:\\new\\x41", "line\nline", "😀"])
def test_a_candidates_message_comes_back_whatever_it_holds(message):
    with _memory() as store:
        row = dataclasses.replace(measurement(0, 0), message=message)
        store.create_run(header("a"))

        store.append("a", [dataclasses.replace(event(0), measurements=(row,))])

        assert next(store.events("a")).measurements[0].message == message


def test_a_long_journal_is_read_in_pages_without_loss_or_repetition():
    with _memory() as store:
        journal = [event(seq, n_measurements=seq % 3) for seq in range(1201)]
        store.create_run(header("a"))

        store.append("a", journal)

        assert list(store.events("a")) == journal


def test_whole_numbers_among_the_values_come_back_equal():
    with _memory() as store:
        record = dataclasses.replace(
            event(0),
            measurements=(measurement(0, 0, wall_time_s=1, score=3, peak_rss_bytes=-0.0),),
        )
        store.create_run(header("a"))

        store.append("a", [record])

        assert list(store.events("a")) == [record]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"at_s": math.nan}, "at_s must be a finite number", id="time is NaN"),
        pytest.param({"payload": {"x": math.inf}}, "not JSON compliant", id="payload infinite"),
        pytest.param({"payload": {"x": (1, 2)}}, "JSON would change it", id="tuple"),
        pytest.param({"payload": {"x": {1: 2}}}, "JSON would change it", id="key is no text"),
        pytest.param({"payload": {"x": {1}}}, "not JSON serializable", id="set"),
        pytest.param({"payload": {"x": b"\x80"}}, "not JSON serializable", id="bytes"),
        pytest.param({"kind": "\ud800"}, "valid Unicode", id="half a surrogate pair as kind"),
    ],
)
def test_an_event_that_would_not_come_back_is_refused_with_words(change, words):
    with _memory() as store:
        store.create_run(header("a"))

        with pytest.raises(StoreError, match=words) as refusal:
            store.append("a", [event(0), dataclasses.replace(event(1), **change)])

        assert "\n" not in str(refusal.value)
        assert list(store.events("a")) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"values": {"wall_time_s": math.nan}}, "wall_time_s must be a fin", id="NaN"),
        pytest.param({"values": {"abs_error": -math.inf}}, "abs_error must be a finite", id="inf"),
        pytest.param({"values": {"cpu_time_s": None}}, "cpu_time_s must be a finite", id="None"),
        pytest.param({"values": {"score": "12"}}, "score must be a finite number", id="text"),
        pytest.param({"values": {3: 1.0}}, "a metric's name must be", id="name is a number"),
        pytest.param({"candidate": "a\0b"}, "candidate must be valid Unicode", id="NUL"),
        pytest.param({"size": 2**63}, "size must be a whole number", id="too large"),
        pytest.param({"repeats": 1.5}, "repeats must be a whole number", id="half a repeat"),
    ],
)
def test_a_measurement_that_would_not_come_back_is_refused_with_words(change, words):
    with _memory() as store:
        bad = dataclasses.replace(measurement(4, 0), **change)
        store.create_run(header("a"))

        with pytest.raises(StoreError, match=words):
            store.append("a", [dataclasses.replace(event(0), measurements=(bad,))])

        assert list(store.events("a")) == []


def test_the_store_holds_text_and_numbers_only(tmp_path):
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        store.create_run(header("a", machine={"fingerprint": "f00"}))
        store.append("a", [event(0, n_measurements=2)])
        store.finish_run("a", "finished", {"winner": None})

    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        kinds = set()
        for table in ("machine", "run", "event", "measurement"):
            for row in connection.execute(f"SELECT * FROM {table}"):
                kinds |= {type(value) for value in row}

    assert kinds <= {str, int, float, type(None)}


def test_equal_machines_are_kept_once(tmp_path):
    machine = {"fingerprint": "f00", "cpu_model": "Abacus 3", "caches": []}
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        for run_id in ("a", "b"):
            store.create_run(header(run_id, machine=dict(reversed(machine.items()))))
        store.create_run(header("c", machine=machine | {"cpu_model": "Abacus 4"}))

        assert store.header("b").document == {"machine": machine}
        assert store.header("c").document["machine"]["cpu_model"] == "Abacus 4"
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        assert connection.execute("SELECT count(*) FROM machine").fetchone() == (2,)


@pytest.mark.parametrize("machine", [{"cpu_model": "Abacus"}, {}, None, "a text", ["a", "list"]])
def test_a_machine_that_is_not_whole_comes_back_too(machine):
    with _memory() as store:
        store.create_run(header("a", machine=machine, seed=1))

        assert store.header("a").document == {"machine": machine, "seed": 1}


def test_the_fingerprint_of_a_machine_is_beside_it_for_sql_to_ask(tmp_path):
    machine = Machine(
        cpu_model="Abacus 3", physical_cores=1, logical_cores=1, smt=False, memory_bytes=2**30,
        os="Debian", kernel="Linux", python="CPython 3.11",
    )  # fmt: skip
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        store.create_run(header("a", machine=machine.as_json()))

    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        found = connection.execute("SELECT fingerprint FROM machine").fetchall()

    assert found == [(machine.fingerprint,)]


def test_the_same_end_may_be_told_twice_and_another_is_refused():
    with _memory() as store:
        store.create_run(header("a"))
        store.finish_run("a", "stopped", {"winner": "x"})

        store.finish_run("a", "stopped", {"winner": "x"})
        with pytest.raises(StoreError, match=r"has ended \(stopped\)"):
            store.finish_run("a", "finished", {"winner": "y"})

        assert store.summary("a").result == {"winner": "x"}


def test_a_run_without_an_end_is_called_running_or_interrupted():
    with _memory() as store:
        store.create_run(header("a"))

        assert store.summary("a").status == "running"
        assert store.summary("a").status_in_words == "running or interrupted"


@pytest.mark.parametrize("started_utc", ["2026-11-21T02:13:09", "yesterday", ""])
def test_a_start_that_is_no_aware_instant_is_refused(started_utc):
    with _memory() as store, pytest.raises(StoreError, match="with its offset"):
        store.create_run(header("a", started_utc=started_utc))
