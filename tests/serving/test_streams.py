"""WS /v1/stream gives the events of `Recognizer.stream`, across broken connections too."""

import io
import json

import numpy as np
import pytest

import serkit
from serkit.runtime import TimelineSettings
from serkit.runtime.timeline_text import event_object

from serving_rig import events_of, received_until_quiet, started

END = json.dumps({"type": "end"})
HOP = {"hop": 1.0}


def numbered(events):
    values = [json.loads(json.dumps(event_object(event))) for event in events]
    return [{"seq": i, **value} for i, value in enumerate(values, 1)]


def of_packets(packets, settings=None):
    stream = serkit.load("tiny-mel").stream(settings)
    events = [event for packet in packets for event in stream.push_packet(packet)]
    return numbered(events + stream.finish())


def of_sound(samples, settings=None):
    stream = serkit.load("tiny").stream(settings)
    return numbered(stream.push(samples) + stream.finish())


def test_packets(running, coded):
    with running.stream(input="packets", timeline=HOP) as (client, ready):
        assert ready["event"] == "ready" and not ready["resumed"]
        assert ready["model"] == "tiny-mel"
        for packet in coded:
            client.send(packet)
        client.send(END)
        assert events_of(client) == of_packets(coded, TimelineSettings(hop_s=1.0))
    assert client.close_code == 1000


def test_several_packets_in_a_message(running, coded):
    with running.stream(input="packets") as (client, _):
        for start in range(0, len(coded), 7):
            client.send(b"".join(coded[start : start + 7]))
        client.send(END)
        assert events_of(client) == of_packets(coded)


@pytest.mark.parametrize("encoding", ["s16le", "f32le"])
def test_sound(running, note, encoding):
    sent = (note * 32767).astype("<i2") if encoding == "s16le" else note.astype("<f4")
    with running.stream(input="pcm", encoding=encoding, timeline=HOP) as (client, ready):
        assert ready["model"] == "tiny"
        for start in range(0, len(sent), 3200):
            client.send(sent[start : start + 3200].tobytes())
        client.send(END)
        assert events_of(client) == of_sound(sent, TimelineSettings(hop_s=1.0))


def test_stereo_of_another_rate(running, note):
    two = np.stack([note, -0.5 * note], axis=1).astype("<f4")[:30_000]
    start = {"input": "pcm", "encoding": "f32le", "rate": 44_100, "channels": 2}
    with running.stream(**start) as (client, _):
        client.send(two.tobytes())
        client.send(END)
        events = events_of(client)
    stream = serkit.load("tiny").stream()
    assert events == numbered(stream.push(two, rate=44_100) + stream.finish())


@pytest.mark.parametrize("lost", [0, 1, 5])
@pytest.mark.parametrize("breaks", [(40,), (1, 2, 3, 40), (70, 75, 76)])
def test_a_broken_connection_loses_and_doubles_nothing(running, coded, breaks, lost):
    """The client returns with its last event, has lost some, and sends the chunks that follow."""
    name = "-".join(map(str, ("broken", lost, *breaks)))
    events = []
    for stop in (*breaks, len(coded)):
        resume = {"session": name, "last_event": len(events)}
        with running.stream(input="packets", timeline=HOP, **resume) as (client, ready):
            for packet in coded[ready["received"] : stop]:
                client.send(packet)
            if stop == len(coded):
                client.send(END)
                events += events_of(client)
            else:
                arrived = received_until_quiet(client)
                events += arrived[: max(0, len(arrived) - lost)]
                client.socket.shutdown(2)  # no close frame
    assert events == of_packets(coded, TimelineSettings(hop_s=1.0))


def test_the_last_event_is_not_lost_with_its_connection(running, coded):
    with running.stream(input="packets", session="end") as (client, _):
        client.send(b"".join(coded))
        client.send(END)
        events = events_of(client)
    with running.stream(input="packets", session="end", last_event=2) as (client, ready):
        assert ready["resumed"] and ready["received"] == 1
        assert events_of(client) == events[2:]


def test_another_server_gives_the_same_numbers(running, coded):
    """A client whose server has gone sends all chunks again, and gets what it has not had."""
    with running.stream(input="packets", session="new", last_event=3, timeline=HOP) as (
        client,
        ready,
    ):
        assert not ready["resumed"] and ready["received"] == 0
        for packet in coded:
            client.send(packet)
        client.send(END)
        assert events_of(client) == of_packets(coded, TimelineSettings(hop_s=1.0))[3:]


def test_a_client_that_returns_takes_over(running, coded):
    with running.stream(input="packets", session="twice") as (first, _):
        first.send(coded[0])
        received_until_quiet(first)
        with running.stream(input="packets", session="twice") as (second, ready):
            assert ready["resumed"] and ready["received"] == 1
            assert events_of(first) == [] and first.close_code == 4409
            for packet in coded[1:]:
                second.send(packet)
            second.send(END)
            assert events_of(second) == of_packets(coded)


def test_damaged_packets_are_events(running, coded):
    bad = bytearray(coded[4])
    bad[-1] ^= 1
    with running.stream(input="packets") as (client, _):
        for packet in (*coded[:4], bytes(bad), *coded[5:]):
            client.send(packet)
        client.send(END)
        events = events_of(client)
    errors = [event for event in events if event["event"] == "error"]
    assert len(errors) == 1
    assert errors[0]["code"] == "packet" and "checksum" in errors[0]["message"]
    without = of_packets([*coded[:4], *coded[5:]])
    rest = [{**event, "seq": 0} for event in events if event["event"] != "error"]
    assert rest == [{**event, "seq": 0} for event in without]


def test_damaged_sound_is_an_event(running, note):
    with running.stream(input="pcm", encoding="f32le") as (client, _):
        client.send(note[:16_000].tobytes())
        client.send(np.full(100, np.nan, "<f4").tobytes())
        client.send(b"odd")
        for start in range(16_000, len(note), 32_000):
            client.send(note[start : start + 32_000].tobytes())
        client.send(END)
        events = events_of(client)
    assert [event["code"] for event in events if event["event"] == "error"] == ["audio", "audio"]
    assert events[-1]["label"] == of_sound(note)[-1]["label"]


def test_acknowledged_events_are_forgotten(running, coded):
    with running.stream(input="packets", session="ack", timeline=HOP) as (client, _):
        client.send(b"".join(coded))
        events = received_until_quiet(client, 3.0)
        client.send(json.dumps({"type": "ack", "seq": events[-1]["seq"]}))
        client.send(END)
        rest = events_of(client)
    with running.stream(input="packets", session="ack", timeline=HOP) as (client, error):
        assert (error["event"], error["code"], error["fatal"]) == ("error", "events_gone", True)
    assert rest[-1]["event"] == "end"


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"bytes", "message"),
        ("no json", "message"),
        ("[1]", "message"),
        ("[" * 100, "message"),
        ("x" * 20_000, "too_large"),
        (json.dumps({"type": "begin"}), "start"),
        (json.dumps({"type": "start"}), "start"),
        (json.dumps({"type": "start", "input": "video"}), "start"),
        (json.dumps({"type": "start", "input": "pcm", "rate": 1}), "start"),
        (json.dumps({"type": "start", "input": "pcm", "session": "a/b"}), "start"),
        (json.dumps({"type": "start", "input": "pcm", "nonsense": 1}), "start"),
        (json.dumps({"type": "start", "input": "pcm", "timeline": {"hop": 99}}), "audio"),
        (json.dumps({"type": "start", "input": "pcm", "timeline": {"labels": ["x"]}}), "model"),
        (json.dumps({"type": "start", "input": "pcm", "model": "gone"}), "model_unknown"),
        (json.dumps({"type": "start", "input": "packets", "model": "tiny"}), "model"),
    ],
)
def test_a_bad_start_is_refused(running, first, code):
    with running.connected() as client:
        client.send(first)
        error, *rest = events_of(client)
    assert (error["event"], error["code"], rest) == ("error", code, [])
    assert client.close_code in (1008, 1009)


def test_a_bad_message_ends_the_connection_and_not_the_session(running, coded):
    with running.stream(input="packets", session="rude") as (client, _):
        client.send(coded[0])
        client.send("{}")
        assert [event["code"] for event in events_of(client)] == ["message"]
    with running.stream(input="packets", session="rude") as (client, ready):
        assert ready["received"] == 1


def test_a_session_belongs_to_its_settings(running):
    with running.stream(input="packets", session="mine"):
        pass
    with running.stream(input="pcm", session="mine") as (_, error):
        assert (error["event"], error["code"]) == ("error", "session")


def test_a_chunk_that_is_too_large(running):
    with running.stream(input="pcm") as (client, _):
        client.send(bytes(300_000))
        events_of(client)
    assert client.close_code == 1009


def test_too_many_streams():
    with started(max_streams=1, session_s=0.0, models="tiny-mel") as server:
        with server.stream(input="packets"):
            with server.stream(input="packets") as (client, error):
                assert (error["event"], error["code"]) == ("error", "overloaded")
                assert error["retry_after_s"] > 0
                events_of(client)
            assert client.close_code == 1013
        with server.stream(input="packets") as (_, ready):
            assert ready["event"] == "ready"


def test_a_wrong_start_costs_nobody_a_place(coded):
    with started(max_streams=1) as server:
        with server.stream(input="packets", session="waits") as (client, _):
            client.send(coded[0])
            client.send('{"type": "ack", "seq": 0}')
            client.send('{"type": "other"}')
            events_of(client)
        with server.stream(input="packets", model="nonsense") as (_, event):
            assert event["code"] == "model_unknown"
        with server.stream(input="packets", session="waits") as (_, event):
            assert event["resumed"] and event["received"] == 1


def test_an_idle_stream_is_told_so():
    with started(stream_idle_s=0.2, models="tiny-mel") as server:
        with server.stream(input="packets", session="slow") as (client, _):
            assert [event["code"] for event in events_of(client)] == ["idle"]
        with server.stream(input="packets", session="slow") as (_, ready):
            assert ready["resumed"]


def opus(samples, form):
    """The bytes of an Ogg or WebM file as a browser records it."""
    av = pytest.importorskip("av")
    out = io.BytesIO()
    with av.open(out, "w", format=form, options={"live": "1"} if form == "webm" else {}) as file:
        track = file.add_stream("libopus", rate=16_000)
        track.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        for part in (frame, None):
            for packet in track.encode(part):
                file.mux(packet)
    return out.getvalue()


@pytest.mark.parametrize("form", ["ogg", "webm"])
@pytest.mark.parametrize("size", [700, 100_000])
def test_a_file_as_it_is_recorded(running, note, form, size):
    content = opus(note, form)
    with running.stream(input="opus", timeline=HOP, session=f"{form}{size}") as (client, _):
        for start in range(0, len(content), size):
            client.send(content[start : start + size])
        client.send(END)
        events = events_of(client)
    stream = serkit.load("tiny").stream(TimelineSettings(hop_s=1.0))
    decoded = np.concatenate(list(decode(io.BytesIO(content), form)))
    expected = numbered(stream.push(decoded, rate=48_000) + stream.finish())
    assert [one["event"] for one in events] == [one["event"] for one in expected]
    assert events == expected


def decode(file, form):
    """Mono at 48 kHz, by PyAV itself."""
    import av

    with av.open(file, format="ogg" if form == "ogg" else "matroska") as opened:
        for frame in opened.decode(audio=0):
            yield frame.to_ndarray().reshape(-1)


def test_a_damaged_file_ends_its_stream(running):
    with running.stream(input="opus") as (client, _):
        client.send(b"RIFF" + bytes(60))
        (error,) = events_of(client)
    assert error["fatal"] and error["code"] == "audio" and "Ogg or WebM" in error["message"]


def test_too_many_files():
    with started(max_opus_streams=1, session_s=0.0, models="tiny") as server:
        with server.stream(input="opus"), server.stream(input="opus") as (_, error):
            assert (error["code"], error["fatal"]) == ("overloaded", True)
        assert not server.service.pipeline.decoders._live
