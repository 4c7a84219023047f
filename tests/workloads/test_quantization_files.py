"""Models by name, files of weights, and where everything goes in a quantised one."""

from __future__ import annotations

import errno
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.workloads.quantization import Scheme
from parbench_lab.workloads.quantization.files import (
    ModelFile,
    Tensor,
    npz_as_safetensors,
    read_into,
    read_safetensors,
    tensors_of_npz,
    write_tensors,
)
from parbench_lab.workloads.quantization.layout import layout_of, read_quantized
from parbench_lab.workloads.quantization.models import SYNTHETIC, model_shape
from parbench_lab.workloads.quantization.synthetic import write_synthetic


@pytest.mark.parametrize(
    ("name", "layers", "shape", "n_weights"),
    [
        ("100M", 50, (512, 4096), 104_857_600),
        ("600M", 100, (1024, 6144), 629_145_600),
        ("7B", 200, (2048, 8192), 3_355_443_200),
    ],
)
def test_a_synthetic_model_has_the_layers_that_were_reported(name, layers, shape, n_weights):
    model = SYNTHETIC[name]

    assert model.matrices == (shape,) * layers
    assert model.n_weights == n_weights


def test_the_name_of_the_largest_model_never_stands_without_what_it_holds():
    assert SYNTHETIC["7B"].title == "7B (3.36 B parameters, not 7 B)"
    assert 6.7e9 < SYNTHETIC["7B-true"].n_weights < 7e9


@pytest.mark.parametrize("name", ["5B", "0x4x4", "4x4"])
def test_an_unknown_model_is_refused_with_those_there_are(name):
    with pytest.raises(UsageError, match="model") as refused:
        model_shape(name)

    assert isinstance(refused.value, UnknownNameError) is (name != "0x4x4")


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_synthetic(tmp_path / name, model_shape("3x8x16"), seed=seed)

    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")

    assert first == again
    assert first != other


# ---------------------------------------------------------------- the format


def test_what_the_format_s_own_library_writes_is_found_where_it_lies(tmp_path):
    arrays = {
        "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
        "a.bias": np.ones(3, dtype=np.float16),
        "steps": np.array([7], dtype=np.int64),
        "none": np.zeros((0, 4), dtype=np.float32),
    }
    save_file(arrays, tmp_path / "m.safetensors", metadata={"who": "me"})

    found = read_safetensors(tmp_path / "m.safetensors")

    weights = np.empty((3, 4), dtype=np.float32)
    with found.path.open("rb") as file:
        read_into(file.fileno(), weights, found.weights[0].offset)
    assert [one.name for one in found.weights] == ["a.weight"]
    assert {one.name: one.shape for one in found.tensors} == {
        name: array.shape for name, array in arrays.items()
    }
    assert found.metadata == {"who": "me"}
    assert np.array_equal(weights, arrays["a.weight"])


def test_the_format_s_own_library_reads_what_is_written_here(tmp_path):
    write_synthetic(tmp_path / "m.safetensors", model_shape("12x8x16"), seed=0)

    found = load_file(tmp_path / "m.safetensors")

    assert len(found) == 12
    assert found["layers.03.weight"].shape == (8, 16)


def header_of(text, *, length=None):
    data = text.encode() if isinstance(text, str) else json.dumps(text).encode()
    return struct.pack("<Q", len(data) if length is None else length) + data


TENSOR = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x01\x02", id="shorter than a length"),
        pytest.param(header_of("{}", length=2**60), id="a length beyond the file"),
        pytest.param(header_of("not JSON at all"), id="no JSON"),
        pytest.param(header_of([1, 2]), id="no mapping"),
        pytest.param(header_of({"x": TENSOR}), id="cut off"),
        pytest.param(header_of({"x": {"dtype": "F32"}}) + bytes(16), id="without a shape"),
        pytest.param(header_of({"x": {**TENSOR, "dtype": 7}}) + bytes(16), id="no type"),
        pytest.param(
            header_of({"x": {**TENSOR, "data_offsets": [-16, 0]}}) + bytes(16), id="before it"
        ),
        pytest.param(
            header_of({"x": {**TENSOR, "shape": [-2, -2]}}) + bytes(16), id="negative shape"
        ),
        pytest.param(header_of({"x": 3}) + bytes(16), id="no description"),
    ],
)
def test_a_broken_header_is_one_line(tmp_path, data):
    (tmp_path / "m.safetensors").write_bytes(data)

    with pytest.raises(UsageError, match="is no whole safetensors file") as refused:
        read_safetensors(tmp_path / "m.safetensors")

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3"])
def test_a_type_that_takes_no_whole_bytes_is_named_and_the_file_is_not_called_broken(
    tmp_path, dtype
):
    path = tmp_path / "m.safetensors"
    path.write_bytes(header_of({"x": {**TENSOR, "dtype": dtype}}) + bytes(16))

    with pytest.raises(UsageError) as refused:
        read_safetensors(path)

    assert str(refused.value) == (
        f"model {path}: tensor 'x' is of type {dtype}, which is not read here"
    )


@pytest.mark.parametrize(
    ("dtype", "item_bytes"), [("F8_E8M0", 1), ("F8_E4M3FNUZ", 1), ("F8_E5M2FNUZ", 1), ("C64", 8)]
)
def test_scales_of_a_byte_and_complex_numbers_are_read_and_not_quantised(
    tmp_path, dtype, item_bytes
):
    told = {"dtype": dtype, "shape": [2, 2], "data_offsets": [0, 4 * item_bytes]}
    (tmp_path / "m.safetensors").write_bytes(header_of({"x": told}) + bytes(4 * item_bytes))

    (tensor,) = read_safetensors(tmp_path / "m.safetensors").tensors

    assert (tensor.n_bytes, tensor.is_weights) == (4 * item_bytes, False)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200), length=st.integers(0, 300))
def test_no_bytes_at_all_bring_the_reader_down(tmp_path_factory, data, length):
    path = tmp_path_factory.mktemp("bytes") / "m.safetensors"
    path.write_bytes(struct.pack("<Q", length) + data)

    try:
        found = read_safetensors(path)
    except UsageError:
        return

    assert all(one.offset + one.n_bytes <= path.stat().st_size for one in found.tensors)


def test_a_full_disk_is_seen_before_a_layer_is_made(monkeypatch, tmp_path):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    made = []

    with pytest.raises(OSError, match="No space"):
        write_synthetic(
            tmp_path / "m", model_shape("3x8x16"), seed=0, on_layer=lambda *n: made.append(n)
        )

    assert made == []


# ---------------------------------------------------------------- .npz


def test_an_npz_file_becomes_one_that_can_be_read_at_offsets(tmp_path):
    arrays = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "column_major": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "half": np.ones((2, 2), dtype=np.float16),
        "scalar": np.array(3, dtype=np.int32),
    }
    np.savez_compressed(tmp_path / "m.npz", **arrays)

    npz_as_safetensors(tmp_path / "m.npz", tmp_path / "m.safetensors")

    with safe_open(tmp_path / "m.safetensors", framework="numpy") as found:
        assert set(found.keys()) == set(arrays)
        for name, array in arrays.items():
            assert np.array_equal(found.get_tensor(name), array)


def test_an_array_that_is_no_plain_number_is_named_and_the_file_is_not_called_broken(tmp_path):
    np.savez(tmp_path / "m.npz", w=np.ones((2, 2), dtype=np.complex128))

    with pytest.raises(UsageError) as refused:
        tensors_of_npz(tmp_path / "m.npz")

    assert str(refused.value) == (
        f"model {tmp_path / 'm.npz'}: array 'w.npy' is of complex128, which is no plain number"
    )


def test_what_is_no_npz_file_or_holds_objects_is_refused(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    np.savez(tmp_path / "words.npz", words=np.array(["a", "b"]))

    for name in ("bad.npz", "words.npz", "missing.npz"):
        with pytest.raises(UsageError, match=name):
            tensors_of_npz(tmp_path / name)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_flipped_byte_of_an_npz_file_brings_the_reader_down(tmp_path, save):
    rng = np.random.default_rng(0)
    save(tmp_path / "m.npz", a=rng.normal(size=(8, 16)).astype(np.float32))
    sound = (tmp_path / "m.npz").read_bytes()
    refused = 0

    for place in range(0, len(sound), 3):
        damaged = bytearray(sound)
        damaged[place] ^= 0xFF
        (tmp_path / "m.npz").write_bytes(damaged)
        (tmp_path / "m.safetensors").unlink(missing_ok=True)
        try:
            npz_as_safetensors(tmp_path / "m.npz", tmp_path / "m.safetensors")
        except UsageError as error:
            refused += "()" not in str(error)

    assert refused > len(sound) / 6


# ---------------------------------------------------------------- the layout


def file_of(**shapes):
    tensors = tuple(
        Tensor(name=name, dtype=dtype, shape=shape) for name, (dtype, shape) in shapes.items()
    )
    return ModelFile(path=None, tensors=tensors, metadata={})


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("group_size", [None, 7])
def test_a_quantised_file_has_no_holes_and_every_type_begins_where_it_may(bits, group_size):
    model = file_of(a=("F32", (3, 11)), b=("BF16", (5, 2, 3)), bias=("F16", (5,)), n=("I64", (1,)))

    made = layout_of(model, Scheme(bits=bits, group_size=group_size))

    parts = [*made.codes, *made.scales, *(after for _, after in made.copied)]
    parts.sort(key=lambda one: one.offset)
    ends = [len(made.header), *(one.offset + one.n_bytes for one in parts)]
    assert [one.offset for one in parts] == ends[:-1]
    assert ends[-1] == made.n_bytes
    assert all(one.offset % one.item_bytes == 0 for one in parts)
    assert made.codes[1].shape[0] == 5


def test_names_that_collide_and_files_without_matrices_are_refused():
    twice = file_of(a=("F32", (2, 2)), **{"a.codes": ("F32", (2,))})
    vectors = file_of(bias=("F32", (4,)), counts=("I64", (2, 2)))

    with pytest.raises(UsageError, match="comes twice"):
        layout_of(twice, Scheme())
    with pytest.raises(UsageError, match="nothing to quantise"):
        layout_of(vectors, Scheme())


def test_a_file_that_was_not_quantised_here_is_not_read_as_one(tmp_path):
    tensor = Tensor(name="a", dtype="F32", shape=(2, 2))
    write_tensors(tmp_path / "m", [tensor], [np.ones((2, 2), dtype=np.float32)])

    with pytest.raises(UsageError, match="was not quantised here"):
        next(read_quantized(tmp_path / "m"))
