"""The control panel in a real JupyterLab, driven as a user would."""

from __future__ import annotations

import os
import re

from playwright.sync_api import expect

from tests.browser.conftest import ARTEFACTS
from tests.browser.steps import open_notebook, run_all

RACE = """
import parbench_lab as pb
bench = pb.ParallelBenchmarking(workload="nearest_neighbours", batch_size=100, store=":memory:")
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


def test_a_race_is_started_watched_paused_and_stopped_from_the_panel(page, lab):
    open_notebook(page, lab, lab.write("panel.ipynb", RACE))
    run_all(page)
    expect(phase(page)).to_have_text("not started yet")

    button(page, "start").click()
    expect(phase(page)).to_have_text(re.compile("racing|decided"))
    expect(page.locator("tr.out").first).to_be_visible()
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    keep(page, "panel-racing")
    button(page, "pause").click()
    expect(phase(page)).to_have_text("paused")
    button(page, "resume").click()
    expect(phase(page)).not_to_have_text("paused")
    button(page, "stop").click()
    expect(phase(page)).to_have_text("ended")
    keep(page, "panel-ended")
