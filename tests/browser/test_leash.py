"""A line that goes with a slider in the page, before the kernel has heard of it."""

from __future__ import annotations

import os
import signal

from playwright.sync_api import expect

from tests.browser.steps import cells_done, open_notebook
from tests.browser.test_race_panel import RUNNING, drag, slider

NUMBER = "import os; os.getpid()"
LINE = """(name) => Bokeh.documents.map(d => d.get_model_by_name(name)).filter(m => m)
    .map(m => ({location: m.location, alpha: m.line_alpha})).at(-1)"""
BEYOND = {"evidence:threshold": 10_000, "ratio:tolerance": 1.2}
"""Where the lines are not before they are moved: odds, and a ratio."""


def run_cell(page, number):
    page.locator(".jp-CodeCell").nth(number).locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Enter")


def test_a_line_goes_with_its_slider_at_once_and_is_pale_until_it_is_in_force(page, lab):
    open_notebook(page, lab, lab.write("leash.ipynb", RUNNING, NUMBER, "bench.settings"))
    run_cell(page, 1)
    kernel = int(page.locator(".jp-OutputArea-output").last.inner_text())
    run_cell(page, 0)
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    page.wait_for_function("() => window.Bokeh && Bokeh.documents.length > 0")
    assert all(page.evaluate(LINE, name)["alpha"] == 1 for name in BEYOND)

    slider(page, "threshold").scroll_into_view_if_needed()
    os.kill(kernel, signal.SIGSTOP)  # from now on it hears nothing
    try:
        drag(page, "threshold", 0.9)
        drag(page, "tolerance", 0.5)
        for name, least in BEYOND.items():
            page.wait_for_function(
                f"([n, least]) => ({LINE})(n).location > least", arg=[name, least]
            )
            assert page.evaluate(LINE, name)["alpha"] < 1
    finally:
        os.kill(kernel, signal.SIGCONT)

    for name in BEYOND:
        page.wait_for_function(f"(n) => ({LINE})(n).alpha === 1", arg=name)
    run_cell(page, 2)
    cells_done(page)
    threshold = page.evaluate(LINE, "evidence:threshold")["location"]
    told = page.locator(".jp-OutputArea").last
    expect(told).to_contain_text(f"elimination_threshold={float(threshold)}")
