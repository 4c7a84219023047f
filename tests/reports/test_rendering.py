"""A notebook goes in, four files come out; a kernel runs in each test, so there are few."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from html.parser import HTMLParser
from urllib.parse import quote

import nbformat
import pytest

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.reports import render
from parbench_lab.reports.page import NOTHING_FROM_AFAR
from tests.browser.conftest import chromium
from tests.reports.notebooks import outputs, write_notebook
from tests.reports.recorded import EVIL

ESCAPING = 'x"); import os; os.abort()\n#{who}\\'
KEEPING = """
from parbench_lab import reports
reports.keep("greeting", {"who": who, "times": times}, f"hello {who}" * times)
"""
FIGURE = """
from bokeh.plotting import figure
import parbench_lab as pb
drawn = figure(height=200, sizing_mode="stretch_width")
drawn.line([1, 2], [1, 2])
pb.plots.framed(drawn, title=EVIL)
"""

PLAIN_FIGURE = """
from bokeh.io import output_notebook, show
from bokeh.plotting import figure
output_notebook()
drawn = figure(height=200)
drawn.line([1, 2], [1, 2])
"""


class Page(HTMLParser):
    """Collects what a page would load, its ids, links and elements."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.ids, self.links, self.tags, self.inner = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append(tag)
        self.ids += [told["id"]] if told.get("id") else []
        if tag == "a":
            self.links.append(told.get("href"))
        elif tag == "iframe":
            self.inner.append(told["srcdoc"])
        for name in ("src", "href", "data", "poster", "srcset", "action"):
            if told.get(name) and tag != "a":
                self.loads.append(told[name])


def pages(text):
    """Return a page and those framed in it."""
    outer = Page(text)
    return [outer, *(Page(inner) for inner in outer.inner)]


@contextmanager
def offline_page():
    """Yield a page of Chromium that has no network; nothing in it asked for any, or broke."""
    if chromium() is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    asked, broken = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_context(offline=True).new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        yield page
        browser.close()
    assert broken == []
    assert [url for url in asked if url.startswith("http")] == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("with {braces}")
    source = write_notebook(
        folder / "mine.ipynb",
        "## Say it",
        f"EVIL = {EVIL!r}",
        "print(who, times, EVIL)",
        KEEPING,
        "## Draw it",
        FIGURE,
        "from IPython.display import Image, display\nimport pandas as pd\n"
        "pd.DataFrame({EVIL: [EVIL]})",
    )
    told = []
    report = render(source, {"who": ESCAPING}, folder / "out {a}", on_cell=told.append)
    return report, told


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failing")
    source = write_notebook(
        folder / "mine.ipynb",
        "## First",
        "print('before')",
        "## Then",
        f"raise ValueError({EVIL!r})",
        "print('never')",
    )
    return render(source, out=folder / "out")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a report of a notebook that knows nothing of reports; one of its errors is meant."""
    folder = tmp_path_factory.mktemp("plain")
    source = write_notebook(
        folder / "mine.ipynb", "## Draw", PLAIN_FIGURE, "show(drawn)", "1 / 0", "print('after')"
    )
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[-2].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, source)
    return render(source, out=folder / "out")


def test_an_error_that_its_cell_announces_ends_nothing(plain):
    notebook = nbformat.read(plain.notebook, as_version=4)

    assert plain.failure is None
    assert outputs(notebook).endswith("after\n")
    assert "An Exception was encountered" not in plain.notebook.read_text()
    assert "not complete" not in plain.page.read_text()


@pytest.mark.parametrize(
    ("cells", "is_whole"), [(["import sys; sys.exit()", "1"], False), (["raise SystemExit"], True)]
)
def test_a_notebook_that_ends_itself_is_whole_where_nothing_is_left(tmp_path, cells, is_whole):
    source = write_notebook(tmp_path / "mine.ipynb", "## End", *cells)

    report = render(source, out=tmp_path / "out")

    if is_whole:
        assert report.failure is None
    else:
        assert (report.failure.error, report.failure.title) == ("SystemExit", "End")
        assert "ended itself before its last cell" in report.page.read_text()


def test_a_report_leaves_a_notebook_a_page_json_and_text(finished):
    report, _ = finished

    assert report.failure is None
    assert [path.suffix for path in report.paths] == [".ipynb", ".html", ".json", ".txt"]
    assert all(path.stat().st_size for path in report.paths)
    nbformat.validate(nbformat.read(report.notebook, as_version=4))


def test_a_parameter_is_a_value_whatever_is_in_it(finished):
    report, _ = finished

    said = outputs(nbformat.read(report.notebook, as_version=4))

    assert f"{ESCAPING} 2 {EVIL}" in said


def test_the_json_has_results_parameters_machine_and_versions(finished):
    report, _ = finished

    content = json.loads(report.document.read_text())

    assert content["results"] == {"greeting": {"who": ESCAPING, "times": 2}}
    assert content["parameters"] == {"who": ESCAPING}
    assert content["defaults"] == {"times": "2"}
    assert content["rendered"]["machine"]["fingerprint"]
    assert {"numpy", "dask", "papermill"} <= set(content["rendered"]["versions"])


def test_the_text_has_what_was_kept_and_where_it_was_rendered(finished):
    report, _ = finished

    text = report.text.read_text()

    assert text.startswith("A small report\n=====")
    assert "hello x" in text
    assert "rendered with versions: parbench_lab" in text


def test_the_page_loads_nothing_from_anywhere(finished):
    report, _ = finished
    text = report.page.read_text()

    for page in pages(text):
        assert [url for url in page.loads if not url.startswith("data:")] == []
    outer = re.sub(r'srcdoc="[^"]*"', "", text)
    assert re.findall(r"https?://", outer) == []
    assert "default-src 'none'" in NOTHING_FROM_AFAR
    assert 'http-equiv="Content-Security-Policy"' in text


def test_the_page_has_a_live_figure_with_its_library_inside(finished):
    report, _ = finished

    (_, framed) = pages(report.page.read_text())

    assert "script" in framed.tags
    assert "bokeh" in report.page.read_text().lower()


@pytest.mark.browser
def test_a_figure_that_a_cell_shows_by_bokeh_itself_is_drawn_without_a_network(plain):
    with offline_page() as page:
        page.goto(f"file://{quote(str(plain.page))}")
        page.locator("canvas").first.wait_for()


@pytest.mark.browser
def test_in_a_browser_without_a_network_the_figure_is_live_and_no_name_is_run(finished, failed):
    with offline_page() as page:
        page.goto(f"file://{quote(str(finished[0].page))}")
        page.frame_locator("iframe").locator("canvas").first.wait_for()
        alive = page.evaluate(
            "document.querySelector('iframe').contentWindow.Bokeh.documents[0].roots().length"
        )
        page.goto(f"file://{quote(str(failed.page))}")
        page.locator(".banner a").click()
        pwned = page.evaluate("window.pwned")

    assert alive == 1
    assert pwned is None


def test_names_from_a_run_are_escaped_in_the_page(finished):
    report, _ = finished

    found = pages(report.page.read_text())

    assert all("img" not in page.tags for page in found)


def test_progress_tells_every_cell_twice_under_its_heading(finished):
    _, told = finished

    begun = [step for step in told if step.seconds is None]
    ended = [step for step in told if step.seconds is not None]

    assert [step.number for step in begun] == [step.number for step in ended]
    assert len(begun) == begun[-1].total == 6
    assert [step.title for step in begun[-2:]] == ["Draw it", "Draw it"]


def test_a_failing_cell_leaves_what_came_before_it(failed):
    executed = nbformat.read(failed.notebook, as_version=4)

    assert failed.failure is not None
    assert (failed.failure.error, failed.failure.message) == ("ValueError", EVIL)
    assert outputs(executed).startswith("before")
    assert "never" not in outputs(executed)
    assert json.loads(failed.document.read_text())["status"] == "failed"
    assert "NOT COMPLETE, failed at cell 3 (Then)" in failed.text.read_text()


def test_the_page_of_a_failed_report_links_to_the_failing_cell(failed):
    (page,) = pages(failed.page.read_text())

    link = next(href for href in page.links if href.startswith("#cell-id="))

    assert link.removeprefix("#") in page.ids
    assert "img" not in page.tags


def test_a_kernel_that_dies_is_told_with_its_cell(tmp_path):
    source = write_notebook(tmp_path / "mine.ipynb", "import os\nos._exit(9)", "print(1)")

    report = render(source, out=tmp_path / "out")

    assert report.failure is not None
    assert report.failure.error == "the kernel died"
    assert report.failure.number == 2
    assert report.page.exists()


# ---------------------------------------------------------------- refused before anything runs


def test_an_unknown_report_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(UnknownNameError, match="compare, history, quantize, race, scaling"):
        render(tmp_path / "nothing.ipynb", out=tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00", '{"cells": 3, "nbformat": 4}'])
def test_what_is_no_notebook_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "bad.ipynb").write_text(text)

    with pytest.raises(UsageError) as refusal:
        render(tmp_path / "bad.ipynb", out=tmp_path / "out")

    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_notebook_without_a_cell_of_parameters_is_told_how_to_get_one(tmp_path):
    source = write_notebook(tmp_path / "mine.ipynb", tags=False)

    with pytest.raises(UsageError, match="tagged 'parameters'"):
        render(source, out=tmp_path / "out")


def test_a_notebook_is_never_overwritten_by_its_own_report(tmp_path):
    source = write_notebook(tmp_path / "mine.ipynb")
    before = source.read_bytes()

    with pytest.raises(UsageError, match="overwritten"):
        render(source, out=tmp_path)

    assert source.read_bytes() == before


def test_a_kernel_that_is_not_there_is_refused_with_those_there_are(tmp_path):
    source = write_notebook(tmp_path / "mine.ipynb")

    with pytest.raises(UsageError, match="kernel 'fortran' is not installed; there are"):
        render(source, out=tmp_path / "out", kernel="fortran")
