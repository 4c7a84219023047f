"""Quantisation: the definition by hand, and every implementation held against it."""

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from parbench_lab.errors import UsageError
from parbench_lab.workloads.quantization import (
    Quantized,
    Scheme,
    dequantize,
    empty,
    error_sums,
    quantization_error,
    quantize,
    quantize_rows,
)
from parbench_lab.workloads.quantization.blocked import quantize_blocks
from parbench_lab.workloads.quantization.compiled import is_available, quantize_compiled
from parbench_lab.workloads.quantization.definition import quantize_layer
from parbench_lab.workloads.quantization.packing import pack, unpack
from parbench_lab.workloads.quantization.weights import BLOCK_BYTES, as_matrix

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
SCHEMES = st.builds(
    Scheme, bits=st.sampled_from([8, 4, 2]), group_size=st.none() | st.integers(1, 40)
)
LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)

quick = settings(max_examples=150, deadline=None, derandomize=True)


def matrices(elements=FINITE):
    shapes = st.tuples(st.integers(1, 5), st.integers(1, 33))
    return arrays.arrays(np.float32, shapes, elements=elements)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def blocked(weights, scheme):
    made = empty(weights.shape, scheme)
    quantize_blocks(as_matrix(weights), scheme, made.codes, made.scales)
    return made


def compiled(weights, scheme):
    made = empty(weights.shape, scheme)
    quantize_compiled(as_matrix(weights), scheme, made.codes, made.scales)
    return made


IMPLEMENTATIONS = [
    pytest.param(quantize_layer, id="whole layer"),
    pytest.param(blocked, id="blocked"),
    pytest.param(
        compiled,
        id="compiled",
        marks=pytest.mark.skipif(not is_available(), reason="numba is not installed"),
    ),
    pytest.param(quantize, id="the one that users call"),
]
every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@every_implementation
@pytest.mark.parametrize(
    ("weights", "scheme", "codes", "scales"),
    [
        pytest.param([[0, 63.5, -127]], Scheme(), [[0, 64, -127]], [[1]], id="half goes to even"),
        pytest.param([[62.5, 127, -0.5]], Scheme(), [[62, 127, 0]], [[1]], id="half down to even"),
        pytest.param([[254.0], [0.0]], Scheme(), [[127], [0]], [[2], [0]], id="a row of zeros"),
        pytest.param(
            [[127, 1, 254, 0, -508]],
            Scheme(group_size=2),
            [[127, 1, 127, 0, -127]],
            [[1, 2, 4]],
            id="a shorter last group",
        ),
        pytest.param([[7, -7, 1]], Scheme(bits=4), [[0x97, 0x01]], [[1]], id="4 bits, low first"),
        pytest.param(
            [[1, -1, 0.4, 0.6, -1]],
            Scheme(bits=2),
            [[0b01_00_11_01, 0b11]],
            [[1]],
            id="2 bits, low first",
        ),
    ],
)
def test_codes_and_scales_are_as_defined(implementation, weights, scheme, codes, scales):
    made = implementation(np.array(weights, dtype=np.float32), scheme)

    assert made.codes.tolist() == codes
    assert made.scales.tolist() == scales


@every_implementation
@given(weights=matrices(), scheme=SCHEMES)
@quick
def test_implementations_agree_with_the_definition_bit_by_bit(implementation, weights, scheme):
    assert implementation(weights, scheme).equals(quantize_layer(weights, scheme))


@every_implementation
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("group_size", [None, 32, 100])
def test_blocks_of_a_large_matrix_are_put_together_in_order(implementation, bits, group_size):
    weights = normal(37, BLOCK_BYTES // 4 // 5 + 3)  # several blocks, an odd number of columns
    scheme = Scheme(bits=bits, group_size=group_size)

    assert implementation(weights, scheme).equals(quantize_layer(weights, scheme))


@given(weights=matrices(), scheme=SCHEMES)
@quick
def test_what_was_restored_is_quantised_to_the_same(weights, scheme):
    made = quantize(weights, scheme)

    restored = dequantize(made)

    assert np.isfinite(restored).all()
    assert quantize(restored, scheme).equals(made)


@pytest.mark.parametrize("bits", [8, 4, 2])
@given(exponent=st.integers(-149, 127), mantissas=st.lists(st.integers(0, 2**23 - 1), min_size=50))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_every_scale_survives_the_round_trip(bits, exponent, mantissas):
    magnitudes = (1 + np.array(mantissas) / 2**23) * 2.0**exponent
    weights = np.minimum(magnitudes, LARGEST).astype(np.float32)[:, np.newaxis]
    made = quantize(weights, Scheme(bits=bits))

    again = quantize(dequantize(made), Scheme(bits=bits))

    assert again.equals(made)


@every_implementation
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize(
    "largest",
    [
        pytest.param(LARGEST, id="the largest number"),
        pytest.param(SMALLEST, id="the smallest number"),
        pytest.param(1.17e-38, id="just not normal"),
        pytest.param(127 * 1.1754944e-38, id="the smallest normal scale"),
    ],
)
def test_the_ends_of_the_numbers_are_as_defined(implementation, bits, largest):
    weights = np.array([[largest, -largest / 3, 0]], dtype=np.float32)
    made = implementation(weights, Scheme(bits=bits))

    assert made.equals(quantize_layer(weights, Scheme(bits=bits)))
    assert quantize(dequantize(made), Scheme(bits=bits)).equals(made)


@given(weights=matrices(), scheme=SCHEMES)
@quick
def test_no_weight_moves_by_more_than_half_a_step(weights, scheme):
    made = quantize(weights, scheme)
    width = scheme.group_columns(weights.shape[1])
    steps = np.repeat(made.scales, width, axis=1)[:, : weights.shape[1]].astype(np.float64)

    moved = np.abs(dequantize(made).astype(np.float64) - weights)

    # what is below the smallest normal scale is lost as a whole
    lost = scheme.largest_code * float(np.finfo(np.float32).smallest_normal)
    assert (moved <= steps * (0.5 + 1e-4) + (steps == 0) * lost).all()


@every_implementation
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_its_place(implementation, bits, bad):
    weights = normal(300, 1000)
    weights[270, 999] = bad

    with pytest.raises(UsageError, match=rf"row 270, column 999 is {bad}"):
        implementation(weights, Scheme(bits=bits, group_size=64))


@given(data=st.data(), bits=st.sampled_from([8, 4, 2]), columns=st.integers(1, 30))
@quick
def test_unpacking_gives_what_was_packed(data, bits, columns):
    top = 2 ** (bits - 1) - 1
    codes = data.draw(arrays.arrays(np.int8, (2, columns), elements=st.integers(-top, top)))

    packed = pack(codes, bits)

    assert packed.shape == (2, Scheme(bits=bits).row_bytes(columns))
    assert np.array_equal(unpack(packed, bits, columns), codes)


@pytest.mark.parametrize("bits", [4, 2])
def test_every_bit_lies_where_the_order_says(bits):
    per_byte, mask = 8 // bits, 2**bits - 1
    codes = np.random.default_rng(0).integers(-1, 2, (3, 21)).astype(np.int8)

    packed = pack(codes, bits).tolist()

    for row, column in np.ndindex(codes.shape):
        byte = packed[row][column // per_byte]
        assert byte >> (column % per_byte * bits) & mask == int(codes[row, column]) & mask
    assert all(row[-1] >> (21 % per_byte * bits) == 0 for row in packed)


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(np.asfortranarray, id="columns first"),
        pytest.param(lambda w: np.repeat(w, 2, axis=1)[:, ::2], id="every other column"),
        pytest.param(lambda w: np.frombuffer(b"x" + w.tobytes(), np.uint8)[1:].view(np.float32)
                     .reshape(w.shape), id="not aligned"),
        pytest.param(lambda w: w.astype(np.float64), id="float64"),
        pytest.param(lambda w: (w.view(np.uint32) >> 16).astype(np.uint16), id="bfloat16 bits"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("bits", [8, 4])
def test_type_and_layout_do_not_matter(layout, bits):
    # numbers that bfloat16 holds
    weights = (normal(100, 777).view(np.uint32) & 0xFFFF0000).view(np.float32)
    given_as = layout(weights)
    before = given_as.tobytes()

    made = quantize(given_as, Scheme(bits=bits))

    assert made.equals(quantize_layer(weights, Scheme(bits=bits)))
    assert given_as.tobytes() == before


def test_every_half_is_quantised_as_the_number_it_is():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = np.where(np.isfinite(halves), halves, 0)[:, np.newaxis]

    made = quantize(halves)

    assert made.equals(quantize(halves.astype(np.float32)))


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_half_that_is_not_finite_is_refused(bad):
    halves = normal(10, 10).astype(np.float16)
    halves[3, 4] = bad

    with pytest.raises(UsageError, match=f"row 3, column 4 is {bad}"):
        quantize(halves)


def test_the_type_of_ml_dtypes_is_known():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    weights = normal(10, 77).astype(ml_dtypes.bfloat16)

    assert quantize(weights).equals(quantize_layer(weights.astype(np.float32), Scheme()))


def test_a_double_beyond_float32_is_refused():
    with pytest.raises(UsageError, match="column 1 is inf"):
        quantize(np.array([[1.0, 1e300]]))


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        pytest.param((50,), 1, 50, id="one axis is one row"),
        pytest.param((4, 3, 5, 5), 4, 75, id="all but the first axis are columns"),
        pytest.param((1, 1), 1, 1, id="one weight"),
    ],
)
def test_a_tensor_of_any_axes_is_a_matrix(shape, rows, columns):
    weights = normal(*shape)

    made = quantize(weights)

    assert made.codes.shape == (rows, columns)
    assert made.scales.shape == (rows, 1)
    assert dequantize(made).shape == made.shape == shape


def test_given_buffers_are_filled_and_no_others_made():
    weights = normal(20, 300)
    scheme = Scheme(bits=4, group_size=128)
    made = empty(weights.shape, scheme)
    codes, scales = np.empty_like(made.codes), np.empty_like(made.scales)
    restored = np.empty_like(weights)

    assert quantize(weights, scheme, out=made) is made
    quantize_rows(weights, scheme, codes, scales)

    assert np.array_equal(codes, made.codes)
    assert np.array_equal(scales, made.scales)
    assert dequantize(made, out=restored) is restored
    assert made.nbytes == 20 * 150 + 20 * 3 * 4


def test_threads_fill_their_parts_of_one_buffer():
    weights, scheme = normal(64, 5000), Scheme(bits=4)
    made = empty(weights.shape, scheme)

    def fill(first):
        part = slice(first, first + 16)
        quantize_rows(weights[part], scheme, made.codes[part], made.scales[part])

    threads = [threading.Thread(target=fill, args=(first,)) for first in range(0, 64, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made.equals(quantize_layer(weights, scheme))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Scheme(bits=3), "bits must be 8, 4 or 2 but got 3"),
        (lambda: Scheme(group_size=0), "columns from 1 on"),
        (lambda: quantize(np.ones((2, 2), np.int32)), "convert them first"),
        (lambda: quantize(np.ones((2, 2), ">f4")), "byte order"),
        (lambda: quantize(np.ones((0, 2), np.float32)), r"got shape \(0, 2\)"),
        (lambda: quantize(np.float32(1).reshape(())), r"got shape \(\)"),
        (lambda: quantize(normal(2, 3), out=empty((3, 2), Scheme())), "out must be for shape"),
        (
            lambda: quantize_rows(
                normal(2, 3), Scheme(), np.empty((3, 2), np.int8), np.empty((2, 1), np.float32)
            ),
            r"codes of \(2 x 3\) weights, int8 per channel, must be .* \(2, 3\)",
        ),
        (
            lambda: quantize_rows(
                normal(2, 3), Scheme(), np.empty((2, 3), np.int8), np.empty((2, 1), np.float64)
            ),
            "scales of .* float32 .* but got float64",
        ),
        (
            lambda: Quantized(
                codes=np.empty((2, 3), np.uint8),
                scales=np.empty((2, 1), np.float32),
                shape=(2, 3),
                scheme=Scheme(bits=4),
            ),
            r"shape \(2, 2\) but got uint8 of shape \(2, 3\)",
        ),
        (lambda: dequantize(quantize(normal(2, 3)), out=normal(3, 2)), "out must be"),
        (lambda: quantization_error(normal(3, 2), quantize(normal(2, 3))), "shape"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(call, words):
    with pytest.raises(UsageError, match=words) as refused:
        call()

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_errors_are_those_of_whole_vectors(bits):
    weights = normal(300, 1000)
    made = quantize(weights, Scheme(bits=bits))
    before, after = (a.astype(np.float64).ravel() for a in (weights, dequantize(made)))

    error = quantization_error(weights, made)

    assert error.relative_l2 == pytest.approx(
        np.linalg.norm(before - after) / np.linalg.norm(before), rel=1e-12
    )
    assert error.cosine == pytest.approx(
        before @ after / np.linalg.norm(before) / np.linalg.norm(after), rel=1e-12
    )


def test_zeros_lose_nothing_and_what_becomes_zero_loses_all():
    zeros = np.zeros((2, 3), dtype=np.float32)
    tiny = np.full((2, 3), 1e-40, dtype=np.float32)

    nothing = quantization_error(zeros, quantize(zeros))
    everything = quantization_error(tiny, quantize(tiny))

    assert (nothing.cosine, nothing.relative_l2) == (1, 0)
    assert (everything.cosine, everything.relative_l2) == (0, 1)


def test_sums_of_two_tensors_are_those_of_both_as_one():
    weights = normal(200, 500)
    parts = [error_sums(part, quantize(part)) for part in (weights[:70], weights[70:])]

    together = (parts[0] + parts[1]).error

    whole = quantization_error(weights, quantize(weights))
    assert together.relative_l2 == pytest.approx(whole.relative_l2, rel=1e-12)
    assert together.cosine == pytest.approx(whole.cosine, rel=1e-12)


def test_a_scheme_of_numpy_s_whole_numbers_holds_python_s_which_json_can_write():
    scheme = Scheme(bits=np.int64(4), group_size=np.int64(128))

    assert json.dumps([scheme.bits, scheme.group_size]) == "[4, 128]"
    assert scheme == Scheme(bits=4, group_size=128)
