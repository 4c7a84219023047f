"""The panel in a real browser: from a slider's move to what is painted, frames, memory.

Ten candidates race (4 ms a call, blocks of 40 ms) while a real Chromium shows the panel in a real
JupyterLab. A move is a key press on the slider's handle; its effect is seen by the page itself, in
the frame after the one in which the data arrived. ``PARBENCH_SECONDS=600`` watches ten minutes.
"""

from __future__ import annotations

import os

import psutil

from tests.benchmarks.pages import run_notebook, tell

MOVES = 40
WATCH_S = float(os.environ.get("PARBENCH_SECONDS", "60"))

RACE = """
import os, time
import parbench_lab as pb

class Spinning:
    name = "spinning"
    def make_case(self, size, rng):
        return size
    def check(self, case, result):
        if result != case:
            raise ValueError("wrong")

def spinner(label):
    def spin(case):
        end = time.perf_counter() + 0.004
        while time.perf_counter() < end:
            pass
        return case
    return pb.Candidate(name=f"spin_{label}", function=spin)

bench = pb.ParallelBenchmarking(
    [spinner(label) for label in "abcdefghij"], Spinning(), policy="never", tolerance=0.0,
    batch_size=1000, store="runs.db", interference_every_s=0.0)
bench.start()
panel = bench.panel()
panel
"""
FULL = """
figure, n = panel.curves.figure, 1000
at_s = [i / n for i in range(n)]
for label in "abcdefghij":
    speeds = [2.5e5 + 100 * (i % 97) for i in range(n)]
    columns = {"at_s": at_s, "throughput": speeds, "batch_size": [1000] * n, "runs": [1] * n}
    figure.stream(f"throughput:of spin_{label}", columns, n)
    columns = {"blocks": at_s, "odds": [1.0 + i % 7 for i in range(n)], "at_s": at_s}
    figure.stream(f"evidence:of spin_{label}", columns, n)
print(os.getpid())
"""
FILLED = """() => window.Bokeh && Bokeh.documents.length && Bokeh.documents.at(-1)
  .get_model_by_name("throughput:of spin_a").data.at_s.length > 900"""
FIND = """() => {
  // once: to look a name up takes a while, and the page is asked in every frame
  const find = (name) => Bokeh.documents.at(-1).get_model_by_name(name);
  const sources = [..."abcdefghij"].map((label) => find(`throughput:of spin_${label}`));
  window.__sizes = () => sources.map((source) => source.data.batch_size.at(-1));
  window.__lines = Object.fromEntries(
    ["evidence:threshold", "ratio:tolerance"].map((name) => [name, find(name)]));
}"""
WAIT_FOR = """(which) => {
  const sizes = window.__sizes;
  const line = () => window.__lines[which];
  const settled = which ? line().location : sizes()[0];
  const shows = () =>
    which ? line().location !== settled : sizes().some((size) => size !== settled);
  const holds = () => shows() && (!which || line().line_alpha === 1);
  let pressed = null;
  // when the browser took the key, not when the page came to it
  window.addEventListener("keydown", (event) => { pressed = event.timeStamp; },
    {capture: true, once: true});
  window.__took = {};
  const look = () => {
    if (pressed !== null) {
      for (const [what, reached] of [["shown", shows], ["held", holds]])
        if (!(what in window.__took) && reached()) {
          window.__took[what] = null;
          requestAnimationFrame(() => { window.__took[what] = performance.now() - pressed; });
        }
    }
    if (!("held" in window.__took)) requestAnimationFrame(look);
  };
  look();
}"""
POINTS = """() => Object.fromEntries(["throughput", "evidence"].map((plot) => [plot,
  [...Bokeh.documents.at(-1)._all_models.values()]
    .filter((model) => model.name?.startsWith(`${plot}:of `))
    .reduce((sum, {data}) => sum + Object.values(data)[0].length, 0)]))"""
SETTLED = "() => new Set(window.__sizes()).size === 1"
FRAMES = """(seconds) => new Promise((resolve) => {
  let frames = 0;
  const start = performance.now();
  const count = () => {
    frames += 1;
    const passed = (performance.now() - start) / 1000;
    if (passed < seconds) requestAnimationFrame(count);
    else resolve([frames / passed, performance.memory.usedJSHeapSize]);
  };
  requestAnimationFrame(count);
})"""


def main() -> None:
    with run_notebook(RACE, FULL) as page:
        if page is None:
            return
        page.wait_for_function(FILLED)
        page.evaluate(FIND)
        _latencies(page)
        _fill_again(page)
        _frames(page)


MEASURED = (
    ("threshold", "evidence:threshold", {"shown": ("its line moved", 150)}),
    ("tolerance", "ratio:tolerance", {"shown": ("its line moved", 150)}),
    ("batch size", None, {"held": ("the first measurement at it painted", 400)}),
)
IN_FORCE = {"held": ("the line full, as the race has it", 150)}


def _latencies(page) -> None:
    for label, line, milestones in MEASURED:
        handle = page.locator(
            ".widget-slider", has=page.locator(f"label:text-is('{label}')")
        ).locator(".noUi-handle")
        took = []
        for move in range(MOVES):
            page.wait_for_function(SETTLED)  # every candidate was measured at the last size
            page.evaluate(WAIT_FOR, line)
            handle.focus()
            page.keyboard.press("ArrowRight" if move % 20 < 10 else "ArrowLeft")
            page.wait_for_function("() => window.__took.held")
            took.append(page.evaluate("() => window.__took"))
        for which, (what, target_ms) in {**milestones, **(IN_FORCE if line else {})}.items():
            ms = [each[which] for each in took]
            tell(f"{label}, from the key to {what}", ms, target_ms=target_ms)


def _fill_again(page) -> None:
    """Fill the plots anew: at another batch size the evidence began afresh."""
    page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(f"() => ({POINTS})().evidence === 10000")


def _frames(page) -> None:
    kernel = psutil.Process(int(page.locator(".jp-OutputArea-output").last.inner_text().strip()))
    page.evaluate(FRAMES, 5)
    first, heap = page.evaluate(FRAMES, 5)
    seen = [(0.0, heap, kernel.memory_info().rss, page.evaluate(POINTS))]
    page.set_default_timeout(0)
    rates = []
    for quarter in range(1, 5):
        rate, heap = page.evaluate(FRAMES, WATCH_S / 4)
        rates.append(rate)
        at_s = quarter * WATCH_S / 4
        seen.append((at_s, heap, kernel.memory_info().rss, page.evaluate(POINTS)))
    print(f"frames a second over {WATCH_S:g} s: {sum(rates) / 4:.1f} (target 50)")
    print(f"  in the first 5 s {first:.1f}; load {os.getloadavg()[0]:.1f} on this machine")
    for at_s, heap, rss, points in seen:
        told = ", ".join(f"{plot} {count}" for plot, count in points.items())
        print(
            f"  after {at_s:3.0f} s: page's heap {heap / 1e6:.0f} MB, kernel's resident set "
            f"{rss / 1e6:.0f} MB; points: {told}"
        )
