"""``parbench quantize``, ``show`` and ``report quantize``: what is printed, kept and returned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from parbench_lab.cli import parbench

SMALL = ("--model-size", "2x64x256", "--cores", "1,2", "--repeats", "1")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One study, measured in fresh processes by the command itself."""
    folder = tmp_path_factory.mktemp("quantize")
    places = ("--store", str(folder / "runs.db"), "--reports", str(folder / "reports"))
    found = CliRunner().invoke(
        parbench, ["quantize", *SMALL, *places, "--json", "--output", str(folder / "found.json")]
    )
    return folder, found


def test_a_study_is_measured_and_reported(measured):
    folder, found = measured

    document = json.loads(found.stdout)
    assert found.exit_code == 0
    assert json.loads((folder / "found.json").read_text()) == document
    assert [one["num_threads"] for one in document["all_results"]] == [1, 2]
    assert "Core scaling: 2x64x256 (32.8 k parameters), batch" in found.stderr


def test_the_reports_have_the_names_and_keys_that_others_read(measured):
    folder, _ = measured

    text = (folder / "reports" / "parallel_benchmark_report.txt").read_text()
    document = json.loads((folder / "reports" / "parallel_benchmark_results.json").read_text())

    assert "threads" in text
    for column in ("time (s)", "memory (MB)", "speedup", "efficiency"):
        assert column in text
    assert {"reports", "all_results"} <= document.keys()
    assert {
        "name", "model_size", "num_threads", "streaming", "quantization_time_s",
        "peak_memory_mb", "quantization_memory_mb", "speedup", "efficiency",
    } <= document["all_results"][0].keys()  # fmt: skip


@pytest.mark.parametrize(
    "target",
    [
        "4-8x at 8 cores",
        "efficiency above 50 % at 8 cores",
        "100M (104.9 M parameters) under 2 min",
        "600M (629 M parameters) under 10 min",
        "7B (3.36 B parameters, not 7 B) under 30 min",
        "streaming memory under 50 % of batch",
    ],
)
def test_every_target_has_a_line(measured, target):
    folder, _ = measured

    text = (folder / "reports" / "parallel_benchmark_report.txt").read_text()

    assert f"- {target}: not measur" in text


def test_a_stored_study_is_listed_and_shown_again(measured):
    folder, found = measured
    run = json.loads(found.stdout)["run"]

    def shell(*words):
        return CliRunner().invoke(parbench, [*words, "--store", str(folder / "runs.db")])

    listed, shown, as_json = shell("runs"), shell("show", run), shell("show", run, "--json")

    assert "quantize" in listed.stdout
    assert "Core scaling: 2x64x256" in shown.stdout
    assert json.loads(as_json.stdout)["all_results"] == json.loads(found.stdout)["all_results"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--cores", "0"), "from 1 to 4,096 but got 0"),
        (("--cores", "two"), "is no list of whole numbers"),
        (("--model-size", "5B"), "model size '5B': not found"),
        (("--model-sizes", "100M,lots"), "model size 'lots': not found"),
        (("--bits", "3"), "bits must be 8, 4 or 2 but got 3"),
        (("--group-size", "0"), "but got 0"),
        (("--repeats", "0"), "repeats must be from 1"),
        (("--model", "nope.safetensors"), "cannot be read"),
        (("--model", "nope.txt"), "give a .safetensors or .npz file"),
        (("--scratch", "nowhere", *SMALL), "give --scratch FOLDER"),
        (("--output", "nowhere/x.json"), "there is no folder"),
    ],
    ids=str,
)
def test_wrong_use_is_one_line_and_measures_nothing(shell, words, told):
    found = shell("quantize", *words)

    assert found.exit_code == 2
    assert told in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_broken_file_and_one_with_no_number_are_one_line(shell):
    Path("cut.safetensors").write_bytes(b"\xff" * 20)
    weights = np.ones((4, 8), dtype=np.float32)
    weights[2, 3] = np.nan
    save_file({"a": weights}, "nan.safetensors")

    cut = shell("quantize", "--model", "cut.safetensors")
    nan = shell("quantize", "--model", "nan.safetensors", "--cores", "1", "--repeats", "1")

    assert (cut.exit_code, nan.exit_code) == (2, 2)
    assert "is no whole safetensors file" in cut.stderr
    assert "tensor 'a': weights must be finite but row 2, column 3 is nan" in nan.stderr


def test_the_help_says_what_the_largest_model_holds_and_gives_examples(shell):
    found = " ".join(shell("quantize", "--help").stdout.split())

    assert "parbench quantize --all" in found
    assert "3.36 billion" in found
    assert "Exit codes" in found
