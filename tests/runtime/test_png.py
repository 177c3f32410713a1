import struct
import zlib

import numpy as np

from serkit.runtime.png import png


def decode(content):
    """An independent reader of paletted PNGs, which checks the checksum of each chunk."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, at + 8 + length)
        assert checksum == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + length
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, colour, len(chunks[b"PLTE"])) == (8, 3, 768)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


def test_small_values_are_dark_and_row_0_is_at_the_bottom():
    pixels = decode(png(np.array([[0.0, 1.0, 2.0], [2.0, 2.0, 0.0]], np.float32)))
    np.testing.assert_array_equal(pixels, [[255, 255, 0], [0, 128, 255]])


def test_a_flat_picture():
    assert not decode(png(np.full((3, 2), 7.0, np.float32))).any()
