"""Every notebook runs from top to bottom through papermill, with small parameters."""

from __future__ import annotations

import json
from pathlib import Path

import papermill
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
SMALL = {
    "00_start_here": {"headless": True, "seconds": 6.0},
    "01_first_race": {"seconds": 5.0, "batch_size": 500},
    "02_live_challenger": {"headless": True, "seconds": 8.0},
    "10_draw_plots": {"seconds": 4.5, "batch_sizes": [100, 1000]},
}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(notebook, tmp_path):
    parameters = {**SMALL[notebook.stem], "store": str(tmp_path / "runs.db")}

    papermill.execute_notebook(
        notebook,
        tmp_path / notebook.name,
        parameters,
        progress_bar=False,
        kernel_name="python3",
        cwd=tmp_path,  # what a notebook writes beside itself does not stay here
    )

    cells = json.loads((tmp_path / notebook.name).read_text())["cells"]
    conclusion = "".join(text for out in cells[-1]["outputs"] for text in out.get("text", []))
    assert "measurements in" in conclusion


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_its_language_so_that_it_is_linted(notebook):
    metadata = json.loads(notebook.read_text())["metadata"]

    assert metadata["language_info"]["name"] == "python"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_one_cell_of_parameters_and_short_cells(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]

    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]

    assert len(tagged) == 1
    assert max(len(cell["source"]) for cell in code) <= 12
