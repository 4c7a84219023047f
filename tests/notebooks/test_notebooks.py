"""Every notebook runs from top to bottom through papermill, with small parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import papermill
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
STUDY = {"workers": [1, 2], "repeats": 2}
SMALL: dict[str, dict[str, Any]] = {
    "00_start_here": {"headless": True, "seconds": 6.0},
    # more time than what they claim takes: both go on as soon as their races are decided
    "01_first_race": {"headless": True, "seconds": 30.0, "batch_size": 500},
    "02_live_challenger": {"headless": True, "seconds": 60.0},
    "03_measure_scaling": {**STUDY, "size": 500_000},
    "04_amdahl_gustafson_usl": {**STUDY, "headless": True},
    "05_why_projections_fail": {**STUDY, "size": 500_000},
    "06_history_and_regressions": {"n_runs": 20, "change_at": 12},
    "07_gpu_race": {"seconds": 6.0, "batch_sizes": [1, 128], "company_seconds": 4.0},
    "08_parallel_ml": {"repeats": 2, "size_factor": 0.05, "operations": ["preprocess"]},
    "09_portfolio": {**STUDY, "configurations": 60, "timeframe": "1d"},
    "10_draw_plots": {"seconds": 4.5, "batch_sizes": [100, 1000]},
    "11_quantize_a_model": {
        "model_size": "4x64x256",
        "cores": [1, 2],
        "streamed": "4x64x256",
        "repeats": 1,
    },
    "teaching_guide": {},
}
CLOSING = {
    "03_measure_scaling": "workers are",
    "04_amdahl_gustafson_usl": "hidden point off by",
    "05_why_projections_fail": "Largest error on 16 machines",
    "06_history_and_regressions": "your own record:",
    "08_parallel_ml": "all with the same bits: True",
    "09_portfolio": "serial and parallel identical: True",
    "11_quantize_a_model": "the files are identical: True",
    "teaching_guide": "exercises with answers",
}
"""What the last cell says; that of a race names its measurements."""
CLAIMED = {
    "01_first_race": (
        r"off_by_one +wrong *\n",
        r"off_by_one +wrong result: AssertionError",
        r"\d +off_by_one +eliminated",
        r"with_windows +eliminated",
        "with_(cumsum|convolve) (wins|and|leads)",
    ),
    "02_live_challenger": (
        r"with 50 points (?!None)\w+ leads",
        "with 4000 points (scipy_kd|sklearn_ball)_tree leads",
        r"\d +leafy_tree +(leader|equal|undecided|eliminated)",
        r"With 50 points (\w+) leads, with 4000 points (?!None|\1 )\w+ did",
    ),
    # the tables of its reports are fixed, so what is reckoned from them is, too
    "05_why_projections_fail": (
        r"limit from 0\.88: 8\.33, but measured with 16 threads: 7\.81, with 8 already 6\.94",
        r"\n8 +180 +6\.9444 +4\.3478 +0\.0217\n",
        r"\[91\.79, 115\.7\] ms with 16 threads; measured are 160: outside of that interval",
        r"behind 2\.14 on 3 workers: 0\.201, limit 4\.98",
        r"\n31 +21\.886 +4\.2898\n",
        r"the two laws are 5\.1 times apart",
        r"promises 4\.4 times its own limit",
        r"a fit refuses: a scaling law needs at least 4 different worker counts but got 2",
        r"alpha from 0\.0126 to 0\.0277: 2\.2 times",
        r"peak from 92\.5 to 111\.6: 21 % apart",
        r"all four intervals of the peak hold 83 to 131",
        r"\n16 +9\.3602 +0\.0473 +0\.9515 +0\.8205 +0\.8226 +0\.9102\n",
        r"serial fraction 0\.047 by Karp and Flatt, limit 21 by Amdahl",
        r"the processes wait only 4\.8 % of their time",
        r"it would be 11\.4 times, fraction 0\.027: the clock makes 43 % of it",
        r"instructions = 0\.614, x waiting = 0\.585 = the efficiency",
        r"constant efficiency 75%, Amdahl from the last 58%, USL 29%, same as before 50%",
    ),
    "09_portfolio": tuple(
        rf"\nbacktest_{way} +\d" for way in ("loop", "pandas", "numpy", "vectorised")
    ),
    "06_history_and_regressions": (
        r"\?\+ loop: worse from \w+",
        r"slower from night 12 on; found: \[12\]",
        r"simulated: the change of night 12 was found at that night\n",
    ),
}
"""What a text says that its reader will see, as patterns of what the notebook shows."""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(notebook, tmp_path):
    stored = {} if notebook.stem == "teaching_guide" else {"store": str(tmp_path / "runs.db")}
    answers = answers_of_the_guide().get(notebook.stem, {})
    nbformat.write(with_answers(notebook, answers), tmp_path / notebook.name)

    papermill.execute_notebook(
        tmp_path / notebook.name,
        tmp_path / notebook.name,
        {**SMALL[notebook.stem], **stored},
        progress_bar=False,
        kernel_name="python3",
        cwd=tmp_path,  # what a notebook writes beside itself does not stay here
    )

    cells = nbformat.read(tmp_path / notebook.name, as_version=4)["cells"]
    assert CLOSING.get(notebook.stem, "measurements in") in printed(cells[-1:])
    assert printed(cells).count(": not answered yet\n") == len(answers)
    assert printed(cells).count(": right\n") == len(answers)
    assert printed(cells).count(": not yet. ") == len(answers)
    missing = [
        claim for claim in CLAIMED.get(notebook.stem, ()) if not re.search(claim, shown(cells))
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("nights", "told"),
    [
        pytest.param([40], "the change of night 40 was found at that night", id="found"),
        pytest.param([9, 40], "the change of night 40 was found at that night", id="and drift"),
        pytest.param([9, 43], "was not found: the nearest mark of loop is at night 43", id="off"),
        pytest.param([], "was not found: loop has no mark for the worse", id="nothing"),
    ],
)
def test_the_lesson_of_histories_claims_to_have_found_only_what_it_found(nights, told, capsys):
    lesson = next(path for path in NOTEBOOKS if path.stem == "06_history_and_regressions")

    exec(
        sources(lesson)[-1],
        {"nights": nights, "change_at": 40, "mine": SimpleNamespace(sentence="")},
    )

    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("peak", "told"), [(None, "no peak shown."), (12.3, "peak at 12.3 machines.")], ids=str
)
def test_the_lesson_of_the_laws_claims_a_peak_only_where_its_fit_names_one(peak, told, capsys):
    lesson = next(path for path in NOTEBOOKS if path.stem == "04_amdahl_gustafson_usl")
    hidden = SimpleNamespace(error=0.1, naive_error=0.2)
    fit = SimpleNamespace(score=lambda: hidden, peak_workers=peak)

    exec(
        sources(lesson)[-1],
        {
            "headless": False,
            "guess": 1.6,
            "two": SimpleNamespace(speedup=1.5),
            "recorded": {"job": SimpleNamespace(fit=lambda: fit)},
        },
    )

    assert capsys.readouterr().out.endswith(f", naive guess by 20 %, {told}\n")


def test_run_all_of_the_first_notebook_ends_in_a_decision(tmp_path):
    first = NOTEBOOKS[0]

    papermill.execute_notebook(
        first,
        tmp_path / first.name,
        {"seconds": 120.0, "store": str(tmp_path / "runs.db")},  # as in JupyterLab: not headless
        progress_bar=False,
        kernel_name="python3",
        cwd=tmp_path,
    )

    cells = nbformat.read(tmp_path / first.name, as_version=4)["cells"]
    assert re.search("wins|are equal within the tolerance", printed(cells[-1:]))
    assert "Traceback" not in printed(cells)


def printed(cells: list[Any]) -> str:
    """Return what cells have printed."""
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    return "".join(out.get("text", "") for out in outputs)


def shown(cells: list[Any]) -> str:
    """Return what cells have printed, and what they show as plain text."""
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    parts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs]
    return "\n".join(parts)


def with_answers(path: Path, answers: dict[str, float]) -> Any:
    """Return a notebook with each exercise three times: as it is, wrong, then answered."""
    notebook = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook["cells"]:
        cells.append(cell)
        for name, value in answers.items():
            if f"{name} = None" in cell["source"]:
                for given in (1.5 * value, value):
                    answered = cell["source"].replace(f"{name} = None", f"{name} = {given}")
                    cells.append(nbformat.v4.new_code_cell(answered))
    notebook["cells"] = cells
    return notebook


def answers_of_the_guide() -> dict[str, dict[str, float]]:
    """Return the answers of the teaching guide: lesson to variable to value."""
    guide = next(path for path in NOTEBOOKS if path.stem == "teaching_guide")
    found: dict[str, Any] = {}
    for cell in nbformat.read(guide, as_version=4)["cells"]:
        if "answers" in cell["metadata"].get("tags", []):
            exec(cell["source"], found)  # a cell of ours that assigns numbers
    answers: dict[str, dict[str, float]] = found["answers"]
    return answers


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_its_language_so_that_it_is_linted(notebook):
    metadata = json.loads(notebook.read_text())["metadata"]

    assert metadata["language_info"]["name"] == "python"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_speed_over_batch_size_has_the_colours_of_the_panel(notebook):
    drawn = re.findall(r"\b(?:sizes_figure|profile_data)\(.*", "\n".join(sources(notebook)))

    assert [call for call in drawn if "candidates=" not in call] == []


@pytest.mark.parametrize(
    "notebook",
    [path for path in NOTEBOOKS if "ScalingCurve.from_times(" in path.read_text()],
    ids=lambda path: path.stem,
)
def test_a_lesson_reads_the_students_curve_aloud_and_draws_the_recorded_ones_beside_it(notebook):
    code = "\n".join(sources(notebook))

    assert re.search(r"\bpb\.read_curve\((curve|yours)\)", code)
    assert re.search(r'\{"[^"]+": (curve|yours), \*\*recorded\}', code)


def sources(path: Path) -> list[str]:
    """Return the cells of code."""
    cells = nbformat.read(path, as_version=4)["cells"]
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_one_cell_of_parameters_and_short_cells(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]

    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]

    assert len(tagged) == 1
    assert max(len(cell["source"]) for cell in code) <= 12
