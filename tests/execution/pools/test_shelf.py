"""Large arrays: written once, as they are now, and gone when nobody can ask for them."""

import numpy as np
import pytest

from parbench_lab.execution.pools.arrays import open_array
from parbench_lab.execution.pools.shelf import LARGE_BYTES, FileShelf

COUNT = LARGE_BYTES // 8


@pytest.fixture
def shelf():
    made = FileShelf(1)
    yield made
    made.close()
    assert not made.folder.exists()


def files(shelf):
    return sorted(path.name for path in shelf.folder.iterdir())


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.arange(2.0 * COUNT).reshape(2, COUNT), id="rows"),
        pytest.param(np.arange(2.0 * COUNT).reshape(2, COUNT).T, id="columns"),
        pytest.param(np.arange(4.0 * COUNT)[::2], id="every other"),
        pytest.param(np.arange(2.0 * COUNT).astype(">f4"), id="big-endian"),
        pytest.param(np.arange(2 * COUNT).astype("datetime64[s]"), id="dates"),
        pytest.param(np.zeros(COUNT, dtype=[("a", "i4"), ("b", "f8")]), id="records"),
    ],
)
def test_an_array_arrives_as_it_is_read_only(shelf, array):
    slip, _ = shelf.place(array, 0)

    found = open_array(slip)

    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert found.flags.f_contiguous == (array.flags.f_contiguous or array.ndim == 1)


def test_an_array_is_written_once_for_all_its_maps(shelf):
    array = np.ones(COUNT)

    slips = [shelf.place(array, job)[0] for job in (0, 0, 1, 2)]

    assert len(set(slips)) == 1
    assert len(files(shelf)) == 1


def test_an_array_that_changed_between_maps_is_written_again(shelf):
    array = np.zeros(COUNT)
    before, hold = shelf.place(array, 0)
    hold.release()

    array[-1] = 1
    after, _ = shelf.place(array, 1)

    assert before != after
    assert open_array(after)[-1] == 1
    assert len(files(shelf)) == 1


def test_an_array_stays_while_it_is_held_and_goes_with_its_owner(shelf):
    array = np.ones(COUNT)
    slip, hold = shelf.place(array, 0)

    del array
    shelf.place(other := np.ones(COUNT), 0)  # the shelf tidies up when it is used
    held = len(files(shelf))
    hold.release()

    assert held == 2
    assert len(files(shelf)) == 1
    assert slip.where not in files(shelf)
    assert other is not None


def test_arrays_of_a_users_file_are_mapped_from_that_file(shelf, tmp_path):
    np.save(tmp_path / "data.npy", np.arange(4.0 * COUNT))
    mapped = np.load(tmp_path / "data.npy", mmap_mode="r")

    slip, hold = shelf.place(mapped[COUNT:], 0)
    hold.release()

    assert slip.where == str(tmp_path / "data.npy")
    assert np.array_equal(open_array(slip), mapped[COUNT:])
    assert files(shelf) == []


@pytest.mark.parametrize("case", ["replaced", "private", "gone"])
def test_a_users_file_that_may_differ_from_the_array_is_not_trusted(shelf, tmp_path, case):
    path = tmp_path / "data.npy"
    np.save(path, np.arange(2.0 * COUNT))
    mapped = np.load(path, mmap_mode="c" if case == "private" else "r")
    if case == "replaced":
        np.save(tmp_path / "new.npy", np.zeros(2 * COUNT))
        (tmp_path / "new.npy").rename(path)
    elif case == "private":
        mapped[5] = -1
    else:
        path.unlink()

    slip, _ = shelf.place(mapped, 0)

    assert slip.where != str(path)
    assert np.array_equal(open_array(slip), mapped)


def test_the_peak_counts_what_is_held_together(shelf):
    if not str(shelf.folder).startswith("/dev/shm"):
        pytest.skip("no memory file system here")
    first, second = np.ones(COUNT), np.ones(COUNT)
    for array in (first, second):
        shelf.place(array, 0)[1].release()
    del first, array

    peaks = [shelf.restart_peak()]
    shelf.place(second, 1)  # here the first one's file goes
    shelf.restart_peak()
    peaks.append(shelf.restart_peak())

    assert peaks == [2 * LARGE_BYTES, LARGE_BYTES]
