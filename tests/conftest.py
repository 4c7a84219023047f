"""Which tests keep to one process where the suite runs in two (`--dist loadgroup`).

Pages share one JupyterLab, and races measure: each of the two groups runs one test at a time. All
others go to whichever process is free, a file at a time: what a file sets up is set up once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
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


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items):
    for item in items:
        group = str(item.path)
        if item.path.is_relative_to(HERE):
            group = GROUPS.get(item.path.relative_to(HERE).parts[0], group)
        item.add_marker(pytest.mark.xdist_group(group))
