"""What a user does in JupyterLab, as steps that wait for what they cause."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Response, expect


def open_notebook(page: Page, server, name: str) -> None:
    """Open a notebook in JupyterLab and wait until its kernel answers."""
    page.goto(server.lab(name))
    expect(page.locator(".jp-Notebook")).to_be_visible()
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()


def start_all(page: Page) -> None:
    """Send all cells to the kernel, one after the other."""
    cells = page.locator(".jp-CodeCell")
    cells.first.locator(".jp-InputPrompt").click()
    for _ in range(cells.count()):
        page.keyboard.press("Control+Enter")
        page.keyboard.press("ArrowDown")


def run_all(page: Page) -> None:
    """Run all cells, and wait until each has its number."""
    start_all(page)
    cells_done(page)


def cells_done(page: Page) -> None:
    """Wait until no cell waits and every code cell has its number."""
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    for index in range(prompts.count()):
        expect(prompts.nth(index)).to_have_text(re.compile(r"\[\d+\]:"), timeout=60_000)


def save(page: Page) -> None:
    """Save the notebook, and wait until the server has it.

    The tab's mark says less: a picture of a race that goes on makes a saved notebook dirty again.
    """
    with page.expect_response(_is_saved, timeout=45_000):
        page.keyboard.press("Control+s")


def _is_saved(response: Response) -> bool:
    written = response.request.method == "PUT" and "/api/contents/" in response.url
    return written and response.ok
