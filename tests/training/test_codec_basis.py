import numpy as np
import pytest

from serkit.codec import decode, encode_basis, log_mel_of, normalised, shipped_basis
from serkit.codec.basis import Basis
from serkit.codec.entropy import PRECISION
from serkit.training.codec_basis import learn_basis


def voices(n, seed):
    """Buzzes through a resonance, each of its own pitch, colour and rhythm."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        time = np.arange(32_000) / 16_000
        phase = 2 * np.pi * np.cumsum(rng.uniform(90, 220) * (1 + 0.1 * np.sin(4 * time))) / 16_000
        tilt = rng.uniform(0.7, 1.5)
        tone = sum(np.sin(k * phase) / k**tilt for k in range(1, 20))
        loud = np.clip(np.sin(rng.uniform(3, 9) * time + rng.uniform(0, 6)), 0, 1)
        noise = rng.uniform(1e-4, 5e-3) * rng.standard_normal(32_000)
        found.append((rng.uniform(0.02, 0.2) * loud * tone + noise).astype(np.float32))
    return found


@pytest.fixture(scope="module")
def learned():
    blocks = [
        block
        for samples in voices(40, 0)
        for block in np.split(log_mel_of(samples)[:, :192], 6, axis=1)
    ]
    return learn_basis(blocks, sample=120, steps=60, batch=4096)


def test_a_basis_learned_is_whole_and_travels(learned):
    assert (learned.magnitudes.sum(axis=1) == 1 << PRECISION).all()
    assert (learned.lengths.sum(axis=1) == 1 << PRECISION).all()
    assert learned.magnitudes.min() >= 1
    again = Basis.of_tensors(learned.tensors())
    assert again.digest == learned.digest != shipped_basis().digest
    samples = voices(1, 9)[0]
    assert encode_basis(samples, 5, basis=again) == encode_basis(samples, 5, basis=learned)


def test_what_was_learned_from_such_voices_suits_them_better(learned):
    """Against the basis of real speech, on buzzes it never heard."""

    def rate_and_error(basis):
        size, error = 0, []
        for samples in voices(6, 1):
            stream = encode_basis(samples, 5, basis=basis)
            size += len(stream)
            wanted = normalised(log_mel_of(samples))
            error.append(np.square(decode(stream, basis=basis).log_mel - wanted).mean())
        return size, np.mean(error) ** 0.5

    (ours, our_error), (theirs, their_error) = map(rate_and_error, (learned, shipped_basis()))
    assert ours * our_error**2.7 < theirs * their_error**2.7


def test_the_sums_of_the_context_network_are_exact():
    """In float32, whatever the order: the largest possible stays below 2^24."""
    context = shipped_basis().context
    largest = np.full(24, 22.0)
    largest[15:20] = 22 * 80 / 4
    largest[20] = 22 / (1 - 13 / 16) + 1
    largest[21:] = (np.abs(context.prior).max(), 16, 31)
    inner = np.abs(context.inner) @ largest + np.abs(context.inner_bias)
    assert inner.max() < 2**24
    assert np.abs(context.outer).sum() * 1023 + abs(context.outer_bias) < 2**24
    for values in (context.prior, context.inner, context.inner_bias, context.outer):
        np.testing.assert_array_equal(values, np.round(values))
