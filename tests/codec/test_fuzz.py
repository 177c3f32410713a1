"""Streams that nobody sent: frames come out or a `PacketError`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.codec import (
    Decoder,
    Mode,
    Packet,
    decode,
    encode_basis,
    encode_low_rank,
    read_packet,
    recording,
    shipped_basis,
    split,
)
from serkit.codec.packets import SEQUENCES
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
packets = st.builds(
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
    """With the bits of one byte turned over."""
    found = bytearray(content)
    if found:
        found[place % len(found)] ^= mask
    return bytes(found)


def whole(frames, most):
    assert frames.dtype == np.float32
    assert frames.shape[0] == 80
    assert frames.shape[1] <= most
    assert np.isfinite(frames).all()


@settings(deadline=None, max_examples=300)
@given(st.lists(packets, max_size=8), st.integers(0, 5))
def test_any_packets_are_frames_or_a_packet_error(several, reorder):
    """With checksums that fit, so that headers and payloads are what is wrong."""
    decoder = Decoder(reorder=reorder)
    for packet in several:
        try:
            # Gaps of 60 s at most before each packet that waits, and 30 s in it.
            whole(decoder.push(packet.to_bytes()), most=9_000 * (reorder + 1))
        except PacketError:
            continue
    whole(decoder.flush(), most=9_000 * (reorder + 1))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(STREAMS), st.integers(0, 1 << 14), st.integers(0, 255), st.integers(0))
def test_a_spoiled_file_is_a_packet_error(stream, place, mask, cut):
    """A byte changed, or cut off anywhere but between packets."""
    spoiled = changed(stream, place, mask)[: len(stream) - cut % len(stream)]
    ends = np.cumsum([len(packet) for packet in split(stream)])
    if spoiled == stream[: len(spoiled)] and len(spoiled) in ends:
        whole(decode(spoiled).log_mel, most=200)
    else:
        with pytest.raises(PacketError):
            decode(spoiled)


def test_a_long_packet_may_be_lost():
    """Those that wait for it take a stream further than a gap may be."""
    stream = encode_low_rank(np.tile(SOUND, 140)[: 175 * 16_000], ratio=0.02)
    several = list(split(stream))
    decoder = Decoder()
    parts = [decoder.push(packet) for i, packet in enumerate(several) if i != 1]
    frames = np.concatenate([*parts, decoder.flush()], axis=1)
    assert frames.shape == (80, 17_500)
    assert decoder.concealed == 3000


def flat_packets(starts):
    """Packets of silence, a block each, that begin at these frames."""
    flat = next(iter(split(encode_basis(np.zeros(5_000, np.float32), 5))))
    payload, digest = read_packet(flat).payload, shipped_basis().digest
    return [
        Packet(Mode.BASIS, i % SEQUENCES, payload, start, digest).to_bytes()
        for i, start in enumerate(starts)
    ]


def test_the_gaps_of_a_stream_have_a_budget():
    """A packet of twenty bytes a minute would fill any memory."""
    packets = flat_packets(range(0, 6000 * 70, 6000))
    message = r"missing, and 0\.\d+ s have come; expected at most 60 s and 9 times what has come"
    with pytest.raises(PacketError, match=message):
        decode(b"".join(packets))
    decoder, taken = Decoder(), 0
    for packet in packets:
        try:
            decoder.push(packet)
            taken += 1
        except PacketError:
            continue
    decoder.flush()
    assert taken == 2
    assert decoder.concealed <= 6000 + 9 * 32 * taken


@pytest.mark.parametrize("apart", [320, 352])
def test_nine_of_ten_packets_may_be_lost_and_no_more(apart):
    packets = flat_packets(range(0, 600 * apart, apart))
    if apart == 320:
        found = decode(b"".join(packets))
        assert found.concealed == 599 * (apart - 32)
    else:
        with pytest.raises(PacketError, match="begin a new decoder"):
            decode(b"".join(packets))


def test_a_file_of_many_hours_is_not_held(monkeypatch):
    monkeypatch.setattr(recording, "MOST_HOURS", 0.01)
    stream = b"".join(flat_packets(range(0, 6400, 32)))
    with pytest.raises(PacketError, match=r"more than 0\.01 hours; take it block by block"):
        decode(stream)
    assert sum(block.shape[1] for block in recording.Decoding(stream).blocks()) == 6400


def test_two_streams_in_a_file_are_told_apart():
    with pytest.raises(PacketError, match="the ends of 2 streams"):
        decode(STREAMS[0] + encode_basis(SOUND[:9_000], 3))


def test_a_packet_alone_is_heard_from_its_own_beginning():
    packet = Packet(Mode.BASIS, SEQUENCES - 1, PACKETS[0].payload)
    found = decode(packet.to_bytes())
    assert (found.log_mel.shape, found.first_frame) == ((80, 32), None)


def test_values_beyond_all_measure():
    """Finite as float16, and no energies of any sound."""
    numbers = np.full(80 + 1 + 5, 60_000.0, "<f2")
    packet = Packet(Mode.SVD, 0, b"\x01" + numbers.tobytes(), 0, n_frames=5)
    with pytest.raises(PacketError, match="beyond all measure"):
        Decoder().push(packet.to_bytes())
