"""The control panel in a real JupyterLab, driven as a user would."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import expect

from parbench_lab.panel.controls import help_words
from tests.browser.conftest import ARTEFACTS
from tests.browser.steps import cells_done, hover, open_notebook, run_all, save, start_all

RACE = """
import parbench_lab as pb
bench = pb.ParallelBenchmarking(
    workload="nearest_neighbours", batch_size=100, store=":memory:", n_workers=1  # a core each
)
bench.panel()
"""


def button(page, name):
    return page.locator("button.jupyter-button", has_text=re.compile(f"^{name}$"))


def phase(page):
    return page.locator(".parbench-head [role=status]").first


def keep(page, name):
    """Keep a screenshot where PARBENCH_SCREENSHOTS asks for it."""
    if os.environ.get("PARBENCH_SCREENSHOTS"):
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)


NAMELESS = """() => {
  const names = (field) => [
    field.ariaLabel,
    field.type === "submit" || field.type === "button" ? field.innerText : null,
    ...[...field.labels].map((label) => label.innerText),
  ];
  return [...document.querySelectorAll(".parbench-panel :is(select, input, button)")]
    .filter((field) => field.checkVisibility())
    .filter((field) => !names(field).some((name) => name?.trim()))
    .map((field) => field.outerHTML);
}"""


def tooltip(page, label):
    """Return what the page says of a control while the pointer rests on its label."""
    return page.evaluate(
        """(label) => [...document.querySelectorAll(".parbench-at-controls .widget-label")]
            .find((found) => found.innerText.trim() === label)?.title""",
        label,
    )


def test_on_a_wide_page_controls_stand_beside_the_board_with_names_and_tooltips(page, lab):
    open_notebook(page, lab, lab.write("wide.ipynb", RACE))
    run_all(page)
    expect(page.get_by_role("combobox", name="candidates of the workload")).to_be_visible()

    controls = page.locator(".parbench-at-controls").bounding_box()
    board = page.locator(".parbench-at-board").bounding_box()
    assert board["x"] >= controls["x"] + controls["width"]
    assert abs(board["y"] - controls["y"]) < 20
    expect(page.locator(".parbench-in-words")).to_be_visible()
    expect(page.locator(".parbench-in-words")).to_have_text("1,000 : 1")
    keep(page, "wide-controls")
    assert page.evaluate(NAMELESS) == []
    assert {label: tooltip(page, label) for label in help_words()} == dict(help_words())


def test_a_race_is_started_watched_paused_stopped_and_taken_away_from_the_panel(page, lab):
    open_notebook(page, lab, lab.write("panel.ipynb", RACE))
    run_all(page)
    expect(phase(page)).to_have_text("not started yet")

    button(page, "start").click()
    expect(phase(page)).to_have_text(re.compile("racing|decided"))
    expect(page.locator("tr.out").first).to_be_visible()
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    keep(page, "panel-racing")
    link = page.get_by_role("link", name="Dask dashboard").get_attribute("href")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/status", link)
    button(page, "pause").click()
    expect(phase(page)).to_have_text("paused")
    expect(button(page, "resume")).to_be_enabled()
    button(page, "resume").press("Enter")
    expect(phase(page)).not_to_have_text("paused")
    button(page, "stop").press("Space")
    expect(phase(page)).to_have_text("ended")
    keep(page, "panel-ended")
    told = hover(page, "throughput")
    assert re.search(r"\d s [\d.]+( [km])? items/s [\d,]+ items", told)
    run = page.locator(".parbench-head .soft").inner_text().removeprefix("run ")
    for name, wanted, inside in (
        ("winner as code", r"\w+\.py", "def "),
        ("table as CSV", f"{run}.csv", "candidate"),
        ("static picture", f"{run}.html", "<html"),
    ):
        with page.expect_download() as taken:
            page.get_by_role("button", name=name).click()
        assert re.fullmatch(wanted, taken.value.suggested_filename)
        assert inside in Path(taken.value.path()).read_text(encoding="utf-8")


RUNNING = """
import parbench_lab as pb
bench = pb.demo(batch_size=100, store=":memory:", n_workers=1)
bench
"""
CHALLENGER = """
@pb.candidate
def challenger(case):
    import numpy as np
    distances = ((case.queries[:, None, :] - case.points[None, :, :]) ** 2).sum(-1)
    return np.sqrt(distances.min(axis=1))
"""


def row(page, name):
    return page.locator(".parbench-board tbody tr", has=page.locator(f"td.name[title='{name}']"))


def slider(page, label):
    return page.locator(".widget-slider", has=page.locator(f"label:text-is('{label}')"))


def drag(page, label, share):
    """Drag a slider's handle to a share of its track, with the mouse."""
    track = slider(page, label).locator(".noUi-target").bounding_box()
    handle = slider(page, label).locator(".noUi-handle").bounding_box()
    middle = track["y"] + track["height"] / 2
    page.mouse.move(handle["x"] + handle["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(track["x"] + share * track["width"], middle, steps=4)
    page.mouse.up()


def location(page, name):
    return page.evaluate(
        """(name) => Bokeh.documents.map(d => d.get_model_by_name(name))
            .filter(m => m).map(m => m.location).at(-1)""",
        name,
    )


def test_a_slider_moved_with_the_mouse_moves_the_line_and_the_race(page, lab):
    open_notebook(page, lab, lab.write("slider.ipynb", RUNNING, "bench.settings"))
    run_all(page)
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    page.wait_for_function("() => window.Bokeh && Bokeh.documents.length > 0")

    named = page.get_by_role("slider", name="batch size")
    expect(named).to_have_attribute("aria-valuetext", "100")
    expect(page.get_by_role("slider", name="tolerance")).to_have_attribute(
        "aria-valuetext", "2.0%"
    )
    gpu = page.get_by_role("slider", name="GPU target")
    expect(gpu).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_text("GPU utilisation is not measured")).to_be_visible()

    drag(page, "threshold", 0.9)
    expect(page.locator(".parbench-log")).to_contain_text("changed elimination_threshold to")
    page.wait_for_function(
        """() => Bokeh.documents.map(d => d.get_model_by_name("evidence:threshold"))
            .filter(m => m).at(-1).location > 10000"""
    )
    drag(page, "batch size", 0.5)
    # half way is 3,200; a pixel beside it is a step or two
    expect(page.locator(".parbench-board")).to_contain_text(re.compile("batch size (2,[5-9]|3,)"))
    box = page.locator(".parbench-exact input").first
    box.fill("1234")
    box.press("Enter")
    expect(page.locator(".parbench-board")).to_contain_text("batch size 1,234")
    expect(box).to_have_value("1234")
    expect(named).to_have_attribute("aria-valuetext", "1234")
    expect(page.locator(".parbench-log")).to_contain_text("evidence starts afresh")

    handle = page.get_by_role("slider", name="tolerance")
    handle.press("ArrowRight")
    log = page.locator(".parbench-log")
    expect(log).to_contain_text(re.compile(r"changed tolerance to 0\.0[2-9]"))
    expect(handle).not_to_have_attribute("aria-valuetext", "2.0%")
    for name, value, words in (
        ("tolerance", "0.0125", "1.5%"),  # the page rounds half a step up; the race does not
        ("tolerance", "0.7123", "71.2%"),
        ("threshold", "5e8", "5e+08 : 1"),
    ):
        field = page.get_by_role("spinbutton", name=f"{name}, exactly")
        field.fill(value)
        field.press("Enter")
        expect(page.get_by_role("slider", name=name)).to_have_attribute("aria-valuetext", words)
        expect(field).to_have_value(value)
    expect(log).to_contain_text("changed elimination_threshold to 500000000")
    expect(log).to_contain_text("changed tolerance to 0.0125")
    expect(log).not_to_contain_text("changed tolerance to 0.015")


def test_a_challenger_of_the_next_cell_enters_and_a_reload_shows_it_all(page, lab):
    open_notebook(page, lab, lab.write("challenger.ipynb", RUNNING, CHALLENGER, "bench.settings"))
    run_all(page)
    expect(phase(page)).to_have_text(re.compile("racing|decided"))

    menu = page.locator(".widget-dropdown select").last
    expect(menu.locator("option", has_text="challenger")).to_have_count(1)
    menu.select_option("challenger")
    button(page, "add").click()
    expect(row(page, "challenger")).to_be_visible()
    row(page, "brute_force").get_by_role("button").click()
    expect(page.locator(".parbench-log")).to_contain_text(re.compile("brute_force is (back|out)"))
    save(page)
    page.reload()

    expect(row(page, "challenger")).to_be_visible()
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    expect(page.locator(".parbench-still")).to_be_hidden()
    before = page.locator(".parbench-board").inner_text()
    page.wait_for_function(
        "(before) => document.querySelector('.parbench-board').innerText !== before", arg=before
    )


def test_a_value_that_the_race_refuses_is_told_beside_its_control_which_returns(page, lab):
    open_notebook(page, lab, lab.write("refused.ipynb", RACE))
    run_all(page)
    box = page.locator(".parbench-exact input").first
    told = page.locator(".parbench-at-controls").get_by_role("alert")
    expect(box).to_have_value("100")
    expect(told).to_have_count(0)

    box.fill("-5")
    box.press("Enter")

    expect(told).to_have_text(re.compile("batch_size.*-5"))
    expect(box).to_have_value("100")
    named = page.get_by_role("slider", name="batch size")
    expect(named).to_have_attribute("aria-valuetext", "100")
    assert 0 <= told.bounding_box()["y"] - box.bounding_box()["y"] < 60
    expect(page.locator(".parbench-log")).to_contain_text(re.compile("refused: batch_size.*-5"))
    box.fill("120")
    box.press("Enter")
    expect(told).to_have_count(0)
    expect(named).to_have_attribute("aria-valuetext", "120")


MARKUP = """
import parbench_lab as pb
bad = "<img src=x onerror=window.hurt=1>"
quick = pb.Candidate(name=bad, function="parbench_lab.workloads.sorting:list_sort")
bench = pb.ParallelBenchmarking(
    [quick, "heap_sort"], "sorting", batch_size=200, store=":memory:", n_workers=1
)
bench.note(bad)
bench.start()
bench
"""


def test_names_and_notes_stay_text_everywhere_and_two_views_are_both_live(page, lab):
    open_notebook(page, lab, lab.write("markup.ipynb", MARKUP, "bench.panel()"))
    run_all(page)
    expect(page.locator(".parbench-board")).to_have_count(2)
    expect(page.locator(".parbench-log").first).to_contain_text("note: <img src=x")
    bad = page.locator("td.name").filter(has_text="<img src=x")
    expect(bad.first).to_be_attached()
    expect(bad).to_have_count(2)
    assert "<img src=x" in hover(page, "throughput", of="<img src=x onerror=window.hurt=1>")
    button(page, "stop").first.click()
    expect(page.locator(".parbench-head [role=status]").nth(1)).to_have_text("ended")

    assert page.evaluate("() => window.hurt") is None
    assert page.locator("img[src='x']").count() == 0


ENDLESS = """
import parbench_lab as pb
bench = pb.demo(batch_size=100, store=":memory:", n_workers=1, tolerance=0.0, policy="never")
bench
"""
BUSY = """
import time
before = bench.scoreboard.blocks
time.sleep(20)
print("raced on", bench.scoreboard.blocks > before + 20, "at", bench.settings.batch_size)
"""


def test_the_panel_is_live_while_a_cell_blocks_and_a_dead_kernel_is_told(page, lab):
    """Twenty seconds: longer than the page waits before it says that the kernel is silent."""
    open_notebook(page, lab, lab.write("busy.ipynb", ENDLESS, BUSY))
    start_all(page)
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    drag(page, "batch size", 0.5)
    expect(page.locator(".parbench-board")).to_contain_text(re.compile("batch size (2,[5-9]|3,)"))
    expect(page.locator(".jp-CodeCell .jp-InputPrompt").last).to_have_text("[*]:")
    cells_done(page)
    told = page.locator(".jp-OutputArea-output").last
    expect(told).to_contain_text(re.compile("raced on True at (2[5-9]|3)"))
    expect(page.locator(".parbench-live-notice")).to_be_hidden()
    expect(phase(page)).to_have_text("racing")

    page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.locator(".jp-Dialog button.jp-mod-accept").click()

    expect(phase(page)).to_contain_text("the kernel is gone: run the cell again")
    page.locator(".parbench-live-figure").scroll_into_view_if_needed()
    expect(page.locator(".parbench-live-notice")).to_contain_text("does not answer")
