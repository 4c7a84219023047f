"""A minute of streaming: neither the page nor the kernel grows, and messages stay few."""

from __future__ import annotations

import psutil

from tests.browser.steps import open_notebook, run_all

SECONDS = 60
STREAM = """
import os, threading, time
from bokeh.layouts import column
from bokeh.models import ColumnDataSource
from parbench_lab.panel.live_figure import LiveFigure
from parbench_lab.plots import theme
names, kept = "abcdefghij", 1000
def plot(kind):
    made, legend = theme.new_figure(kind, "time in s", "value", name=kind), []
    for index, name in enumerate(names):
        source = ColumnDataSource({"x": [], "y": []}, name=f"{kind}:{name}")
        line = made.line("x", "y", source=source, color=theme.colour_of(index))
        legend.append((name, [line]))
    theme.add_legend(made, legend)
    return made
live = LiveFigure(column(plot("one"), plot("two")), themes=theme.themes())
live
"""
FEED = """
stop, fed = threading.Event(), 0
def feed():
    global fed
    while not stop.wait(0.02):
        rows = {"x": [fed + n / 20 for n in range(20)], "y": [(fed + n) % 7 for n in range(20)]}
        for kind in ("one", "two"):
            for name in names:
                live.stream(f"{kind}:{name}", rows, kept)
        fed += 1
feeder = threading.Thread(target=feed)
feeder.start()
print(os.getpid())
"""
ENDS = "stop.set(); feeder.join(); live.flush_soon(); print(live.sent_messages, fed)"
ROWS = """() => !window.Bokeh || !Bokeh.documents.length ? [0]
  : [...Bokeh.documents.at(-1)._all_models.values()]
  .filter(m => m.type === "ColumnDataSource" && m.name).map(m => m.data.x.length)"""
WATCH = "(seconds) => new Promise(resolve => setTimeout(resolve, 1000 * seconds))"


def heap_bytes(session):
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"]


def test_a_minute_of_streaming_grows_neither_page_nor_kernel(page, lab):
    open_notebook(page, lab, lab.write("minute.ipynb", STREAM, FEED))
    run_all(page)
    page.wait_for_function(f"() => Math.min(...({ROWS})()) === 1000")  # full: from here it rolls
    kernel = psutil.Process(int(page.locator(".jp-OutputArea-output").last.inner_text()))
    session = page.context.new_cdp_session(page)
    page.set_default_timeout(0)
    page.evaluate(WATCH, 10)
    before, resident = heap_bytes(session), kernel.memory_info().rss

    page.evaluate(WATCH, SECONDS - 10)
    after, resident_after = heap_bytes(session), kernel.memory_info().rss
    page.set_default_timeout(45_000)
    rows = page.evaluate(ROWS)

    # a leak of all that was streamed would be 50 s x 50 times x 400 rows x 16 bytes: 16 MB
    assert after - before < 8e6
    assert resident_after - resident < 8e6
    assert rows == [1000] * 20
    page.locator(".jp-CodeCell").nth(1).click()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.type(ENDS)
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-OutputArea-output')]"
        ".some(e => /^\\d+ \\d+$/.test(e.innerText.trim()))"
    )
    sent, fed = map(int, page.locator(".jp-OutputArea-output").last.inner_text().split())
    assert 0 < sent < fed / 4  # at most ten a second of the fifty that were fed
