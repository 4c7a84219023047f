"""A real JupyterLab and a real Chromium: started once, stopped whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

START_LIMIT_S = 90.0
END_LIMIT_S = 30.0
LOCAL = re.compile(r"^(https?|wss?)://(127\.0\.0\.1|localhost)(:\d+)?/|^(data|blob|about):")

# not ours, and harmless, each with its reason; the text ends in the address that it came from
_NOT_LOADED = r"^Failed to load resource: .* \(https?://[^/]+(/[^)]*)?"
_ICONS = r"^(Refused to load|Loading) the stylesheet 'https://cdn\.jsdelivr\.net/npm/@fort\S+"
HARMLESS = (
    _NOT_LOADED + r"/favicon\.ico",  # a page without an icon
    _NOT_LOADED + r"/api/terminals\b",  # terminals are off here
    _NOT_LOADED + r"/lsp/status\b",  # no server of languages is installed
    _NOT_LOADED + r"/lab/api/(news|update)\b",  # Lab's news are off
    r"^Failed to load resource: net::ERR_FAILED \(https://jupyter\.org/",  # refused by us
    r"^ResizeObserver loop (completed|limit)",  # the browser's own remark on Lab's layout
    r"^\[\.WebGL-0x|^WebGL: ",  # the browser's own: software rendering
    # Voila's page asks for icons that it has itself, and is refused them, as it should be
    _ICONS + r" (because it )?violates the following Content Security Policy",
)
HARMLESS_STRANGERS = (r"^https://jupyter\.org/",)  # Lab's news: refused, like every other host
# Notebook 7 says this of its own settings, on any page
HARMLESS_ERROR = ("reading 'schema'", "/static/notebook/notebook_core.")


@dataclass(slots=True, kw_only=True)
class Server:
    """A running server: its address, its token and the folder it shows."""

    url: str
    token: str
    folder: Path

    def write(self, name: str, *cells: str | nbformat.NotebookNode) -> str:
        """Write a notebook of these cells; returns its name."""
        notebook = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell
                for cell in cells
            ],
            metadata={
                "kernelspec": {
                    "name": "python3",
                    "display_name": "Python 3",
                    "language": "python",
                },
                "language_info": {"name": "python"},
            },
        )
        nbformat.write(notebook, self.folder / name)
        return name

    def end_kernels(self) -> None:
        """End every kernel, and with it the race that it may be running.

        A kernel that died is just being replaced and cannot be ended yet: it is asked again.
        """
        limit_s = time.monotonic() + END_LIMIT_S
        while kernels := json.loads(self._ask("GET", "/api/kernels")):
            for kernel in kernels:
                with contextlib.suppress(urllib.error.HTTPError):
                    self._ask("DELETE", f"/api/kernels/{kernel['id']}")
            assert time.monotonic() < limit_s, f"kernels do not end: {kernels}"

    def choose_theme(self, theme: str) -> None:
        """Let pages of JupyterLab that are opened from now on have this theme."""
        values = json.dumps({"raw": json.dumps({"theme": theme})}).encode()
        self._ask("PUT", "/lab/api/settings/@jupyterlab/apputils-extension:themes", values)

    def _ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            headers={"Authorization": f"token {self.token}"},
            data=data,
        )
        with urllib.request.urlopen(request, timeout=START_LIMIT_S) as answer:
            return answer.read()

    def lab(self, name: str) -> str:
        """Return the address of a notebook in JupyterLab, in a workspace of its own."""
        workspace = secrets.token_hex(4)
        return f"{self.url}/lab/workspaces/{workspace}/tree/{name}?token={self.token}"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_it_listens(port: int) -> None:
    """Wait for a server: some say that they are there a moment before they listen."""
    limit_s = time.monotonic() + START_LIMIT_S
    while True:
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", port), END_LIMIT_S),
        ):
            return
        assert time.monotonic() < limit_s, f"nobody listens on port {port}"


@contextlib.contextmanager
def jupyter(folder: Path, *command: str, ready: str) -> Iterator[Server]:
    """Run ``python -m <command>`` in a folder until the block ends.

    `ready` is a pattern in its output that says that it answers.
    """
    port, token = free_port(), secrets.token_hex(16)
    settings = folder.parent / f"settings-{port}"
    env = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(settings / "config"),
        "JUPYTER_DATA_DIR": str(settings / "data"),
        "JUPYTER_RUNTIME_DIR": str(settings / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings / "lab"),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        "IPYTHONDIR": str(settings / "ipython"),
        "PARBENCH_STORE": str(folder / "runs.db"),
        "PYTHONUNBUFFERED": "1",
    }
    lab_settings(settings / "lab")
    options = [option.format(port=port, token=token, folder=folder) for option in command]
    process = subprocess.Popen(
        [sys.executable, "-m", *options],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    told = _Told(ready)
    reader = threading.Thread(target=told.follow, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        assert told.ready.wait(START_LIMIT_S), "".join(told.lines)
        until_it_listens(port)
        yield Server(url=f"http://127.0.0.1:{port}", token=token, folder=folder)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        reader.join()
        process.stdout.close()
        shutil.rmtree(settings, ignore_errors=True)


@dataclass(slots=True)
class _Told:
    """What a server says, read to the end so that it never waits for us."""

    pattern: str
    lines: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    def follow(self, stream) -> None:
        for line in stream:
            self.lines.append(line)
            if re.search(self.pattern, line):
                self.ready.set()


@dataclass(slots=True)
class Console:
    """What a page complains of, and whom it asked beyond this machine."""

    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    last_look: bytes | None = None

    def watch(self, page) -> None:
        page.on("console", lambda message: self._said(message))  # noqa: PLW0108 - marks what it is given
        page.on("pageerror", lambda error: self._failed(error))  # noqa: PLW0108 - as above
        page.route(lambda url: not LOCAL.match(url), lambda route: self._refuse(route))  # noqa: PLW0108 - as above

    def leave(self, page) -> None:
        """Show a blank page while the server is still there; how it was is kept for `picture`."""
        self.last_look = page.screenshot(full_page=True)
        page.goto("about:blank")

    def picture(self, page) -> bytes:
        """Return the page as it is, or as it was when it was left."""
        return self.last_look or page.screenshot(full_page=True)

    def _said(self, message) -> None:
        text = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and not fits(HARMLESS, text):
            self.complaints.append(text)

    def _failed(self, error) -> None:
        text = f"{error} {error.stack}"
        if not all(mark in text for mark in HARMLESS_ERROR):
            self.complaints.append(f"page error: {text}")

    def _refuse(self, route) -> None:
        if not fits(HARMLESS_STRANGERS, route.request.url):
            self.strangers.append(route.request.url)
        route.abort()


def fits(patterns: tuple[str, ...], text: str) -> bool:
    """Return whether one of the patterns is found in a text."""
    return any(re.search(pattern, text) for pattern in patterns)


def lab_settings(folder: Path) -> None:
    """Write JupyterLab's settings: no question about news, and the light theme."""
    place = folder / "@jupyterlab" / "apputils-extension"
    place.mkdir(parents=True, exist_ok=True)
    for name, values in (
        ("notification", {"fetchNews": "false", "checkForUpdates": False}),
        ("themes", {"theme": "JupyterLab Light"}),
    ):
        (place / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
