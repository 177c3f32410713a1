"""Random and damaged streams decode or are a `PacketError`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.codec import (
    Decoder,
    Mode,
    Packet,
    decode,
    decoding,
    encode_basis,
    encode_low_rank,
    read_packet,
    shipped_basis,
    split,
)
from serkit.codec.packets import COMPACT_SEQUENCES, SEQUENCES
from serkit.errors import PacketError

SOUND = (0.1 * np.random.default_rng(0).standard_normal(20_000)).astype(np.float32)
STREAMS = [
    encode_basis(SOUND, 3, blocks_per_packet=1),
    encode_basis(SOUND, 3),
    encode_low_rank(SOUND, ratio=0.05),
    encode_low_rank(SOUND, rmse=0.2),
]
PACKETS = [read_packet(packet) for one in STREAMS for packet in split(one)]

payloads = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([packet.payload for packet in PACKETS]),
    st.builds(
        lambda packet, place, mask, end: changed(packet.payload, place, mask)[:end],
        st.sampled_from(PACKETS),
        st.integers(0, 10_000),
        st.integers(1, 255),
        st.none() | st.integers(0, 200),
    ),
)
compact_packets = st.builds(
    lambda sequence, payload: Packet(Mode.BASIS, sequence, payload, compact=True),
    st.integers(0, COMPACT_SEQUENCES - 1),
    payloads,
)
packets = compact_packets | st.builds(
    lambda mode, sequence, payload, start, digest, n_frames, peak: Packet(
        mode,
        sequence,
        payload,
        start,
        digest if mode is Mode.BASIS and start is not None else b"",
        n_frames,
        peak,
    ),
    st.sampled_from(Mode),
    st.integers(0, 40) | st.integers(0, SEQUENCES - 1),
    payloads,
    st.none() | st.integers(0, 7000) | st.integers(0, (1 << 32) - 1),
    st.just(shipped_basis().digest) | st.binary(min_size=4, max_size=4),
    st.none() | st.integers(0, 130) | st.integers(0, 3001) | st.integers(0, (1 << 35) - 1),
    st.none() | st.integers(-(1 << 15), (1 << 15) - 1).map(lambda i: i / 256),
)


def changed(content, place, mask):
    """The content with some bits of one byte flipped."""
    altered = bytearray(content)
    if altered:
        altered[place % len(altered)] ^= mask
    return bytes(altered)


def check(frames, most):
    assert frames.dtype == np.float32
    assert frames.shape[0] == 80
    assert frames.shape[1] <= most
    assert np.isfinite(frames).all()


@settings(deadline=None, max_examples=300)
@given(st.lists(packets, max_size=8), st.integers(0, 5))
def test_any_packets_decode_or_are_a_packet_error(packets_sent, reorder):
    """With valid checksums, so that headers and payloads are tested."""
    decoder = Decoder(reorder=reorder)
    for packet in packets_sent:
        try:
            # For each waiting packet at most 60 s of gap and 30 s of frames.
            check(decoder.push(packet.to_bytes()), most=9_000 * (reorder + 1))
        except PacketError:
            continue
    check(decoder.flush(), most=9_000 * (reorder + 1))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(STREAMS), st.integers(0, 1 << 14), st.integers(0, 255), st.integers(0))
def test_a_damaged_file_is_a_packet_error(stream, place, mask, cut):
    """A byte changed, or cut anywhere but between packets."""
    damaged = changed(stream, place, mask)[: len(stream) - cut % len(stream)]
    ends = np.cumsum([len(packet) for packet in split(stream)])
    if damaged == stream[: len(damaged)] and len(damaged) in ends:
        check(decode(damaged).log_mel, most=200)
    else:
        with pytest.raises(PacketError):
            decode(damaged)


def test_a_long_packet_may_be_lost():
    """The packets that wait for it span more than the longest gap."""
    stream = encode_low_rank(np.tile(SOUND, 140)[: 175 * 16_000], ratio=0.02)
    packets_sent = list(split(stream))
    decoder = Decoder()
    parts = [decoder.push(packet) for i, packet in enumerate(packets_sent) if i != 1]
    frames = np.concatenate([*parts, decoder.flush()], axis=1)
    assert frames.shape == (80, 17_500)
    assert decoder.concealed == 3000


def flat_packets(starts):
    """Packets of one silent block that start at these frames."""
    flat = next(iter(split(encode_basis(np.zeros(5_000, np.float32), 5))))
    payload, digest = read_packet(flat).payload, shipped_basis().digest
    return [
        Packet(Mode.BASIS, i % SEQUENCES, payload, start, digest).to_bytes()
        for i, start in enumerate(starts)
    ]


def test_the_missing_part_of_a_stream_is_limited():
    """Else twenty bytes a minute would fill any memory."""
    packets = flat_packets(range(0, 6000 * 70, 6000))
    message = r"missing and 0\.\d+ s received; expected at most 60 s and 9 times the received part"
    with pytest.raises(PacketError, match=message):
        decode(b"".join(packets))
    decoder, accepted = Decoder(), 0
    for packet in packets:
        try:
            decoder.push(packet)
            accepted += 1
        except PacketError:
            continue
    decoder.flush()
    assert accepted == 2
    assert decoder.concealed <= 6000 + 9 * 32 * accepted


@pytest.mark.parametrize("apart", [320, 352])
def test_at_most_nine_of_ten_packets_may_be_lost(apart):
    packets = flat_packets(range(0, 600 * apart, apart))
    if apart == 320:
        assert decode(b"".join(packets)).concealed == 599 * (apart - 32)
    else:
        with pytest.raises(PacketError, match="start a new decoder"):
            decode(b"".join(packets))


def test_a_file_of_many_hours_is_not_decoded_into_one_array(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_HOURS", 0.01)
    stream = b"".join(flat_packets(range(0, 6400, 32)))
    with pytest.raises(PacketError, match=r"more than 0\.01 hours; decode it block by block"):
        decode(stream)
    assert sum(block.shape[1] for block in decoding.Decoding(stream).blocks()) == 6400


def test_two_streams_in_a_file_are_refused():
    with pytest.raises(PacketError, match="the ends of 2 streams"):
        decode(STREAMS[0] + encode_basis(SOUND[:9_000], 3))


def test_a_single_packet_starts_at_its_own_first_frame():
    packet = Packet(Mode.BASIS, SEQUENCES - 1, PACKETS[0].payload)
    decoded = decode(packet.to_bytes())
    assert (decoded.log_mel.shape, decoded.first_frame) == ((80, 32), None)


def test_values_out_of_range_are_refused():
    """Finite as float16, but no energies of a sound."""
    numbers = np.full(80 + 1 + 5, 60_000.0, "<f2")
    packet = Packet(Mode.SVD, 0, b"\x01" + numbers.tobytes(), 0, n_frames=5)
    with pytest.raises(PacketError, match="log-mel values beyond 128"):
        Decoder().push(packet.to_bytes())
