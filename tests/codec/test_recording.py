"""Whole recordings, in memory and block by block."""

import io

import numpy as np
import pytest

from codec.voices import PACKETS, STREAM, VOICE
from serkit.codec import (
    Decoder,
    Decoding,
    Encoder,
    Mode,
    Packet,
    decode,
    decoding,
    encode_basis,
    encode_low_rank,
    log_mel_of,
    normalised,
    rate_search,
    rmse,
    split,
    write_at_rate,
    write_basis,
    write_low_rank,
)
from serkit.codec.svd import encode_svd, encode_svdq, rank_of_ratio
from serkit.errors import AudioError, PacketError


def voice(seconds, seed=0):
    time = np.arange(round(seconds * 16_000)) / 16_000
    tone = sum(np.sin(2 * np.pi * (120 + 20 * seed) * k * time) / k for k in range(1, 20))
    noise = 0.003 * np.random.default_rng(seed).standard_normal(len(time))
    return (0.1 * tone * np.clip(np.sin((3 + seed) * time), 0, 1) + noise).astype(np.float32)


def blocks(samples, size=7777):
    return lambda: [samples[i : i + size] for i in range(0, len(samples), size)]


def written(write, *args, **options):
    out = io.BytesIO()
    coded = write(out, *args, **options)
    assert coded.n_bytes == len(out.getvalue())
    return out.getvalue(), coded


@pytest.mark.parametrize("seconds", [0.01, 1.0, 7.3])
def test_a_recording_in_blocks_gives_the_packets_of_the_whole(seconds):
    samples = voice(seconds)
    live = Encoder(5, blocks_per_packet=16)
    stream, coded = written(write_basis, blocks(samples), 5)
    assert stream == b"".join(live.push(samples) + live.flush()) == encode_basis(samples, 5)
    assert (coded.n_samples, coded.quality) == (len(samples), 5)
    for options in ({"ratio": 0.125}, {"rmse": 0.1}):
        stream, _ = written(write_low_rank, blocks(samples), **options)
        assert stream == encode_low_rank(samples, **options)
    stream, _ = written(write_at_rate, blocks(samples), 1.5)
    assert stream == written(write_at_rate, blocks(samples, len(samples)), 1.5)[0]


@pytest.mark.parametrize(
    ("options", "mode", "code"),
    [
        ({"ratio": 0.125}, Mode.SVD, lambda part: encode_svd(part, rank_of_ratio(0.125, 3000))),
        ({"rmse": 0.1}, Mode.SVDQ, lambda part: encode_svdq(part, 0.4)),
    ],
)
def test_low_rank_packets_are_clamped_by_the_peak_of_the_whole(options, mode, code):
    """The loudest sound comes last."""
    samples = np.concatenate((0.01 * voice(35.0), voice(25.0, seed=1)))
    whole = log_mel_of(samples)
    peak = float(whole.max())
    assert peak - 1.0 > float(whole[:, :3000].max())
    clamped = np.maximum(whole, np.float32(peak - 8.0))
    expected = b"".join(
        Packet(
            mode,
            i,
            code(clamped[:, 3000 * i : 3000 * (i + 1)]),
            start_frame=3000 * i,
            n_frames=3000,
            peak=peak if i else None,
        ).to_bytes()
        for i in range(2)
    )
    assert encode_low_rank(samples, **options) == expected


def exhaustive_search(samples, kbps):
    """The packets at the best quality within a rate, from coding the whole at all sixteen."""
    max_bytes = kbps * 125.0 * len(samples) / 16_000
    streams = [encode_basis(samples, quality) for quality in range(16)]
    return max((s for s in streams if len(s) <= max_bytes), key=len, default=streams[0])


@pytest.mark.parametrize("kbps", [0.01, 0.8, 2.0, 100.0])
def test_the_rate_of_a_short_recording_is_exact(kbps):
    samples = voice(6.0)
    stream, _ = written(write_at_rate, blocks(samples), kbps)
    assert stream == exhaustive_search(samples, kbps)


def test_the_rate_of_a_long_recording_is_searched_on_a_sample(monkeypatch):
    samples = np.concatenate([voice(8.0, seed=seed) for seed in range(5)])
    monkeypatch.setattr(rate_search, "_MAX_SAMPLED_BLOCKS", 32)
    coded_blocks = []
    original = rate_search.Packetiser.packets

    def counting(self, groups, **options):
        coded_blocks.append(sum(map(len, groups)))
        return original(self, groups, **options)

    monkeypatch.setattr(rate_search.Packetiser, "packets", counting)
    stream, _ = written(write_at_rate, blocks(samples, len(samples)), 1.2)
    # A binary search among sixteen, and the last packet of each coding of the whole.
    searched = [n for n in coded_blocks if 0 < n <= 32]
    assert 1 <= len(searched) <= 4 + 3
    # The whole is coded at most three times.
    assert 1 <= sum(n == 112 for n in coded_blocks) <= 3
    kbps = 8e-3 * len(stream) / (len(samples) / 16_000)
    assert 0.8 < kbps <= 1.2 * 1.02
    best = exhaustive_search(samples, 1.2)
    assert abs(len(best) - len(stream)) < 0.3 * len(best)


def test_a_misleading_sample_is_corrected(monkeypatch):
    """The sampled packets are silent, those between them speech."""
    packet = 16 * 32 * 160
    samples = np.concatenate(
        [np.zeros(packet, np.float32) if i % 4 == 0 else voice(5.12, seed=i) for i in range(12)]
    )
    monkeypatch.setattr(rate_search, "_MAX_SAMPLED_BLOCKS", 3 * 16)
    stream, coded = written(write_at_rate, blocks(samples), 1.0)
    kbps = 8e-3 * len(stream) / (len(samples) / 16_000)
    assert coded.quality < 15
    assert kbps <= 1.0
    assert stream == encode_basis(samples, coded.quality)


def test_the_rmse_in_blocks_is_that_of_the_whole():
    samples = voice(33.0)
    original = normalised(log_mel_of(samples))
    for write, options in (
        (write_basis, {"quality": 3}),
        (write_low_rank, {"ratio": 0.125}),
        (write_low_rank, {"rmse": 0.1}),
    ):
        stream, coded = written(write, blocks(samples), **options)
        error = decode(stream).log_mel - original
        exact = float(np.sqrt(np.square(error, dtype=np.float64).mean()))
        assert rmse(blocks(samples), coded, stream) == pytest.approx(exact, rel=1e-5)


def test_a_recording_that_grows_is_refused():
    stream, coded = written(write_basis, blocks(voice(1.0)), 5)
    with pytest.raises(AudioError, match="grew while it was coded"):
        rmse(blocks(voice(2.0)), coded, stream)


def test_decoding_in_blocks_equals_decode(monkeypatch):
    monkeypatch.setattr(decoding, "_BATCH_FRAMES", 300)
    samples = voice(35.0)
    for stream in (
        encode_basis(samples, 5, blocks_per_packet=3),
        encode_low_rank(samples, ratio=0.1),
    ):
        in_blocks = Decoding(stream)
        parts = list(in_blocks.blocks())
        whole = decode(stream)
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole.log_mel)
        assert (in_blocks.n_packets, in_blocks.concealed) == (whole.packets, whole.concealed)
        # Without its last packet a stream is clamped by the largest of its frames.
        packets = list(split(stream))[:-1]
        decoder = Decoder()
        frames = np.concatenate((decoder.extend(packets), decoder.flush()), axis=1)
        np.testing.assert_array_equal(decode(b"".join(packets)).log_mel, normalised(frames))


def test_a_recording_shorter_than_a_frame_is_refused():
    for write, options in ((write_basis, {"quality": 5}), (write_at_rate, {"kbps": 2.0}),
                           (write_low_rank, {"ratio": 0.1})):  # fmt: skip
        with pytest.raises(AudioError, match="shorter than a frame"):
            write(io.BytesIO(), blocks(np.zeros(100, np.float32)), **options)
    with pytest.raises(PacketError, match="blocks per packet: 94; expected 1 to 93"):
        write_at_rate(io.BytesIO(), blocks(voice(1.0)), 2.0, blocks_per_packet=94)


@pytest.mark.parametrize("kbps", [0.0, -1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(kbps):
    with pytest.raises(PacketError, match="kbit/s; expected above 0"):
        write_at_rate(io.BytesIO(), blocks(VOICE), kbps)


def test_a_file_cut_between_packets_decodes_and_elsewhere_is_refused():
    ends = np.cumsum([len(packet) for packet in PACKETS])
    for end in sorted({*range(1, len(STREAM), 37), *ends.tolist()}):
        if end in ends:
            assert decode(STREAM[:end]).log_mel.shape[0] == 80
        else:
            with pytest.raises(PacketError):
                decode(STREAM[:end])
