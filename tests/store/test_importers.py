"""Other tools' files become runs of kind "imported", each with its own words for what it holds."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import json

import pytest

from parbench_lab.core.series import Mode
from parbench_lab.errors import StoreError
from parbench_lab.lab.change_hints import change_hints
from parbench_lab.lab.record import load_record
from parbench_lab.store import open_store
from parbench_lab.store.exchange import read_runs
from parbench_lab.store.importers import About
from tests.store.foreign_files import FILES

STARTED = dt.datetime(2025, 5, 5, tzinfo=dt.UTC)


def records(tool, document=None, **about):
    given = About(**{"name": "file", "started": STARTED, **about})
    data = json.dumps(FILES[tool] if document is None else document).encode()
    found = read_runs(data, source="x.json", about=given)
    assert found.tool == tool
    return found.records


def samples(record):
    """Return candidate to the values of its judged measurements."""
    return {
        event.payload["benchmark"]: [
            dict(row.values)
            for row in event.measurements
            if row.outcome == "ok" and not row.warm_up
        ]
        for event in record.events
    }


def test_pytest_benchmark_becomes_a_run_for_each_file_of_tests():
    sort, read = records("pytest-benchmark")

    assert (sort.header.name, read.header.name) == ("tests/test_sort.py", "tests/test_io.py")
    assert samples(sort) == {
        "test_sort[1000]": [{"wall_time_s": 0.001}, {"wall_time_s": 0.002}, {"wall_time_s": 0.003}]
    }
    assert samples(read) == {"test_read": [{"wall_time_s": 0.4}]}
    assert sort.events[0].measurements[0].repeats == 10
    assert sort.header.document["git"] == {"commit": "c0ffee1234", "dirty": True}
    assert sort.header.started_utc == "2026-01-02T03:04:05.678901+00:00"


@pytest.mark.parametrize("said", ["unversioned", "unknown"])
def test_what_pytest_benchmark_says_of_no_commit_is_none(said):
    document = FILES["pytest-benchmark"] | {"commit_info": {"id": said, "dirty": False}}

    found = records("pytest-benchmark", document)

    assert [run.header.document["git"] for run in found] == [None, None]


def test_hyperfine_becomes_a_run_with_a_candidate_for_each_command():
    (run,) = records("hyperfine", name="startup")

    assert run.header.name == "startup"
    assert run.header.started_utc == STARTED.isoformat()
    assert samples(run)["sleep 0.1"][1] == {"wall_time_s": 0.11, "peak_rss_bytes": 2e6}
    assert samples(run)["sleep 0.2"] == [{"wall_time_s": 0.21}]
    assert run.events[0].measurements[1].message == "exit code 1"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        pytest.param(
            [{"rev": "a"}, {"rev": "b"}], ["./prog (rev=a)", "./prog (rev=b)"], id="one parameter"
        ),
        pytest.param(
            [{"rev": "a", "n": "1"}, {"rev": "a", "n": "2"}],
            ["./prog (rev=a, n=1)", "./prog (rev=a, n=2)"],
            id="two parameters",
        ),
        pytest.param([{}, None], ["./prog", "./prog #2"], id="no parameters"),
        pytest.param(
            [{"rev": "a"}, {"rev": "a"}, {}],
            ["./prog (rev=a)", "./prog (rev=a) #2", "./prog"],
            id="the same parameters",
        ),
        pytest.param([{"rev": "a"}], ["./prog"], id="once"),
    ],
)
def test_one_command_under_several_parameters_is_as_many_candidates_of_hyperfine(given, names):
    results = [
        {"command": "./prog", "times": [1.0 + number], "parameters": parameters}
        for number, parameters in enumerate(given)
    ]

    (run,) = records("hyperfine", {"results": results})

    assert samples(run) == {
        name: [{"wall_time_s": 1.0 + number}] for number, name in enumerate(names)
    }
    assert [one["name"] for one in run.header.document["candidates"]] == names


def test_a_numbered_name_of_hyperfine_takes_no_name_that_another_command_has():
    commands = ("./prog", "./prog", "./prog #2")

    (run,) = records("hyperfine", {"results": [{"command": c, "mean": 1.0} for c in commands]})

    assert list(samples(run)) == ["./prog", "./prog #3", "./prog #2"]


def test_google_benchmark_becomes_a_run_of_its_program():
    (run,) = records("google-benchmark")

    assert run.header.name == "bench_sort"
    assert samples(run)["BM_Sort/1024"] == [
        {"wall_time_s": pytest.approx(20e-6), "cpu_time_s": pytest.approx(19.5e-6)},
        {"wall_time_s": pytest.approx(21e-6), "cpu_time_s": pytest.approx(19.5e-6)},
    ]
    assert samples(run)["BM_Only"][0]["wall_time_s"] == pytest.approx(2e-3)
    assert samples(run)["BM_Broken"] == []
    assert run.events[1].measurements[0].message == "no input"


def test_google_benchmarks_old_dates_are_read():
    document = copy.deepcopy(FILES["google-benchmark"])
    document["context"]["date"] = "2016/10/27-17:39:21"

    (run,) = records("google-benchmark", document)

    assert run.header.started_utc == "2016-10-27T17:39:21+00:00"


def test_pyperf_keeps_warm_ups_processes_and_memory():
    (run,) = records("pyperf")
    telco = run.events[0].measurements

    assert samples(run) == {
        "telco": [
            {"wall_time_s": 0.010, "peak_rss_bytes": 2e7},
            {"wall_time_s": 0.011, "peak_rss_bytes": 2e7},
        ],
        "hash_size": [{"value_bytes": 1024}],  # neither resident nor said to be traced
    }
    assert [row.repeats for row in telco] == [1, 8, 8, 8, 8]
    assert [row.warm_up for row in telco] == [True, True, True, False, False]
    assert {row.worker for row in telco} == {"process 0", "process 1"}
    assert run.header.started_utc == "2026-01-02T03:04:05.123456+00:00"


def test_what_all_processes_of_pyperf_have_in_common_counts_for_each():
    document = copy.deepcopy(FILES["pyperf"])
    run = document["benchmarks"][0]["runs"][1]
    del run["metadata"]["loops"], run["metadata"]["mem_max_rss"]
    document["metadata"] |= {"loops": 8192, "inner_loops": 3, "mem_max_rss": 3e7}

    (found,) = records("pyperf", document)

    (*_, last) = found.events[0].measurements
    assert last.repeats == 3 * 8192
    assert last.values["peak_rss_bytes"] == 3e7
    assert found.events[0].measurements[1].repeats == 3 * 8


def test_seconds_of_another_clock_of_pytest_benchmark_are_not_wall_time():
    document = copy.deepcopy(FILES["pytest-benchmark"])
    document["benchmarks"][0]["options"]["timer"] = "process_time"

    sort, read = records("pytest-benchmark", document)

    assert samples(sort)["test_sort[1000]"][0] == {"cpu_time_s": 0.001}
    assert samples(read) == {"test_read": [{"wall_time_s": 0.4}]}


def test_the_clock_of_the_moment_makes_no_other_machine_of_google_benchmark():
    document = copy.deepcopy(FILES["google-benchmark"])
    document["context"]["mhz_per_cpu"] = 2593

    machines = {
        run.header.document["machine"]["fingerprint"]
        for given in (document, FILES["google-benchmark"])
        for run in records("google-benchmark", given)
    }

    assert len(machines) == 1


def test_aggregates_of_google_benchmark_are_summaries_also_in_old_files():
    document = copy.deepcopy(FILES["google-benchmark"])
    kinds = ("mean", "median", "stddev")
    document["benchmarks"] = [
        {"name": f"BM_Old/8_{kind}", "iterations": 5, "real_time": 2.0, "cpu_time": 1.0}
        for kind in kinds
    ] + [{"name": "BM_Old/8_BigO", "cpu_coefficient": 1.5, "big_o": "N"}]

    (old,) = records("google-benchmark", document)
    (new,) = records("google-benchmark")

    assert list(samples(old)) == ["BM_Old/8"]
    for run in (old, new):
        (row,) = run.events[-1 if run is old else 2].measurements
        assert (row.repeats, row.message) == (1, "the file holds this summary only")


def test_an_old_benchmark_of_google_may_be_called_like_an_aggregate():
    document = copy.deepcopy(FILES["google-benchmark"])
    own = ("BM_geo_mean", "BM_var_stddev")
    names = (*own, "BM_Sort", "BM_Sort", "BM_Sort_mean", "BM_Sort_stddev")
    document["benchmarks"] = [
        {"name": name, "iterations": 500, "real_time": 2.0, "cpu_time": 1.0} for name in names
    ]

    (run,) = records("google-benchmark", document)

    assert {name: len(found) for name, found in samples(run).items()} == {
        "BM_geo_mean": 1,
        "BM_var_stddev": 1,
        "BM_Sort": 2,
    }
    assert run.events[0].measurements[0].repeats == 500


def test_asv_becomes_a_candidate_for_each_combination_of_parameters():
    suite, alone = records("asv", name="track")

    assert suite.header.name == "sorting.Suite"
    assert samples(suite) == {
        "time_sort(10, 'a')": [{"wall_time_s": 0.09}, {"wall_time_s": 0.11}],
        "time_sort(20, 'a')": [{"wall_time_s": 0.3}],
        "peakmem_sort": [{"peak_rss_bytes": 5e7}],
    }
    assert (alone.header.name, samples(alone)) == ("track", {"track_size": [{"value": 7.0}]})
    assert suite.header.started_utc == "2026-01-02T03:04:05+00:00"
    assert suite.header.document["git"]["commit"] == "c0ffee1234"
    assert [row.repeats for row in suite.events[0].measurements] == [250, 250]


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("TimeRange", "wall_time_s"),
        ("Timeraw_import", "wall_time_s"),
        ("PeakMemSort", "peak_rss_bytes"),
        ("MemList", "object_bytes"),
        ("TrackTimes", "value"),
        ("Timely", "value"),
    ],
)
def test_asv_means_the_same_by_names_in_camel_case(name, metric):
    document = FILES["asv"] | {"results": {f"suite.{name}": [[2.0], [], "v1"]}}

    (run,) = records("asv", document)

    assert samples(run) == {name: [{metric: 2.0}]}


@pytest.mark.parametrize("tool", FILES)
def test_every_tools_figures_are_in_the_series_of_a_foreign_machine(tool):
    given = records(tool)
    store = open_store(":memory:")
    store.take_in(given)

    points = store.series(metric=None)
    runs = store.runs()
    store.close()

    assert {run.kind for run in runs} == {"imported"}
    assert {point.key.mode for point in points} == {Mode.MICRO}
    assert {point.run_id for point in points} == {one.header.id for one in given}
    assert all(point.key.machine.startswith("foreign-") for point in points)


@pytest.mark.parametrize("tool", FILES)
def test_nothing_of_a_hosts_name_or_load_is_kept(tool):
    text = json.dumps([dict(one.header.document) for one in records(tool)])

    assert "my-host" not in text
    assert "load" not in text


@pytest.mark.parametrize("tool", FILES)
def test_the_same_file_gives_the_same_ids_and_another_gives_others(tool):
    document = copy.deepcopy(FILES[tool])
    ids = {one.header.id for one in records(tool)}
    document["further"] = 1

    assert {one.header.id for one in records(tool, started=STARTED.replace(day=6))} == ids
    assert ids.isdisjoint(one.header.id for one in records(tool, document))


@pytest.mark.parametrize("tool", FILES)
def test_a_name_that_the_user_gives_makes_another_run_only_of_what_it_names(tool):
    first = records(tool, name="x")
    again = records(tool, name="startup", named=True)

    for before, after in zip(first, again, strict=True):
        same_name = before.header.name == after.header.name
        assert (before.header.id == after.header.id) == same_name


def test_machines_that_nobody_described_are_never_taken_for_one():
    first, second = copy.deepcopy(FILES["hyperfine"]), copy.deepcopy(FILES["hyperfine"])
    second["results"][0]["times"][0] = 0.09

    prints = {
        one.header.document["machine"]["fingerprint"]
        for document in (first, second)
        for one in records("hyperfine", document)
    }

    assert len(prints) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"env_name": "conda-py3.12"},
        {"requirements": {"numpy": "2.0"}},
        {"env_vars": {"OMP_NUM_THREADS": "1"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_two_environments_of_one_commit_are_two_series_of_asv(other):
    (one, _), (two, _) = records("asv"), records("asv", {**FILES["asv"], **other})

    first, second = (one.header.document["machine"], two.header.document["machine"])

    assert first["fingerprint"] != second["fingerprint"]
    assert other.items() <= second.items()


@pytest.mark.parametrize("said", [{}, {"params": {}}], ids=["described", "not described"])
def test_two_environments_on_a_machine_that_the_user_names_are_two_series_of_asv(said):
    document = {**FILES["asv"], **said}
    other = {**document, "env_name": "conda-py3.12"}
    machines = [
        one.header.document["machine"]
        for file in (document, other, {**document, "commit_hash": "beef"})
        for one in records("asv", file, machine="laptop")
    ]

    by_print = {machine["fingerprint"]: machine.get("env_name") for machine in machines}
    assert sorted(by_print.values()) == ["conda-py3.12", "virtualenv-py3.12"]
    assert {machine["called"] for machine in machines} == {"laptop"}


def test_an_environment_of_asv_alone_describes_no_machine():
    here = {**FILES["asv"], "params": {}}
    prints = {
        one.header.document["machine"]["fingerprint"]
        for file in (here, {**here, "commit_hash": "beef"})
        for one in records("asv", file)
    }

    assert len(prints) == 4  # a run each: two suites in each of two files


def test_a_machine_that_the_user_names_is_one_whatever_the_file_says_of_it():
    without_environment = {name: of for name, of in FILES["asv"].items() if name != "env_name"}
    prints = {
        one.header.document["machine"]["fingerprint"]
        for tool, file in {**FILES, "asv": without_environment}.items()
        for one in records(tool, file, machine="laptop")
    }

    assert len(prints) == 1


@pytest.mark.parametrize(
    ("tool", "change", "words"),
    [
        pytest.param(
            "hyperfine", lambda d: d["results"][0].update(times=[0.1, "fast"]),
            r"\$\.results\[0\]\.times\[1\]: must be a finite number", id="a time is a text",
        ),
        pytest.param(
            "pyperf", lambda d: d["metadata"].update(unit="furlong"),
            r"\$\.metadata\.unit: must be one of second, byte, integer", id="unit",
        ),
        pytest.param(
            "google-benchmark", lambda d: d["benchmarks"][0].update(time_unit="days"),
            r"\$\.benchmarks\[0\]\.time_unit: must be one of", id="time unit",
        ),
        pytest.param(
            "asv", lambda d: d.update(version=1), "version 2 of asv's results is read", id="old",
        ),
        pytest.param(
            "pytest-benchmark", lambda d: d["benchmarks"].clear(), "holds no measured", id="empty",
        ),
        pytest.param(
            "pytest-benchmark", lambda d: d["benchmarks"][1].pop("stats"),
            r"\$\.benchmarks\[1\]: 'stats' is missing", id="no figures",
        ),
        pytest.param(
            "hyperfine", lambda d: d["results"][0].update(times=[0.1, -0.1]),
            r"\$\.results\[0\]\.times\[1\]: must be 0 s or more", id="before it began",
        ),
        pytest.param(
            "hyperfine", lambda d: d["results"][1].update(median=-0.1),
            r"\$\.results\[1\]\.median: must be 0 s or more", id="a negative median",
        ),
        pytest.param(
            "pytest-benchmark", lambda d: d["benchmarks"][0]["stats"].update(data=[-0.001]),
            r"\.stats\.data\[0\]: must be 0 s or more", id="a negative round",
        ),
        pytest.param(
            "google-benchmark", lambda d: d["benchmarks"][1].update(real_time=-2.0),
            r"\$\.benchmarks\[1\]\.real_time: must be 0 s or more", id="negative real time",
        ),
        pytest.param(
            "google-benchmark", lambda d: d["benchmarks"][1].update(cpu_time=-2.0),
            r"\$\.benchmarks\[1\]\.cpu_time: must be 0 s or more", id="negative CPU time",
        ),
        pytest.param(
            "pyperf", lambda d: d["benchmarks"][0]["runs"][1].update(values=[-0.01]),
            r"\.runs\[1\]\.values\[0\]: must be 0 s or more", id="a negative value",
        ),
        pytest.param(
            "asv", lambda d: d["results"]["sorting.Suite.time_sort"][0].__setitem__(0, -0.1),
            r"time_sort\[0\]\[0\]: must be 0 s or more", id="a negative result",
        ),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_with_the_place(tool, change, words):
    document = copy.deepcopy(FILES[tool])
    change(document)

    with pytest.raises(StoreError, match=words):
        records(tool, document)


def test_only_seconds_must_not_be_negative():
    document = copy.deepcopy(FILES["asv"])
    document["results"] = {"model.track_score": [[-3.0], [], "v1"]}

    (run,) = records("asv", document)

    assert samples(run) == {"track_score": [{"value": -3.0}]}


def test_a_time_below_the_clocks_step_is_kept_and_histories_go_on_without_it():
    document = copy.deepcopy(FILES["google-benchmark"])
    for one in document["benchmarks"][:2]:
        one["real_time"] = 0.0
    with contextlib.closing(open_store(":memory:")) as store:
        store.take_in(records("google-benchmark", document))

        history = load_record(store=store)
        report = change_hints(store=store)

    assert min(point.median.point for point in history.points) == 0.0
    assert report.n_short == report.n_series == 2
