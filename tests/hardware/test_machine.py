from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import subprocess
import sys

import pytest

from parbench_lab.core.libraries import libraries_of
from parbench_lab.core.machine import BASE_LIBRARIES, Cache, Machine
from parbench_lab.hardware.detect import detect_machine, library_versions, parse_blas
from parbench_lab.hardware.gpus import detect_gpus

MACHINE = Machine(
    cpu_model="Abacus 3",
    physical_cores=4,
    logical_cores=8,
    smt=True,
    memory_bytes=16 * 2**30,
    os="Debian GNU/Linux 12 (bookworm)",
    kernel="Linux 6.1 x86_64",
    python="CPython 3.11.7",
    caches=(Cache(name="L1d", size_bytes=32768, instances=4),),
    blas="openblas 0.3.30",
    libraries={"numpy": "2.4.6", "scipy": "1.17.1"},
)


def test_the_fingerprint_is_the_same_in_every_process_and_version():
    # written down: a change of it would part the history of every machine in two
    assert MACHINE.fingerprint == "11b69fdeca6e"


def test_equal_machines_have_equal_fingerprints_whatever_the_order_of_libraries():
    turned = dataclasses.replace(MACHINE, libraries=dict(reversed(MACHINE.libraries.items())))

    assert turned.fingerprint == MACHINE.fingerprint


def test_a_few_megabytes_of_memory_more_or_less_are_the_same_machine():
    other = dataclasses.replace(MACHINE, memory_bytes=MACHINE.memory_bytes - 50 * 2**20)

    assert other.fingerprint == MACHINE.fingerprint


OTHER = {
    "cpu_model": "Abacus 4",
    "physical_cores": 8,
    "logical_cores": 16,
    "smt": False,
    "memory_bytes": 32 * 2**30,
    "os": "Debian GNU/Linux 13 (trixie)",
    "kernel": "Linux 6.2 x86_64",
    "python": "CPython 3.12.0",
    "caches": (),
    "gpus": ("Slide Rule 100",),
    "blas": "mkl 2026.0",
    "libraries": {"numpy": "2.4.7", "scipy": "1.17.1"},
    "cluster": ("11b69fdeca6e", "unknown"),
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Machine)])
def test_whatever_else_differs_changes_the_fingerprint(name):
    # a field that is added later has no other value here and fails: the fingerprint must hold it
    other = dataclasses.replace(MACHINE, **{name: OTHER[name]})

    assert other.fingerprint != MACHINE.fingerprint


def test_a_machine_comes_back_from_its_json():
    document = json.loads(json.dumps(MACHINE.as_json() | {"fingerprint": MACHINE.fingerprint}))

    assert Machine.from_json(document) == MACHINE


@pytest.mark.parametrize("document", [{}, MACHINE.as_json() | {"colour": "red"}])
def test_what_is_no_machine_is_refused(document):
    with pytest.raises(ValueError, match="not the description of a machine"):
        Machine.from_json(document)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu_model", 5),
        ("physical_cores", "two"),
        ("logical_cores", None),
        ("logical_cores", True),
        ("smt", "no"),
        ("memory_bytes", None),
        ("memory_bytes", 10**400),
        ("caches", None),
        ("caches", [5]),
        ("caches", [{"name": "L2", "size_bytes": "x"}]),
        ("caches", [{"name": "L2", "size_bytes": 2**20, "instances": 0}]),
        ("gpus", "A100"),
        ("gpus", [1]),
        ("libraries", None),
        ("libraries", [1]),
        ("libraries", {"numpy": 2}),
    ],
)
def test_a_value_of_another_type_makes_no_machine(name, value):
    with pytest.raises(ValueError, match=r"not the description of a machine|must be positive"):
        Machine.from_json(MACHINE.as_json() | {name: value})


@pytest.mark.parametrize("document", [None, 5, "laptop", [MACHINE.as_json()]])
def test_what_is_no_object_is_no_machine(document):
    with pytest.raises(ValueError, match="not the description of a machine"):
        Machine.from_json(document)


def test_nonsense_is_refused_at_once():
    with pytest.raises(ValueError, match="logical_cores must be positive but got 0"):
        dataclasses.replace(MACHINE, logical_cores=0)


def test_two_processes_detect_one_machine_whatever_they_imported_before():
    code = "from parbench_lab.hardware.detect import detect_machine; print(detect_machine())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", before + code],
            capture_output=True,
            check=True,
            text=True,
            timeout=120,
        ).stdout
        for before in ("", "import scipy.linalg; ")
    }

    assert outputs == {f"{detect_machine()}\n"}


def values_in(document):
    """Return every value within JSON values."""
    if isinstance(document, dict):
        document = [*document.values()]
    if isinstance(document, list):
        return [value for inner in document for value in values_in(inner)]
    return [document]


def test_the_detected_machine_says_nothing_of_host_or_load():
    import socket

    host = socket.gethostname()
    document = detect_machine().as_json()

    assert host not in values_in(document)
    # a short name may be part of any word
    assert len(host) < 6 or host not in json.dumps(document)
    assert document["logical_cores"] >= 1


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        pytest.param({"numpy": "2"}, {"numpy": "2", "orjson": "3"}, True, id="only one has it"),
        pytest.param({"numpy": "2"}, {"numpy": "3"}, False, id="another version"),
        pytest.param({"a": "1"}, {"b": "1"}, True, id="each has one of its own"),
    ],
)
def test_machines_are_alike_where_they_differ_in_what_only_one_of_them_names(one, other, alike):
    one, other = (dataclasses.replace(MACHINE, libraries=found) for found in (one, other))

    assert one.is_alike(other) is other.is_alike(one) is alike


@pytest.mark.parametrize(
    ("less_bytes", "alike"),
    [
        pytest.param(2 * 2**20, True, id="the kernel's share"),
        pytest.param(300 * 2**20, False, id="memory that was taken out"),
    ],
)
def test_memory_on_either_side_of_where_it_is_rounded_is_that_of_one_machine(less_bytes, alike):
    one = dataclasses.replace(MACHINE, memory_bytes=31 * 2**29 + 2**28 + 2**20)
    other = dataclasses.replace(one, memory_bytes=one.memory_bytes - less_bytes)

    assert one.fingerprint != other.fingerprint
    assert one.is_alike(other) is other.is_alike(one) is alike


def test_machines_with_other_hardware_are_not_alike():
    assert not MACHINE.is_alike(dataclasses.replace(MACHINE, cpu_model="Abacus 4"))


def test_a_module_is_found_under_the_name_it_is_installed_by():
    def version_of(name):
        if name in {"sklearn", "ahocorasick"}:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    found = library_versions(version_of, further=["sklearn", "ahocorasick"])

    assert found.keys() == {*BASE_LIBRARIES, "scikit-learn", "pyahocorasick"}


def test_an_installed_library_that_no_candidate_of_the_race_uses_changes_nothing():
    from parbench_lab.workloads.nearest_neighbours import NearestNeighbours

    job = NearestNeighbours()
    by_all = libraries_of(job, [candidate.name for candidate in job.candidates])

    assert libraries_of(job, ["brute_force"]) == ()
    assert by_all == ("sklearn",)
    assert libraries_of(object(), ["anything"]) == ()


def test_the_libraries_of_a_workload_are_told_beside_the_usual_ones():
    usual, further = detect_machine(), detect_machine(["pytest", "not-installed-anywhere"])

    assert further.libraries.items() - usual.libraries.items() == {("pytest", pytest.__version__)}
    assert further.fingerprint != usual.fingerprint


def test_the_driver_of_a_gpu_tells_its_name(tmp_path):
    for folder, model in (("0000:01:00.0", "NVIDIA H200"), ("0000:41:00.0", "NVIDIA A100")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "information").write_text(f"Model: \t\t {model}\nIRQ: \t 7\n")

    assert detect_gpus(tmp_path) == ("NVIDIA A100", "NVIDIA H200")


def test_without_a_driver_and_its_tool_there_are_no_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert detect_gpus(tmp_path / "none") == ()


def test_a_tool_that_fails_is_no_gpu(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho Failed to initialize NVML\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert detect_gpus(tmp_path / "none") == ()


def test_the_tool_is_asked_where_the_driver_has_no_files(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho NVIDIA H200\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert detect_gpus(tmp_path / "none") == ("NVIDIA H200",)


def test_a_library_that_is_not_installed_is_left_out():
    def version_of(name):
        if name != "numpy":
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.0"

    assert library_versions(version_of) == {"numpy": "2.0"}


def test_a_numpy_that_does_not_tell_its_linear_algebra_is_no_error():
    assert parse_blas({"Build Dependencies": {}}) == ""
