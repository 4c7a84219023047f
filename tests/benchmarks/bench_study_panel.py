"""The panel of a scaling study in a real browser: from a key to what it changes on the page.

A study measures in a real JupyterLab (runs of 0.1 to 0.2 s) while a field is typed into. The
time runs from the key that gives the value to the frame after the one in which the board tells the
new plan.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

MOVES = int(os.environ.get("PARBENCH_MOVES", "40"))
TARGET_MS = 150
REPEATS = 900

STUDY = """
import time
import parbench_lab as pb

def nap(seconds):
    time.sleep(seconds)
    return seconds

def job(case, *, map):
    return sum(map(nap, case))

study = pb.ScalingStudy(job, make_case=lambda size, rng: [0.02] * size, workers=[1, 2],
                        sizes=[10], repeats=900, store=":memory:")
study.start()
study
"""
POINTS = """() => (window.Bokeh?.documents ?? [])
  .map((d) => d.get_model_by_name("scaling:points:threads"))
  .filter((m) => m).map((m) => m.data.workers.length).at(-1)"""
WAIT_FOR = """(words) => {
  const shows = () => document.querySelector(".parbench-board").textContent.includes(words);
  let pressed = null;
  // when the browser took the key, not when the page came to it
  window.addEventListener("keydown", (event) => { pressed = event.timeStamp; },
    {capture: true, once: true});
  window.__took = null;
  const look = () => {
    if (pressed !== null && shows())
      requestAnimationFrame(() => { window.__took = performance.now() - pressed; });
    else requestAnimationFrame(look);
  };
  look();
}"""


def main() -> None:
    from playwright.sync_api import expect, sync_playwright

    from tests.browser.conftest import LAB, chromium
    from tests.browser.jupyter import jupyter
    from tests.browser.steps import open_notebook, run_all

    expect.set_options(timeout=60_000)
    if chromium() is None:
        print("not measured: Chromium is not installed")
        return
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary) / "notebooks"
        folder.mkdir()
        with jupyter(folder, *LAB, ready="is running at") as server:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            page = browser.new_page(viewport={"width": 1600, "height": 1400})
            page.set_default_timeout(60_000)
            open_notebook(page, server, server.write("study.ipynb", STUDY))
            run_all(page)
            page.wait_for_function(f"() => ({POINTS})() === 2")
            _repeats(page)
            print(f"load {os.getloadavg()[0]:.1f} on this machine")
            browser.close()


def _repeats(page) -> None:
    took = []
    for move in range(MOVES):
        wanted = REPEATS + 1 + move
        took.append(_typed(page, "repeats", str(wanted), words=f"of {2 * wanted} runs done"))
    _tell("repeats, from the key to the board", took)


def _typed(page, label: str, value: str, *, words: str) -> float:
    """Type a value into a field; return the milliseconds until the page shows what follows."""
    field = page.locator(".widget-text", has=page.locator(f"label:text-is('{label}')")).locator(
        "input"
    )
    field.fill(value)
    page.evaluate(WAIT_FOR, words)
    field.press("Enter")
    page.wait_for_function("() => window.__took !== null")
    return float(page.evaluate("() => window.__took"))


def _tell(what: str, ms: list[float]) -> None:
    far = f"worst {max(ms):.0f} ms of {len(ms)}"
    if len(ms) >= 20:  # fewer have no 95th percentile
        far = f"95th percentile {statistics.quantiles(ms, n=20)[-1]:.0f} ms"
    print(f"{what}: median {statistics.median(ms):.0f} ms, {far} (target {TARGET_MS})", flush=True)
    print("  " + " ".join(f"{each:.0f}" for each in ms))


if __name__ == "__main__":
    main()
