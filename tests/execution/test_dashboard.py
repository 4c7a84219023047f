"""The dashboard of our own scheduler: there when somebody looks, and not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("bokeh")

SCRIPT = """
import sys
import urllib.request
from parbench_lab.execution.cluster import HouseCluster

house = HouseCluster(n_workers=1)
house.open()
link = house.scheduler.dashboard_link
print("bokeh" in sys.modules)
for _ in range(2):
    with urllib.request.urlopen(link, timeout=120) as page:
        print(page.status, "Dask" in page.read().decode())
print("bokeh" in sys.modules)
house.close()
"""


def test_the_dashboard_is_loaded_by_its_first_request_and_answers_it():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=250, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["False", "200 True", "200 True", "True"]
