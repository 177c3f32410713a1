import contextlib
import io
import socket
import threading

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from serkit.codec import decode

from transmission import (
    ANSWER,
    LINKS,
    MAX_BYTES,
    Radio,
    codings,
    even,
    frame,
    read_frame,
    scaled,
    send,
    serve,
    straightness,
    wav,
)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_messages_come_back_one_by_one(messages):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"".join(map(frame, messages)))
        ours.close()
        assert [read_frame(theirs) for _ in messages] == messages
        assert read_frame(theirs) is None


def test_a_message_has_its_length_first():
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


@pytest.mark.parametrize("end", [2, 4, 6])
def test_a_connection_that_ends_within_a_message(pair, end):
    ours, theirs = pair
    ours.sendall(frame(b"abc")[:end])
    ours.close()
    with pytest.raises(ConnectionError, match="the connection ended"):
        read_frame(theirs)


def test_a_length_beyond_measure(pair):
    ours, theirs = pair
    ours.sendall((MAX_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(ValueError, match=f"{MAX_BYTES + 1} bytes; expected at most {MAX_BYTES}"):
        read_frame(theirs)


@pytest.mark.parametrize("kept", [True, False])
def test_every_file_is_answered_over_one_connection_or_over_its_own(kept):
    opened = []

    def connect():
        opened.append(socket.create_connection(listener.getsockname()))
        return opened[-1]

    def answer():
        with contextlib.suppress(OSError):  # at the end the listener is shut
            serve(listener)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer)
        server.start()
        _, seconds = send([b"", b"abc", bytes(100_000)], kept, connect)
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    assert len(seconds) == 3
    assert len(opened) == (1 if kept else 3)
    assert all(connection.fileno() == -1 for connection in opened)


def test_a_wrong_answer_is_no_send(pair):
    ours, theirs = pair
    theirs.sendall(frame(ANSWER[:-1]))
    with pytest.raises(ConnectionError, match="not the one expected"):
        send([b"abc"], True, lambda: ours)


def test_energy_by_hand():
    radio = Radio(joules_per_byte=2e-6, watts=0.5, tail_joules=None)
    assert radio.joules(1_000_000, 4.0) == pytest.approx(2.0 + 2.0)


def test_lte_draws_what_its_source_says():
    # Huang et al. (2012), Table 4: 438.39 mW for each Mbit/s up, and 1288.04 mW.
    radio = next(setting.radio for setting in LINKS if setting.name == "LTE")
    watts = radio.joules(sent=5.64e6 / 8, seconds=1.0)
    assert watts == pytest.approx((438.39 * 5.64 + 1288.04) / 1000.0)


@pytest.mark.parametrize(("name", "watts"), [("Wi-Fi", 1.28), ("LTE-M", 0.545)])
def test_a_radio_at_its_full_rate_draws_what_sending_draws(name, watts):
    setting = next(setting for setting in LINKS if setting.name == name)
    assert setting.radio.joules(setting.link.up / 8, 1.0) == pytest.approx(watts)


def test_an_even_selection_begins_in_the_middle_and_has_its_share_of_the_bytes():
    sizes = np.random.default_rng(0).integers(20_000, 160_000, 5000).tolist()
    chosen = even(sizes, 16)
    assert len(set(chosen)) == 16
    assert sizes[chosen[0]] == pytest.approx(np.median(sizes), rel=0.1)
    assert sum(sizes[i] for i in chosen) / 16 == pytest.approx(np.mean(sizes), rel=0.01)
    assert sorted(even(sizes, len(sizes))) == list(range(len(sizes)))


def test_the_slow_start_of_a_kept_connection_counts_once():
    assert scaled([5.0, 1.0, 3.0], 11, kept=True) == pytest.approx(5.0 + 10 * 2.0)
    assert scaled([5.0, 1.0, 3.0], 11, kept=False) == pytest.approx(33.0)
    assert scaled([5.0, 1.0, 3.0], 3, kept=True) == pytest.approx(9.0)


def test_straightness():
    assert straightness([1, 2, 3, 4], [3.0, 5.0, 7.0, 9.0]) == pytest.approx(1.0)
    assert straightness([1, 2, 3, 4], [1.0, -1.0, -1.0, 1.0]) == pytest.approx(0.0)


def test_raw_is_16_bit_pcm():
    samples = np.linspace(-0.5, 0.5, 1600, dtype=np.float32)
    content = wav(samples)
    assert len(content) == 44 + 2 * 1600
    back, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == 16_000
    assert np.abs(back - samples).max() <= 1 / 32768


def test_the_other_codings_are_packets():
    samples = np.random.default_rng(0).normal(0.0, 0.1, 16_000).astype(np.float32)
    sizes = {}
    for coding in codings(near=6):
        content = coding.encode(samples)
        sizes[coding.name] = len(content)
        if coding.name != "raw":
            assert decode(content).log_mel.shape == (80, 100)
    assert sizes["raw"] > 8 * sizes["svd"] > 8 * sizes["basis"]
