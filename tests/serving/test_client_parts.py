"""Parts of the client: its asynchronous face, retries, the buffer of a stream, energy."""

import asyncio
import email.utils
import math
import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serkit
from serkit.errors import ServerError
from serkit.runtime import Prediction, Segment, TimelineSettings, Window
from serkit.runtime.events import EndEvent, PartialEvent, SegmentEvent, VoiceEvent
from serkit.runtime.timeline_text import event_object
from serkit.serving.client import Retries, streaming
from serkit.serving.client.energy import RADIOS
from serkit.serving.client.events import Novelty
from serkit.serving.client.options import options_of
from serkit.serving.client.parsing import event_of, prediction_of, timeline_of
from serkit.serving.client.retries import retry_after
from serkit.serving.streams import TimelineOptions

from serving_faults import proxied
from serving_rig import packets_of, voice_like

HOP = TimelineSettings(hop_s=1.0)


def test_many_at_once(running, note):
    """The asynchronous client; one task records, another follows the events."""

    async def follow(client):
        events = []
        async with client.stream(HOP) as stream:

            async def record():
                heard = []
                for start in range(0, len(note), 16_000):
                    heard += await stream.push(note[start : start + 16_000])
                return heard + await stream.finish()

            recording = asyncio.create_task(record())
            async for event in stream:
                events.append(event)
            events += await recording
        return sorted(map(str, map(event_object, events)))

    async def main():
        async with serkit.AsyncClient(running.url) as client:
            return await asyncio.gather(
                follow(client), follow(client), client.recognize("examples/note.ogg")
            )

    first, second, answer = asyncio.run(main())
    local = serkit.load("tiny-mel").stream(HOP)
    expected = [event for packet in packets_of(note) for event in local.push_packet(packet)]
    assert first == second == sorted(map(str, map(event_object, expected + local.finish())))
    assert answer.source == "server"


def test_a_stream_is_used_once(running):
    with serkit.Client(running.url) as client:
        with pytest.raises(serkit.SerkitError, match="with statement"):
            client.stream().push(np.zeros(10, np.float32))
        with client.stream() as stream:
            with pytest.raises(serkit.AudioError, match="finite"):
                stream.push(np.full(10, np.nan, np.float32))
            stream.push(voice_like(1.0))
            assert stream.finish()[-1].kind == "end"
            with pytest.raises(serkit.AudioError, match="has ended"):
                stream.push(np.zeros(10, np.float32))


def test_a_device_that_could_not_go_on(running):
    with serkit.Client(running.url, device="tiny") as client:
        with pytest.raises(serkit.SerkitError, match="takes sound"):
            client.stream()
        client.stream(mode="wav")


def test_a_stream_that_is_left(running):
    """Nothing is waited for, and no thread stays."""
    begun = time.monotonic()
    with serkit.Client(running.url) as client, client.stream() as stream:
        stream.push(voice_like(1.0))
    assert time.monotonic() - begun < 20


def test_chunks_that_the_server_has_make_room(running, note, monkeypatch):
    """The buffer is bounded: what the server has is dropped, and what it has not is kept."""
    monkeypatch.setattr(streaming, "MAX_KEPT", 3000)
    events = []
    with (
        proxied(running.port, [2500]) as proxy,
        serkit.Client(f"http://127.0.0.1:{proxy.port}") as client,
        client.stream(HOP) as one,
    ):
        for start in range(0, len(note), 5120):
            events += one.push(note[start : start + 5120])
            assert one._stream._n_bytes <= 3000 + 200
        events += one.finish()
    local = serkit.load("tiny-mel").stream(HOP)
    expected = [event for packet in packets_of(note) for event in local.push_packet(packet)]
    assert list(map(event_object, events)) == list(map(event_object, expected + local.finish()))


@given(
    st.integers(0, 10), st.floats(0.0, 10.0), st.floats(0.0, 100.0), st.integers(1, 40),
    st.none() | st.floats(0.0, 200.0),
)  # fmt: skip
def test_waits(most, first_s, more_s, n_failed, asked_s):
    retries = Retries(most=most, first_s=first_s, longest_s=first_s + more_s)
    wait_s = retries.wait_s(n_failed, asked_s)
    if n_failed > most or (asked_s or 0.0) > retries.longest_s:
        assert wait_s is None
    else:
        backoff = min(retries.longest_s, first_s * 2 ** (n_failed - 1))
        assert (asked_s or 0.0) <= wait_s <= (asked_s or 0.0) + backoff


def test_waits_are_spread():
    waits = [Retries(first_s=1.0).wait_s(3) for _ in range(1000)]
    assert 0.0 <= min(waits) < 0.5 and 3.5 < max(waits) <= 4.0


@pytest.mark.parametrize("options", [{"most": -1}, {"first_s": 20.0}, {"longest_s": math.inf}])
def test_retries_that_are_refused(options):
    with pytest.raises(serkit.SerkitError, match="expected most"):
        Retries(**options)


def test_retry_after():
    assert (retry_after("7"), retry_after(" 0 ")) == (7.0, 0.0)
    later = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 55.0 < retry_after(later) <= 60.0
    assert retry_after(email.utils.formatdate(0, usegmt=True)) == 0.0
    for odd in (None, "", "-1", "1e9", "9" * 30, "٣", "tomorrow", "Wed, 99 Foo 2026 07:28:00 GMT"):
        assert retry_after(odd) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = ("label", "scores", "duration_s", "model", "reason", "warnings", "affect", "arousal",
         "segments", "windows", "voiced", "overall", "start_s", "end_s", "time_s")  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(NAMES), json_values),
    st.sampled_from(["voice", "partial", "segment", "end", "x"]),
)
def test_no_answer_is_more_than_an_error(values, kind):
    for parse in (
        prediction_of,
        timeline_of,
        lambda one: event_of({**one, "event": kind}, "m"),
    ):
        try:
            parse(values)
        except ServerError as error:
            assert len(str(error)) < 400


def test_what_was_said_before_is_not_said_again():
    """Another model cuts elsewhere: its first new segment begins where the last one ended."""

    def segment(start_s, end_s):
        return SegmentEvent(Segment(start_s, end_s, "sad", {"sad": 1.0}))

    def partial(end_s):
        return PartialEvent(Window(end_s - 2.0, end_s, {"sad": 1.0}), "sad")

    end = EndEvent(Prediction("sad", {"sad": 1.0}, 9.0, "m"))
    novelty = Novelty()
    before = [VoiceEvent(0.5, True), partial(2.0), segment(0.0, 3.0)]
    assert novelty.new(before) == before
    again = [
        VoiceEvent(0.4, True),
        partial(1.5),
        segment(0.0, 2.5),
        partial(3.0),
        segment(2.5, 4.0),
    ]
    assert novelty.new(again) == [partial(3.0), segment(3.0, 4.0)]
    assert novelty.new([segment(4.0, 9.0), VoiceEvent(8.0, False), end]) == [
        segment(4.0, 9.0),
        VoiceEvent(8.0, False),
        end,
    ]


def test_settings_by_their_names_in_requests():
    settings = TimelineSettings(
        window_s=2.0, hop_s=1.0, pause_s=0.5, smoothing="hmm", dwell_s=3.0, aggregation="mean",
        labels=("sad", "happy"), min_confidence=0.4,
    )  # fmt: skip
    assert TimelineOptions.model_validate(options_of(settings)).settings() == settings
    query = options_of(settings, ",")
    assert (query["labels"], query["hop"], query["smoothing"]) == ("sad,happy", "1.0", "hmm")
    assert options_of(None) == options_of(TimelineSettings()) == {}


def test_settings_reach_the_server(running):
    settings = TimelineSettings(hop_s=1.0, labels=("sad", "happy"), min_confidence=0.99)
    with serkit.Client(running.url, mode="file") as client:
        answer = client.timeline("examples/note.ogg", settings)
    expected = serkit.load("tiny").timeline("examples/note.ogg", settings)
    assert [one.label for one in answer.result.segments] == [one.label for one in expected.segments]
    assert set(answer.result.overall.scores) == {"sad", "happy"}


def test_energy_is_that_of_the_papers():
    """Huang et al.: 438.39 mW per Mbit/s up and 1288.04 mW; Halperin et al.: 1.28 W sending."""
    assert RADIOS["lte"].joules(125_000, 1.0) == pytest.approx(0.43839 + 1.28804)
    assert RADIOS["wifi"].joules(54e6 / 8, 1.0) == pytest.approx(1.28)
    assert RADIOS["lte-m"].joules(375e3 / 8, 1.0) == pytest.approx(0.545)


def test_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(serkit.MissingExtraError, match=re.escape("serkit[client]")):
        serkit.Client("http://127.0.0.1:1")
