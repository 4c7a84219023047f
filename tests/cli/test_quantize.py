"""``parbench quantize``, ``show`` and ``report quantize``: what is printed, kept and returned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from parbench_lab.cli import parbench
from parbench_lab.cli.quantize import quantize, study_of
from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.lab.quantization.bench import free_memory_bytes
from parbench_lab.lab.study_parts import default_workers

SMALL = ("--model-size", "2x64x256", "--cores", "1,2", "--repeats", "1")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One study, measured in fresh processes by the command itself; a file names the store."""
    folder = tmp_path_factory.mktemp("quantize")
    (folder / "places.toml").write_text("store = 'runs.db'\n")
    places = ("--config", str(folder / "places.toml"), "--reports", str(folder / "reports"))
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
        "streaming time at most 15 % over batch",
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
        (("--model-size", "5B"), "7B (3.36 B parameters, not 7 B), 7B-true"),
        (("--model", "m.npz", "--model-size", "600M"), "got the file m.npz and the size 600M"),
        (("--bits", "3"), "bits must be 8, 4 or 2 but got 3"),
        (("--group-size", "0"), "but got 0"),
        (("--repeats", "0"), "repeats must be a whole number from 1"),
        (("--threads", "0"), "threads must be a whole number from 1 to 4,096 but got 0"),
        (("--threads", "5000"), "threads must be a whole number from 1 to 4,096 but got 5000"),
        (("--model-size=",), "model size '': not found"),
        (("--model-sizes=",), "model size '': not found"),
        (("--model-size", "1000000000000x1x1", "--dry-run"), "has more than 100,000 layers"),
        (("--model-size", f"1x1x{'9' * 5000}"), "not found"),
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


@pytest.mark.parametrize("folder", ["afile/sub", "afile/sub/further"])
def test_a_folder_of_reports_that_cannot_be_made_is_refused_before_anything_is_measured(
    shell, folder
):
    Path("afile").write_text("mine\n")

    found = shell("quantize", *SMALL, "--reports", folder, "--store", "runs.db")

    assert found.exit_code == 2
    assert f"--reports {folder}: " in found.stderr
    assert "afile is no folder" in found.stderr
    assert not Path("runs.db").exists()


def test_a_dry_run_says_what_would_be_measured_and_about_how_long(shell, tmp_path):
    found = shell("quantize", "--model-size", "2x64x256", "--cores", "1,2", "--repeats", "3",
                  "--dry-run", "--scratch", str(tmp_path / "scratch"))  # fmt: skip

    assert found.exit_code == 0
    assert "model      2x64x256 (32.8 k parameters)\n" in found.output
    assert found.output.count("measured   2x64x256") == 2
    assert "runs       6 runs, each in a fresh process\n" in found.output
    assert "takes      about 6 s" in found.output
    assert list(tmp_path.iterdir()) == []


def planned(*words):
    """Return the plan that a command's words mean; nothing is measured."""
    context = quantize.make_context("quantize", list(words))
    elsewhere = {"everything", "folder", "dry_run", "as_json", "output", "config", "debug"}
    asked = {name: given for name, given in context.params.items() if name not in elsewhere}
    with study_of(
        {**asked, "store": ":memory:"}, everything=context.params["everything"]
    ) as study:
        return study.plan.asked


@pytest.fixture
def mine(tmp_path):
    save_file({"a": np.ones((4, 8), dtype=np.float32)}, tmp_path / "mine.safetensors")
    return str(tmp_path / "mine.safetensors")


@pytest.mark.parametrize(
    ("words", "scaled"),
    [
        ((), "100M"),
        (("--model-size", "600M"), "600M"),
        (("--model-size", "600M", "--model-sizes", "100M"), "600M"),
        (("--model", "MINE"), "mine.safetensors"),
        (("--model", "MINE", "--model-sizes", "100M"), "mine.safetensors"),
    ],
    ids=str,
)
def test_a_model_that_is_named_is_scaled_over_the_cores(mine, words, scaled):
    asked = planned(*(mine if word == "MINE" else word for word in words))

    assert asked.scaling_model == scaled
    assert asked.cores == tuple(default_workers(available_physical_cores()))
    assert asked.size_models == (("100M",) if "--model-sizes" in words else ())


def test_without_a_model_named_nothing_is_scaled_beside_the_sizes():
    asked = planned("--model-sizes", "100M")

    assert (asked.scaling_model, asked.cores, asked.size_models) == ("", (), ("100M",))


def test_a_users_model_that_is_compared_is_not_scaled_unless_cores_are_given(mine):
    compared = planned("--model", mine, "--streaming-comparison")
    both = planned("--model", mine, "--streaming-comparison", "--cores", "1,2")

    assert (compared.comparison_model, compared.cores) == ("mine.safetensors", ())
    assert (both.comparison_model, both.scaling_model) == ("mine.safetensors",) * 2


@pytest.mark.skipif(free_memory_bytes() < 3 << 30, reason="the comparison needs 2.4 GB in batch")
@pytest.mark.parametrize(
    "words",
    [
        ("--cores", "1,2,4,8,16", "--model-sizes", "100M,600M,7B", "--model-size", "600M",
         "--streaming-comparison", "--all"),
        ("--all",),
    ],
    ids=("as it was first given", "all"),
)  # fmt: skip
def test_all_three_parts_are_asked_for_by_all(words):
    asked = planned(*words)

    assert (asked.scaling_model, asked.cores) == ("600M", (1, 2, 4, 8, 16))
    assert (asked.size_models, asked.threads) == (("100M", "600M", "7B"), 8)
    assert asked.comparison_model == "100x1024x4096"


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
