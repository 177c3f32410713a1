import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.codec import decode, encode_low_rank, log_mel_of, normalised
from serkit.codec.svd import (
    decode_svd,
    decode_svdq,
    encode_svd,
    encode_svdq,
    rank_of_error,
    rank_of_ratio,
)
from serkit.errors import PacketError


def speechlike(n_frames, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((80, 6)) @ rng.standard_normal((6, n_frames))
    return (0.4 * rows + 0.1 * rng.standard_normal((80, n_frames)) - 3.0).astype(np.float32)


def rmse(one, other):
    return float(np.sqrt(np.mean(np.square(one.astype(np.float64) - other))))


def test_the_rank_of_a_ratio():
    assert rank_of_ratio(0.125, 300) == 10  # of k = 80
    assert rank_of_ratio(0.125, 40) == 5  # of k = 40
    assert rank_of_ratio(0.125, 47) == 6  # 5.875, to the nearest
    assert rank_of_ratio(0.125, 3) == 1
    assert rank_of_ratio(1.0, 300) == 80


@pytest.mark.parametrize("rank", [1, 5, 10, 80])
def test_the_error_is_that_of_the_best_approximation(rank):
    log_mel = speechlike(200)
    payload = encode_svd(log_mel, rank)
    assert len(payload) == 1 + 2 * rank * (80 + 1 + 200)  # U', S' and V' as float16
    values = np.linalg.svd(log_mel.astype(np.float64), compute_uv=False)
    least = np.sqrt(np.square(values[rank:]).sum() / log_mel.size)
    assert rmse(decode_svd(payload, 200), log_mel) == pytest.approx(least, abs=2e-3)


def test_the_sizes_given_in_packet_format_md():
    """r/k = 12.5 % of 3 s and of 0.4 s, in bytes and kbit/s."""
    long = encode_svd(speechlike(300), rank_of_ratio(0.125, 300))
    short = encode_svd(speechlike(40), rank_of_ratio(0.125, 40))
    assert len(long) == 7621
    assert len(long) / (2 * 48_000) == pytest.approx(0.079, abs=5e-4)
    assert 8e-3 * len(short) / 0.4 == pytest.approx(24.2, abs=0.05)


@given(st.integers(1, 60), st.floats(0.01, 3.0))
def test_the_rank_of_an_error_is_minimal(n_frames, error):
    log_mel = speechlike(n_frames, n_frames)
    rank = rank_of_error(log_mel, error)
    values = np.linalg.svd(log_mel.astype(np.float64), compute_uv=False)

    def error_of(kept):
        return np.sqrt(np.square(values[kept:]).sum() / log_mel.size)

    assert error_of(rank) <= error * (1 + 1e-5)
    assert rank == 1 or error_of(rank - 1) > error * (1 - 1e-5)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([1, 7, 80, 150, 400]), st.floats(0.05, 0.8))
def test_svdq_meets_its_error_and_is_much_shorter(n_frames, error):
    log_mel = speechlike(n_frames)
    payload = encode_svdq(log_mel, error)
    assert rmse(decode_svdq(payload, n_frames), log_mel) < 1.25 * error
    if n_frames >= 150 and error >= 0.15:
        assert len(payload) < 0.8 * len(encode_svd(log_mel, rank_of_error(log_mel, error)))


@pytest.mark.parametrize("error", [0.05, 0.1, 0.15])
def test_the_target_error_is_that_of_the_normalised_log_mel(error):
    rng = np.random.default_rng(0)
    samples = 0.05 * rng.standard_normal(32_000) * np.linspace(0.0, 1.0, 32_000) ** 2
    samples = samples.astype(np.float32)
    log_mel = decode(encode_low_rank(samples, rmse=error)).log_mel
    assert 0.6 * error < rmse(log_mel, normalised(log_mel_of(samples))) < 1.25 * error


@pytest.mark.parametrize("options", [{"ratio": 0.125}, {"rmse": 0.1}])
def test_recordings_longer_than_thirty_seconds(options):
    samples = 0.1 * np.random.default_rng(0).standard_normal(31 * 16_000).astype(np.float32)
    stream = encode_low_rank(samples, **options)
    decoded = decode(stream)
    assert (decoded.packets, decoded.log_mel.shape) == (2, (80, 3100))
    original = normalised(log_mel_of(samples))
    assert rmse(decoded.log_mel, original) < 0.12


@pytest.mark.parametrize("options", [{}, {"ratio": 0.5, "rmse": 0.1}, {"ratio": 0.0}, {"rmse": 2}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(PacketError, match=r"give either|expected above 0|expected 0.001 to 1"):
        encode_low_rank(np.zeros(16_000, np.float32), **options)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "0 bytes for rank 0"),
        (b"\x00", "rank 0"),
        (b"\x51" + bytes(2 * 81 * 181), "rank 81"),
        (b"\x01" + bytes(10), "11 bytes for rank 1 and 100 frames; expected 363"),
        (b"\x01" + b"\xff\x7f" * 181, "not finite"),
    ],
)
def test_malformed_svd_payloads_are_refused(payload, message):
    with pytest.raises(PacketError, match=message):
        decode_svd(payload, 100)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 100))
def test_any_payload_decodes_or_is_a_packet_error(payload, n_frames):
    for decoder in (decode_svd, decode_svdq):
        try:
            log_mel = decoder(payload, n_frames)
        except PacketError:
            continue
        assert log_mel.shape == (80, n_frames)
