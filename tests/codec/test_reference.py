"""`serkit.codec` against a decoder written from docs/packet-format.md alone, and its vectors."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec import reference
from serkit.codec import RATIOS, Decoder, encode_basis, encode_low_rank, read_packet, split
from serkit.errors import PacketError

PAGE = json.loads((Path(__file__).parents[2] / "docs" / "packet-vectors.json").read_text())
VECTORS = {vector["name"]: vector for vector in PAGE["vectors"]}
BROKEN = {vector["wrong"]: vector for vector in PAGE["broken"]}


def data_of(vector):
    return bytes.fromhex(vector["hex"])


def assert_frames(frames, vector, tolerance):
    for values, name in ((frames[:, 0], "first"), (frames[:, -1], "last"), (frames.mean(), "mean")):
        np.testing.assert_allclose(values, vector[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", VECTORS)
def test_the_reference_decodes_a_vector(name):
    vector = VECTORS[name]
    decoded = reference.decode(data_of(vector))
    packet = decoded.packet
    assert [packet.mode, packet.sequence, packet.start, packet.basis] == [
        vector[field] for field in ("mode", "sequence", "start", "basis")
    ]
    assert [packet.n_frames, packet.peak] == [vector["frames"], vector["peak"]]
    if vector["after"]:
        timed = reference.decode(data_of(VECTORS[vector["after"]])).packet
        assert reference.start(packet, timed) == vector["begins"]
    if packet.mode == "svd":
        assert packet.payload[0] == vector["rank"]
    elif packet.mode == "svdq":
        assert decoded.exponent == vector["exponent"]
        assert decoded.means == vector["means"]
        assert decoded.columns == vector["columns"]
    else:
        assert decoded.quality == vector["quality"]
        blocks = [
            {"kind": block.kind, "rows": len(block.rows)}
            if block.level is None
            else {"flat": block.level}
            for block in decoded.blocks
        ]
        assert blocks == vector["blocks"]
        rows = [np.zeros((length.get("rows", 0), 80), int) for length in blocks]
        for block, row, component, value in vector["coefficients"]:
            rows[block][row, component] = value
        assert [block.rows for block in decoded.blocks] == [block.tolist() for block in rows]
    assert_frames(decoded.frames, vector, 5.1e-5)


@pytest.mark.parametrize("name", VECTORS)
def test_serkit_decodes_a_vector(name):
    vector = VECTORS[name]
    packet = read_packet(data_of(vector))
    assert [packet.mode.name.lower(), packet.sequence] == [vector["mode"], vector["sequence"]]
    assert [packet.start_frame, packet.n_frames] == [vector["start"], vector["frames"]]
    assert packet.peak == (None if vector["peak"] is None else vector["peak"] / 256)
    expected = reference.decode(data_of(vector)).frames
    decoder = Decoder()
    earlier = [] if vector["after"] is None else [data_of(VECTORS[vector["after"]])]
    frames = np.concatenate([decoder.extend([*earlier, data_of(vector)]), decoder.flush()], axis=1)
    # The beginning of the stream, or of the part received.
    origin = VECTORS[vector["after"]]["begins"] if earlier else vector["begins"]
    assert frames.shape[1] == vector["begins"] - origin + expected.shape[1]
    frames = frames[:, vector["begins"] - origin :]
    np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-4)
    assert_frames(frames, vector, 1.5e-4)


@pytest.mark.parametrize("why", BROKEN)
def test_broken_packets_are_refused(why):
    with pytest.raises(PacketError):
        Decoder().push(data_of(BROKEN[why]))
    with pytest.raises(ValueError):
        reference.decode(data_of(BROKEN[why]))


def test_the_vectors_were_coded_with_the_shipped_basis():
    assert PAGE["basis"] == reference.HASH


MODES = st.one_of(
    st.tuples(st.just("basis"), st.integers(0, 15), st.sampled_from([1, 3, 16, 93])),
    st.tuples(st.just("ratio"), st.sampled_from(RATIOS)),
    st.tuples(st.just("rmse"), st.sampled_from([0.02, 0.1, 0.5])),
)


@settings(deadline=None, max_examples=120)
@given(
    MODES,
    st.integers(160, 12_000),
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([0.0, 1e-5, 1e-2, 1.0, 1e3]), min_size=1, max_size=12),
)
def test_reference_and_serkit_agree_on_any_stream(mode, n_samples, seed, loudness):
    rng = np.random.default_rng(seed)
    # Noise of random colour and stepwise loudness.
    noise = np.convolve(rng.standard_normal(n_samples), rng.standard_normal(5), "same")
    gains = np.repeat(loudness, -(-n_samples // len(loudness)))[:n_samples]
    samples = (noise * gains).astype(np.float32)
    if mode[0] == "basis":
        stream = encode_basis(samples, mode[1], blocks_per_packet=mode[2])
    else:
        stream = encode_low_rank(samples, **{mode[0]: mode[1]})
    packets = list(split(stream))
    expected = np.concatenate([reference.decode(packet).frames for packet in packets], axis=1)
    decoder = Decoder()
    frames = np.concatenate([decoder.extend(packets), decoder.flush()], axis=1)
    np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-4)
