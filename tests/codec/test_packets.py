import binascii
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.codec import Mode, Packet, read_packet, split
from serkit.codec.packets import COMPACT_SEQUENCES, MAX_PAYLOAD, SEQUENCES
from serkit.errors import PacketError

PLAIN = Packet(Mode.BASIS, 5, b"abc")
COMPACT = Packet(Mode.BASIS, 517, b"abc", compact=True)
FULL = Packet(Mode.BASIS, 8191, b"", 123_456, b"\x01\x02\x03\x04", 7, -1.5)


def sealed(content):
    return content + struct.pack("<I", zlib.crc32(content))


full_packets = st.builds(
    lambda mode, sequence, payload, start, n_frames, peak: Packet(
        mode,
        sequence,
        payload,
        start,
        b"base" if mode is Mode.BASIS and start is not None else b"",
        n_frames,
        peak,
    ),
    st.sampled_from(Mode),
    st.integers(0, SEQUENCES - 1),
    st.binary(max_size=300),
    st.none() | st.integers(0, (1 << 32) - 1),
    st.none() | st.integers(0, 1 << 20),
    st.none() | st.integers(-(1 << 15), (1 << 15) - 1).map(lambda i: i / 256),
)
packets = full_packets | st.builds(
    lambda sequence, payload: Packet(Mode.BASIS, sequence, payload, compact=True),
    st.integers(0, COMPACT_SEQUENCES - 1),
    st.binary(max_size=300),
)


@given(packets)
def test_a_packet_is_read_back(packet):
    assert read_packet(packet.to_bytes()) == packet


def test_golden_bytes():
    """Written by hand from docs/packet-format.md, with the checksums of zlib and binascii."""
    assert PLAIN.to_bytes() == sealed(bytes.fromhex("a6 0500 03 616263"))
    assert FULL.to_bytes() == sealed(bytes.fromhex("a6 ffff c0c407 01020304 07 80fe 00"))
    assert zlib.crc32(b"123456789") == 0xCBF43926  # the checksum is CRC-32/ISO-HDLC
    content = bytes.fromhex("aa05 03 616263")  # 517 = 2 * 256 + 5
    assert COMPACT.to_bytes() == content + struct.pack("<H", crc16(content))
    assert crc16(b"123456789") == binascii.crc_hqx(b"123456789", 0) == 0x31C3  # CRC-16/XMODEM


def crc16(content):
    """Polynomial division by x^16 + x^12 + x^5 + 1, bit by bit."""
    rest = int.from_bytes(content) << 16
    for bit in reversed(range(16, rest.bit_length())):
        if rest >> bit & 1:
            rest ^= 0x11021 << (bit - 16)
    return rest


def test_a_varint_has_one_form():
    with pytest.raises(PacketError, match="ends with a zero byte"):
        read_packet(sealed(bytes.fromhex("a6 0500 8300 616263")))


def test_a_packet_adds_eight_bytes_and_a_compact_one_five():
    assert len(PLAIN.to_bytes()) == len(PLAIN.payload) + 8
    assert len(COMPACT.to_bytes()) == len(COMPACT.payload) + 5


@given(st.lists(packets, min_size=1, max_size=6))
def test_a_file_is_split_into_its_packets(sent):
    contents = [packet.to_bytes() for packet in sent]
    assert list(split(b"".join(contents))) == contents


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is cut off: 0 bytes, expected at least 1"),
        (
            b"\x56" + PLAIN.to_bytes()[1:],
            "the first byte is 0x56; expected 0xa4 to 0xab",
        ),
        (b"\xae" + PLAIN.to_bytes()[1:], "version 3; this serkit reads 1 and 2"),
        (COMPACT.to_bytes()[:-1], "cut off: 7 bytes, expected at least 8"),
        (COMPACT.to_bytes()[:-2] + b"ab", "checksum does not match"),
        (b"\xa7" + PLAIN.to_bytes()[1:], "unknown mode 3"),
        (PLAIN.to_bytes()[:-1], "cut off"),
        (PLAIN.to_bytes()[:-5] + b"x" + PLAIN.to_bytes()[-4:], "checksum does not match"),
        (PLAIN.to_bytes() + b"x", "1 bytes follow the packet"),
        (bytes.fromhex("a60500 ffffffff0f"), f"4294967295 bytes; expected at most {MAX_PAYLOAD}"),
        (bytes.fromhex("a60500 ffffffffff01"), "a varint of more than 5 bytes"),
        (bytes.fromhex("a60500 8064"), "is cut off: 5 bytes, expected at least 12805"),
    ],
)
def test_malformed_packets_are_refused(content, message):
    with pytest.raises(PacketError, match=message):
        read_packet(content)


@given(st.data())
def test_a_flipped_bit_is_always_detected(data):
    packet = replace(data.draw(packets), payload=b"0123456789")
    content = bytearray(packet.to_bytes())
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    content[place // 8] ^= 1 << place % 8
    with pytest.raises(PacketError):
        read_packet(bytes(content))


@settings(max_examples=300)
@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_packet_or_a_packet_error(content, with_magic):
    with suppress(PacketError):
        read_packet(sealed(b"\xa6" + content) if with_magic else content)
