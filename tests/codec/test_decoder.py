from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.voices import PACKETS, STREAM, VOICE, decoded, voice
from serkit.codec import (
    BLOCK_FRAMES,
    Decoder,
    Encoder,
    Mode,
    Packet,
    decode,
    encode_basis,
    encode_low_rank,
    encoder,
    log_mel_of,
    normalised,
    packet_order,
    read_packet,
    shipped_basis,
    split,
)
from serkit.codec.blocks import decode_blocks
from serkit.errors import PacketError


def test_the_receiver_clamps_at_the_peak_of_the_sender():
    sound = np.concatenate((VOICE, np.zeros(8_000, np.float32)))
    for coded in (encode_basis(sound, 2), encode_low_rank(sound, ratio=0.125)):
        peak = read_packet(list(split(coded))[-1]).peak
        log_mel = decode(coded).log_mel
        assert log_mel.min() == pytest.approx((peak - 8.0 + 4.0) / 4.0, abs=1e-6)
        assert abs(peak - float(decoded(list(split(coded)))[0].max())) > 1e-3


def test_of_overlapping_packets_the_earlier_one_wins():
    first = encode_low_rank(VOICE[:16_000], ratio=1.0)
    second = read_packet(encode_low_rank(VOICE[16_000:32_000], ratio=1.0))
    overlapping = replace(second, sequence=1, start_frame=60).to_bytes()
    frames, _ = decoded([first, overlapping])
    alone = decoded([first])[0]
    assert frames.shape[1] == 160
    np.testing.assert_array_equal(frames[:, :100], alone)


@pytest.mark.parametrize("size", [1, 5, 16, 31])
def test_a_long_stream_survives_the_wrap_of_its_sequence_numbers(monkeypatch, size):
    monkeypatch.setattr(encoder, "SEQUENCES", 128)
    monkeypatch.setattr(packet_order, "SEQUENCES", 128)
    for module in (encoder, packet_order):
        monkeypatch.setattr(module, "COMPACT_SEQUENCES", 64)
    sender = Encoder(0, blocks_per_packet=size)
    packets = sender.push(np.tile(VOICE, 20)) + sender.flush()
    assert max(read_packet(packet).sequence for packet in packets) < 128
    lost = {7, 30}
    frames, decoder = decoded([p for i, p in enumerate(packets) if i not in lost])
    assert frames.shape[1] == 12_000
    whole = decode_whole(packets)
    kept = np.ones(12_000, bool)
    for i in lost:
        kept[i * 32 * size : (i + 1) * 32 * size] = False
    np.testing.assert_array_equal(frames[:, kept], whole[:, kept])
    assert decoder.concealed == 12_000 - kept.sum()


def decode_whole(packets):
    """The payloads decoded one by one and joined, without regard to positions."""
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


def test_all_frames_arrive_in_order():
    frames, decoder = decoded(PACKETS)
    assert frames.shape == (80, len(VOICE) // 160)
    assert decoder.concealed == 0
    np.testing.assert_array_equal(normalised(frames, peak=decoder.peak), decode(STREAM).log_mel)
    assert decoder.peak == pytest.approx(float(log_mel_of(VOICE).max()), abs=1 / 256)


@settings(deadline=None, max_examples=40)
@given(st.randoms(), st.lists(st.integers(0, len(PACKETS) - 1), max_size=6))
def test_order_and_repetition_change_nothing(random, repeated):
    """Packets at most three places late, some repeated."""
    order = sorted(range(len(PACKETS)), key=lambda i: i + random.uniform(0, 3.0))
    packets = [PACKETS[i] for i in order]
    for i in repeated:
        packets.insert(min(len(packets), order.index(i) + 2), PACKETS[i])
    frames, decoder = decoded(packets)
    expected, _ = decoded(PACKETS)
    np.testing.assert_array_equal(frames, expected)
    assert decoder.concealed == 0


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, len(PACKETS) - 2), max_size=8))
def test_a_lost_packet_costs_its_own_frames_and_nothing_else(lost):
    expected, _ = decoded(PACKETS)
    frames, decoder = decoded([p for i, p in enumerate(PACKETS) if i not in lost])
    assert frames.shape == expected.shape
    assert decoder.concealed == BLOCK_FRAMES * len(lost)
    kept = np.ones(expected.shape[1], bool)
    for i in lost:
        kept[i * BLOCK_FRAMES : (i + 1) * BLOCK_FRAMES] = False
    np.testing.assert_array_equal(frames[:, kept], expected[:, kept])


def test_lost_frames_are_interpolated():
    frames, _ = decoded([PACKETS[0], *PACKETS[2:]])
    before, after = frames[:, 31], frames[:, 64]
    weight = 16 / 33
    np.testing.assert_allclose(frames[:, 47], before + weight * (after - before), atol=1e-5)


def test_sequence_numbers_wrap_around():
    """Around the 8192nd packet, starting at a timed one."""
    first = read_packet(PACKETS[1])
    basis = shipped_basis().digest

    def packet(number):
        start = number * 32 if number == 8160 else None
        return Packet(first.mode, number % 8192, first.payload, start, basis if start else b"")

    order = [8160, 8161, 8190, 8192, 8191, 8193, 8250]
    frames, decoder = decoded([packet(number).to_bytes() for number in order])
    assert frames.shape[1] == 32 * (8251 - 8160)
    assert decoder.concealed == 32 * (91 - len(order))


def test_a_stream_may_be_joined_at_a_timed_packet():
    late = list(split(encode_basis(voice(70.0), 0, blocks_per_packet=1)))[192:]
    assert read_packet(late[0]).start_frame == 192 * 32
    frames, decoder = decoded(late)
    assert decoder.concealed == 0
    assert frames.shape[1] == 7000 - 192 * 32


def live(numbers, *, compact=False):
    """Packets of a running stream, every 32nd of them timed, the others perhaps compact."""
    payload, basis = read_packet(PACKETS[1]).payload, shipped_basis().digest
    for number in numbers:
        if number % 32 == 0:
            packet = Packet(Mode.BASIS, number % 8192, payload, number * 32, basis)
        else:
            count = 1024 if compact else 8192
            packet = Packet(Mode.BASIS, number % count, payload, compact=compact)
        yield packet.to_bytes()


@pytest.mark.parametrize(
    ("joined", "compact"),
    [(number, False) for number in (31, 33, 187, 4097, 5000, 8191, 8225, 13_361)]
    + [(number, True) for number in (31, 33, 187, 1023, 1060, 5000, 8191, 13_361)],
)
def test_a_stream_may_be_joined_anywhere(joined, compact):
    """Between timed packets, and after the sequence numbers have wrapped around."""
    decoder = Decoder()
    stream = live(range(joined, joined + 100), compact=compact)
    parts = [decoder.push(packet) for packet in stream]
    frames = np.concatenate([*parts, decoder.flush()], axis=1)
    missing = joined if joined <= 32 else 0
    assert decoder.concealed == 32 * missing
    assert frames.shape[1] == 32 * (100 + missing)
    assert decoder.first_frame == 32 * (joined - missing)


def test_streams_of_version_1_decode_as_those_of_version_2():
    """Also mixed, as packets of both may arrive from senders of different ages."""
    read = [read_packet(packet) for packet in PACKETS]
    old = [replace(packet, compact=False).to_bytes() for packet in read]
    expected, _ = decoded(PACKETS)
    for stream in (old, [*old[:7], *PACKETS[7:]], [*PACKETS[:7], *old[7:]]):
        np.testing.assert_array_equal(decoded(stream)[0], expected)


def test_a_stream_is_joined_at_a_compact_packet_after_1024_blocks():
    """The next timed packet, whose number has 13 bits, tells where that was."""
    payload = read_packet(PACKETS[3]).payload
    digest = shipped_basis().digest
    timed = Packet(Mode.BASIS, 4192, payload, 32 * 4192, digest)
    last = Packet(Mode.BASIS, 4194, payload, peak=1.0)
    compact = [Packet(Mode.BASIS, i % 1024, payload, compact=True) for i in (4190, 4191, 4193)]
    stream = [one.to_bytes() for one in (*compact[:2], timed, compact[2], last)]
    frames, decoder = decoded(stream)
    assert (frames.shape[1], decoder.concealed, decoder.first_frame) == (160, 0, 32 * 4190)


def test_the_first_frame_is_unknown_before_a_timed_packet():
    decoder = Decoder()
    assert decoder.first_frame is None
    packets = list(live(range(5001, 5050)))
    decoder.extend(packets[:20])
    assert decoder.first_frame is None
    decoder.extend(packets[20:])
    assert decoder.first_frame == 32 * 5001


def test_at_most_a_minute_may_be_missing():
    for size in (1, 16, 93):
        sender = Encoder(0, blocks_per_packet=size)
        packets = sender.push(np.tile(VOICE, 16)) + sender.flush()
        span = 0.32 * size
        lost = int(60 / span)
        frames, decoder = decoded([packets[0], *packets[1 + lost :]])
        assert frames.shape[1] == 9_600
        assert decoder.concealed == 32 * size * lost
        if len(packets) > 2 + lost:
            with pytest.raises(PacketError, match="start a new decoder"):
                decoded([packets[0], *packets[2 + lost :]])


def test_a_refused_packet_leaves_no_trace():
    expected, _ = decoded(PACKETS)
    spoiled = bytearray(PACKETS[3])
    spoiled[9] ^= 1
    first = read_packet(PACKETS[0])
    foreign = Packet(first.mode, 3, first.payload, 96, b"\0\0\0\0").to_bytes()
    far = Packet(first.mode, 3, first.payload, (1 << 32) - 1, first.basis).to_bytes()
    noise = Packet(first.mode, 3, b"\xff" * 500).to_bytes()
    padded = Packet(first.mode, 3, first.payload + b"\0").to_bytes()
    odd = Packet(first.mode, 3, first.payload, n_frames=3001).to_bytes()
    none = Packet(first.mode, 3, first.payload, n_frames=0).to_bytes()
    longer = Packet(first.mode, 3, first.payload, n_frames=33).to_bytes()
    decoder, parts = Decoder(), []
    for packet in PACKETS:
        parts.append(decoder.push(packet))
        for refused, message in (
            (bytes(spoiled), "checksum"),
            (foreign, "the packet's basis is 00000000"),
            (far, "s are missing before the packet; expected at most 60 s"),
            (noise, "does not end|out of range"),
            (padded, "does not end"),
            (odd, "3001 frames; expected 1 to 3000"),
            (none, "0 frames; expected 1 to 3000"),
            (longer, "does not end|out of range"),
        ):
            with pytest.raises(PacketError, match=message):
                decoder.push(refused)
    parts.append(decoder.flush())
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), expected)


def test_a_missing_packet_is_waited_for_until_four_later_ones_have_arrived():
    decoder = Decoder()
    decoder.push(PACKETS[0])
    assert all(decoder.push(packet).size == 0 for packet in PACKETS[2:6])
    assert decoder.push(PACKETS[6]).shape[1] == 6 * 32


def test_the_running_peak_is_the_maximum_received_and_then_the_senders():
    """Of all packets received, also those still waiting and those of an earlier place."""
    order = [1, 0, 4, 3, *range(5, len(PACKETS))]
    frames = dict(enumerate(np.split(decoded(PACKETS)[0], range(32, 600, 32), axis=1)))
    decoder, largest = Decoder(), -np.inf
    assert decoder.running_peak == -np.inf
    for i in order[:-1]:
        decoder.push(PACKETS[i])
        largest = max(largest, frames[i].max())
        assert decoder.peak is None
        assert decoder.running_peak == largest
    decoder.push(PACKETS[-1])
    assert decoder.running_peak == decoder.peak == read_packet(PACKETS[-1]).peak
    assert decoder.running_peak != max(largest, frames[len(PACKETS) - 1].max())
    decoder.push(PACKETS[2])
    assert decoder.running_peak == decoder.peak


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, len(PACKETS) - 1), max_size=6))
def test_the_running_peak_does_not_depend_on_the_chunks(cuts):
    together, alone = Decoder(), Decoder()
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), len(PACKETS)], strict=True):
        together.extend(PACKETS[first:last])
        before = alone.running_peak
        for packet in PACKETS[first:last]:
            alone.push(packet)
            assert alone.running_peak >= before or alone.peak is not None
        assert together.running_peak == alone.running_peak


def test_a_live_receiver_normalises_by_the_running_peak():
    """Once a sound close to the loudest has been heard, as a whole recording is normalised."""
    decoder, live_parts = Decoder(), []
    for packet in PACKETS:
        live_parts.append(normalised(decoder.push(packet), peak=decoder.running_peak))
    frames = np.concatenate(live_parts, axis=1)
    whole = decode(STREAM).log_mel
    loudest = int((whole.max(axis=0) > whole.max() - 0.05).argmax()) // 32 * 32 + 32
    assert loudest < 500
    np.testing.assert_allclose(frames[:, loudest:], whole[:, loudest:], atol=0.03)
