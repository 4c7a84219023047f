"""The panel everywhere it is read: other front ends, other days, and pages without a kernel."""

from __future__ import annotations

import contextlib
import json
import re
import socket

import nbformat
import papermill
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from parbench_lab.cli.lab import VOILA_OPTIONS
from tests.browser.jupyter import jupyter
from tests.browser.steps import hover, open_notebook, run_all, save
from tests.browser.test_race_panel import ENDLESS, button, drag, keep, phase

NOTEBOOK = (
    "notebook",
    "--no-browser",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token={token}",
    "--ServerApp.root_dir={folder}",
    "--ServerApp.allow_root=True",
    "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)
VOILA = (
    "voila",
    "{folder}",
    "--no-browser",
    "--port={port}",
    "--Voila.token={token}",
    *(option.replace("{", "{{").replace("}", "}}") for option in VOILA_OPTIONS),
)
PANEL = """
import parbench_lab as pb
bench = pb.ParallelBenchmarking(
    workload="moving_average", batch_size=100, store=":memory:", n_workers=1, tolerance=0.0,
    policy="never",
)
bench.panel()
"""


def canvas(page):
    return page.locator(".parbench-live-figure canvas").first


def race_from_the_panel(page):
    """Start, move a slider with the mouse, pause and stop: what a user sees of each."""
    expect(phase(page)).to_have_text("not started yet")
    button(page, "start").click()
    expect(phase(page)).to_have_text("racing")
    expect(canvas(page)).to_be_visible()
    drag(page, "threshold", 0.9)
    expect(page.locator(".parbench-log")).to_contain_text("changed elimination_threshold to")
    button(page, "pause").click()
    expect(phase(page)).to_have_text("paused")
    button(page, "stop").click()
    expect(phase(page)).to_have_text("ended")


def run_first_cell(page):
    """Run a notebook's first cell with the mouse, until it says that it runs.

    Notebook 7 shows the page, and an idle kernel, some time before it knows its keys and before
    its kernel is there; what is clicked until then it drops without a word, or it asks which
    kernel is meant.
    """
    chosen = page.locator(".jp-Dialog .jp-mod-accept")
    page.add_locator_handler(chosen, lambda dialog: dialog.click())
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").first
    for _ in range(10):
        prompt.click()
        page.locator("[data-command='notebook:run-cell-and-select-next']").first.click()
        with contextlib.suppress(AssertionError):
            expect(prompt).to_have_text(re.compile(r"\[[*\d]+\]:"), timeout=5_000)
            return
    raise AssertionError("the notebook's first cell does not run")


def test_notebook_7_races(page, console, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    with jupyter(folder, *NOTEBOOK, ready=r"is running at") as server:
        server.write("panel.ipynb", PANEL)
        page.goto(f"{server.url}/notebooks/panel.ipynb?token={server.token}")
        expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "idle"
        )
        run_first_cell(page)

        race_from_the_panel(page)
        console.leave(page)


def test_voila_races(page, console, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    with jupyter(folder, *VOILA, ready=r"is running at") as server:
        server.write("panel.ipynb", PANEL)
        page.goto(f"{server.url}/voila/render/panel.ipynb?token={server.token}")

        race_from_the_panel(page)
        expect(page.locator(".parbench-still")).to_be_hidden()
        console.leave(page)


def test_parbench_lab_voila_shows_the_panel_of_the_workload_that_was_named(
    page, console, tmp_path
):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    words = ("parbench_lab", "lab", "--voila", "sorting", "--no-browser", "--port={port}")
    with jupyter(folder, *words, ready=r"http://127\.0\.0\.1:\d+/") as server:
        page.goto(server.url, timeout=120_000)  # it answers when the notebook has run

        expect(phase(page)).to_have_text("not started yet")
        expect(page.locator(".parbench-head")).to_contain_text("sorting")
        button(page, "start").click()
        expect(phase(page)).to_have_text(re.compile("racing|decided"))
        expect(canvas(page)).to_be_visible()
        button(page, "stop").click()
        expect(phase(page)).to_have_text("ended")
        expect(page.locator(".jp-Cell-inputWrapper")).to_have_count(0)  # the panel alone
        console.leave(page)


def test_a_notebook_that_is_opened_again_without_its_kernel_shows_the_still_picture(page, lab):
    name = lab.write("again.ipynb", ENDLESS)
    open_notebook(page, lab, name)
    run_all(page)
    expect(phase(page)).to_have_text("racing")
    expect(page.locator(".parbench-still")).to_be_hidden()
    button(page, "stop").click()
    expect(phase(page)).to_have_text("ended")
    expect(page.locator(".parbench-still")).to_contain_text("ended")
    rows = page.locator(".parbench-still tr").count()
    assert rows > 2  # its heading and those who raced
    save(page)
    end_kernels(page, lab)

    open_notebook(page, lab, name)

    still = page.locator(".parbench-still")
    expect(still).to_be_visible()
    expect(still).to_contain_text("ended")
    expect(still.locator("tr")).to_have_count(rows)
    expect(page.locator(".parbench-board")).to_have_count(0)
    expect(page.locator(".jp-OutputArea")).not_to_contain_text("Error displaying widget")


def end_kernels(page, server):
    """End all kernels of a server, as its restart would."""
    page.goto("about:blank")
    headers = {"Authorization": f"token {server.token}"}
    sessions = page.request.get(f"{server.url}/api/sessions", headers=headers).json()
    for session in sessions:
        page.request.delete(f"{server.url}/api/sessions/{session['id']}", headers=headers)


UNSEEN = """
import time
live, limit_s = bench.panel().curves.figure, time.monotonic() + 20
while live.visible and time.monotonic() < limit_s:
    time.sleep(0.05)
sent, blocks = live.sent_messages, bench.scoreboard.blocks
while bench.scoreboard.blocks < blocks + 50:
    time.sleep(0.05)
told = f"visible: {live.visible} sent: {live.sent_messages - sent}"
print(told)
"""
SEEN = """
import time
live = bench.panel().curves.figure
while not live.visible:
    time.sleep(0.05)
print("it is seen")
"""
CALL = """
import socket
with socket.create_connection(("127.0.0.1", {port})) as test:
    test.sendall(told.encode())
"""
LONGEST = """() => Math.max(0, ...(window.Bokeh ? Bokeh.documents : []).flatMap((doc) =>
  [...doc._all_models.values()].filter((model) => model.type === "ColumnDataSource")
    .map((source) => source.get_length() ?? 0)))"""


def test_a_folded_panel_costs_nothing_and_catches_up_when_it_is_shown(page, lab):
    open_notebook(page, lab, lab.write("folded.ipynb", ENDLESS, UNSEEN))
    page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
    page.keyboard.press("Control+Enter")
    expect(canvas(page)).to_be_visible()
    page.wait_for_function(f"() => ({LONGEST})() > 3")

    fold = page.locator(".jp-CodeCell").first.locator(".jp-OutputCollapser")
    fold.click()
    expect(canvas(page)).to_be_hidden()
    before = page.evaluate(LONGEST)
    page.locator(".jp-CodeCell .jp-InputPrompt").last.click()
    page.keyboard.press("Control+Enter")
    told = page.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output")
    expect(told).to_contain_text("visible: False sent: 0")
    fold.click()

    expect(canvas(page)).to_be_visible()
    page.wait_for_function(f"(before) => ({LONGEST})() > before + 10", arg=before)


def test_a_panel_in_a_tab_that_was_closed_costs_nothing(page, lab, console):
    with socket.create_server(("127.0.0.1", 0)) as heard:
        heard.settimeout(60)
        asking = SEEN + UNSEEN + CALL.format(port=heard.getsockname()[1])
        open_notebook(page, lab, lab.write("closed.ipynb", ENDLESS, asking))
        page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
        page.keyboard.press("Control+Enter")
        expect(canvas(page)).to_be_visible()
        page.locator(".jp-CodeCell .jp-InputPrompt").last.click()
        page.keyboard.press("Control+Enter")
        page.locator(".parbench-live-figure").scroll_into_view_if_needed()
        told = page.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output")
        expect(told).to_contain_text("it is seen")
        console.last_look = console.picture(page)
        page.close()

        kernel, _ = heard.accept()
        with kernel:
            assert kernel.recv(100).decode() == "visible: False sent: 0"


HEADLESS = """
import parbench_lab as pb
bench = pb.ParallelBenchmarking(
    workload="moving_average", batch_size=100, store=":memory:", policy="never"
)
bench.panel(headless=True)
"""
BUDGET = """
result = bench.run_continuous_optimization(max_seconds=seconds)
print(bench.scoreboard.phase, bench.scoreboard.elapsed_s >= seconds)
"""
REPORT = """
page = bench.page()
bench.close()
page
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A notebook that papermill ran: no front end, a budget, a page as its last expression."""
    folder = tmp_path_factory.mktemp("headless")
    parameters = nbformat.v4.new_code_cell("seconds = 60.0", metadata={"tags": ["parameters"]})
    cells = [parameters, *map(nbformat.v4.new_code_cell, (HEADLESS, BUDGET, REPORT))]
    metadata = {"language_info": {"name": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.write(notebook, folder / "in.ipynb")
    papermill.execute_notebook(
        folder / "in.ipynb",
        folder / "out.ipynb",
        {"seconds": 8.0},
        progress_bar=False,
        kernel_name="python3",
    )
    return folder / "out.ipynb"


def test_without_a_front_end_the_race_runs_to_its_budget_and_leaves_a_page(executed):
    notebook = json.loads(executed.read_text())
    *_, still, budget, report = [cell["outputs"] for cell in notebook["cells"]]

    assert "".join(budget[-1]["text"]) == "ended True\n"
    assert "parbench-still" in "".join(still[-1]["data"]["text/html"])
    assert "<iframe" in "".join(report[-1]["data"]["text/html"])
    assert "widgets" not in notebook["metadata"]


@contextlib.contextmanager
def opened_offline(browser, notebook):
    """Let nbconvert make a page of a notebook and open it from its file, without a network.

    What it asks for beyond this file is the template's own; nothing in our frames asks for more.
    """
    target = notebook.with_suffix(".html")
    text, _ = HTMLExporter().from_filename(str(notebook))
    target.write_text(text, encoding="utf-8")
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=True)
    page = context.new_page()
    page.set_default_timeout(45_000)
    asked, failed = [], []
    page.on("request", lambda request: asked.append((request.frame, request.url)))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(target.as_uri())
    yield page
    ours = [url for where, url in asked if where != page.main_frame]
    assert [url for url in ours if re.match(r"https?:", url)] == []
    assert [words for words in failed if "require" not in words.lower()] == []
    context.close()


def test_a_page_of_nbconvert_opens_from_a_file_without_a_network(browser, executed):
    with opened_offline(browser, executed) as page:
        frame = page.frame_locator("iframe")
        expect(frame.locator("canvas").first).to_be_visible()
        expect(frame.locator(".parbench-still tr")).to_have_count(8)
        said = hover(page, "throughput", page.frames[-1])

    assert re.search(r"\d", said)


def test_a_panel_whose_race_has_ended_is_a_table_and_live_plots_in_a_page_of_nbconvert(
    page, lab, browser
):
    name = lab.write("exported.ipynb", PANEL)
    open_notebook(page, lab, name)
    run_all(page)
    button(page, "start").click()
    expect(phase(page)).to_have_text("racing")
    expect(canvas(page)).to_be_visible()
    page.wait_for_function(f"() => ({LONGEST})() > 20")
    button(page, "stop").click()
    plots = page.locator(".parbench-still iframe")
    expect(plots).to_have_count(1)
    expect(plots).to_be_hidden()
    unpacked = plots.element_handle().content_frame().evaluate("() => 'Bokeh' in window")
    save(page)

    with opened_offline(browser, lab.folder / name) as exported:
        expect(exported.locator(".parbench-still")).to_contain_text("ended")
        expect(exported.frame_locator("iframe").locator("canvas").first).to_be_visible()
        expect(exported.locator("body")).not_to_contain_text("VBox(")
        keep(exported, "exported")
        said = hover(exported, "throughput", exported.frames[-1])

    assert not unpacked  # beside the live panel the plots cost the page nothing
    assert (lab.folder / name).stat().st_size < 1e6
    assert re.search(r"\d", said)
