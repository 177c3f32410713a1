"""Clients that send without end, ask without reading, or leave things behind."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest
import websockets.exceptions

from serkit.codec import read_packet
from serkit.serving.connections import MAX_FRAMES, MAX_HEAD

from serving_rig import started

HANDSHAKE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
PING, EMPTY_FRAGMENT = b"\x89\x80\0\0\0\0", b"\0\x80\0\0\0\0"


@pytest.fixture(scope="module")
def server():
    with started(header_timeout_s=0.5, idle_timeout_s=20.0, models="tiny,tiny-mel") as running:
        yield running


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def answer_to(server, *parts):
    """All that comes back, until the server ends the connection."""
    with connected(server) as client:
        answer = b""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 16):
                answer += part
        return answer


POST = b"POST /v1/recognize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "begin, more",
    [
        (b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET /healthz HTTP/1.1\r\nX: ", b"aaaa"),
        (b"GET /", b"aaaa"),
        (POST + b"1\r\na\r\n0\r\n", b"X: y\r\n"),
        (POST + b"1;", b"aaaa"),
    ],
    ids=["headers", "header", "address", "trailers", "extension"],
)
def test_a_head_without_end_is_refused_before_it_fills_the_memory(server, begin, more):
    block = more * (MAX_HEAD // len(more))
    sent = 0
    with connected(server) as client, contextlib.suppress(ConnectionError):
        client.sendall(begin)
        for _ in range(1000):
            client.sendall(block)
            sent += len(block)
    assert sent < 400 * MAX_HEAD  # what the system buffers


def test_a_large_head_is_told_so(server):
    large = b"".join(b"X: " + b"y" * 1000 + b"\r\n" for _ in range(66))
    answer = answer_to(server, b"GET /healthz HTTP/1.1\r\n" + large + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ") and b'"head_too_large"' in answer
    small = b"".join(b"X: " + b"y" * 1000 + b"\r\n" for _ in range(60))
    begin = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    assert answer_to(server, begin + small + b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_requests_beyond_the_pipeline_are_refused(server):
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = answer_to(server, one * 3 + one.replace(b"x\r\n", b"x\r\nConnection: close\r\n"))
    assert answer.count(b"200 OK") == 4
    assert b"400 Bad Request" in answer_to(server, one * 1000)


def test_a_body_that_nobody_reads_ends(server):
    with connected(server) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            until = time.monotonic() + 15.0
            while time.monotonic() < until:
                client.sendall(b"a")
                time.sleep(0.05)
            pytest.fail("the connection is still open")


@pytest.mark.parametrize(
    "header", [b"X: " + b"a" * 9000 + b"\r\n", b"X: y\r\n" * 200], ids=["long", "many"]
)
def test_a_bad_handshake_is_answered(server, header):
    answer = answer_to(server, HANDSHAKE + header + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and b'"handshake"' in answer


@pytest.mark.parametrize("frame", [PING, EMPTY_FRAGMENT], ids=["pings", "fragments"])
def test_frames_without_a_message_end_the_connection(server, frame, capfd):
    begin = b"\x02\x80\0\0\0\0" if frame == EMPTY_FRAGMENT else b""
    with connected(server) as client, contextlib.suppress(ConnectionError):
        client.sendall(HANDSHAKE + b"\r\n")
        assert b" 101 " in client.recv(4096)
        client.sendall(begin + frame * (2 * MAX_FRAMES))
        answer = b""
        while part := client.recv(1 << 16):
            answer += part
    assert struct.pack("!H", 1008) + b"too many frames" in answer
    assert "Traceback" not in capfd.readouterr().err


def test_some_pings_and_fragments_are_fine(server):
    with server.connected() as client:
        for _ in range(20):
            client.ping()
        client.send(json.dumps({"type": "start", "input": "pcm"})[i : i + 1] for i in range(34))
        assert json.loads(client.recv())["event"] == "ready"


def test_a_charset_that_takes_time_without_end_is_refused(server):
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    for charset, code in (("punycode", 400), ("utf-8", 422)):
        kind = f"multipart/form-data; boundary=x; charset={charset}"
        answer = server.http.post("/v1/recognize", content=body, headers={"Content-Type": kind})
        assert answer.status_code == code, answer.text
        assert ("punycode" in answer.text) == (code == 400)


def test_a_client_that_leaves_in_its_body_is_no_failure_of_the_server(server, capfd):
    def left():
        return server.service.metrics.refusals.labels("disconnected")._value.get()

    before = left()
    with connected(server) as client:
        client.sendall(b"POST /v1/recognize HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")
        time.sleep(0.2)
    until = time.monotonic() + 20.0
    while left() == before and time.monotonic() < until:
        time.sleep(0.05)
    assert left() == before + 1
    assert 'status="500"' not in server.http.get("/metrics").text
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("hop", [1e-9, 0.039])
def test_windows_that_overlap_without_end_are_refused(server, hop):
    options = {"window": 2.0, "hop": hop}
    content = Path("examples/plain.flac").read_bytes()
    answer = server.http.post("/v1/timeline", content=content, params=options)
    assert answer.status_code == 422 and "at least 0.04 s" in answer.text
    with server.stream(input="pcm", timeline=options) as (_, event):
        assert event["event"] == "error" and "at least 0.04 s" in event["message"]


def test_a_chunk_of_hours_is_refused_before_it_is_decoded(server, coded):
    packet = min(coded, key=len)
    many = b"".join(
        replace(read_packet(packet), sequence=i).to_bytes() for i in range(200_000 // len(packet))
    )
    processes = server.service.pipeline.decoders.process_ids
    with server.stream(input="packets") as (client, _):
        client.send(many)
        event = json.loads(client.recv())
    assert event["code"] == "too_large" and event["fatal"]
    assert server.service.pipeline.decoders.process_ids == processes


def test_long_chunks_of_several_streams_are_decoded_together(coded):
    """Each is allowed, so together they must not end the process that decodes them."""
    with started(max_duration_s=1.0) as server:
        packets = [read_packet(packet) for packet in coded[:3]]
        decoded = server.service.pipeline._models.payloads(packets * 900)
        expected = server.service.pipeline._models.payloads(packets)
        assert len(decoded) == 2700
        for found, one in zip(decoded, expected * 900, strict=True):
            assert found.tobytes() == one.tobytes()


def test_a_stream_that_is_left_behind_ends_in_time(note):
    """Its process and its sound are gone without another stream to come."""
    with started(session_s=0.3) as server:
        with server.stream(input="opus", session="left") as (client, _):
            client.send(Path("examples/note.ogg").read_bytes()[:4000])
        decoders, sessions = server.service.pipeline.decoders, server.service.streams.sessions
        until = time.monotonic() + 20.0
        while (decoders._live or sessions._sessions) and time.monotonic() < until:
            time.sleep(0.05)
        assert not decoders._live and not sessions._sessions


def test_one_stream_that_cannot_be_told_costs_the_others_no_answer_at_the_end(coded, monkeypatch):
    with (
        started() as server,
        server.stream(input="packets", session="a") as (_, _),
        server.stream(input="packets", session="b") as (good, _),
    ):
        good.send(coded[0])
        streams = server.service.streams
        gone = streams.sessions._sessions["", "a"].connection

        async def broken(values):
            raise websockets.exceptions.ConnectionClosedError(None, None)

        monkeypatch.setattr(gone, "send", broken)
        loop = server.server.servers[0].get_loop()
        asyncio.run_coroutine_threadsafe(streams.drain(), loop).result(20.0)
        event = json.loads(good.recv(timeout=5.0))
        while event["event"] != "end":
            event = json.loads(good.recv(timeout=5.0))
        assert not event["complete"]
