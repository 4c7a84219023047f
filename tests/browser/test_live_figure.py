"""The live figure in a real JupyterLab: all rows arrive, once, whatever happens to the page."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.steps import open_notebook, run_all, save

FIGURE = """
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from parbench_lab.panel.live_figure import LiveFigure
from parbench_lab.plots.theme import themes
source = ColumnDataSource({"x": [0.0], "y": [0.0]}, name="line")
drawn = figure(height=200, name="plot")
drawn.line("x", "y", source=source)
live = LiveFigure(drawn, themes=themes())
live
"""
STREAM = """
import threading
def feed(start, stop):
    for n in range(start, stop):
        live.stream("line", {"x": [float(n)], "y": [float(n % 7)]}, rollover=5000)
threads = [threading.Thread(target=feed, args=(1 + 400 * k, 401 + 400 * k)) for k in range(3)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
"""
ROWS = """() => {
  const docs = window.Bokeh ? Bokeh.documents : [];
  return docs.map(d => d.get_model_by_name("line")).filter(s => s)
    .map(s => Array.from(s.data.x));
}"""


def shows(page, *lengths):
    """Wait until the documents of the page hold so many rows each (in any order)."""
    page.wait_for_function(
        f"""(wanted) => {{
          const rows = ({ROWS})().map(x => x.length).sort();
          return JSON.stringify(rows.slice(-wanted.length)) === JSON.stringify(wanted.sort());
        }}""",
        arg=list(lengths),
    )


def test_all_rows_arrive_once_from_several_threads(page, lab):
    open_notebook(page, lab, lab.write("rows.ipynb", FIGURE, STREAM))
    run_all(page)
    shows(page, 1201)

    (rows,) = page.evaluate(ROWS)
    assert sorted(rows) == list(range(1201))
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()


LEGEND = FIGURE.replace(
    'drawn.line("x", "y", source=source)',
    'line = drawn.line("x", "y", source=source)\nadd_legend(drawn, [("a line", [line])])',
).replace("import themes", "import add_legend, themes")
MUTED = """() => [...Bokeh.documents.at(-1)._all_models.values()]
  .filter(m => m.type === "GlyphRenderer" && m.data_source.name === "line").map(m => m.muted)"""


def test_a_click_on_the_legend_mutes_the_line_and_another_brings_it_back(page, lab):
    open_notebook(page, lab, lab.write("legend.ipynb", LEGEND))
    run_all(page)
    shows(page, 1)
    entry = page.get_by_text("a line", exact=True)

    seen = [page.evaluate(MUTED)]
    for _ in range(2):
        entry.click()
        seen.append(page.evaluate(MUTED))

    assert seen == [[False], [True], [False]]


def test_a_reload_keeps_the_history_and_the_stream_goes_on(page, lab):
    open_notebook(page, lab, lab.write("reload.ipynb", FIGURE, STREAM, "live.visible"))
    run_all(page)
    shows(page, 1201)
    save(page)

    page.reload()
    expect(page.locator(".parbench-live-figure canvas").first).to_be_visible()
    shows(page, 1201)
    cell = page.locator(".jp-CodeCell").nth(1)
    cell.click()
    page.keyboard.press("Control+Enter")

    shows(page, 2401)
