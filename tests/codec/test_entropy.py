import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.codec.entropy import (
    PRECISION,
    Reader,
    Table,
    Writer,
    frequencies,
    get_large,
    put_large,
)
from serkit.errors import PacketError


def table_of(counts):
    return Table(frequencies(np.array(counts, np.float64)).tolist())


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda c: sum(c) > 0))
def test_frequencies_are_positive_and_sum_to_the_total(counts):
    scaled = frequencies(np.array(counts))
    assert scaled.sum() == 1 << PRECISION
    assert scaled.min() >= 1


@settings(deadline=None)
@given(st.data())
def test_symbols_bits_and_large_numbers_are_read_back(data):
    table = table_of(data.draw(st.lists(st.integers(1, 1000), min_size=2, max_size=20)))
    symbol = st.tuples(st.just("symbol"), st.integers(0, len(table.spans) - 1))
    bits = st.integers(1, PRECISION).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, (1 << n) - 1))
    )
    large = st.tuples(st.just("large"), st.integers(0, 3000))
    written = data.draw(st.lists(st.one_of(symbol, bits, large), max_size=400))
    writer = Writer()
    for kind, value in written:
        if kind == "symbol":
            writer.put(table, value)
        elif kind == "large":
            put_large(writer, value)
        else:
            writer.put_bits(value, kind)
    reader = Reader(writer.to_bytes())
    for kind, value in written:
        if kind == "symbol":
            assert reader.get(table) == value
        elif kind == "large":
            assert get_large(reader) == value
        else:
            assert reader.get_bits(kind) == value
    reader.finish()


@pytest.mark.parametrize("n", [60, 600, 6000])
def test_a_payload_is_close_to_the_entropy(n):
    """Shannon's bound: the sum of -log2 p, and less than a byte and a half more."""
    rng = np.random.default_rng(n)
    table = table_of([50, 30, 10, 5, 4, 1])
    shares = np.array([frequency for frequency, _ in table.spans]) / (1 << PRECISION)
    symbols = rng.choice(6, n, p=shares)
    writer = Writer()
    for symbol in symbols.tolist():
        writer.put(table, symbol)
    bound = -np.log2(shares[symbols]).sum()
    assert bound <= 8 * len(writer.to_bytes()) + 1e-6
    assert 8 * len(writer.to_bytes()) < bound + 12 + 0.002 * n


def test_a_payload_computed_by_hand():
    """Duda's step by hand: s * 2^14 / f and what is left, the last symbol first."""
    table = Table([1 << 12, 3 << 12])
    writer = Writer()
    writer.put(table, 1)
    writer.put(table, 0)
    first = 0  # (0 // 2^12) * 2^14 + 0 % 2^12 + 0, for the last symbol, 0
    number = (first // (3 << 12)) * (1 << 14) + first % (3 << 12) + (1 << 12)
    assert writer.to_bytes() == number.to_bytes(2, "little")


def test_an_unread_rest_is_refused():
    writer = Writer()
    writer.put_bits(5, 8)
    reader = Reader(writer.to_bytes() + b"\x01")
    reader.get_bits(8)
    with pytest.raises(PacketError, match="does not end"):
        reader.finish()


def test_a_number_too_large_is_refused():
    with pytest.raises(PacketError, match="out of range"):
        get_large(Reader(b"\xff" * 60))
