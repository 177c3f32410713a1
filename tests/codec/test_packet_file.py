"""Files of packets in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.voices import PACKETS, VOICE
from serkit.codec import (
    Decoding,
    Encoder,
    StoredBytes,
    decode,
    encode_basis,
    encode_low_rank,
    encoder,
    packet_file,
    packet_order,
    split,
)
from serkit.errors import PacketError


@pytest.mark.parametrize(
    "stream",
    [
        encode_basis(VOICE, 5, blocks_per_packet=1),
        encode_basis(np.tile(VOICE, 9), 0),
        encode_low_rank(np.tile(VOICE, 24), ratio=0.02),
    ],
    ids=["live", "basis", "svd"],
)
def test_a_reversed_file_is_that_in_order(stream):
    expected = decode(stream)
    result = decode(b"".join(reversed(list(split(stream)))))
    np.testing.assert_array_equal(result.log_mel, expected.log_mel)
    assert (result.packets, result.concealed, result.first_frame) == (expected.packets, 0, 0)


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(len(PACKETS))), st.sets(st.integers(0, len(PACKETS) - 1), max_size=8))
def test_a_shuffled_file_loses_what_is_missing_and_nothing_else(order, lost):
    """Also without its first packet, which has the only start time."""
    kept = [i for i in range(len(PACKETS)) if i not in lost]
    expected = decode(b"".join(PACKETS[i] for i in kept))
    result = decode(b"".join(PACKETS[i] for i in order if i not in lost))
    np.testing.assert_array_equal(result.log_mel, expected.log_mel)
    assert (result.concealed, result.first_frame) == (expected.concealed, expected.first_frame)


@pytest.mark.parametrize("distance", [20, 400])
def test_sequence_numbers_that_wrap_are_unwrapped(monkeypatch, distance):
    """Groups of packets, then all of them, in reverse."""
    for module in (encoder, packet_order):
        monkeypatch.setattr(module, "SEQUENCES", 256)
        monkeypatch.setattr(module, "COMPACT_SEQUENCES", 128)
    sender = Encoder(0)
    packets = sender.push(np.tile(VOICE, 20)) + sender.flush()
    order = sorted(range(len(packets)), key=lambda i: (i // distance, -i))
    expected, result = decode(b"".join(packets)), decode(b"".join(packets[i] for i in order))
    np.testing.assert_array_equal(result.log_mel, expected.log_mel)
    assert (result.concealed, result.first_frame) == (0, 0)
    # Joined late, in the second turn of the sequence numbers, at a packet without a start time.
    late = packets[200:]
    expected, result = decode(b"".join(late)), decode(b"".join(reversed(late)))
    np.testing.assert_array_equal(result.log_mel, expected.log_mel)
    assert result.first_frame == expected.first_frame == 200 * 32


def test_the_packets_sorted_are_limited_and_those_in_order_are_not(monkeypatch):
    monkeypatch.setattr(packet_file, "MAX_UNORDERED", len(PACKETS) - 1)
    assert decode(b"".join(PACKETS)).concealed == 0
    with pytest.raises(PacketError, match=f"{len(PACKETS)} packets out of order; expected at most"):
        decode(b"".join(reversed(PACKETS)))
    assert decode(b"".join(reversed(PACKETS[:-1]))).concealed == 0


def test_a_file_on_disk(tmp_path):
    path = tmp_path / "reversed.smel"
    path.write_bytes(b"".join(reversed(PACKETS)))
    with path.open("rb") as file:
        blocks = list(Decoding(StoredBytes(file)).blocks())
    expected = decode(b"".join(PACKETS)).log_mel
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected)


def test_a_stream_is_complete_if_its_last_packet_is_there():
    assert Decoding(b"".join(PACKETS)).complete
    assert Decoding(b"".join(reversed(PACKETS[5:]))).complete
    assert not Decoding(b"".join(PACKETS[:-1])).complete
