"""What a user does in JupyterLab, as steps that wait for what they cause."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def open_notebook(page: Page, server, name: str) -> None:
    """Open a notebook in JupyterLab and wait until its kernel answers."""
    page.goto(server.lab(name))
    expect(page.locator(".jp-Notebook")).to_be_visible()
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
        "data-status", "idle"
    )


def run_all(page: Page) -> None:
    """Run all cells and wait until each has its number."""
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    cells_done(page)


def cells_done(page: Page) -> None:
    """Wait until no cell waits and every code cell has its number."""
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    for index in range(prompts.count()):
        expect(prompts.nth(index)).to_have_text(re.compile(r"\[\d+\]:"), timeout=60_000)


def save(page: Page) -> None:
    """Save the notebook."""
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-NotebookPanel-toolbar")).to_be_visible()
