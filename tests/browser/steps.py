"""What a user does in JupyterLab, as steps that wait for what they cause."""

from __future__ import annotations

import contextlib
import re

from playwright.sync_api import Frame, Page, Response, expect
from playwright.sync_api import TimeoutError as OutOfTime

HOVERS = 6


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


POINT = """([name, of]) => {
  const find = (view) => view.model.name === name
    ? view : [...(view.child_views ?? [])].map(find).find(Boolean);
  const view = [...(window.Bokeh?.index.roots ?? [])].map(find).find(Boolean);
  if (!view) return false;
  view.el.scrollIntoView({ block: "center" });  // what nobody sees gets no data
  const drawn = view.model.renderers.find(({ data_source: source }) =>
    source.get_length() > 0 && (source.name ?? "").endsWith(of));
  if (!drawn) return false;
  const { glyph, data_source: source } = drawn;
  const [xs, ys] = [glyph.x, glyph.y].map(({ field }) => [...source.get_column(field)]);
  const row = ys.findIndex(Number.isFinite);
  const [x, y] = [xs[row], ys[row]];
  const box = view.el.getBoundingClientRect();
  const at = [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)];
  return at.every(Number.isFinite) && at;  // not before the plot has its ranges
}"""


def hover(page: Page, figure: str, frame: Frame | None = None, *, of: str = "") -> str:
    """Move the mouse onto a point of a figure, of the page or in a frame; return what it says.

    Of a candidate's points where it is named, which are waited for.

    A figure that gets its last points, or moves as the page is laid out, takes its words away
    again; then the mouse is moved again, as a reader does.
    """
    where = frame or page.main_frame
    told = where.locator(".bk-tooltip-row-value")
    for _ in range(HOVERS):
        x, y = where.wait_for_function(POINT, arg=[figure, of]).json_value()
        outer = frame.frame_element().bounding_box() if frame else None
        left, top = (outer["x"], outer["y"]) if outer else (0.0, 0.0)
        page.mouse.move(left + x - 20, top + y - 20)
        page.mouse.move(left + x, top + y, steps=4)
        with contextlib.suppress(OutOfTime):
            told.first.wait_for(timeout=5000)
        if texts := told.all_inner_texts():
            return " ".join(texts)
    raise AssertionError(f"{figure} says nothing under the mouse")
