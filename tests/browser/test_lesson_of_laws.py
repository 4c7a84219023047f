"""The sliders of the lesson about laws, moved with the keyboard in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path

import nbformat
from playwright.sync_api import expect

from tests.browser.steps import open_notebook, run_all
from tests.browser.test_race_panel import keep, slider

LESSON = Path(__file__).parents[2] / "notebooks" / "04_amdahl_gustafson_usl.ipynb"
MEASURED = "curve = pb.ScalingCurve.from_times([1, 2, 4], [1.0, 0.55, 0.4])"
LAST_SPEEDUP = """name => (window.Bokeh?.documents ?? [])
    .map(d => d.get_model_by_name(`what-if:${name}`))
    .filter(m => m).map(m => m.data.speedup.at(-1)).at(-1)"""


def lesson_up_to_its_sliders():
    """Return the code of the lesson, with points of a table instead of a study."""
    code = [
        cell["source"]
        for cell in nbformat.read(LESSON, as_version=4)["cells"]
        if cell["cell_type"] == "code"
    ]
    last = next(index for index, source in enumerate(code) if "display(" in source)
    return [MEASURED if "pb.ScalingStudy(" in source else source for source in code[: last + 1]]


def last_speedup(page, law):
    return page.evaluate(LAST_SPEEDUP, law)


def test_a_slider_that_is_moved_by_the_keyboard_moves_its_line(page, lab):
    open_notebook(page, lab, lab.write("laws.ipynb", *lesson_up_to_its_sliders()))
    run_all(page)
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    page.wait_for_function(f"() => ({LAST_SPEEDUP})('Amdahl') > 1")
    before = {law: last_speedup(page, law) for law in ("Amdahl", "USL")}

    serial = slider(page, "serial")
    serial.locator(".noUi-handle").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")

    expect(serial.locator(".widget-readout")).to_have_text("0.075")
    page.wait_for_function(f"() => ({LAST_SPEEDUP})('Amdahl') < 0.8 * {before['Amdahl']}")
    assert last_speedup(page, "USL") == before["USL"]
    expect(page.get_by_text("with 16 workers: Amdahl 7.53")).to_be_visible()
    keep(page, "lesson-of-laws")
