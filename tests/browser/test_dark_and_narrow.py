"""The panel in JupyterLab's dark theme, on a page so narrow that its parts stand below another."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.steps import open_notebook, run_all
from tests.browser.test_race_panel import RUNNING, keep

LIGHTEST_OF_DARK = 0x80
"""Of 0xff: a text on a dark page is lighter than that in each of its colours."""

TEXT_COLOURS = """() => Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])
  .flatMap((model) =>
    model.type.endsWith("Axis") ? [model.axis_label_text_color, model.major_label_text_color]
    : model.type === "Title" ? [model.text_color]
    : model.type === "Legend" ? [model.label_text_color] : [])"""
TOO_WIDE = """() => [...document.querySelectorAll(
  ".parbench-panel, .parbench-main > *, .parbench-scroll")]
  .filter((part) => part.scrollWidth > part.clientWidth + 1)
  .map((part) => `${part.className}: ${part.scrollWidth} in ${part.clientWidth}`)"""


@pytest.fixture
def dark_lab(lab):
    """The one JupyterLab in its dark theme, and in its light one again after the test."""
    lab.choose_theme("JupyterLab Dark")
    yield lab
    lab.choose_theme("JupyterLab Light")


def test_on_a_dark_and_narrow_page_all_can_be_read_and_nothing_sticks_out(page, dark_lab):
    page.set_viewport_size({"width": 900, "height": 1000})
    open_notebook(page, dark_lab, dark_lab.write("dark.ipynb", RUNNING))
    run_all(page)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    expect(page.locator(".parbench-board tbody tr").first).to_be_visible()
    page.locator(".parbench-live-figure").scroll_into_view_if_needed()
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    page.wait_for_function(f"() => window.Bokeh && ({TEXT_COLOURS})().length > 12")
    keep(page, "dark-plots")

    controls = page.locator(".parbench-at-controls").bounding_box()
    board = page.locator(".parbench-at-board").bounding_box()
    assert board["y"] >= controls["y"] + controls["height"]
    assert page.evaluate(TOO_WIDE) == []
    colours = [colour.lstrip("#") for colour in page.evaluate(TEXT_COLOURS)]
    assert all(min(bytes.fromhex(colour)) > LIGHTEST_OF_DARK for colour in colours), colours
    page.locator(".parbench-at-controls").scroll_into_view_if_needed()
    keep(page, "dark-controls")
