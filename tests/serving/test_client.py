"""serkit.Client against a real server: its answers are those of the device's own models."""

from pathlib import Path

import pytest

import serkit
from serkit.codec import encode_basis
from serkit.runtime import TimelineSettings
from serkit.runtime.timeline_text import event_object, overall_object, timeline_object

FILE = Path("examples/note.ogg")
HOP = TimelineSettings(hop_s=1.0)


@pytest.fixture
def client(running):
    with serkit.Client(running.url) as one:
        yield one


def test_one_answer(client, note):
    answer = client.recognize(FILE)
    coded = encode_basis(note, 5)
    expected = serkit.load("tiny-mel")(coded)
    assert overall_object(answer.result) == overall_object(expected)
    assert (answer.result.model, answer.source, answer.reason) == ("tiny-mel", "server", None)
    assert answer.modalities == ("acoustic",) and answer.text is None
    (cost,) = answer.costs
    assert (cost.way, cost.attempts) == ("server", 1)
    assert len(coded) < cost.bytes_sent < len(coded) + 500


def test_a_timeline(client, note):
    answer = client.timeline(FILE, HOP)
    expected = serkit.load("tiny-mel").timeline(encode_basis(note, 5), HOP)
    assert timeline_object(answer.result) == timeline_object(expected)


@pytest.mark.parametrize("mode", ["file", "wav", "opus", "svd", "basis"])
def test_ways_to_send_it(client, mode):
    answer = client.recognize(FILE, mode=mode)
    assert answer.source == "server"
    assert answer.result.model == ("tiny-mel" if mode in ("svd", "basis") else "tiny")
    if mode == "file":
        assert overall_object(answer.result) == overall_object(serkit.load("tiny")(FILE))


def test_a_stream(client, note, coded):
    events = []
    with client.stream(HOP) as stream:
        for start in range(0, len(note), 1600):
            events += stream.push(note[start : start + 1600])
        events += stream.finish()
        assert stream.source == "server"
    local = serkit.load("tiny-mel").stream(HOP)
    expected = [event for packet in coded for event in local.push_packet(packet)] + local.finish()
    assert list(map(event_object, events)) == list(map(event_object, expected))
