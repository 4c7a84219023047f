"""A notebook in a real JupyterLab and a real Chromium, and how long a page took, in words."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def run_notebook(*cells: str) -> Iterator[Any]:
    """Yield the page of a notebook whose cells were run; None where Chromium is not installed."""
    from playwright.sync_api import expect, sync_playwright

    from tests.browser.conftest import LAB, chromium
    from tests.browser.jupyter import jupyter
    from tests.browser.steps import open_notebook, run_all

    expect.set_options(timeout=60_000)
    if chromium() is None:
        print("not measured: Chromium is not installed")
        yield None
        return
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary) / "notebooks"
        folder.mkdir()
        with jupyter(folder, *LAB, ready="is running at") as server:
            browser = playwright.chromium.launch(
                executable_path=chromium(),
                args=["--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"],
            )
            page = browser.new_page(viewport={"width": 1600, "height": 1400})
            page.set_default_timeout(60_000)
            open_notebook(page, server, server.write("measured.ipynb", *cells))
            run_all(page)
            yield page
            browser.close()


def tell(what: str, ms: Sequence[float], *, target_ms: int) -> None:
    """Print the median and the 95th percentile of milliseconds, and all of them."""
    far = f"worst {max(ms):.0f} ms of {len(ms)}"
    if len(ms) >= 20:  # fewer have no 95th percentile
        far = f"95th percentile {statistics.quantiles(ms, n=20)[-1]:.0f} ms"
    print(f"{what}: median {statistics.median(ms):.0f} ms, {far} (target {target_ms})", flush=True)
    print("  " + " ".join(f"{each:.0f}" for each in ms))
