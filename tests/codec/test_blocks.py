import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct

from codec.voices import VOICE, rmse
from serkit.codec import N_QUALITIES, decode, encode_basis, log_mel_of, normalised, shipped_basis
from serkit.codec.basis import block_of, coefficients, likeliest
from serkit.codec.blocks import decode_blocks, encode_blocks
from serkit.errors import PacketError


def test_the_basis_is_orthonormal_and_its_transform_inverts():
    basis = shipped_basis()
    block = log_mel_of(VOICE)[:, :32]
    for kind, vectors in enumerate(basis.vectors):
        # To the precision of float16.
        np.testing.assert_allclose(vectors @ vectors.T, np.eye(80), atol=2e-3)
        values = coefficients(basis, block, kind)
        np.testing.assert_allclose(block_of(basis, values, kind), block, atol=0.02)
        # Parseval: the error of the coefficients is the error of the frames.
        centred = block - basis.mean[kind][:, None]
        assert np.square(values).sum() == pytest.approx(np.square(centred).sum(), rel=2e-3)


def test_a_higher_quality_takes_more_bits_and_has_less_error():
    original = normalised(log_mel_of(VOICE))
    sizes, errors = [], []
    for quality in range(N_QUALITIES):
        coded = encode_basis(VOICE, quality)
        sizes.append(len(coded))
        errors.append(rmse(decode(coded).log_mel, original))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[5] < 0.11
    assert errors[-1] < 0.05


def test_blocks_are_coded_independently():
    basis = shipped_basis()
    log_mel = log_mel_of(VOICE)
    blocks = [log_mel[:, i : i + 32] for i in range(0, log_mel.shape[1], 32)]
    groups = [[block] for block in blocks]
    together = encode_blocks(basis, groups, 7)
    assert together == [encode_blocks(basis, [group], 7)[0] for group in groups]
    alone = [decode_blocks(basis, [payload], [1])[0] for payload in together]
    for one, other in zip(alone, decode_blocks(basis, together, [1] * len(alone)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_block_is_of_the_kind_under_which_it_is_most_likely():
    """Magnitudes are exponential: the sum of |x| / mean + log(mean) of eight rows is minimal."""
    basis = shipped_basis()
    log_mel = log_mel_of(VOICE)
    cosines = dct(np.eye(32), norm="ortho", axis=0)
    means = np.maximum(np.exp(basis.context.prior / 8.0), 0.5)  # half the coarsest step in use
    chosen = []
    for i in range(0, 576, 32):
        block = log_mel[:, i : i + 32]
        surprise = []
        for mean, vectors, expected in zip(basis.mean, basis.vectors, means, strict=True):
            values = cosines @ (vectors @ (block - mean[:, None])).T
            surprise.append((np.abs(values) / expected + np.log(expected))[:8].sum())
        kind, values = likeliest(basis, block)
        assert kind == np.argmin(surprise)
        np.testing.assert_allclose(block_of(basis, values, kind), block, atol=0.02)
        chosen.append(kind)
    assert len(set(chosen)) > 2


def test_a_flat_block_is_sent_as_its_level():
    for value, level in ((-10.0, -10.0), (-7.31, -10.0 + round(2.69 * 16) / 16)):
        (payload,) = encode_blocks(shipped_basis(), [[np.full((80, 32), value, np.float32)]], 5)
        assert len(payload) <= 3
        (block,) = decode_blocks(shipped_basis(), [payload], [1])
        np.testing.assert_array_equal(block, level)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_any_payload_decodes_or_is_a_packet_error(payload):
    for n in (1, 3):
        (block,) = decode_blocks(shipped_basis(), [payload], [n])
        if not isinstance(block, PacketError):
            assert block.shape == (80, 32 * n)
            assert np.isfinite(block).all()
