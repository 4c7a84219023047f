"""The reports that come with the package, each executed once, with small parameters."""

from __future__ import annotations

import json
import re
import sys

import nbformat
import pytest
from click.testing import CliRunner

from parbench_lab.cli import parbench
from parbench_lab.reports import render
from parbench_lab.reports.sources import FOLDER
from parbench_lab.store import open_store
from tests.reports.notebooks import outputs
from tests.reports.recorded import EVIL, record_runs
from tests.reports.test_rendering import pages

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MODULE = f"""
import parbench_lab as pb

def adding(case):
    return sum(case)

def looping(case):
    total = 0
    for number in case:
        total += number
    return total

def wrong(case):
    raise ValueError({EVIL!r})

CANDIDATES = [
    pb.candidate(adding), pb.candidate(looping), pb.Candidate(name={EVIL!r}, function=wrong)
]

class Sums:
    name = "sums"
    default_batch_size = 200

    def make_case(self, size, rng):
        return rng.integers(0, 100, size).tolist()

    def check(self, case, result):
        assert result == sum(case)

workload = Sums()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("reports")
    (made / "sums.py").write_text(MODULE)
    record_runs(made / "recorded.db", 12, change_at=6)
    return made


def race_of(folder, out, **parameters):
    asked = {"workload": str(folder / "sums.py"), "measurements": 40, "seed": 3}
    return render("race", {**asked, "store": str(folder / "runs.db"), **parameters}, folder / out)


@pytest.fixture(scope="module")
def race(folder):
    return race_of(folder, "race")


@pytest.fixture(scope="module")
def scaling(folder):
    asked = {"job": "prime_count", "backend": "serial", "workers": [1], "size": 20_000}
    return render("scaling", {**asked, "repeats": 2, "store": str(folder / "runs.db")}, folder)


def content(report):
    return json.loads(report.document.read_text())


def test_a_race_report_has_the_standings_the_conclusion_and_the_machine(race):
    results = content(race)["results"]

    assert race.failure is None
    assert {one["candidate"] for one in results["race"]["scoreboard"]["standings"]} >= {
        "adding",
        "looping",
    }
    assert results["race"]["sentence"] in race.text.read_text()
    assert results["about"]["machine"]["cpu_model"]
    assert results["about"]["seed"] == 3


def test_names_and_errors_of_a_race_are_escaped_wherever_they_are_shown(race):
    text = race.page.read_text()

    for page in pages(text):
        assert "img" not in page.tags
        assert [url for url in page.loads if not url.startswith("data:")] == []
    assert "&lt;img src=x" in text


def test_a_stored_race_is_shown_again_without_measuring(folder, race):
    found = content(race)["results"]["race"]

    again = race_of(folder, "again", run=found["run"])

    shown = content(again)["results"]["race"]
    assert again.failure is None
    assert (shown["run"], shown["sentence"]) == (found["run"], found["sentence"])
    assert shown["scoreboard"]["standings"] == found["scoreboard"]["standings"]
    assert len(open_store(folder / "runs.db").runs(kind="race")) == 1
    assert structure(again) == structure(race)
    assert content(again)["results"].keys() == content(race)["results"].keys()
    assert "the run's algorithms: ['adding', 'looping'" in again.text.read_text()
    assert "(default)" not in again.text.read_text()


def structure(report):
    cells = nbformat.read(report.notebook, as_version=4).cells
    return [
        (cell.cell_type, cell.source)
        for cell in cells
        if "injected-parameters" not in cell.metadata.get("tags", [])
    ]


def test_the_same_parameters_and_seed_give_the_same_cases_and_orders(folder, race):
    run_cells(race.notebook, until="run_continuous_optimization", store=str(folder / "again.db"))

    (orders, cases), (other_orders, other_cases) = (
        drawn_in(folder / name) for name in ("runs.db", "again.db")
    )
    pairs = list(zip(orders, other_orders, strict=False))
    assert len(pairs) >= 10
    for order, other in pairs:  # who is out by then, or rests, differs with what was measured
        both = set(order) & set(other)
        assert [slot for slot in order if slot in both] == [slot for slot in other if slot in both]
    few = min(len(cases), len(other_cases))
    assert few >= 2
    assert cases[:few] == other_cases[:few]


def run_cells(path, *, until, **parameters):
    """Run a rendered notebook's code in this process, up to a cell, with some other parameters."""
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    place = {"__name__": "report"}
    for cell in code:
        exec(cell.source, place)  # the same code without another kernel
        if until in cell.source:
            return
        place |= parameters
    raise AssertionError(f"no cell has {until}")


def drawn_in(place):
    """Return the orders within a race's blocks that count, and its cases."""
    store = open_store(place)
    (summary,) = store.runs(kind="race")
    sent = {
        block["number"]: block
        for event in store.events(summary.id)
        if event.kind == "TaskSent"
        for block in event.payload["blocks"]
    }
    store.close()
    blocks = [sent[number] for number in sorted(sent)]
    orders = [
        [tuple(slot[:2]) for slot in block["slots"]]
        for block in blocks
        if block.get("purpose") != "scout"
    ]
    return orders, list(dict.fromkeys((block["size"], block["seed"]) for block in blocks))


def test_a_scaling_report_has_the_classic_table_and_a_line_for_the_target(scaling):
    (curve,) = content(scaling)["results"]["curves"]

    text = scaling.text.read_text()

    assert scaling.failure is None
    assert curve["agrees"]
    assert re.search(r"workers +time s +memory MB +speedup +efficiency", text)
    assert "4-8x on 8 cores: not meas" in text


def test_the_newest_study_is_shown_again_without_measuring_and_has_the_target_too(
    folder, scaling, monkeypatch
):
    monkeypatch.setattr(sys, "path", sys.path[:])
    place = folder / "runs.db"
    before = [run.id for run in open_store(place).runs()]
    words = ["report", "scaling", "--from", "latest", "--store", place, "-o", folder / "later"]

    done = CliRunner().invoke(parbench, [*map(str, words), "--json"])

    (curve,) = content(scaling)["results"]["curves"]
    assert done.exit_code == 0
    assert json.loads(done.stdout)["results"]["curves"] == [curve]
    assert "4-8x on 8 cores: not meas" in (folder / "later" / "scaling.txt").read_text()
    assert [run.id for run in open_store(place).runs()] == before


def test_a_history_report_marks_the_change_and_is_of_two_machines(folder):
    report = render("history", {"store": str(folder / "recorded.db")}, folder / "history")

    assert report.failure is None
    assert len(content(report)["results"]["history"]["series"]) == 4
    assert "?+ loop: worse from" in report.text.read_text()


def test_a_comparison_report_is_of_the_newest_race_and_the_one_before(folder):
    asked = {"store": str(folder / "recorded.db"), "new": "run-aaaa-0006"}

    report = render("compare", asked, folder / "compare")

    found = content(report)["results"]["comparison"]
    assert report.failure is None
    assert found["new"]["id"] == "run-aaaa-0006"
    assert found["sentence"] in outputs(nbformat.read(report.notebook, as_version=4))
    profiles = content(report)["results"]["profiles"]
    assert {row["candidate"] for row in profiles["new"]} == {"loop", "windows"}
    page = report.page.read_text()
    assert all(f'title="{name}"' in page for name in ("who is quick where", "over batch sizes"))


@pytest.mark.parametrize("notebook", ["history", "compare"])
def test_hostile_names_of_stored_runs_are_escaped_on_the_whole_page(folder, notebook):
    place = folder / f"hostile_{notebook}.db"
    record_runs(place, 9, candidates=(EVIL, "windows"), workload=EVIL, change_at=5)
    new = {"new": "run-aaaa-0008"} if notebook == "compare" else {}

    report = render(notebook, {"store": str(place), **new}, folder / f"hostile_{notebook}")

    text = report.page.read_text()
    assert report.failure is None
    assert all("img" not in page.tags for page in pages(text))
    assert "&lt;img src=x" in text


# ---------------------------------------------------------------- as files


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_shipped_notebook_is_short_stripped_and_names_its_language(path):
    document = json.loads(path.read_text())
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]

    assert document["metadata"]["language_info"]["name"] == "python"
    assert max(len(cell["source"]) for cell in code) <= 12
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
