"""The panel everywhere it is read: other front ends, other days, and pages without a kernel."""

from __future__ import annotations

import json
import re

import nbformat
import papermill
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from parbench_lab.cli.lab import VOILA_OPTIONS
from tests.browser.jupyter import jupyter
from tests.browser.steps import open_notebook, run_all, save
from tests.browser.test_race_panel import ENDLESS, button, drag, phase

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
    workload="moving_average", batch_size=100, store=":memory:", tolerance=0.0, policy="never"
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


def test_notebook_7_races(page, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    with jupyter(folder, *NOTEBOOK, ready=r"is running at") as server:
        server.write("panel.ipynb", PANEL)
        page.goto(f"{server.url}/notebooks/panel.ipynb?token={server.token}")
        idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        expect(idle).to_be_visible()
        run_all(page)

        race_from_the_panel(page)
        page.goto("about:blank")


def test_voila_races(page, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    with jupyter(folder, *VOILA, ready=r"is running at") as server:
        server.write("panel.ipynb", PANEL)
        page.goto(f"{server.url}/voila/render/panel.ipynb?token={server.token}")

        race_from_the_panel(page)
        expect(page.locator(".parbench-still")).to_be_hidden()
        page.goto("about:blank")


def test_a_notebook_that_is_opened_again_without_its_kernel_shows_the_still_picture(page, lab):
    name = lab.write("again.ipynb", ENDLESS)
    open_notebook(page, lab, name)
    run_all(page)
    expect(phase(page)).to_have_text("racing")
    expect(page.locator(".parbench-still")).to_be_hidden()
    button(page, "stop").click()
    expect(phase(page)).to_have_text("ended")
    expect(page.locator(".parbench-still")).to_contain_text("ended")
    save(page)
    end_kernels(page, lab)

    open_notebook(page, lab, name)

    still = page.locator(".parbench-still")
    expect(still).to_be_visible()
    expect(still).to_contain_text("ended")
    expect(still.locator("tr")).to_have_count(page.locator(".parbench-still tr").count())
    expect(page.locator(".parbench-board")).to_have_count(0)
    expect(page.locator(".jp-OutputArea")).not_to_contain_text("Error displaying widget")


def end_kernels(page, server):
    """End all kernels of a server, as its restart would."""
    page.goto("about:blank")
    headers = {"Authorization": f"token {server.token}"}
    sessions = page.request.get(f"{server.url}/api/sessions", headers=headers).json()
    for session in sessions:
        page.request.delete(f"{server.url}/api/sessions/{session['id']}", headers=headers)
