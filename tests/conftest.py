"""Which tests keep to one process where the suite runs in two (`--dist loadgroup`).

Pages share one JupyterLab, and races measure: each of the two groups runs one test at a time. All
others go to whichever process is free.
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


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            group = GROUPS.get(item.path.relative_to(HERE).parts[0])
            if group is not None:
                item.add_marker(pytest.mark.xdist_group(group))
