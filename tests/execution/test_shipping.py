"""How code of the user gets to workers: by value, or by name where that cannot be."""

from __future__ import annotations

import contextlib
import importlib
import math
import pickle
import site
import sys
from pathlib import Path
from types import ModuleType

import pytest

from parbench_lab.core.candidate import Candidate
from parbench_lab.execution.pools.parcels import load_answer, pack, unpack
from parbench_lab.execution.pools.workbench import Workbench
from parbench_lab.execution.shipping import by_value, load, ship

MODULE = """
import functools
import threading

LOCK = threading.Lock()


def plain(case):
    return sum(case)


def locked(case):
    with LOCK:
        return sum(case)


@functools.cache
def cached(case):
    return sum(case)
"""


@contextlib.contextmanager
def users_module(folder):
    """Let this process alone have a module, as long as this lasts."""
    (folder / "users_own.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("users_own")
    finally:
        sys.path.remove(str(folder))
        del sys.modules["users_own"]


@pytest.fixture
def shipped(tmp_path):
    """Return what gives the bytes of a function of a module of this process."""

    def ship_one(name):
        with users_module(tmp_path) as module:
            candidate = Candidate(name=name, function=getattr(module, name))
            return ship(candidate, what=name, same_files=False).data

    return ship_one


def test_a_function_of_the_user_is_its_own_where_its_module_is_not(shipped):
    candidate = load(shipped("plain"))

    assert candidate.resolve()([1, 2]) == 3


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("locked", "cannot pickle '_thread.lock' object", id="a lock of its module"),
        pytest.param("cached", "functools.cache is sent by name only", id="a cached function"),
    ],
)
def test_what_went_by_name_and_is_not_there_says_why_and_what_to_do(shipped, name, why):
    with pytest.raises(ImportError) as caught:
        load(shipped(name))

    assert "No module named 'users_own'" in str(caught.value)
    assert why in str(caught.value)
    assert "install it on the workers, or client.upload_file(...)" in str(caught.value)


class NoShelf:
    """Leaves every array in its parcel."""

    def place(self, array, job):
        return None

    def close(self):
        pass


@pytest.mark.parametrize("there", [False, True], ids=["elsewhere", "where the workers have it"])
def test_a_function_of_a_map_that_went_by_name_says_why_where_it_is_not_found(tmp_path, there):
    with users_module(tmp_path) as module:
        packed = pack(module.locked, NoShelf(), job=1, what="locked", same_files=False)
        if there:
            assert unpack(packed.data) is module.locked
            return

    (answer,) = Workbench().do(1, [1], packed.data, pickle.dumps([([1, 2],)]))
    told = str(load_answer(answer.answer).error)

    assert "No module named 'users_own'" in told
    assert "cannot pickle '_thread.lock' object" in told
    assert "define it where the workers can import it" in told


class Broken:
    """Raises when it is unpickled, for a reason of its own."""

    def __reduce__(self):
        return getattr, (math, "of_an_old_release")


def test_an_error_of_the_users_own_code_is_told_as_it_is():
    with pytest.raises(AttributeError) as caught:
        load(ship(Broken(), what="broken", same_files=False).data)

    assert str(caught.value) == "module 'math' has no attribute 'of_an_old_release'"


@pytest.mark.parametrize("name", ["locked", "cached"])
def test_what_went_by_name_works_where_the_workers_have_it(shipped, tmp_path, name):
    data = shipped(name)

    with users_module(tmp_path) as module:
        assert load(data).function is getattr(module, name)


@pytest.mark.parametrize("root", [site.getusersitepackages(), *site.getsitepackages()])
def test_what_is_installed_for_the_user_or_by_the_distribution_is_no_code_of_the_user(
    root, monkeypatch
):
    installed = ModuleType("installed_somewhere")
    installed.__file__ = str(Path(root) / "installed_somewhere.py")
    monkeypatch.setitem(sys.modules, "installed_somewhere", installed)

    with by_value(same_files=False) as travelling:
        assert installed not in travelling
