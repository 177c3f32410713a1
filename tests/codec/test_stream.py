from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct

from serkit.codec import (
    BLOCK_FRAMES,
    DELAY_S,
    N_QUALITIES,
    Decoder,
    Encoder,
    Packet,
    decode,
    encode_at_rate,
    encode_basis,
    encode_low_rank,
    log_mel_of,
    normalised,
    read_packet,
    shipped_basis,
    split,
    stream,
)
from serkit.codec.basis import block_of, coefficients, likeliest
from serkit.codec.blocks import decode_blocks, encode_blocks
from serkit.errors import AudioError, PacketError


def voice(seconds=6.0, seed=0):
    """Harmonics that come and go, over faint noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / 16_000
    tone = sum(np.sin(k * phase) / k for k in range(1, 25))
    loud = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1) ** 2
    return (0.1 * loud * tone + 0.002 * rng.standard_normal(len(time))).astype(np.float32)


VOICE = voice()
STREAM = encode_basis(VOICE, 5, blocks_per_packet=1)
ALL = list(split(STREAM))


def frames_of(packets, **options):
    decoder = Decoder(**options)
    parts = [decoder.push(packet) for packet in packets]
    return np.concatenate([*parts, decoder.flush()], axis=1), decoder


def rmse(one, other):
    return float(np.sqrt(np.mean(np.square(one - other))))


def test_the_basis_is_orthogonal_and_turns_back():
    basis = shipped_basis()
    block = log_mel_of(VOICE)[:, :32]
    for kind, vectors in enumerate(basis.vectors):
        # As nearly as float16 holds them.
        np.testing.assert_allclose(vectors @ vectors.T, np.eye(80), atol=2e-3)
        found = coefficients(basis, block)[kind]
        np.testing.assert_allclose(block_of(basis, found, kind), block, atol=0.02)
        # Parseval: errors of coefficients are errors of frames.
        centred = block - basis.mean[kind][:, None]
        assert np.square(found).sum() == pytest.approx(np.square(centred).sum(), rel=2e-3)


def test_more_bits_are_less_error():
    wanted = normalised(log_mel_of(VOICE))
    sizes, errors = [], []
    for quality in range(N_QUALITIES):
        coded = encode_basis(VOICE, quality)
        sizes.append(len(coded))
        errors.append(rmse(decode(coded).log_mel, wanted))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[5] < 0.11
    assert errors[-1] < 0.05


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, len(VOICE)),
    st.lists(st.integers(0, 60_000), max_size=10),
    st.sampled_from(({}, {"kbps": 1.5}, {"quality": 3, "blocks_per_packet": 4})),
)
def test_chunks_change_no_byte(n, cuts, options):
    whole = Encoder(**options)
    expected = whole.push(VOICE[:n]) + whole.flush()
    encoder, found = Encoder(**options), []
    for part in np.split(VOICE[:n], sorted(min(cut, n) for cut in cuts)):
        found += encoder.push(part)
    assert found + encoder.flush() == expected


def test_a_packet_comes_within_the_delay():
    """Samples one by one: how late is the packet that holds a sample?"""
    encoder, arrived = Encoder(), []
    for place in range(0, 32_000, 40):
        for _ in encoder.push(VOICE[place : place + 40]):
            arrived.append((place + 40) / 16_000)
    for number, time in enumerate(arrived):
        assert time - number * BLOCK_FRAMES / 100 <= DELAY_S


def test_blocks_are_coded_by_themselves():
    basis = shipped_basis()
    log_mel = log_mel_of(VOICE)
    blocks = [log_mel[:, i : i + 32] for i in range(0, log_mel.shape[1], 32)]
    groups = [[block] for block in blocks]
    together = encode_blocks(basis, groups, 7)
    assert together == [encode_blocks(basis, [group], 7)[0] for group in groups]
    alone = [decode_blocks(basis, [payload], [1])[0] for payload in together]
    for one, other in zip(alone, decode_blocks(basis, together, [1] * len(alone)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [2, 5, 16, 93])
def test_blocks_that_share_a_packet_are_the_same_blocks_in_fewer_bytes(size):
    """Seven bytes of header and part of one each, but for the first packet's."""
    expected, _ = frames_of(ALL)
    encoder = Encoder(5, blocks_per_packet=size)
    packets = encoder.push(VOICE) + encoder.flush()
    assert len(packets) == -(-len(ALL) // size)
    found, decoder = frames_of(packets)
    np.testing.assert_array_equal(found, expected)
    assert decoder.peak == read_packet(ALL[-1]).peak
    saved = sum(map(len, ALL)) - sum(map(len, packets))
    assert saved >= 6 * (len(ALL) - len(packets))


def test_a_block_is_of_the_kind_that_makes_it_likeliest():
    """Exponential magnitudes of the expected means: the sum of |x| / mean + log(mean) is least."""
    basis = shipped_basis()
    log_mel = log_mel_of(VOICE)
    cosines = dct(np.eye(32), norm="ortho", axis=0)
    means = np.maximum(np.exp(basis.context.prior / 8.0), 0.5)  # half the coarsest step in use
    chosen = []
    for i in range(0, 576, 32):
        block = log_mel[:, i : i + 32]
        surprise = []
        for mean, vectors, expected in zip(basis.mean, basis.vectors, means, strict=True):
            found = cosines @ (vectors @ (block - mean[:, None])).T
            surprise.append((np.abs(found) / expected + np.log(expected)).sum())
        kind, found = likeliest(basis, block)
        assert kind == np.argmin(surprise)
        np.testing.assert_allclose(block_of(basis, found, kind), block, atol=0.02)
        chosen.append(kind)
    assert len(set(chosen)) > 2


def test_a_flat_block_is_its_level_alone():
    packets = list(split(encode_basis(np.zeros(16_000, np.float32), 5, blocks_per_packet=1)))
    for packet in packets:
        assert len(read_packet(packet).payload) <= 3
    np.testing.assert_array_equal(frames_of(packets)[0], -10.0)
    (faint,) = encode_blocks(shipped_basis(), [[np.full((80, 32), -7.31, np.float32)]], 5)
    (found,) = decode_blocks(shipped_basis(), [faint], [1])
    np.testing.assert_array_equal(found, -10.0 + round(2.69 * 16) / 16)


def test_what_lies_far_below_the_peak_so_far_is_not_sent():
    """Whisper's clamp, by the sender: after a loud beginning silence is a flat block."""
    sound = np.concatenate((VOICE[:16_000], np.zeros(16_000, np.float32)))
    found, _ = frames_of(list(split(encode_basis(sound, 9))))
    peak = float(log_mel_of(sound).max())
    np.testing.assert_allclose(found[:, 130:190], peak - 8.0, atol=1 / 32)


def test_the_receiver_clamps_at_the_peak_that_was_sent():
    sound = np.concatenate((VOICE, np.zeros(8_000, np.float32)))
    for coded in (encode_basis(sound, 2), encode_low_rank(sound, ratio=0.125)):
        peak = read_packet(list(split(coded))[-1]).peak
        found = decode(coded).log_mel
        assert found.min() == pytest.approx((peak - 8.0 + 4.0) / 4.0, abs=1e-6)
        assert abs(peak - float(frames_of(list(split(coded)))[0].max())) > 1e-3


def test_what_is_usual():
    assert Encoder().push(VOICE) == Encoder(5).push(VOICE)
    assert encode_basis(VOICE, 3) == encode_basis(VOICE, 3, blocks_per_packet=16)
    # A missing packet is waited for while four others come, and no longer.
    decoder = Decoder()
    decoder.push(ALL[0])
    assert all(decoder.push(packet).size == 0 for packet in ALL[2:6])
    assert decoder.push(ALL[6]).shape[1] == 6 * 32


def test_where_packets_overlap_the_earlier_one_counts():
    first = encode_low_rank(VOICE[:16_000], ratio=1.0)
    second = read_packet(encode_low_rank(VOICE[16_000:32_000], ratio=1.0))
    overlapping = replace(second, sequence=1, start_frame=60).to_bytes()
    found, _ = frames_of([first, overlapping])
    alone = frames_of([first])[0]
    assert found.shape[1] == 160
    np.testing.assert_array_equal(found[:, :100], alone)


@pytest.mark.parametrize("size", [1, 5, 16, 31])
def test_a_long_stream_comes_back_when_its_numbers_begin_anew(monkeypatch, size):
    monkeypatch.setattr(stream, "SEQUENCES", 128)
    encoder = Encoder(0, blocks_per_packet=size)
    packets = encoder.push(np.tile(VOICE, 20)) + encoder.flush()
    assert max(read_packet(packet).sequence for packet in packets) < 128
    lost = {7, 30}
    found, decoder = frames_of([p for i, p in enumerate(packets) if i not in lost])
    assert found.shape[1] == 12_000
    whole = decode_whole(packets)
    kept = np.ones(12_000, bool)
    for i in lost:
        kept[i * 32 * size : (i + 1) * 32 * size] = False
    np.testing.assert_array_equal(found[:, kept], whole[:, kept])
    assert decoder.concealed == 12_000 - kept.sum()


def decode_whole(packets):
    """Packet by packet and joined, whatever the packets say of their places."""
    payloads = [read_packet(packet) for packet in packets]
    parts = decode_blocks(
        shipped_basis(),
        [packet.payload for packet in payloads],
        [-(-(packet.n_frames or 32) // 32) for packet in payloads],
    )
    return np.concatenate(
        [part[:, : packet.n_frames or 32] for part, packet in zip(parts, payloads, strict=True)],
        axis=1,
    )


def test_silence_costs_next_to_nothing():
    silent = encode_basis(np.zeros(160_000, np.float32), 5)
    assert 8e-3 * len(silent) / 10 < 0.35
    after = encode_basis(np.concatenate((VOICE, np.zeros(160_000, np.float32))), 5)
    assert 8e-3 * (len(after) - len(STREAM)) / 10 < 0.35


def test_frames_come_in_order_and_whole():
    found, decoder = frames_of(ALL)
    assert found.shape == (80, len(VOICE) // 160)
    assert decoder.concealed == 0
    np.testing.assert_array_equal(normalised(found, peak=decoder.peak), decode(STREAM).log_mel)
    assert decoder.peak == pytest.approx(float(log_mel_of(VOICE).max()), abs=1 / 256)


@settings(deadline=None, max_examples=40)
@given(st.randoms(), st.lists(st.integers(0, len(ALL) - 1), max_size=6))
def test_order_and_repetition_change_nothing(random, repeated):
    """Packets at most three places late, some of them twice."""
    order = sorted(range(len(ALL)), key=lambda i: i + random.uniform(0, 3.0))
    packets = [ALL[i] for i in order]
    for i in repeated:
        packets.insert(min(len(packets), order.index(i) + 2), ALL[i])
    found, decoder = frames_of(packets)
    expected, _ = frames_of(ALL)
    np.testing.assert_array_equal(found, expected)
    assert decoder.concealed == 0


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, len(ALL) - 2), max_size=8))
def test_a_lost_packet_costs_its_own_frames_and_nothing_else(lost):
    expected, _ = frames_of(ALL)
    found, decoder = frames_of([p for i, p in enumerate(ALL) if i not in lost])
    assert found.shape == expected.shape
    assert decoder.concealed == BLOCK_FRAMES * len(lost)
    kept = np.ones(expected.shape[1], bool)
    for i in lost:
        kept[i * BLOCK_FRAMES : (i + 1) * BLOCK_FRAMES] = False
    np.testing.assert_array_equal(found[:, kept], expected[:, kept])


def test_lost_frames_lie_between_their_neighbours():
    found, _ = frames_of([ALL[0], *ALL[2:]])
    before, after = found[:, 31], found[:, 64]
    share = 16 / 33
    np.testing.assert_allclose(found[:, 47], before + share * (after - before), atol=1e-5)


def test_sequence_numbers_begin_anew():
    """Around the 8192nd packet, from one on that says when it starts."""
    first = read_packet(ALL[1])
    basis = shipped_basis().digest

    def packet(number):
        start = number * 32 if number == 8160 else None
        return Packet(first.mode, number % 8192, first.payload, start, basis if start else b"")

    order = [8160, 8161, 8190, 8192, 8191, 8193, 8250]
    found, decoder = frames_of([packet(number).to_bytes() for number in order])
    assert found.shape[1] == 32 * (8251 - 8160)
    assert decoder.concealed == 32 * (91 - len(order))


def test_one_may_join_late():
    late = list(split(encode_basis(voice(70.0), 0, blocks_per_packet=1)))[192:]
    assert read_packet(late[0]).start_frame == 192 * 32
    found, decoder = frames_of(late)
    assert decoder.concealed == 0
    assert found.shape[1] == 7000 - 192 * 32


def live(numbers):
    """Packets of a stream that began long ago, each 32nd of which says when it starts."""
    first, basis = read_packet(ALL[1]), shipped_basis().digest
    for number in numbers:
        start = number * 32 if number % 32 == 0 else None
        packet = Packet(first.mode, number % 8192, first.payload, start, basis if start else b"")
        yield packet.to_bytes()


@pytest.mark.parametrize("joined", [31, 33, 187, 4097, 5000, 8191, 8225, 13_361])
def test_one_may_join_anywhere(joined):
    """Between the packets that say when they start, and after the numbers have begun anew."""
    decoder = Decoder()
    parts = [decoder.push(packet) for packet in live(range(joined, joined + 100))]
    found = np.concatenate([*parts, decoder.flush()], axis=1)
    missing = joined if joined <= 32 else 0
    assert decoder.concealed == 32 * missing
    assert found.shape[1] == 32 * (100 + missing)
    assert decoder.first_frame == 32 * (joined - missing)


def test_where_one_joined_is_not_known_before_a_packet_says_so():
    decoder = Decoder()
    assert decoder.first_frame is None
    packets = list(live(range(5001, 5050)))
    decoder.extend(packets[:20])
    assert decoder.first_frame is None
    decoder.extend(packets[20:])
    assert decoder.first_frame == 32 * 5001


def test_a_minute_may_be_missing_and_no_more():
    for size in (1, 16, 93):
        encoder = Encoder(0, blocks_per_packet=size)
        packets = encoder.push(np.tile(VOICE, 30)) + encoder.flush()
        span = 0.32 * size
        lost = int(60 / span)
        found, decoder = frames_of([packets[0], *packets[1 + lost :]])
        assert found.shape[1] == 18_000
        assert decoder.concealed == 32 * size * lost
        if len(packets) > 2 + lost:
            with pytest.raises(PacketError, match="begin a new decoder"):
                frames_of([packets[0], *packets[2 + lost :]])


def test_what_is_damaged_or_foreign_leaves_no_trace():
    expected, _ = frames_of(ALL)
    spoiled = bytearray(ALL[3])
    spoiled[9] ^= 1
    first = read_packet(ALL[0])
    foreign = Packet(first.mode, 3, first.payload, 96, b"\0\0\0\0").to_bytes()
    far = Packet(first.mode, 3, first.payload, (1 << 32) - 1, first.basis).to_bytes()
    rubbish = Packet(first.mode, 3, b"\xff" * 500).to_bytes()
    padded = Packet(first.mode, 3, first.payload + b"\0").to_bytes()
    odd = Packet(first.mode, 3, first.payload, n_frames=3001).to_bytes()
    none = Packet(first.mode, 3, first.payload, n_frames=0).to_bytes()
    longer = Packet(first.mode, 3, first.payload, n_frames=33).to_bytes()
    decoder, parts = Decoder(), []
    for packet in ALL:
        parts.append(decoder.push(packet))
        for wrong, message in (
            (bytes(spoiled), "checksum"),
            (foreign, "coded with the basis 00000000"),
            (far, "s are missing, more than 60 s"),
            (rubbish, "does not end|impossibly large"),
            (padded, "does not end"),
            (odd, "3001 frames; expected 1 to 3000"),
            (none, "0 frames; expected 1 to 3000"),
            (longer, "does not end|impossibly large"),
        ):
            with pytest.raises(PacketError, match=message):
                decoder.push(wrong)
    parts.append(decoder.flush())
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), expected)


def test_the_rate_asked_for_is_not_exceeded():
    for kbps in (1.2, 2.0, 4.0):
        coded = encode_at_rate(VOICE, kbps)
        assert 8e-3 * len(coded) / 6.0 <= kbps
    best = encode_at_rate(VOICE, 2.0)
    every = [encode_basis(VOICE, quality) for quality in range(N_QUALITIES)]
    assert 8e-3 * len(every[every.index(best) + 1]) / 6.0 > 2.0


def test_a_stream_keeps_its_rate():
    """Over a minute within three hundredths, and never two seconds ahead."""
    sound = voice(60.0)
    for kbps in (1.0, 2.0, 4.0):
        encoder = Encoder(kbps=kbps)
        sizes = [len(packet) for packet in encoder.push(sound) + encoder.flush()]
        assert 8e-3 * sum(sizes) / 60.0 == pytest.approx(kbps, rel=0.03)
        ahead = np.cumsum(sizes) - kbps * 125.0 * 0.32 * np.arange(1, len(sizes) + 1)
        assert ahead.max() < kbps * 125.0 * 2.0


def test_silence_is_saved_up_only_so_far():
    encoder = Encoder(kbps=2.0)
    encoder.push(np.zeros(16_000 * 120, np.float32))
    sizes = [len(packet) for packet in encoder.push(VOICE)]
    assert 8e-3 * sum(sizes) / 6.0 < 2.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kbps": 0.0}, "0.0 kbit/s; expected a rate above 0"),
        ({"kbps": float("nan")}, "nan kbit/s"),
        ({"kbps": 2.0, "quality": 5}, "the same thing twice"),
        ({"blocks_per_packet": 0}, "expected 1 to 93"),
        ({"blocks_per_packet": 94}, "expected 1 to 93"),
        ({"blocks_per_packet": 2.5}, "expected 1 to 93"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(PacketError, match=message):
        Encoder(**options)


def test_what_is_no_sound():
    encoder = Encoder()
    for wrong in (np.zeros(400, np.int16), np.zeros((400, 2), np.float32)):
        with pytest.raises(AudioError, match="expected samples of one channel as floats"):
            encoder.push(wrong)
    whole = encoder.push(VOICE.astype(np.float64)) + encoder.flush()
    assert whole == ALL
    assert encoder.flush() == []
    with pytest.raises(AudioError, match="the stream has ended"):
        encoder.push(VOICE)


@pytest.mark.parametrize("kbps", [0.0, -1.0, float("nan")])
def test_no_rate(kbps):
    with pytest.raises(PacketError, match="expected a rate above 0"):
        encode_at_rate(VOICE, kbps)


@pytest.mark.parametrize("quality", [-1, 16, 5.5])
def test_a_quality_out_of_range(quality):
    with pytest.raises(PacketError, match="expected a whole number, 0 to 15"):
        Encoder(quality)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_any_payload_is_a_block_or_a_packet_error(payload):
    for n in (1, 3):
        (found,) = decode_blocks(shipped_basis(), [payload], [n])
        if not isinstance(found, PacketError):
            assert found.shape == (80, 32 * n)
            assert np.isfinite(found).all()


def test_a_file_cut_anywhere_is_a_packet_error():
    for end in range(1, len(STREAM), 37):
        try:
            decode(STREAM[:end])
        except PacketError:
            continue
        assert end in np.cumsum([len(packet) for packet in ALL])
