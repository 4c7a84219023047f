"""How the whole suite runs: what keeps to one process, and properties without luck.

Pages share one JupyterLab, and races measure: each of the two groups runs one test at a time in a
process of its own (`--dist loadgroup`). All others go to whichever process is free, a file at a
time: what a file sets up is set up once.
"""

from __future__ import annotations

import compileall
import gc
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "parbench_lab"
GROUPS = {
    "browser": "pages",
    "notebooks": "pages",
    "panel": "pages",
    "chaos": "races",
    "cli": "races",
    "execution": "races",
    "lab": "races",
    "reports": "races",
    "scaling": "races",
    "test_readme.py": "races",
    "test_users_ci.py": "races",
}

# the same examples every time, and a slow machine is no failure
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_configure(config):
    """Make processes that tests start as quick, and as easy to stop, as those of a user."""
    if not hasattr(config, "workerinput"):
        # where nobody writes bytecode, every process would compile the package anew
        compileall.compile_dir(PACKAGE, quiet=2)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what runs behind it
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.path)))


def pytest_collection_finish():
    """Leave what is loaded out of all later collections of garbage, each of which took a second.

    A study collects before every time it takes; what a test makes is collected as ever.
    """
    gc.collect()
    gc.freeze()


def group_of(path):
    """Return the group of a file's tests: the file itself where it is of none."""
    top = path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""
    return GROUPS.get(top, str(path))
