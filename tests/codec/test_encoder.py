import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.voices import PACKETS, STREAM, VOICE, decoded
from serkit.codec import (
    BLOCK_FRAMES,
    DELAY_S,
    Encoder,
    encode_basis,
    log_mel_of,
    read_packet,
    split,
)
from serkit.errors import AudioError, PacketError


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, len(VOICE)),
    st.lists(st.integers(0, 60_000), max_size=10),
    st.sampled_from(({}, {"kbps": 1.5}, {"quality": 3, "blocks_per_packet": 4})),
)
def test_packets_do_not_depend_on_the_chunks(n, cuts, options):
    whole = Encoder(**options)
    expected = whole.push(VOICE[:n]) + whole.flush()
    encoder, packets = Encoder(**options), []
    for part in np.split(VOICE[:n], sorted(min(cut, n) for cut in cuts)):
        packets += encoder.push(part)
    assert packets + encoder.flush() == expected


def test_a_packet_is_ready_within_the_delay():
    assert DELAY_S == 0.345
    encoder, arrived = Encoder(), []
    for place in range(0, 32_000, 40):
        for _ in encoder.push(VOICE[place : place + 40]):
            arrived.append((place + 40) / 16_000)
    assert len(arrived) == 6
    for number, time in enumerate(arrived):
        assert time - number * BLOCK_FRAMES / 100 <= DELAY_S


@pytest.mark.parametrize("size", [2, 5, 16, 93])
def test_blocks_that_share_a_packet_are_the_same_blocks_in_fewer_bytes(size):
    """Each packet less saves its quality, 4 bits, and the rounding to whole bytes."""
    expected, _ = decoded(PACKETS)
    encoder = Encoder(5, blocks_per_packet=size)
    packets = encoder.push(VOICE) + encoder.flush()
    assert len(packets) == -(-len(PACKETS) // size)
    frames, decoder = decoded(packets)
    np.testing.assert_array_equal(frames, expected)
    assert decoder.peak == read_packet(PACKETS[-1]).peak
    saved = payload_bytes(PACKETS) - payload_bytes(packets)
    assert saved >= 0.5 * (len(PACKETS) - len(packets))
    assert sum(map(len, packets)) < sum(map(len, PACKETS))


def payload_bytes(packets):
    return sum(len(read_packet(packet).payload) for packet in packets)


def test_live_packets_between_the_timed_ones_are_compact():
    read = [read_packet(packet) for packet in PACKETS]
    assert [packet.compact for packet in read] == [False] + [True] * (len(read) - 2) + [False]
    assert not any(read_packet(packet).compact for packet in split(encode_basis(VOICE, 5)))


def test_without_compact_packets_only_the_header_differs():
    encoder = Encoder(5, compact=False)
    packets = encoder.push(VOICE) + encoder.flush()
    assert {packet[0] for packet in packets} == {0xA6}  # version 1, mode basis
    payloads = [read_packet(packet).payload for packet in packets]
    assert payloads == [read_packet(packet).payload for packet in PACKETS]
    n_compact = len(packets) - 2
    assert sum(map(len, packets)) == sum(map(len, PACKETS)) + 3 * n_compact
    np.testing.assert_array_equal(decoded(packets)[0], decoded(PACKETS)[0])


def test_values_far_below_the_peak_so_far_are_not_sent():
    """The sender clamps, too: after a loud beginning silence is a flat block."""
    sound = np.concatenate((VOICE[:16_000], np.zeros(16_000, np.float32)))
    frames, _ = decoded(list(split(encode_basis(sound, 9))))
    peak = float(log_mel_of(sound).max())
    np.testing.assert_allclose(frames[:, 130:190], peak - 8.0, atol=1 / 32)


def test_silence_costs_next_to_nothing():
    silent = encode_basis(np.zeros(160_000, np.float32), 5)
    assert 8e-3 * len(silent) / 10 < 0.35
    after = encode_basis(np.concatenate((VOICE, np.zeros(160_000, np.float32))), 5)
    assert 8e-3 * (len(after) - len(STREAM)) / 10 < 0.35


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kbps": 0.0}, "0.0 kbit/s; expected above 0"),
        ({"kbps": float("nan")}, "nan kbit/s"),
        ({"kbps": 2.0, "quality": 5}, "exclude each other"),
        ({"quality": -1}, "quality -1; expected a whole number, 0 to 15"),
        ({"quality": 16}, "expected a whole number, 0 to 15"),
        ({"quality": 5.5}, "expected a whole number, 0 to 15"),
        ({"blocks_per_packet": 0}, "expected 1 to 93"),
        ({"blocks_per_packet": 94}, "expected 1 to 93"),
        ({"blocks_per_packet": 2.5}, "expected 1 to 93"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(PacketError, match=message):
        Encoder(**options)


def test_other_arrays_than_mono_floats_are_refused():
    encoder = Encoder()
    for samples in (np.zeros(400, np.int16), np.zeros((400, 2), np.float32)):
        with pytest.raises(AudioError, match="expected one channel of floats"):
            encoder.push(samples)
    whole = encoder.push(VOICE.astype(np.float64)) + encoder.flush()
    assert whole == PACKETS
    assert encoder.flush() == []
    with pytest.raises(AudioError, match="the stream has ended"):
        encoder.push(VOICE)


def test_defaults():
    assert Encoder().push(VOICE) == Encoder(5).push(VOICE)
    assert encode_basis(VOICE, 3) == encode_basis(VOICE, 3, blocks_per_packet=16)
