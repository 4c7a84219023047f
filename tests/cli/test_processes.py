"""The shell as its users meet it: real processes, signals, pipes and a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import pytest

ENDLESS = [sys.executable, "-m", "tests.cli.endless", "race"]
PARBENCH = [sys.executable, "-m", "parbench_lab"]


@contextlib.contextmanager
def started(command, **options):
    """Run a command in a clean environment; whatever is left of it is killed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PARBENCH_STORE")}
    environment.update(options.pop("env", {}), PYTHONUNBUFFERED="1")
    with subprocess.Popen(command, env=environment, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def racing(**options):
    return started(
        ENDLESS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", **options
    )


def read_until(stream, text):
    """Return the lines up to the first that has the text; an end before it is a failure."""
    lines = []
    for line in stream:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"ended before {text!r}: {lines}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_race_with_its_result_so_far(number):
    with racing() as process:
        read_until(process.stdout, "cpu-0 is ready")

        process.send_signal(number)
        rest, errors = process.communicate(timeout=120)

    assert process.returncode == 0
    assert rest.splitlines()[-1] == "quick wins (stopped)."
    assert "Traceback" not in errors


def test_the_second_ctrl_c_aborts():
    with racing(env={"HOLD": "1"}) as process:
        read_until(process.stdout, "starting")
        read_until(process.stderr, "starting blocks")
        process.send_signal(signal.SIGINT)
        read_until(process.stderr, "again: abort")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)

    assert process.returncode == 130
    assert errors.splitlines()[-1] == "parbench: aborted"


def test_a_reader_that_leaves_ends_the_race_without_a_traceback():
    with racing() as process:
        read_until(process.stdout, "starting")
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=120)

    assert process.returncode == 1
    assert "Traceback" not in errors


def in_terminal(columns, lines, **environment):
    """Return everything an endless race writes to a terminal before and after Ctrl-C."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    env = {"TERM": "xterm-256color", **environment}
    shown = b""
    with started(ENDLESS, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        asked = False
        while True:
            try:
                got = os.read(ours, 65536)
            except OSError:  # the other side of a pseudo terminal is closed
                break
            shown += got
            if b"slow" in shown and not asked:
                asked = True
                process.send_signal(signal.SIGINT)
            if not got:
                break
        process.wait(timeout=120)
    os.close(ours)
    return process.returncode, shown.decode()


def test_a_terminal_gets_a_live_view_and_its_cursor_back():
    code, shown = in_terminal(80, 24)

    assert code == 0
    assert "starting" in shown.splitlines()[0]
    assert "\x1b[?25l" in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
    assert shown.splitlines()[-1] == "quick wins (stopped)."


def test_no_color_is_respected():
    _, coloured = in_terminal(80, 24)
    _, plain = in_terminal(80, 24, NO_COLOR="1")

    assert "\x1b[1;32m" in coloured
    assert "32m" not in plain


def test_a_dumb_terminal_gets_lines():
    code, shown = in_terminal(80, 24, TERM="dumb")

    assert code == 0
    assert "\x1b" not in shown
    assert "cpu-0 is ready" in shown


def loaded_by(words):
    """Return the names of all modules that a command line has loaded at its end."""
    program = (
        "import sys\nfrom parbench_lab.cli import parbench\n"
        f"try:\n    parbench.main({words!r}, prog_name='parbench')\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, encoding="utf-8"
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["race", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_nothing_heavy(words):
    heavy = {"numpy", "pandas", "scipy", "dask", "distributed", "sqlalchemy", "rich", "psutil"}

    assert not heavy & loaded_by(words)


def test_importing_the_library_loads_nothing_heavy():
    program = "import sys\nimport parbench_lab\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, encoding="utf-8"
    )

    heavy = {"dask", "distributed", "bokeh", "ipywidgets", "pandas", "scipy"}
    assert not heavy & set(done.stdout.split())


def test_the_module_is_the_command():
    done = subprocess.run(
        [*PARBENCH, "race", "--batch-size", "0"],
        capture_output=True,
        check=False,
        encoding="utf-8",
    )

    assert done.returncode == 2
    assert done.stderr.startswith("parbench: ")


def test_a_terminal_that_lacks_our_letters_shows_others():
    done = subprocess.run(
        [*PARBENCH, "workloads"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )

    assert done.returncode == 0
    assert done.stdout.isascii()
