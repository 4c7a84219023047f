"""A user's own job to scale, by its import string: who makes its case, what it is called."""

import itertools
import sys

import numpy as np
import pytest

from parbench_lab.errors import UsageError
from parbench_lab.workloads.scalables import as_scalable

JOB = """
def job(case, *, map):
    return list(map(abs, case))
"""
MAKE_CASE = """
def make_case(size, rng):
    return ["beside"] * size
"""
ATTRIBUTE = """
job.make_case = lambda size, rng: ["attribute"] * size
"""
OTHER = """
def other(size, rng):
    return ["other"] * size
"""
OBJECT = """
class Job:
    def __call__(self, case, *, map):
        return list(map(abs, case))

    def make_case(self, size, rng):
        return ["object"] * size

job = Job()
"""
_numbers = itertools.count()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write an importable module under a name of its own; return the name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write_module(*sources):
        name = f"users_job_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text("\n".join(sources))
        return name

    yield write_module
    for name in [name for name in sys.modules if name.startswith("users_job_")]:
        del sys.modules[name]


def case_of(job):
    return job.make_case(1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("sources", "case"),
    [
        pytest.param((JOB, MAKE_CASE), "beside", id="a function of the same module"),
        pytest.param((JOB, ATTRIBUTE), "attribute", id="an attribute of the job"),
        pytest.param((JOB, MAKE_CASE, ATTRIBUTE), "attribute", id="the attribute goes first"),
        pytest.param((OBJECT,), "object", id="an object with make_case"),
    ],
)
def test_a_job_of_a_module_finds_who_makes_its_case(write, sources, case):
    path = f"{write(*sources)}:job"

    found = as_scalable(path)

    assert case_of(found) == [case]


def test_a_make_case_that_is_named_goes_before_all_others(write):
    name = write(JOB, MAKE_CASE, OTHER)

    found = as_scalable(f"{name}:job", make_case=f"{name}:other")

    assert case_of(found) == ["other"]


def test_a_job_is_called_by_its_import_string_so_that_two_modules_differ(write):
    path = f"{write(JOB, MAKE_CASE)}:job"

    assert as_scalable(path).name == path


def test_a_job_without_a_case_is_refused_with_the_ways_to_give_one(write):
    path = f"{write(JOB)}:job"

    with pytest.raises(UsageError, match=r"in the job's module, .* or give --make-case"):
        as_scalable(path)
