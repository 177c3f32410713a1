import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.runtime import Dense, PackedWeight
from serkit.runtime.packing import pack, packed_length, unpack


@given(st.integers(1, 8), st.data())
def test_round_trip(bits, data):
    codes = np.array(data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=70)), np.uint8)
    packed = pack(codes, bits)
    assert packed.dtype == np.uint8
    assert len(packed) == packed_length(len(codes), bits) == -(-len(codes) * bits // 8)
    np.testing.assert_array_equal(unpack(packed, bits, len(codes)), codes)


@given(st.integers(1, 8), st.data())
def test_packed_bytes_are_a_little_endian_number(bits, data):
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=40))
    number = sum(code << (i * bits) for i, code in enumerate(codes))
    expected = number.to_bytes(packed_length(len(codes), bits), "little")
    assert pack(np.array(codes, np.uint8), bits).tobytes() == expected


@pytest.mark.parametrize(
    ("codes", "bits", "golden"),
    [
        ([1, 0, 0, 0, 0, 0, 0, 0, 1], 1, "0101"),
        ([1, 2, 3, 4, 5], 3, "d158"),
        ([31, 0, 31, 0], 5, "1f7c00"),
        ([127, 0, 1], 7, "7f4000"),
        ([200, 3], 8, "c803"),
    ],
)
def test_golden_bytes(codes, bits, golden):
    assert pack(np.array(codes, np.uint8), bits).tobytes().hex() == golden


@given(
    st.integers(1, 8), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2**32)
)
def test_packed_product_equals_the_dequantised_product(bits, n, m, per_row, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**bits, (n, m), np.uint8)
    scale = rng.uniform(0.1, 2.0, n if per_row else 1).astype(np.float32)
    weight = PackedWeight(pack(codes.ravel(), bits), bits, (n, m), scale)
    expected = (codes - (2**bits - 1) / 2) * scale[:, None]
    np.testing.assert_allclose(weight.dequantised(), expected, rtol=1e-6)
    bias = rng.standard_normal(n).astype(np.float32)
    rows = rng.standard_normal((3, m)).astype(np.float32)
    packed, plain = Dense(weight, bias, "relu"), Dense(weight.dequantised(), bias, "relu")
    np.testing.assert_allclose(packed(rows), plain(rows), atol=1e-5 * 2**bits)
    np.testing.assert_array_equal(packed.matrix, plain.matrix)
    assert weight.size == n * m
