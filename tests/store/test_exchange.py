"""Runs as files: the same bytes again, and nothing that a file may hold does any harm."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import datetime as dt
import functools
import json
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parbench_lab.analysis.comparison.pairing import compare_figures
from parbench_lab.analysis.comparison.profile import profile_rows
from parbench_lab.cli.stored import show_document
from parbench_lab.core.candidate import DEEPEST_PARAMETERS, Candidate, candidate_document
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.machine import Cache, Machine
from parbench_lab.core.runs import TAKEN_IN, CurveRow, EventRecord, FitRow, RunRecord, UsageRow
from parbench_lab.errors import StoreError, UnknownNameError, UsageError
from parbench_lab.lab.change_hints import change_hints
from parbench_lab.lab.comparing import run_figures
from parbench_lab.lab.record import load_record
from parbench_lab.lab.roofs import latest_roofline
from parbench_lab.monitoring.thinning import summarize
from parbench_lab.reports.origin import about_document, about_text, run_settings
from parbench_lab.store import open_store
from parbench_lab.store.exchange import chunks, read_file, read_runs
from parbench_lab.store.exchange.checking import is_plainly_right, refuse_malformed
from parbench_lab.store.importers import IMPORTERS, About
from parbench_lab.store.nesting import DEEPEST_DOCUMENT
from tests.store.foreign_files import FILES
from tests.store.records import event, header, measurement
from tests.store.test_round_trip import ANY_TEXT, FINITE, JOURNALS, JSON_VALUES, NAMES, PAYLOADS

ABOUT = About(name="file", started=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
MACHINE = Machine(
    cpu_model="Abacus 3", physical_cores=1, logical_cores=1, smt=False, memory_bytes=2**30,
    os="Debian", kernel="Linux", python="CPython 3.11", gpus=("Toy 1",),
    caches=(Cache(name="L2", size_bytes=2**20),), libraries={"numpy": "2.4.6"},
)  # fmt: skip
ESTIMATES = (
    st.lists(FINITE, min_size=3, max_size=3)
    .map(sorted)
    .map(lambda v: Estimate(low=v[0], point=v[1], high=v[2], confidence=0.95, n=5))
)
SIZES = st.integers(1, 2**62)
SECONDS = ("wall_time_s", "cpu_time_s")


def measured(event):
    """Return an event with none of its seconds below 0, and items in every case."""
    rows = [
        dataclasses.replace(
            row,
            size=max(1, row.size),
            values={n: abs(v) if n in SECONDS else v for n, v in row.values.items()},
        )
        for row in event.measurements
    ]
    return dataclasses.replace(event, measurements=tuple(rows))


CURVE = {"backend": NAMES, "scaling": st.sampled_from(["strong", "weak"]), "series_size": SIZES}
RECORDS = st.builds(
    RunRecord,
    header=PAYLOADS.map(lambda document: header("a", document=document)),
    status=st.just("finished"),
    result=PAYLOADS,
    events=JOURNALS.map(lambda events: [measured(event) for event in events]),
    usage=st.lists(
        st.builds(
            UsageRow,
            at_s=FINITE,
            source=NAMES,
            values=st.dictionaries(NAMES | st.just("rss_bytes"), FINITE, max_size=3),
        ),
        max_size=2,
    ),
    curves=st.lists(
        st.builds(CurveRow, **CURVE, workers=SIZES, size=SIZES, metric=NAMES, estimate=ESTIMATES),
        max_size=2,
    ),
    fits=st.lists(
        st.builds(FitRow, **CURVE, law=NAMES, parameter=NAMES, estimate=ESTIMATES), max_size=2
    ),
)


def text_of(*records):
    return "".join(chunks(records))


def read(text, **_):
    return read_runs(text.encode(), source="runs.json", about=ABOUT).records


def document(*, n_events=2):
    """Return a small file as JSON values."""
    record = RunRecord(
        header=header("a", seed=1),
        status="finished",
        result={"winner": None},
        events=[event(seq, n_measurements=2) for seq in range(n_events)],
        usage=[UsageRow(at_s=0.5, source="w0", values={"cpu_percent": 99.0})],
        curves=[
            CurveRow(
                backend="threads", scaling="strong", series_size=10, workers=2, size=10,
                metric="time_s",
                estimate=Estimate(point=1.0, low=0.5, high=2.0, confidence=0.9, n=5),
            )
        ],
    )  # fmt: skip
    return json.loads(text_of(record))


def store_with(*records):
    store = open_store(":memory:")
    store.take_in(records)
    return contextlib.closing(store)


@given(record=RECORDS)
@settings(max_examples=25, deadline=None)
def test_export_import_export_gives_the_same_bytes(record):
    with store_with(record) as store:
        first = text_of(store.record("a"))
    with store_with(*read(first)) as store:
        again = text_of(store.record("a"))

    assert again == first


def nested(levels):
    """Return a document with a value so many levels below it."""
    return functools.reduce(lambda inner, _: [inner], range(levels - 1), 1)


def deep_run(place, levels):
    """Return a run with one deep document."""
    documents = {"header": {}, "machine": {}, "result": {}, "payload": {}}
    documents[place] = {"deep": nested(levels)}
    inner = event(0, n_measurements=1)
    return RunRecord(
        header=header("a", machine=documents["machine"], **documents["header"]),
        status="finished",
        result=documents["result"],
        events=[dataclasses.replace(inner, payload=documents["payload"])],
    )


@pytest.mark.parametrize("place", ["header", "machine", "result", "payload"])
def test_whatever_a_store_takes_can_be_imported_from_its_export(place):
    with store_with(deep_run(place, DEEPEST_DOCUMENT)) as store:
        text = text_of(store.record("a"))

    (again,) = read(text)

    assert "deep" in text_of(again)


@pytest.mark.parametrize("place", ["header", "machine", "result", "payload"])
def test_what_no_import_would_take_is_refused_where_it_is_stored(place):
    run = deep_run(place, DEEPEST_DOCUMENT + 1)

    with (
        contextlib.closing(open_store(":memory:")) as store,
        pytest.raises(StoreError, match="nested deeper than 59 levels") as refusal,
    ):
        store.take_in([run])

    assert "\n" not in str(refusal.value)


def test_a_run_that_an_older_store_kept_deeper_stays_usable(tmp_path):
    place = tmp_path / "runs.db"
    with contextlib.closing(open_store(place)) as store:
        store.create_run(header("a", candidates=[{"name": "candidate_0"}]))
        store.append("a", [event(0, n_measurements=1)])
    deep = {"candidates": [{"name": "candidate_0", "parameters": {"p": nested(70)}}]}
    with contextlib.closing(sqlite3.connect(place)) as database, database:
        database.execute("UPDATE run SET document = ?", [json.dumps(deep)])

    with contextlib.closing(open_store(place)) as store:
        store.finish_run("a", "finished", {})

        assert store.header("a").document == deep


def test_the_deepest_parameters_of_a_candidate_have_a_place_in_a_file():
    value = nested(DEEPEST_PARAMETERS)
    given = Candidate(name="a", function=nested, parameters={"value": value[0]})
    payload = {"candidate": candidate_document(given)}
    run = deep_run("payload", 1)
    run = dataclasses.replace(
        run,
        header=header("a", candidates=[candidate_document(given)]),
        events=[dataclasses.replace(run.events[0], payload=payload)],
    )

    with store_with(run) as store:
        text = text_of(store.record("a"))

    assert read(text)[0].events[0].payload == payload


def test_what_two_stores_write_is_the_same_whatever_came_first(tmp_path):
    texts = []
    for order in (("a", "b"), ("b", "a")):
        with contextlib.closing(open_store(tmp_path / f"{order[0]}.db")) as store:
            for run_id in order:
                store.create_run(header(run_id, machine={"fingerprint": "f00", "b": 1, "a": 2}))
                store.append(run_id, [event(0, n_measurements=3)])
            texts.append(text_of(store.record("a"), store.record("b")))

    assert texts[0] == texts[1]


def test_a_run_that_is_here_already_is_passed_over_and_another_of_its_name_is_refused():
    (record,) = read(json.dumps(document()))
    other = dataclasses.replace(record, header=header("b"))
    with store_with(record) as store:
        taken = store.take_in([record, other])

        assert (taken.added, taken.known) == (("b",), ("a",))
        with pytest.raises(StoreError, match="run a is here already and is not the same"):
            store.take_in([dataclasses.replace(record, status="stopped")])


def grown(n_events, status="running", **fields):
    """Return a record of run a with so many of its events."""
    result = None if status == "running" else {}
    events = [event(seq, n_measurements=2) for seq in range(n_events)]
    fields = {"header": header("a"), "status": status, "result": result, "events": events} | fields
    return RunRecord(**fields)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(grown(1), grown(3, "finished"), id="running and ended"),
        pytest.param(grown(1), grown(2), id="running still"),
        pytest.param(grown(2, "interrupted"), grown(3, "finished"), id="gone on with"),
        pytest.param(grown(2), grown(2, "stopped"), id="ended without a further event"),
        pytest.param(grown(2), grown(2, "interrupted"), id="interrupted between two events"),
    ],
)
def test_a_run_from_a_file_gives_way_to_what_it_became_and_its_pin_stays(before, after):
    with store_with(before) as store:
        store.pin("a")

        taken = store.take_in([after])

        assert (taken.added, taken.known) == (("a",), ())
        assert store.record("a") == after
        assert store.summary("a").pinned
        assert len(store.series()) == 2
        assert store.take_in([before]).known == ("a",)
        assert store.record("a") == after


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(grown(3, "finished", header=header("a", seed=2)), id="another beginning"),
        pytest.param(grown(1, "finished"), id="less"),
        pytest.param(
            grown(3, "finished", events=[event(seq, n_measurements=1) for seq in range(3)]),
            id="other events",
        ),
    ],
)
def test_a_run_that_had_not_ended_gives_way_to_no_other(other):
    with store_with(grown(2)) as store, pytest.raises(StoreError, match="is not the same"):
        store.take_in([other])


def test_a_run_that_is_measured_here_gives_way_to_no_file():
    with contextlib.closing(open_store(":memory:")) as store:
        store.create_run(header("a"))
        store.append("a", [event(0, n_measurements=2)])

        with pytest.raises(StoreError, match="is not the same"):
            store.take_in([grown(2, "finished")])
        store.append("a", [event(1)])


def changed(path, value):
    made = document()
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return made


RUN = ("runs", 0)
DOCUMENT = (*RUN, "header", "document")
MEASUREMENT = (*RUN, "events", 1, "measurements", 1)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        pytest.param(("version",), 2, "version 2 of the format, this program knows 1", id="newer"),
        pytest.param(("runs",), {}, r"\$\.runs: \{\} is not of type 'array'", id="no list"),
        pytest.param((*RUN, "status"), ..., r"\$\.runs\[0\]: 'status' is a req", id="missing"),
        pytest.param((*RUN, "colour"), 1, r"'colour' was unexpected", id="unknown key"),
        pytest.param((*RUN, "events", 1, "seq"), 5, "not numbered from 0", id="gap"),
        pytest.param(
            (*MEASUREMENT, "block"), "7", r"\[1\]\.measurements\[1\]\.block: '7' is", id="text"
        ),
        pytest.param((*MEASUREMENT, "size"), 2**63, r"\]\.size: 9223372036854775808", id="large"),
        pytest.param(
            (*MEASUREMENT, "values", "wall_time_s"), float("inf"),
            r"measurements\[1\]\.values\.wall_time_s must be a finite number", id="infinite",
        ),
        pytest.param(
            (*MEASUREMENT, "size"), 0, r"\]\.size: 0 is less than the minimum of 1", id="no items"
        ),
        *(
            pytest.param(
                (*MEASUREMENT, "values", name), -1e-9,
                rf"measurements\[1\]\.values\.{name}: -1e-09 is less than the minimum of 0",
                id=f"negative {name}",
            )
            for name in SECONDS
        ),
        pytest.param((*RUN, "header", "id"), "two words", "printable ASCII", id="no id"),
        pytest.param((*RUN, "header", "started_utc"), "yesterday", "ISO 8601 instant", id="start"),
        pytest.param((*RUN, "header", "document", "mode"), "fast", "mode 'fast' is", id="mode"),
        pytest.param((*RUN, "result"), None, "exactly when it has ended", id="no result"),
        pytest.param(
            (*RUN, "curves", 0, "estimate", "low"), 3.0,
            r"\$\.runs\[0\]\.curves\[0\]\.estimate: 1\.0 is not within", id="interval",
        ),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_in_one_line_with_the_place(path, value, words):
    text = json.dumps(changed(path, value))

    with store_with() as store:
        with pytest.raises(StoreError, match=words) as refusal:
            store.take_in(read(text))

        assert store.runs() == ()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "is no JSON", id="empty"),
        pytest.param(b"\xff\xfe\x00", "is no JSON", id="no text"),
        pytest.param(b"[" * 100_000, "is nested deeper than 64 levels", id="deep"),
        pytest.param(b'{"a":' * 80 + b"1" + b"}" * 80, r"\$\.a\.a.* is nested deeper", id="depth"),
        pytest.param(b"1" * 5000, "is no JSON", id="a number of 5000 digits"),
        pytest.param(b'{"colour": "red"}', "is neither a file of parbench export", id="other"),
        pytest.param(b"[]", "is neither a file", id="a list"),
    ],
)
def test_what_is_no_file_of_runs_is_refused(data, words):
    with pytest.raises(StoreError, match=words) as refusal:
        read_runs(data, source="runs.json", about=ABOUT)

    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(document()))

    with pytest.raises(UsageError, match="has more than 100 bytes"):
        read_file(path, max_bytes=100)


def test_a_measurement_of_a_block_whose_plan_is_not_known_has_no_size_and_is_taken():
    made = document()
    made["runs"][0]["events"][1]["measurements"][1] |= {"epoch": -1, "size": -1}

    (record,) = read(json.dumps(made))

    assert record.events[1].measurements[1].size == -1


def test_a_run_that_is_there_twice_in_a_file_is_refused():
    made = document()
    made["runs"].append(copy.deepcopy(made["runs"][0]))

    with pytest.raises(StoreError, match=r"\$\.runs\[1\]\.header\.id is there twice"):
        read(json.dumps(made))


def test_a_machine_under_the_fingerprint_of_another_is_refused():
    honest = changed(
        (*DOCUMENT, "machine"), MACHINE.as_json() | {"fingerprint": MACHINE.fingerprint}
    )
    assert len(read(json.dumps(honest))) == 1
    honest["runs"][0]["header"]["document"]["machine"]["fingerprint"] = "0ff1ce0ff1ce"

    with pytest.raises(StoreError, match=r"machine\.fingerprint is 0ff1ce0ff1ce but the machine"):
        read(json.dumps(honest))


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param({}, id="nothing else"),
        pytest.param({"cpu_model": "Abacus 3"}, id="a part"),
        pytest.param(MACHINE.as_json() | {"colour": "red"}, id="more"),
        pytest.param(MACHINE.as_json() | {"logical_cores": "1"}, id="a wrong type"),
    ],
)
def test_a_fingerprint_that_does_not_follow_from_its_machine_is_refused(machine):
    file = changed((*DOCUMENT, "machine"), machine | {"fingerprint": MACHINE.fingerprint})

    with pytest.raises(StoreError, match=r"nothing says that it is this machine's .*leave it out"):
        read(json.dumps(file))


def test_the_fingerprint_of_another_tools_machine_is_taken_as_it_is():
    given = {"fingerprint": "foreign-3c41d07e99aa", "called": "laptop"}
    records = read(json.dumps(changed((*DOCUMENT, "machine"), given)))

    with store_with(*records) as store:
        assert store.summary("a").machine == "foreign-3c41d07e99aa"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("machine", [1], r"document\.machine: \[1\] is not of type"),
        ("machine", {"fingerprint": 5}, r"machine\.fingerprint: 5 is not of type 'string'"),
        ("metrics", 5, r"document\.metrics: 5 is not of type 'array'"),
        ("metrics", [{"name": "abs_error", "bogus": 1}], r"metrics\[0\]: not the description of"),
        ("metrics", [{"name": 5, "unit": "1"}], r"metrics\[0\]: a metric's name and unit must be"),
        ("metrics", [{"name": "x", "unit": "1", "better": "up"}], "unknown direction or scale"),
        ("candidates", 5, r"document\.candidates: 5 is not of type 'array'"),
        ("candidates", [{"name": 5}], r"candidates\[0\]\.name: 5 is not of type 'string'"),
        ("candidates", [{"name": "x", "resources": 5}], r"candidates\[0\]\.resources: 5 is not"),
        (TAKEN_IN, True, r"runs\[0\]\.header\.document\.taken_in_from_a_file is what a store"),
        (TAKEN_IN, False, r"taken_in_from_a_file .*: leave it out"),
    ],
)
def test_what_readers_take_from_a_header_is_checked_with_the_place(name, value, words):
    with pytest.raises(StoreError, match=words) as refusal:
        read(json.dumps(changed((*DOCUMENT, name), value)))

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "wrong",
    [{"libraries": None}, {"libraries": 5}, {"memory_bytes": None}, {"caches": [{"name": "L1d"}]}],
)
def test_a_machine_with_a_value_of_another_type_is_kept_as_one_that_nobody_knows(wrong):
    file = changed((*DOCUMENT, "machine"), MACHINE.as_json() | wrong)

    with store_with(*read(json.dumps(file))) as store:
        assert store.summary("a").machine.startswith("foreign-")
        assert run_figures(store, "a").machine is None


@pytest.mark.parametrize("told", [None, {}, {"cpu_model": "Abacus 3"}], ids=["null", "{}", "part"])
def test_runs_of_machines_that_a_file_does_not_tell_are_never_one_series(told):
    file = changed((*DOCUMENT, "machine"), told)
    other = copy.deepcopy(file["runs"][0])
    other["header"]["id"] = "b"
    file["runs"].append(other)
    records = read(json.dumps(file))

    with store_with(*records) as store:
        prints = [store.summary(run).machine for run in ("a", "b")]
        again = tuple(store.record(run) for run in ("a", "b"))

    assert len(set(prints)) == 2
    assert "" not in prints
    assert again == records


def test_what_a_store_holds_of_metrics_and_candidates_that_nobody_knows_is_passed_over():
    odd = header(
        "a",
        machine=[1],
        metrics=[{"name": "abs_error", "bogus": 1}, 5],
        candidates=[{"name": "candidate_0", "resources": 5}, 5],
    )
    row = dataclasses.replace(measurement(0, 0), values={"abs_error": 0.5})
    with contextlib.closing(open_store(":memory:")) as store:
        store.create_run(odd)
        store.append("a", [dataclasses.replace(event(0), measurements=(row,))])
        store.finish_run("a", "finished", {})

        assert change_hints(store=store, metric="abs_error").n_series == 1
        assert run_figures(store, "a").on_gpu == frozenset()


@given(
    value=JSON_VALUES,
    key=st.sampled_from([*sorted(document()["runs"][0]["events"][0]["measurements"][0]), "x"]),
)
@settings(max_examples=100, deadline=None)
def test_what_is_plainly_right_the_schema_accepts_too(value, key):
    made = document()
    row = made["runs"][0]["events"][0]["measurements"][0]
    row[key] = value
    if is_plainly_right(row):
        # a neighbour that is not plainly right makes the schema look at the whole event
        made["runs"][0]["events"][0]["measurements"][1]["block"] = 1.0

        refuse_malformed(made, source="runs.json")


# ---------------------------------------------------------------- fuzzing

DESCRIBED = changed(
    DOCUMENT,
    {
        "mode": "batch",
        "machine": MACHINE.as_json(),
        "git": {"commit": "c0ffee", "dirty": False},
        "metrics": [{"name": "abs_error", "unit": "1", "floor": 1e-9}],
        "candidates": [{"name": "candidate_0", "parameters": {}, "resources": {"GPU": 1}}],
        "settings": {"prime": True, "min_time_s": 0.1},
    },
)


def of_kind(kind, *, events=(), result=None, **described):
    """Return a small file with one run as JSON values; without a result it has not ended."""
    made = header("a", machine=MACHINE.as_json(), mode="batch", **described)
    record = RunRecord(
        header=dataclasses.replace(made, kind=kind),
        status="running" if result is None else "finished",
        result=result,
        events=[
            EventRecord(seq=seq, at_s=float(seq), kind=name, payload=payload)
            for seq, (name, payload) in enumerate(events)
        ],
    )
    return json.loads(text_of(record))


WATCHED = {
    "watch": {"size": 1000},
    "series": [{"candidate": "candidate_0", "metric": "wall_time_s", "verdict": "regression"}],
}
LEFT = {"candidate": "candidate_0", "reason": "slow"}
PLAN = {"sizes": [10], "backends": ["threads"], "workers": [1, 2]}
BASES = [
    document(),
    DESCRIBED,
    of_kind("race", events=[("Eliminated", LEFT), ("Returned", LEFT), ("Eliminated", LEFT)]),
    of_kind("study", events=[("StudyPlanned", PLAN)], plan=PLAN),
    of_kind("watch", result=WATCHED),
    *FILES.values(),
]


def places(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(member, (*path, key))


FREE = {"document", "payload", "result"}


@st.composite
def mutated(draw):
    made = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        everywhere = sorted(places(made), key=repr)
        # half of them where nothing but its reader says what a value must be
        free = [path for path in everywhere if FREE.intersection(path)]
        path = draw(st.sampled_from(draw(st.sampled_from([everywhere, free or everywhere]))))
        if not path:
            continue
        holder = made
        for key in path[:-1]:
            holder = holder[key]
        act = draw(st.sampled_from(["put", "put", "drop", "copy", "rename"]))
        if act == "put":
            holder[path[-1]] = draw(
                JSON_VALUES | st.sampled_from([float("nan"), 10**400, -(2**63), "\ud800", "\0"])
            )
        elif act == "drop":
            del holder[path[-1]]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[path[-1]]))
        else:
            holder[draw(ANY_TEXT)] = holder[path[-1]]
    return made


@given(made=mutated(), cut=st.none() | st.integers(0, 3000))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_file_holds_it_is_taken_in_whole_or_refused_with_words(made, cut):
    empty_the_store()
    data = json.dumps(made).encode()[:cut]
    records = taken_in(data)
    text = text_of(*records)

    assert text_of(*read(text)) == text


FUZZED = open_store(":memory:")
THE_END = dt.datetime.max.replace(tzinfo=dt.UTC)


def empty_the_store():
    for summary in FUZZED.runs():
        if summary.result is None:
            FUZZED.finish_run(summary.id, "stopped", {})
    FUZZED.prune(before=THE_END)
    assert FUZZED.runs() == ()


def taken_in(data):
    """Return what the store has of a file afterwards; nothing of one that it refused."""
    try:
        records = read_runs(data, source="runs.json", about=ABOUT).records
        FUZZED.take_in(records)
    except (StoreError, UsageError) as error:
        refusal = str(error)
    else:
        for metric in {point.key.metric for point in FUZZED.series(metric=None)}:
            change_hints(store=FUZZED, metric=metric)
        with contextlib.suppress(UnknownNameError):  # figures, but no times among them
            load_record(store=FUZZED)  # the alarms of watches too, which are no points
        FUZZED.matrix()
        points = FUZZED.series()
        if len({(point.key.workload, point.key.mode) for point in points}) <= 1:
            profile_rows(points)
        for record in records:
            shown(record.header.id)
        kept = [FUZZED.record(record.header.id) for record in records]
        assert kept == list(records)
        return kept
    assert "\n" not in refusal
    assert FUZZED.runs() == ()
    return []


def shown(run_id):
    """Ask of a run what its readers ask; whatever cannot be told is refused with words."""
    told, summary = FUZZED.header(run_id), FUZZED.summary(run_id)
    with contextlib.suppress(UsageError):
        figures = run_figures(FUZZED, run_id)
        compare_figures(figures, figures)
    latest_roofline(FUZZED, MACHINE)
    show_document(told, summary, FUZZED.events(run_id), summarize(FUZZED.usage(run_id)))
    about_text(about_document(told))
    run_settings(told, FUZZED.events(run_id))


def test_the_fuzzed_files_are_of_every_tool():
    assert {one.NAME for one in IMPORTERS} == {name.partition(" ")[0] for name in FILES}
