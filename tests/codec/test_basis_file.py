"""The file of a basis."""

from dataclasses import replace

import numpy as np
import pytest

from serkit.codec import shipped_basis
from serkit.codec.basis_file import basis_bytes, read_basis
from serkit.errors import PacketError

BASIS = shipped_basis()


def edited(values, place, value):
    """A copy of an array with one other number."""
    copy = values.copy()
    copy[place] = value
    return copy


def with_context(**changes):
    return replace(BASIS, context=replace(BASIS.context, **changes))


def test_a_basis_comes_back(tmp_path):
    (tmp_path / "b.safetensors").write_bytes(basis_bytes(BASIS))
    assert read_basis(tmp_path / "b.safetensors").digest == BASIS.digest


MAGNITUDES, LENGTHS = BASIS.magnitudes, BASIS.lengths
# Still of the right sum.
WITH_ZERO = edited(MAGNITUDES, (0, slice(2)), [0, MAGNITUDES[0, 0] + MAGNITUDES[0, 1]])


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (replace(BASIS, magnitudes=MAGNITUDES + np.uint16(1)), "magnitudes are no frequency table"),
        (replace(BASIS, magnitudes=WITH_ZERO), "magnitudes are no frequency tables"),
        (replace(BASIS, lengths=edited(LENGTHS, (15, 0), 60_000)), "positive numbers that sum to"),
        (replace(BASIS, limits=edited(BASIS.limits, (0, 0), 81)), "81 components; .* at most 80"),
        (replace(BASIS, mean=edited(BASIS.mean, (0, 0), np.inf)), "mean holds numbers .* finite"),
        (with_context(prior=edited(BASIS.context.prior, (0, 0, 0), 641)), "magnitude of 641"),
        (with_context(prior=edited(BASIS.context.prior, (0, 0, 0), -641)), "magnitude of 641"),
        (with_context(inner=edited(BASIS.context.inner, (0, slice(2)), 32_767)), "too large for"),
        (with_context(inner_bias=edited(BASIS.context.inner_bias, 0, -(1 << 24))), "too large for"),
        (with_context(outer=edited(BASIS.context.outer, 0, 32_767)), "too large for exact sums"),
        (with_context(outer_bias=2.0**24), "too large for exact sums"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, basis, message):
    (tmp_path / "b.safetensors").write_bytes(basis_bytes(basis))
    with pytest.raises(PacketError, match=message):
        read_basis(tmp_path / "b.safetensors")


def test_the_bound_of_exact_sums_holds_for_the_largest_inputs():
    """Sums over inputs that no row exceeds: every neighbour at the largest level."""
    context = BASIS.context
    inputs = np.array([22] * 15 + [22 * 80 // 4] * 5 + [117, np.abs(context.prior).max(), 11, 31])
    sums = np.abs(context.inner) @ inputs + np.abs(context.inner_bias)
    assert context.is_exact and sums.max() < 1 << 24
    factor = (1 << 24) // sums.max() + 1
    assert not replace(context, inner=context.inner * factor).is_exact
