"""The workload `quantization`: what its check sees, its candidates, and its job for scaling."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.testing.workload import check_workload
from parbench_lab.workloads.members import missing_candidates
from parbench_lab.workloads.quantization import Quantization, Scheme, quantize
from parbench_lab.workloads.quantization.workload import numpy_layer
from parbench_lab.workloads.registry import candidates_of, resolve, workload_by_name
from parbench_lab.workloads.scalables import scalable_by_name


def test_the_workload_keeps_the_promises_of_a_workload():
    check_workload(workload_by_name("quantization"))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(size=st.integers(1, 20_000), seed=st.integers(0, 2**63))
def test_every_candidate_is_right_at_any_size(size, seed):
    job = Quantization()
    case = job.make_case(size, np.random.default_rng(seed))

    assert size <= case.weights.size < size + len(case.weights)
    for candidate in candidates_of(job):
        job.check(case, candidate.resolve()(case))


def test_the_race_has_numpy_numba_and_a_peer():
    job, racing = resolve(None, "quantization")
    names = [candidate.name for candidate in racing] + list(missing_candidates(job))

    assert len(names) == 5
    assert {"numpy_layer", "numpy_blocked", "numba_fused", "onnxruntime_tool"} <= set(names)


def test_another_scheme_is_held_to_its_own_definition_and_has_its_own_error():
    job = Quantization()
    case = job.make_case(10_000, np.random.default_rng(0))

    errors = [
        job.check(case, quantize(case.weights, scheme))["relative_l2"]
        for scheme in (Scheme(group_size=32), Scheme(), Scheme(bits=4))
    ]

    assert errors == sorted(errors)
    assert job.metrics[0].name == "relative_l2"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(lambda c, s: (c + np.int8(1), s), "code of row 0, byte 0", id="codes off"),
        pytest.param(lambda c, s: (c, s * np.float32(1.0000001)), "scale of row 0", id="an ulp"),
        pytest.param(lambda c, s: (c, s[:1]), "scales of", id="scales missing"),
        pytest.param(lambda c, s: (c.view(np.uint8), s), "codes of", id="unsigned codes"),
        pytest.param(lambda c, s: c, "got ndarray", id="codes alone"),
        pytest.param(lambda c, s: quantize(np.ones((3, 3), "f4")), "expected shape", id="another"),
    ],
)
def test_a_wrong_result_is_refused_with_its_place(damage, words):
    job = Quantization()
    case = job.make_case(9000, np.random.default_rng(0))

    with pytest.raises(ValueError, match=words):
        job.check(case, damage(*numpy_layer(case)))


def test_scales_may_come_without_a_second_axis():
    job = Quantization()
    case = job.make_case(9000, np.random.default_rng(0))
    codes, scales = numpy_layer(case)

    job.check(case, (codes, scales[:, 0]))


def test_the_job_for_scaling_gives_the_same_in_any_parts():
    job = scalable_by_name("quantization")
    weights = job.make_case(2_200_000, np.random.default_rng(0))
    parts = []

    def spread(function, *items):
        parts.extend(items[0])
        return map(function, *items)

    codes, scales = map(np.concatenate, zip(*job.run(weights, map=spread), strict=True))

    expected = quantize(weights)
    assert len(parts) == 3
    assert np.array_equal(codes, expected.codes)
    assert np.array_equal(scales, expected.scales)


WITHOUT = """
import sys
for name in ("numba", "onnx", "onnxruntime"):
    sys.modules[name] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in ("numba", "onnx", "onnxruntime") \\
    else found(name, *a)
import numpy as np
from parbench_lab.workloads.members import missing_candidates
from parbench_lab.workloads.quantization import Quantization, quantization_error, quantize
from parbench_lab.workloads.quantization.quantizer import is_compiled
from parbench_lab.workloads.registry import resolve
job = Quantization()
case = job.make_case(5000, np.random.default_rng(0))
made = quantize(case.weights)
print(is_compiled(), made.equals(case.expected))
print(quantization_error(case.weights, made).relative_l2)
print([candidate.name for candidate in job.candidates], missing_candidates(job))
try:
    resolve(["numba_fused"], "quantization")
except Exception as error:
    print(error)
"""


def test_without_the_optional_libraries_numpy_does_it_and_the_missing_are_named():
    case = Quantization().make_case(5000, np.random.default_rng(0))

    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT], capture_output=True, text=True, check=True
    )

    lines = ran.stdout.splitlines()
    assert lines[0] == "False True"
    assert float(lines[1]) == pytest.approx(
        Quantization().check(case, quantize(case.weights))["relative_l2"], rel=1e-12
    )
    assert lines[2].startswith("['numpy_layer', 'numpy_blocked'] {'numba_fused': 'numba', ")
    assert "needs the library numba, which is not installed" in lines[3]


COLD = """
import numpy as np
from parbench_lab.workloads.quantization import Scheme, quantize
from parbench_lab.workloads.quantization.definition import quantize_layer
from parbench_lab.workloads.quantization.quantizer import is_compiled
weights = np.random.default_rng(0).standard_normal((8, 99), dtype=np.float32)
for bits in (8, 4, 2):
    assert quantize(weights, Scheme(bits=bits)).equals(quantize_layer(weights, Scheme(bits=bits)))
print(is_compiled())
"""


def test_where_nothing_can_be_kept_each_process_compiles_for_itself(tmp_path):
    pytest.importorskip("numba")
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    nowhere = {
        "NUMBA_CACHE_LOCATOR_CLASSES": "_UserWideCacheLocator",
        "XDG_CACHE_HOME": in_the_way,
    }

    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", COLD],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **nowhere},
    )

    assert ran.stdout.strip() == "True"


def test_importing_the_quantiser_loads_neither_numba_nor_onnxruntime():
    script = (
        "import sys, parbench_lab.workloads.quantization\n"
        "print(sorted({'numba', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"
