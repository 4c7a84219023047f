"""Histories: read from a store, told as a table, drawn over time."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.lab.change_hints import change_hints
from parbench_lab.lab.record import load_record
from parbench_lab.plots import history_data, history_figure, history_figures
from parbench_lab.plots.history import ALARMS_AT_MOST, PANELS_AT_MOST
from parbench_lab.reports import history_text
from parbench_lab.store import open_store
from tests.analysis.comparison.figures import HERE
from tests.lab.test_comparing import stored
from tests.reports.recorded import EVIL, record_alarm, record_runs


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "runs.db"
    record_runs(path, 24, change_at=12)
    record_alarm(path, 30)
    return path


@pytest.fixture(scope="module")
def record(place):
    return load_record("sorting", place)


def test_every_series_has_its_row_and_machines_are_never_mixed(record):
    found = [(row.key.candidate, row.key.machine, len(row.points)) for row in record.rows]

    assert found == [
        ("loop", "aaaa", 24),
        ("windows", "aaaa", 24),
        ("loop", "bbbb", 24),
        ("windows", "bbbb", 24),
    ]
    assert record.machines == {"aaaa": "CPU aaaa", "bbbb": "CPU bbbb"}


def test_a_change_is_a_hint_and_a_watchs_verdict_is_an_alarm(record):
    told = {(mark.kind, mark.key.candidate, mark.worse) for mark in record.marks}

    assert told == {("hint", "loop", True), ("alarm", "loop", True)}
    assert "1 alarm, 2 change points (hints)" in record.sentence


def test_an_improvement_of_a_watch_is_no_alarm_for_the_worse(tmp_path):
    record_alarm(tmp_path / "runs.db", 1, verdict="improvement")

    found = load_record("sorting", tmp_path / "runs.db")

    assert [(mark.kind, mark.worse) for mark in found.marks] == [("alarm", False)]
    assert ": 0 alarms" in found.sentence


def test_one_candidate_is_asked_for_behind_a_slash(place):
    found = load_record("sorting/windows", place)

    assert {row.key.candidate for row in found.rows} == {"windows"}


def test_a_machine_is_asked_for_by_the_beginning_of_its_fingerprint(place):
    found = load_record("sorting", place, machine="aa", last=3)

    assert {row.key.machine for row in found.rows} == {"aaaa"}
    assert [len(row.points) for row in found.rows] == [3, 3]


@pytest.mark.parametrize(
    ("name", "words"),
    [("sortin", "workloads with figures: sorting"), ("sorting/quick", "loop, windows")],
)
def test_a_name_without_figures_is_refused_with_those_that_have_some(place, name, words):
    with pytest.raises(UnknownNameError, match=words):
        load_record(name, place)


def test_an_empty_store_says_how_to_fill_it():
    assert "parbench race" in history_text(load_record(store=":memory:"))


def test_the_table_has_a_trend_the_commit_and_the_changes(record):
    lines = history_text(record).splitlines()

    loop = next(line for line in lines if " loop " in line and "bbbb" in line)
    assert "█" in loop
    assert "0023abcdef" in loop
    assert loop.endswith("?+")
    assert any(line.startswith("!+ loop (wall_time_s): regression") for line in lines)


def test_as_json_there_is_every_point_with_its_interval(record):
    (loop, *_) = record.as_json()["series"]

    assert loop["points"][0]["median"]["low"] <= loop["points"][0]["median"]["point"]
    assert loop["points"][0]["started_utc"] == "2026-03-01T00:00:00+00:00"
    assert {change["kind"] for change in loop["changes"]} == {"hint", "alarm"}


def test_machines_of_other_tools_are_told_apart_in_the_table(tmp_path):
    machines = ("foreign-aaaa00000000", "foreign-bbbb00000000")
    record_runs(tmp_path / "runs.db", 1, candidates=("a",), machines=machines, blocks=6)

    lines = history_text(load_record("", tmp_path / "runs.db")).splitlines()

    assert [line.split()[4] for line in lines[2:4]] == ["foreign-aaaa00", "foreign-bbbb00"]


# ---------------------------------------------------------------- drawn


def test_machines_of_one_model_are_told_apart_by_what_they_differ_in(tmp_path):
    other = replace(HERE, libraries={"scikit-learn": "1.9.1"})
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        for day, machine in enumerate((HERE, other), 1):
            stored(store, f"run-{day}", {"quick": 1e-3}, machine, day=day)

    text = history_text(load_record("sorting", tmp_path / "runs.db"))

    first, second = HERE.fingerprint[:6], other.fingerprint[:6]
    assert f"machine {first}: Abacus 3\n" in text
    difference = f"as {first} but for scikit-learn 1.9.1 ({first}: not there)"
    assert f"machine {second}: Abacus 3, {difference}" in text
    assert "2 runs, 2 series, 1 machine:" in text


def test_a_figure_is_of_one_machine_and_has_its_marks(record):
    data = history_data(record.points, record.marks, machines=record.machines)

    assert [panel.title.splitlines()[1] for panel in data.panels] == [
        "on CPU aaaa (aaaa)",
        "on CPU bbbb (bbbb)",
    ]
    first = data.panels[0]
    assert sorted(first.marks["kind"]) == ["alarm", "hint"]
    assert first.series["windows"]["commit"][0] == "0000abcdef"
    assert len(first.series["loop"]["value"]) == 24


def test_nights_of_a_watch_among_races_are_taken_for_no_change(tmp_path):
    record_runs(tmp_path / "runs.db", 24, machines=("aaaa",))
    for day in range(12, 24):
        record_alarm(tmp_path / "runs.db", day, level_s=3e-3)

    found = change_hints("sorting", store=tmp_path / "runs.db")

    assert found.hints == ()
    assert found.n_series == 2


def test_an_alarm_stands_on_its_night_at_the_height_of_the_race_before_it(record):
    (loop, *_), (alarm,) = record.rows, [mark for mark in record.marks if mark.kind == "alarm"]

    panel = history_data(record.points, record.marks).panels[0]

    at = panel.marks["kind"].index("alarm")
    assert panel.marks["started"][at] == alarm.started > loop.newest.started
    assert panel.marks["value"][at] == loop.newest.median.point


def test_an_alarm_from_before_the_first_point_is_told_below_the_figure(tmp_path):
    for day in range(-30, 0):
        record_alarm(tmp_path / "runs.db", day, sentence=f"{day} < 0")
    record_runs(tmp_path / "runs.db", 1, machines=("aaaa",))
    found = load_record("sorting", tmp_path / "runs.db")

    data = history_data(found.points, found.marks)

    assert [mark.kind for mark in found.marks] == ["alarm"] * 30
    assert data.panels[0].marks["kind"] == []
    head, *told, left = history_figures(data).children[-1].text.split("<br>")
    assert (head, left) == (
        "30 alarms of what is not drawn here:",
        "and 10 more (parbench history)",
    )
    assert len(told) == ALARMS_AT_MOST
    assert "-1 &lt; 0 (sorting at 1,000 items" in told[0]


def test_a_night_that_failed_is_an_alarm(tmp_path):
    record_runs(tmp_path / "runs.db", 1, machines=("aaaa",))
    record_alarm(tmp_path / "runs.db", 1, verdict="failed", sentence="loop: failed: wrong")

    found = load_record("sorting", tmp_path / "runs.db")

    assert "1 alarm," in found.sentence
    assert "!+ loop: failed: wrong" in history_text(found)
    assert history_data(found.points, found.marks).panels[0].marks["way"] == ["worse"]


def test_what_was_only_watched_has_its_alarms_told_and_no_figures(tmp_path):
    record_alarm(tmp_path / "runs.db", 1)

    found = load_record("sorting", tmp_path / "runs.db")

    assert found.rows == ()
    assert "!+ loop (wall_time_s): regression" in history_text(found)
    assert [one["kind"] for one in found.as_json()["unplaced"]] == ["alarm"]
    with pytest.raises(UnknownNameError, match="no wall_time_s of 'sorting/windows'"):
        load_record("sorting/windows", tmp_path / "runs.db")


@pytest.mark.parametrize("name", ["", "sorting"])
def test_nights_without_alarms_and_races_are_counted_and_not_nothing(tmp_path, name):
    for day in range(3):
        record_alarm(tmp_path / "runs.db", day, verdict="equal")

    found = load_record(name, tmp_path / "runs.db")

    told = "3 nights of watch, no figures of races; parbench race makes some"
    assert history_text(found) == told
    assert page_of(found) == f"{told}."
    assert "0 machines, 3 nights of watch: 0 alarms" in found.sentence
    assert found.as_json()["nights"] == 3


def test_below_alarms_without_points_nothing_says_that_nothing_was_measured(tmp_path):
    for day in range(2):
        record_alarm(tmp_path / "runs.db", day)

    found = load_record("", tmp_path / "runs.db")

    first, *rest = history_text(found).splitlines()
    assert first == "2 nights of watch, no figures of races; parbench race makes some"
    assert sum(line.startswith("!+ loop") for line in rest) == 2
    assert page_of(found) == f"{first}."
    alone, alarms = history_figures(history_data([], found.marks)).children
    assert alone.text == f"{first}."  # the alarms are of so many nights at least
    assert alarms.text.startswith("2 alarms of what is not drawn here:<br>")


def test_nights_of_another_machine_or_metric_than_asked_for_are_no_empty_store(tmp_path):
    record_alarm(tmp_path / "runs.db", 0)
    record_runs(tmp_path / "raced.db", 1)
    record_alarm(tmp_path / "raced.db", 5, verdict="equal")

    with pytest.raises(UnknownNameError, match="metrics with figures: none; parbench race makes"):
        load_record("", tmp_path / "runs.db", machine="dead")
    with pytest.raises(UnknownNameError, match="no typo of 'sorting' in the store"):
        load_record("sorting", tmp_path / "raced.db", metric="typo")


def page_of(record):
    """Return the first text of a page without figures."""
    data = history_data(record.points, record.marks, nights=record.nights)
    return history_figures(data).children[0].text


@pytest.mark.parametrize("verdict", [[], {"a": 1}, 5, "unheard of"])
def test_a_verdict_that_no_watch_gives_is_no_alarm(tmp_path, verdict):
    record_alarm(tmp_path / "runs.db", 1)
    record_alarm(tmp_path / "runs.db", 2, verdict)

    assert [mark.run_id for mark in load_record("", tmp_path / "runs.db").marks] == ["watch-0001"]


@pytest.mark.parametrize("name", ["machine", "metric"])
def test_a_machine_or_metric_that_is_no_text_is_refused(name):
    for value in (None, 5, ["wall_time_s"]):
        with pytest.raises(UsageError, match=f"{name} must be a text but got"):
            load_record(store=":memory:", **{name: value})


def test_marks_of_series_that_are_not_shown_are_passed_over(record):
    points = [point for point in record.points if point.key.candidate == "windows"]

    data = history_data(points, record.marks)

    assert all(panel.marks["kind"] == [] for panel in data.panels)


def test_the_figure_has_intervals_and_a_line_for_each_candidate_under_its_own_name(tmp_path):
    record_runs(tmp_path / "runs.db", 3, candidates=(EVIL, "$$x"), machines=("aaaa",))
    found = load_record("sorting", tmp_path / "runs.db")

    (panel,) = history_data(found.points).panels
    drawn = history_figure(panel, log=True)

    names = {renderer.name for renderer in drawn.renderers if renderer.name}
    assert {EVIL, "$$x"} <= names  # text: a hover escapes it
    labels = [item.label.value for item in drawn.legend[0].items]
    assert labels == [EVIL, "$ $x"]
    sources = {r.data_source.name for r in drawn.renderers if r.data_source.name}
    assert sources == {f"history:{EVIL}", "history:$$x", "history:commits"}


def test_a_page_has_so_many_figures_at_most_and_says_how_many_are_left(tmp_path):
    machines = [f"m{i:03d}" for i in range(PANELS_AT_MOST + 2)]
    record_runs(tmp_path / "runs.db", 1, candidates=("a",), machines=machines, blocks=6)

    data = history_data(load_record("", tmp_path / "runs.db").points)
    page = history_figures(data)

    assert len(page.children) == PANELS_AT_MOST + 1
    assert page.children[-1].text.startswith("2 more")


def test_nothing_measured_is_a_page_that_says_so():
    (only,) = history_figures(history_data([])).children

    assert "Nothing" in only.text


@pytest.fixture(scope="module")
def own_files(tmp_path_factory):
    path = tmp_path_factory.mktemp("own_files") / "runs.db"
    record_runs(path, 2, workload="mymodule:Doubling", machines=("aaaa",))
    record_runs(path, 2, workload="other:Doubling", machines=("bbbb",))
    return path


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("mymodule:Doubling", {"loop", "windows"}),
        ("mymodule.py", {"loop", "windows"}),
        ("./bench/mymodule.py", {"loop", "windows"}),
        ("mymodule", {"loop", "windows"}),
        ("mymodule.py/loop", {"loop"}),
        ("mymodule/loop", {"loop"}),
    ],
)
def test_a_file_or_module_finds_its_workload_and_no_other(own_files, name, candidates):
    found = load_record(name, own_files)

    assert {row.key.workload for row in found.rows} == {"mymodule:Doubling"}
    assert {row.key.candidate for row in found.rows} == candidates


def test_hints_are_of_the_workload_in_a_file(own_files):
    found = change_hints("./bench/mymodule.py", store=own_files)

    assert (found.n_series, found.n_short) == (2, 2)


def test_a_class_of_two_files_is_refused_with_both_names(own_files):
    with pytest.raises(UnknownNameError, match="mymodule:Doubling, other:Doubling"):
        load_record("Doubling", own_files)
