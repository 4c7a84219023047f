"""The cells of notebook 07 that need a GPU, and its benchmark, on recorded devices."""

import re
import sys

import nbformat
import papermill
import pytest

from tests.benchmarks import bench_gpu
from tests.execution.slow_driver import SPIN_S
from tests.notebooks.test_notebooks import NOTEBOOKS, printed
from tests.workloads.played import LIBRARIES

RECORDED = "parbench_lab.testing.recorded_gpus"
(PAGE,) = (path for path in NOTEBOOKS if path.stem == "07_gpu_race")
PARTS = (
    "busy_rows =",
    "find_gpus()",
    "missing_candidates(job)",
    "target_gpu_utilization=",
    "told",
)


def of_the_controller():
    """Return the notebook with the cells alone that let the controller hold a real GPU."""
    notebook = nbformat.read(PAGE, as_version=4)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    notebook["cells"] = [c for c in code if any(part in c["source"] for part in PARTS)]
    return notebook


def test_with_a_gpu_the_controller_is_shown_at_work(tmp_path, monkeypatch):
    monkeypatch.setenv("PARBENCH_NVML", f"{RECORDED}:two_gpus")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("PYTHONPATH", LIBRARIES)
    path = tmp_path / PAGE.name
    nbformat.write(of_the_controller(), path)

    papermill.execute_notebook(
        path,
        path,
        {"busy_rows": 16, "seconds_each": 1, "store": str(tmp_path / "runs.db")},
        progress_bar=False,
        kernel_name="python3",
        cwd=tmp_path,
    )

    told = printed(nbformat.read(path, as_version=4)["cells"])
    assert "GPUs: Recorded GPU (86 GB)" in told
    assert "For the GPU: torch_cuda_matmul, cupy_matmul\n" in told
    assert "80 % wanted: 1 of 4 blocks in flight" in told
    assert "95 % wanted: " in told


def test_the_notebook_says_that_nothing_in_it_was_measured_on_a_gpu():
    first = nbformat.read(PAGE, as_version=4)["cells"][0]["source"]

    assert "Measured on a GPU: not run yet (no GPU was at hand)" in first


@pytest.mark.parametrize(
    ("recorded", "libraries", "why"),
    [
        ("no_driver", True, "no GPU can be used: no NVIDIA driver is installed"),
        ("two_gpus", False, "neither torch nor cupy is installed"),
    ],
    ids=["no driver", "no library"],
)
def test_the_benchmark_says_why_it_measures_nothing(recorded, libraries, why, monkeypatch, capsys):
    monkeypatch.setenv("PARBENCH_NVML", f"{RECORDED}:{recorded}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for library in ("torch", "cupy"):
        if libraries:
            monkeypatch.syspath_prepend(LIBRARIES)
        else:
            monkeypatch.setitem(sys.modules, library, None)

    bench_gpu.main()

    assert capsys.readouterr().out == f"not measured: {why}\n"


QUESTIONS = 6  # to the driver for one sample
WATCHING = "sampler.sample()"


def benchmark_prints():
    bench_gpu.watching(n_samples=5)


def cell_prints():
    cells = nbformat.read(PAGE, as_version=4)["cells"]
    (source,) = (cell["source"] for cell in cells if WATCHING in cell["source"])
    exec(source, {})


@pytest.mark.parametrize(
    ("prints", "cost_ms"),
    [
        pytest.param(benchmark_prints, r"([\d.]+) ms of it CPU", id="benchmark"),
        pytest.param(cell_prints, r"One sample takes ([\d.]+) ms of CPU", id="notebook"),
    ],
)
def test_the_cost_of_watching_holds_what_the_driver_takes(prints, cost_ms, monkeypatch, capsys):
    monkeypatch.setenv("PARBENCH_NVML", "tests.execution.slow_driver:spinning")

    prints()

    told = capsys.readouterr().out
    assert "of a core" in told
    assert float(re.search(cost_ms, told)[1]) >= 1e3 * QUESTIONS * SPIN_S
