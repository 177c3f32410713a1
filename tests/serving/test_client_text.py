"""`serkit.Client` and `serkit send` with a server that recognises speech."""

import json

import pytest

import serkit
from asr_toys import Heard
from serkit.runtime import TimelineSettings
from serkit.runtime.timeline_text import event_object
from serkit.serving.client import Retries

from command import in_process
from serving_faults import proxied
from serving_rig import packets_of, started

FILE = "examples/note.ogg"
HOP = TimelineSettings(hop_s=1.0)
SHORT = Retries(most=8, first_s=0.02, longest_s=0.1)


@pytest.fixture(scope="module")
def hearing():
    with started(asr=Heard()) as server:
        yield server


@pytest.fixture(scope="module")
def failing():
    heard = Heard()
    heard.fails = True
    with started(asr=heard) as server:
        yield server


def streamed(client, samples):
    """The texts and the other events of a stream."""
    events = []
    with client.stream(HOP) as stream:
        for start in range(0, len(samples), 5120):
            events += stream.push(samples[start : start + 5120])
        events += stream.finish()
    texts = [event for event in events if event.kind == "text"]
    return texts, [event_object(event) for event in events if event.kind != "text"]


def local(samples):
    stream = serkit.load("tiny-mel").stream(HOP)
    events = [event for packet in packets_of(samples) for event in stream.push_packet(packet)]
    return list(map(event_object, events + stream.finish()))


def spans(events):
    return [(one["start_s"], one["end_s"]) for one in events if one["event"] == "segment"]


def test_an_answer(hearing, failing):
    with serkit.Client(hearing.url) as client:
        answer = client.recognize(FILE)
        assert answer.text == client.timeline(FILE).text == answer.text_segments[0].text
    assert answer.text.endswith(" frames") and answer.language == "en"
    assert answer.text_reason is None and answer.modalities == ("acoustic",)
    with serkit.Client(failing.url) as client:
        answer = client.recognize(FILE)
    assert (answer.text, answer.text_reason, answer.source) == (None, "failed", "server")


@pytest.mark.parametrize("cuts", [(), (2000,), (600, 900, 4000)])
def test_a_stream_over_connections_that_break(hearing, note, cuts):
    with (
        proxied(hearing.port, cuts) as proxy,
        serkit.Client(f"http://127.0.0.1:{proxy.port}", retries=SHORT) as client,
    ):
        texts, others = streamed(client, note)
    assert others == local(note)
    assert [(one.start_s, one.end_s) for one in texts] == spans(others)
    assert all(one.text.endswith(" frames") for one in texts)


def test_texts_that_are_missing_are_told(failing, note):
    with serkit.Client(failing.url) as client:
        texts, others = streamed(client, note)
    assert others == local(note) and len(texts) == len(spans(others))
    assert {(one.text, one.reason) for one in texts} == {(None, "failed")}


def test_send(hearing, failing):
    done = in_process("send", FILE, "--to", hearing.url)
    assert done.stdout.splitlines()[1].endswith(" frames")
    done = in_process("send", FILE, "--to", failing.url)
    assert done.stdout.splitlines()[1] == "  (no text: failed)"


def test_send_a_stream(hearing, failing):
    done = in_process("send", FILE, "--to", hearing.url, "--stream", "--json")
    events = list(map(json.loads, done.stdout.splitlines()))
    texts = [one for one in events if one["event"] == "text"]
    assert [(one["start_s"], one["end_s"]) for one in texts] == spans(events)
    done = in_process("send", FILE, "--to", hearing.url, "--stream")
    assert sum(line.endswith(" frames") for line in done.stdout.splitlines()) == len(texts)
    done = in_process("send", FILE, "--to", failing.url, "--stream")
    assert len(done.stdout.splitlines()) == len(texts) + 2
