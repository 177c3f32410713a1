"""The client when servers are slow, full, away, wrong or killed."""

import contextlib
import logging
import time

import numpy as np
import pytest

import serkit
from serkit.runtime import TimelineSettings
from serkit.runtime.timeline_text import event_object
from serkit.serving.asr import TranscriptSegment
from serkit.serving.client import Retries

from serving_faults import free_port, process, proxied, scripted
from serving_rig import packets_of, started, voice_like

HOP = TimelineSettings(hop_s=1.0)
SHORT = Retries(most=3, first_s=0.01, longest_s=2.0)
FULL = {"error": {"code": "overloaded", "message": "full"}}
GOOD = {
    "label": "sad", "scores": {"sad": 0.75, "happy": 0.25}, "arousal": None, "valence": 0.5,
    "dominance": None, "affect": "learned", "warnings": [], "duration_s": 2.0, "model": "m",
    "modalities": ["acoustic", "text"], "text": "oh no", "language": "en",
    "text_segments": [{"start_s": 0.5, "end_s": 1.5, "text": "oh no"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def sound():
    return voice_like(3.0), 16_000


def local(samples):
    """The events of the same stream on the device."""
    stream = serkit.load("tiny-mel").stream(HOP)
    events = [event for packet in packets_of(samples) for event in stream.push_packet(packet)]
    return list(map(event_object, events + stream.finish()))


def streamed(client, samples, in_the_middle=None):
    """The events of a stream; in its middle, when some have come, something may happen."""
    events = []
    with client.stream(HOP) as stream:
        for i, start in enumerate(range(0, len(samples), 5120)):
            events += stream.push(samples[start : start + 5120])
            if in_the_middle is not None and i == 40:
                while not events:
                    time.sleep(0.01)
                    events += stream.push(samples[:0])
                in_the_middle()
        events += stream.finish()
    return list(map(event_object, events)), stream


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_it_asks_again_under_the_same_key(sound, status):
    with (
        scripted((status, {}, FULL), (status, {}, b"<html>"), (200, {}, GOOD)) as (url, requests),
        serkit.Client(url, retries=SHORT) as client,
    ):
        answer = client.recognize(sound)
    assert (answer.result.label, answer.text, answer.language) == ("sad", "oh no", "en")
    assert answer.result.valence == 0.5 and answer.modalities == ("acoustic", "text")
    assert answer.text_segments == (TranscriptSegment(0.5, 1.5, "oh no"),)
    assert answer.costs[0].attempts == len(requests) == 3
    keys = {headers["Idempotency-Key"] for _, headers, _ in requests}
    assert len(keys) == 1 and len({body for _, _, body in requests}) == 1


def test_each_question_has_its_own_key(sound):
    with scripted((200, {}, GOOD)) as (url, requests), serkit.Client(url) as client:
        client.recognize(sound)
        client.recognize(sound)
    assert len({headers["Idempotency-Key"] for _, headers, _ in requests}) == 2


def test_it_waits_as_long_as_the_server_asks(sound):
    with (
        scripted((429, {"Retry-After": "1"}, FULL), (200, {}, GOOD)) as (url, _),
        serkit.Client(url, retries=SHORT) as client,
    ):
        begun = time.monotonic()
        assert client.recognize(sound).source == "server"
        assert time.monotonic() - begun >= 1.0


def test_a_wait_that_is_too_long_is_not_waited_for(sound):
    with (
        scripted((429, {"Retry-After": "3600"}, FULL)) as (url, requests),
        serkit.Client(url, retries=SHORT) as client,
    ):
        answer = client.recognize(sound)
    assert answer.source == "device" and len(requests) == 1
    assert "status 429" in answer.reason


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_would_fail_again_is_not_asked_again(sound, status):
    error = {"error": {"code": "odd", "message": "it is \x1b[31modd"}}
    with (
        scripted((status, {}, error)) as (url, requests),
        serkit.Client(url, retries=SHORT) as client,
        pytest.raises(serkit.ServerError) as told,
    ):
        client.recognize(sound)
    assert len(requests) == 1
    assert (told.value.status, told.value.code, told.value.away) == (status, "odd", False)
    assert "\x1b" not in str(told.value)


def test_a_slow_server(sound):
    with (
        scripted(20.0) as (url, requests),
        serkit.Client(url, retries=Retries(most=1, first_s=0.0), timeout_s=1.0) as client,
    ):
        answer = client.recognize(sound)
    assert answer.source == "device" and "in time" in answer.reason
    assert answer.costs[0].attempts == 2 >= len(requests)
    assert answer.costs[0].seconds >= 2.0


@pytest.mark.parametrize(
    "odd",
    [
        b"", b"[]", b"{", b"\xff", b"[" * 1000, {}, {**GOOD, "label": 1}, {**GOOD, "scores": []},
        {**GOOD, "scores": {"a": "b"}}, {**GOOD, "warnings": [1]}, {**GOOD, "duration_s": True},
        {**GOOD, "affect": "guessed"}, {**GOOD, "modalities": 1}, {**GOOD, "text": ["x"]},
        {**GOOD, "text_reason": 1}, {**GOOD, "text_segments": [{"start_s": 0, "text": "x"}]},
    ],
)  # fmt: skip
def test_an_odd_answer_is_an_error(sound, odd):
    with (
        scripted((200, {}, odd)) as (url, requests),
        serkit.Client(url) as client,
        pytest.raises(serkit.ServerError, match="wrong"),
    ):
        client.recognize(sound)
    assert len(requests) == 1


def test_without_a_server_the_device_answers(sound):
    with serkit.Client(f"http://127.0.0.1:{free_port()}", retries=SHORT) as client:
        answer = client.recognize(sound)
        timeline = client.timeline(sound, HOP)
    assert (answer.source, answer.result) == ("device", serkit.load("tiny")(sound))
    assert timeline.result == serkit.load("tiny").timeline(sound, HOP)
    assert [cost.way for cost in answer.costs] == ["server", "device"]
    assert [cost.bytes_sent for cost in answer.costs] == [0, 0] and answer.costs[1].cpu_s > 0


def test_without_a_fallback_it_is_an_error(sound):
    url = f"http://127.0.0.1:{free_port()}"
    with serkit.Client(url, retries=SHORT, fallback=False) as client:
        with pytest.raises(serkit.ServerError, match="the server is away"):
            client.recognize(sound)
        with pytest.raises(serkit.ServerError, match="the server is away"):
            streamed(client, sound[0])


def test_only_an_unsure_device_asks(running, sound):
    best = max(serkit.load("tiny")(sound).scores.values())
    for threshold, source in ((best, "device"), (min(1.0, best + 1e-6), "server")):
        with serkit.Client(running.url, when_unsure=threshold) as client:
            answer = client.recognize(sound)
        assert answer.source == source
        ways = ["device"] if source == "device" else ["device", "server"]
        assert [cost.way for cost in answer.costs] == ways


def test_an_unsure_device_answers_if_the_server_is_away(sound):
    url = f"http://127.0.0.1:{free_port()}"
    with serkit.Client(url, when_unsure=1.0, retries=SHORT) as client:
        answer = client.recognize(sound)
    assert answer.source == "device" and "away" in answer.reason
    assert [cost.way for cost in answer.costs] == ["device", "server"]


def test_bytes_are_those_on_the_wire(running, sound):
    with proxied(running.port) as proxy:
        with serkit.Client(f"http://127.0.0.1:{proxy.port}", model="tiny-mel") as client:
            total = 0
            for mode in ("basis", "svd", "wav"):
                total += client.recognize(sound, mode=mode).costs[0].bytes_sent
            total += client.timeline(sound, HOP).costs[0].bytes_sent
        assert proxy.sent == total
    with (
        proxied(running.port) as proxy,
        serkit.Client(f"http://127.0.0.1:{proxy.port}") as client,
    ):
        _, stream = streamed(client, sound[0])
    closing = 8  # the frame that answers the server's last
    assert proxy.sent == stream.costs[0].bytes_sent + closing


@pytest.mark.parametrize("cuts", [[700], [600, 900, 1100], [400, 3000], [1500, 410, 410]])
def test_a_connection_that_breaks_costs_and_doubles_nothing(running, note, cuts):
    with (
        proxied(running.port, cuts) as proxy,
        serkit.Client(f"http://127.0.0.1:{proxy.port}", retries=SHORT) as client,
    ):
        events, stream = streamed(client, note)
    assert proxy.connections == len(cuts) + 1
    assert stream.source == "server" and stream.costs[0].attempts == len(cuts) + 1
    assert events == local(note)


def test_a_server_that_is_killed_and_comes_back(note):
    """kill -9 in mid-stream, and a new process on the same port that knows nothing."""
    port = free_port()
    with contextlib.ExitStack() as servers:
        first = servers.enter_context(process(port))

        def restart():
            first.kill()
            first.wait()
            servers.enter_context(process(port))

        with serkit.Client(f"http://127.0.0.1:{port}", retries=SHORT, timeout_s=60) as client:
            events, stream = streamed(client, note, restart)
    assert stream.source == "server" and stream.costs[0].attempts > 1
    assert events == local(note)


def test_a_server_that_is_killed_and_stays_away(note):
    """The device goes on from the beginning, and says nothing again."""
    with started(models=("tiny-mel",)) as server, proxied(server.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with serkit.Client(url, retries=SHORT, timeout_s=3.0) as client:
            events, stream = streamed(client, note, proxy.refuse)
    assert stream.source == "device" and "away" in stream.reason
    assert [cost.way for cost in stream.costs] == ["server", "device"]
    assert events == local(note)


def test_a_stream_without_a_server(note):
    with serkit.Client(f"http://127.0.0.1:{free_port()}", retries=SHORT) as client:
        events, stream = streamed(client, note)
    assert stream.source == "device"
    assert events == local(note)


def test_a_stream_of_samples(running, note):
    with serkit.Client(running.url, mode="wav") as client:
        events, _ = streamed(client, note)
    quantised = np.rint(note * 32767).astype("<i2")
    stream = serkit.load("tiny").stream(HOP)
    assert events == list(map(event_object, stream.push(quantised) + stream.finish()))


def test_a_stopping_server_hands_its_streams_on(note):
    with contextlib.ExitStack() as servers:
        first = servers.enter_context(started(models=("tiny-mel",)))
        second = servers.enter_context(started(models=("tiny-mel",)))
        proxy = servers.enter_context(proxied(first.port))
        client = servers.enter_context(
            serkit.Client(f"http://127.0.0.1:{proxy.port}", retries=SHORT)
        )

        def stop():
            proxy.target = second.port
            first.stop()

        events, stream = streamed(client, note, stop)
    assert stream.source == "server" and stream.costs[0].attempts == 2
    assert events == local(note)


def test_a_full_server_is_asked_later(note):
    patient = Retries(most=8, first_s=0.1, longest_s=6.0)
    with (
        started(models=("tiny-mel",), max_streams=1, session_s=0.0) as server,
        serkit.Client(server.url, retries=patient) as one,
        serkit.Client(server.url, retries=Retries(most=0)) as other,
    ):
        with one.stream(HOP) as first:
            first.push(note)
            while not server.service.streams.sessions.open:
                time.sleep(0.01)
            _, stream = streamed(other, note)
            assert stream.source == "device" and "streams are open" in stream.reason
        events, stream = streamed(one, note)
    assert stream.source == "server" and events == local(note)


def test_a_token_goes_nowhere_else(tmp_path, sound, caplog):
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "tokens"
    file.write_text("0123456789abcdef\n")
    with started(tokens=file, models=("tiny-mel",)) as server:
        with serkit.Client(server.url, token="0123456789abcdef") as client:
            assert client.recognize(sound).source == "server"
            assert streamed(client, sound[0])[1].source == "server"
            assert "0123456789abcdef" not in repr(vars(client._client))
        with serkit.Client(server.url, token="wrong-0123456789") as client:
            with pytest.raises(serkit.ServerError, match="status 401") as told:
                client.recognize(sound)
            assert "0123456789" not in str(told.value)
            with pytest.raises(serkit.ServerError, match="status 401"):
                streamed(client, sound[0])
    of_client = [one for one in caplog.records if not one.name.startswith("uvicorn")]
    assert {"httpx", "httpcore.http11"} <= {one.name for one in of_client}
    assert not any("0123456789" in one.getMessage() for one in of_client)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host", "expected https"), ("host:8757", "expected https"), ("", "expected https"),
        ("http://", "expected https"), ("http://h:99999", "invalid"), ("http://[::1", "invalid"),
        ("https://user:secret@host", "has a user"), ("https://host?token=secret", "has a user"),
        ("http://example.com", "unprotected"), ("http://127.0.0.1.example.com", "unprotected"),
        ("http://localhost.example.com", "unprotected"), ("http://192.168.1.2:8757", "unprotected"),
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url, message):
    with pytest.raises(serkit.SerkitError, match=message) as told:
        serkit.Client(url, token="0123456789abcdef")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://example.com/x/"]
)
def test_addresses_that_may_have_a_token(url):
    serkit.Client(url, token="0123456789abcdef").close()


@pytest.mark.parametrize("token", ["a b", "a\nb", "é", ""])
def test_tokens_that_no_header_can_hold(token):
    with pytest.raises(serkit.SerkitError, match="token"):
        serkit.Client("http://127.0.0.1:1", token=token)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "mp3"}, {"when_unsure": 1.5}, {"when_unsure": float("nan")}, {"timeout_s": 0.0},
        {"radio": "5g"}, {"device": "gone"},
    ],
)  # fmt: skip
def test_options_that_are_refused(options):
    with pytest.raises(serkit.SerkitError):
        serkit.Client("http://127.0.0.1:1", **options)
