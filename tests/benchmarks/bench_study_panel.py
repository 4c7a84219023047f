"""The panel of a scaling study in a real browser: from a key to what it changes on the page.

A study measures in a real JupyterLab (runs of 0.1 to 0.2 s) while a field is typed into, from the
time on when its first 20 runs have come: until then the page still loads and draws for the first
time. The time runs from the key that gives the value to the frame after the one in which the board
tells the new plan.
"""

from __future__ import annotations

import os

from tests.benchmarks.pages import run_notebook, tell

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
STREAMS = """() => {
  const board = document.querySelector(".parbench-board")?.textContent ?? "";
  const points = (window.Bokeh?.documents ?? [])
    .map((d) => d.get_model_by_name("scaling:points:threads"))
    .filter((m) => m).map((m) => m.data.workers.length).at(-1);
  return points === 2 && Number(board.match(/(\\d+) of \\d+ runs done/)?.[1]) >= 20;
}"""
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
    with run_notebook(STUDY) as page:
        if page is None:
            return
        page.wait_for_function(STREAMS)
        _repeats(page)
        print(f"load {os.getloadavg()[0]:.1f} on this machine")


def _repeats(page) -> None:
    took = []
    for move in range(MOVES):
        wanted = REPEATS + 1 + move
        took.append(_typed(page, "repeats", str(wanted), words=f"of {2 * wanted} runs done"))
    tell("repeats, from the key to the board", took, target_ms=TARGET_MS)


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


if __name__ == "__main__":
    main()
