"""`text` events of streams: each stretch once, across broken connections and servers."""

import asyncio
import contextlib
import json
import os
import signal

import numpy as np
import pytest

import serkit
from asr_toys import Heard
from serkit.codec import decode
from serkit.runtime import Segment, TimelineSettings
from serkit.runtime.events import SegmentEvent, VoiceEvent
from serkit.runtime.timeline_text import event_object
from serkit.serving.metrics import Metrics
from serkit.serving.stream_text import StreamText
from serkit.serving.transcribing import Transcribing

from serving_rig import RATE, events_of, packets_of, received_until_quiet, started, voice_like

END = json.dumps({"type": "end"})
HOP = {"hop": 1.0}


@pytest.fixture(scope="module")
def heard():
    return Heard()


@pytest.fixture(scope="module")
def hearing(heard):
    with started(asr=heard) as server:
        yield server


@pytest.fixture(autouse=True)
def _as_new(heard):
    yield
    heard.new()


@pytest.fixture(scope="module")
def events_of_packets(coded):
    """All events but texts."""
    stream = serkit.load("tiny-mel").stream(TimelineSettings(hop_s=1.0))
    events = [event for packet in coded for event in stream.push_packet(packet)]
    return numbered(events + stream.finish())


def numbered(events):
    values = [json.loads(json.dumps(event_object(event))) for event in events]
    return [{"seq": i, **value} for i, value in enumerate(values, 1)]


def parted(events):
    """Texts and other events."""
    texts = [event for event in events if event["event"] == "text"]
    return texts, [event for event in events if event["event"] != "text"]


def texts_of(events):
    """What `Heard` says of the segments among the events."""
    spans = [(one["start_s"], one["end_s"]) for one in events if one["event"] == "segment"]
    return [text_event(i, *span) for i, span in enumerate(spans, 1)]


def text_event(number, start_s, end_s):
    text = f"{round(100 * (end_s - start_s))} frames"
    return {
        "event": "text",
        "text_seq": number,
        "start_s": start_s,
        "end_s": end_s,
        "text": text,
        "language": "en",
        "text_segments": [{"start_s": start_s, "end_s": end_s, "text": text}],
        "text_warnings": [f"from {start_s:.3f} s on: unlikely" if start_s else "unlikely"],
    }


def test_each_segment_has_a_text(hearing, heard, coded, events_of_packets):
    with hearing.stream(input="packets", timeline=HOP) as (client, ready):
        assert ready["asr"] == "heard"
        for packet in coded:
            client.send(packet)
        client.send(END)
        events = events_of(client)
    texts, others = parted(events)
    assert others == events_of_packets
    assert texts == texts_of(others) and len(texts) > 2
    assert events[-1]["event"] == "end"
    for text in texts:  # after its segment
        end_s = [one.get("end_s") for one in events if one["event"] == "segment"]
        assert events.index(text) > end_s.index(text["end_s"])
    # The frames are those of the packets, but for the clamp, which follows the peak so far.
    whole = decode(b"".join(coded)).log_mel
    for frames, text in zip(heard.log_mels, texts, strict=True):
        start = round(100 * text["start_s"])
        part = whole[:, start : start + frames.shape[1]]
        loud = part > whole.max() - 1.0
        np.testing.assert_allclose(frames[loud], part[loud], atol=1e-5)


def test_texts_of_sound_are_those_of_its_voice(hearing, heard, note):
    with hearing.stream(input="pcm", encoding="f32le", timeline=HOP) as (client, _):
        for start in range(0, len(note), 3200):
            client.send(note[start : start + 3200].astype("<f4").tobytes())
        client.send(END)
        texts, others = parted(events_of(client))
    spans = [
        (one["start_s"], one["end_s"])
        for one in others
        if one["event"] == "segment" and one["scores"]
    ]
    assert [(one["start_s"], one["end_s"]) for one in texts] == spans
    for (start_s, end_s), frames in zip(spans, heard.log_mels, strict=True):
        sound = note[round(start_s * RATE) : round(end_s * RATE)]
        np.testing.assert_array_equal(frames, serkit.features.whisper_log_mel(sound))


def test_slow_texts_hold_nothing_up_but_the_end(hearing, heard, coded, events_of_packets):
    heard.gate.clear()
    with hearing.stream(input="packets", timeline=HOP) as (client, _):
        for packet in coded:
            client.send(packet)
        client.send(END)
        assert received_until_quiet(client, 2.0) == events_of_packets[:-1]
        heard.gate.set()
        assert events_of(client) == [*texts_of(events_of_packets), events_of_packets[-1]]


def test_texts_come_while_the_client_is_silent(hearing, heard, coded):
    heard.gate.clear()
    with hearing.stream(input="packets", timeline=HOP) as (client, _):
        for packet in coded:
            client.send(packet)
        _, others = parted(received_until_quiet(client, 1.0))
        heard.gate.set()
        assert received_until_quiet(client, 1.0) == texts_of(others) != []


def test_late_texts_are_given_up_before_the_end(heard, coded, events_of_packets):
    with started(asr=heard, asr_timeout_s=0.5) as server:
        heard.gate.clear()
        with server.stream(input="packets", timeline=HOP) as (client, _):
            client.send(b"".join(coded))
            client.send(END)
            events = events_of(client)
        heard.gate.set()
    texts, others = parted(events)
    assert others == events_of_packets and events[-1]["event"] == "end"
    assert [one["text_seq"] for one in texts] == list(range(1, len(texts) + 1))
    assert {(one["text"], one["text_reason"]) for one in texts} == {(None, "late")}


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("lost", [0, 1, 5])
@pytest.mark.parametrize("breaks", [(40,), (1, 2, 60, 70), "end"])
def test_a_broken_connection_loses_and_doubles_nothing(
    hearing, heard, coded, events_of_packets, breaks, lost, slow
):
    """The client returns with its last event and text, and has lost some of both."""
    name = f"text-{breaks}-{lost}-{slow}".translate(str.maketrans("(), ", "----"))
    got = {"text_seq": [], "seq": []}

    def add(events, lost=0):
        for event in events[: max(0, len(events) - lost)]:
            key = "text_seq" if event["event"] == "text" else "seq"
            assert event[key] == len(got[key]) + 1
            got[key].append(event)

    if slow:
        heard.gate.clear()
    stops = [len(coded), len(coded)] if breaks == "end" else [*breaks, len(coded)]
    for i, stop in enumerate(stops):
        resume = {"last_event": len(got["seq"]), "last_text": len(got["text_seq"])}
        start = {"input": "packets", "session": name, "timeline": HOP}
        with hearing.stream(**start, **resume) as (client, ready):
            for packet in coded[ready["received"] : stop]:
                client.send(packet)
            if stop == len(coded) and stop not in stops[:i]:
                client.send(END)
            if i < len(stops) - 1:
                add(received_until_quiet(client), lost)
                with contextlib.suppress(OSError):  # it was the end
                    client.socket.shutdown(2)  # no close frame
            else:
                heard.gate.set()
                add(events_of(client))
    assert got["seq"] == events_of_packets
    assert got["text_seq"] == texts_of(events_of_packets)
    assert len(heard.log_mels) == len(got["text_seq"])  # none was transcribed again


def test_another_server_gives_the_same_numbers(heard, hearing, coded, events_of_packets):
    """A client whose server has gone gets what it has not had, and the rest is not transcribed."""
    resume = {"session": "gone", "last_event": 3, "last_text": 2}
    with hearing.stream(input="packets", timeline=HOP, **resume) as (client, ready):
        assert not ready["resumed"]
        for packet in coded:
            client.send(packet)
        client.send(END)
        texts, others = parted(events_of(client))
    assert others == events_of_packets[3:]
    assert texts == texts_of(events_of_packets)[2:]
    assert len(heard.log_mels) == len(texts)


def test_acknowledged_texts_are_forgotten(hearing, coded):
    with hearing.stream(input="packets", session="acked", timeline=HOP) as (client, _):
        for packet in coded[:60]:
            client.send(packet)
        texts, others = parted(received_until_quiet(client, 1.0))
        told = {"seq": others[-1]["seq"], "text_seq": texts[-1]["text_seq"]}
        client.send(json.dumps({"type": "ack", **told}))
        for packet in coded[60:]:
            client.send(packet)
        client.send(END)
        assert parted(events_of(client))[0][0]["text_seq"] == told["text_seq"] + 1
    again = {"session": "acked", "last_event": told["seq"], "timeline": HOP}
    with hearing.stream(input="packets", **again) as (_, error):
        assert (error["code"], error["fatal"]) == ("events_gone", True)


def test_long_speech_is_transcribed_before_it_ends(hearing, heard):
    """One segment of 70 s: its text comes in parts that end in its silences."""
    sound = np.concatenate([voice_like(23.0, seed=i)[: RATE * 23] for i in range(3)])
    levels = np.ones(len(sound))
    for at_s in (23.0, 46.0):
        levels[round((at_s - 0.3) * RATE) : round((at_s + 0.3) * RATE)] = 0.01
    steady = np.random.default_rng(0).standard_normal(len(sound)) * 0.1 * levels
    start = {"window": 4.0, "hop": 4.0, "labels": ["neutral"]}
    with hearing.stream(input="packets", timeline=start) as (client, _):
        for packet in packets_of(steady.astype(np.float32)):
            client.send(packet)
        client.send(END)
        texts, others = parted(events_of(client))
    assert sum(one["event"] == "segment" for one in others) == 1
    ends = [one["end_s"] for one in texts]
    assert abs(ends[0] - 23.0) < 0.4 and abs(ends[1] - 46.0) < 0.4
    assert [one["start_s"] for one in texts] == [0.0, *ends[:-1]]
    assert ends[-1] == others[-1]["duration_s"]
    assert all(frames.shape[1] <= 3000 for frames in heard.log_mels)


@pytest.mark.parametrize("speaks", [True, False])
def test_memory_does_not_grow(heard, speaks):
    """Ten minutes of one segment, and of a pause after some voice."""

    async def held():
        transcribing = Transcribing(heard, Metrics(), queue_s=60.0, timeout_s=20.0)
        text = StreamText(transcribing, packets=False, voiced=False, last=0, most_bytes=1000)
        second = voice_like(1.0)
        lengths = []
        for i in range(600):
            text.hear(second)
            events = [VoiceEvent(0.5, True)] if i == 1 else []
            if i == 3 and not speaks:
                segment = Segment(0.5, 2.5, "sad", {"sad": 1.0})
                events = [VoiceEvent(2.5, False), SegmentEvent(segment)]
            text.take(events)
            text.collect()
            lengths.append((text._held.end - text._held.start) / RATE)
        while text.pending:
            await asyncio.sleep(0.01)
            text.collect()
        await asyncio.to_thread(transcribing.close)
        return lengths

    lengths = asyncio.run(held())
    assert max(lengths) <= 30 if speaks else max(lengths[20:]) <= 10
    n_seconds = sum(frames.shape[1] for frames in heard.log_mels) / 100
    assert n_seconds <= 600 if speaks else n_seconds == 2.0


def test_packets_for_whisper_of_128_bands(coded, events_of_packets):
    with started(asr=Heard(n_mels=128)) as server:
        with server.stream(input="packets", timeline=HOP) as (client, ready):
            assert ready["asr"] is None
            for packet in coded:
                client.send(packet)
            client.send(END)
            assert events_of(client) == events_of_packets
        with server.stream(input="pcm") as (_, ready):
            assert ready["asr"] == "heard"


def test_kill_9_of_the_recogniser_in_mid_stream(coded, events_of_packets):
    """The other events are not touched, and each stretch has a text, or none and a reason."""
    with (
        started(asr="pocketsphinx") as server,
        server.stream(input="packets", timeline=HOP) as (client, _),
    ):
        for i, packet in enumerate(coded):
            client.send(packet)
            if i == len(coded) // 2:
                os.kill(server.service.pipeline.transcribing._asr.pid, signal.SIGKILL)
        client.send(END)
        texts, others = parted(events_of(client))
    assert others == events_of_packets
    expected = texts_of(events_of_packets)
    assert [one["text_seq"] for one in texts] == [one["text_seq"] for one in expected]
    assert all((one["text"] is None) == ("text_reason" in one) for one in texts)
    assert {one.get("text_reason") for one in texts} <= {None, "failed", "restarting"}
    assert None in {one["text"] for one in texts}


@pytest.mark.corpora
def test_real_words_of_a_stream(corpora_root):
    file = corpora_root / "transcribed" / "librispeech_test_clean" / "1089-134691-0000.flac"
    with started(asr="pocketsphinx") as server, server.stream(input="packets") as (client, _):
        for packet in packets_of(serkit.read(file)):
            client.send(packet)
        client.send(END)
        texts, _ = parted(events_of(client))
    assert "wait no longer" in " ".join(one["text"] for one in texts)
