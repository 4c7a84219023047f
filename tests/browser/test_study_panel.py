"""The panel of a scaling study in a real JupyterLab, driven as a user would."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.steps import open_notebook, run_all, save
from tests.browser.test_race_panel import button, keep, phase

STUDY = """
import time
import parbench_lab as pb

def nap(seconds):
    time.sleep(seconds)
    return seconds

def job(case, *, map):
    return sum(map(nap, case))

study = pb.ScalingStudy(job, make_case=lambda size, rng: [0.02] * size, workers=[1, 2],
                        sizes=[10], repeats=400, store=":memory:")
study
"""
POINTS = """() => (window.Bokeh?.documents ?? [])
    .map(d => d.get_model_by_name("scaling:points:threads"))
    .filter(m => m).map(m => m.data.workers.length).at(-1)"""


def field(page, label):
    return page.locator(".widget-text", has=page.locator(f"label:text-is('{label}')")).locator(
        "input"
    )


def test_a_study_is_started_changed_and_stopped_while_its_curves_stream(page, lab):
    open_notebook(page, lab, lab.write("study.ipynb", STUDY))
    run_all(page)
    expect(phase(page)).to_have_text("not started yet")

    button(page, "start").click()
    page.wait_for_function(f"() => ({POINTS})() === 2")
    expect(page.locator(".parbench-words")).to_contain_text("identical bit by bit")
    field(page, "workers").fill("1, 2, some")
    field(page, "workers").press("Enter")
    expect(page.locator(".parbench-refused")).to_contain_text("whole numbers such as 1, 2, 4")
    expect(field(page, "workers")).to_have_value("1, 2")
    field(page, "workers").fill("1,2,3,4")
    field(page, "workers").press("Enter")
    field(page, "repeats").fill("300")
    field(page, "repeats").press("Tab")
    expect(page.locator(".parbench-board")).to_contain_text("of 1200 runs done")
    page.wait_for_function(f"() => ({POINTS})() === 4")
    page.get_by_text("log-log axes").click()
    keep(page, "study-measuring")
    save(page)
    page.reload()
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    expect(page.locator(".parbench-still")).to_be_hidden()
    button(page, "stop").click()
    expect(phase(page)).to_have_text(re.compile("^ended$"))
    expect(button(page, "start")).to_be_disabled()
    keep(page, "study-ended")
