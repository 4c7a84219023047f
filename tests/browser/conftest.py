"""One JupyterLab and one Chromium for all tests of this folder; a fresh page for each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.browser.jupyter import Console, jupyter

ARTEFACTS = Path(os.environ.get("PARBENCH_ARTEFACTS", Path(__file__).parent / "artefacts"))
LAB = (
    "jupyterlab",
    "--no-browser",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token={token}",
    "--ServerApp.root_dir={folder}",
    "--ServerApp.allow_root=True",
    "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser():
    if chromium() is None:
        words = "Chromium is not installed (Debian: apt-get install chromium)"
        pytest.fail(words) if os.environ.get("CI") == "true" else pytest.skip(words)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=45_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def lab_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    folder.mkdir()
    with jupyter(folder, *LAB, ready=r"is running at") as server:
        yield server


@pytest.fixture
def lab(lab_server):
    """The one JupyterLab; kernels, and races in them, end with the test."""
    yield lab_server
    lab_server.end_kernels()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


@pytest.fixture
def console():
    """What the test's page complains of."""
    return Console()


@pytest.fixture
def page(browser, request, console):
    """A fresh page; it must not complain, nor ask anybody beyond this machine."""
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab")  # before the page, so that its kernels outlive the page
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(45_000)
    console.watch(opened)
    yield opened
    told = [*console.complaints, *console.strangers]
    if getattr(request.node, "failed", False) or told:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        name = "".join(c if c.isalnum() else "_" for c in request.node.name)
        (ARTEFACTS / f"{name}.png").write_bytes(console.picture(opened))
        (ARTEFACTS / f"{name}.txt").write_text("\n".join(told))
    context.close()
    assert console.complaints == []
    assert console.strangers == []
