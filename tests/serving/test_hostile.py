"""Mutated bodies and messages: an answer or one line, and the server goes on."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import schemathesis
import websockets.exceptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from serkit.codec import read_packet

from serving_rig import events_of, started

PLAIN = Path("examples/plain.flac").read_bytes()
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def small():
    with started(max_body_mb=1.0, models="tiny,tiny-mel", deadline_s=20.0) as server:
        yield server


def test_requests_made_from_the_description(small):
    schema = schemathesis.openapi.from_url(f"{small.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 6
    for operation in operations:

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in MODES)))
        def ask(case):
            answer = case.call()
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                error = json.loads(answer.text)["error"]
                assert set(error) == {"code", "message"} and "\n" not in error["message"]

        ask()


def mutated(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 40))):
        at = rng.randrange(len(content))
        match rng.randrange(4):
            case 0:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at] = rng.randrange(256)
            case 2:
                del content[at : at + rng.randrange(1, 100)]
            case _:
                content[at:at] = rng.randbytes(rng.randrange(1, 100))
        if not content:
            return b""
    return bytes(content)


def test_mutated_recordings(small, coded_file):
    rng = random.Random(1)
    note = Path("examples/note.ogg").read_bytes()
    statuses = set()
    for i in range(60):
        content = mutated((PLAIN, note, coded_file)[i % 3], rng)
        path = ("/v1/recognize", "/v1/timeline")[i % 2]
        answer = small.http.post(path, content=content)
        statuses.add(answer.status_code)
        assert answer.status_code in (200, 413, 422), answer.text
    assert statuses >= {200, 422}
    assert small.http.post("/v1/recognize", content=PLAIN).status_code == 200


def resealed(packet, rng):
    """A packet with another payload and a valid checksum."""
    read = read_packet(packet)
    payload = mutated(read.payload, rng) if read.payload else b"\0"
    return replace(read, payload=payload).to_bytes()


@pytest.mark.parametrize("seed", range(6))
def test_mutated_packets(small, coded, seed):
    rng = random.Random(seed)
    with small.stream(input="packets") as (client, _):
        try:
            for packet in coded:
                match rng.randrange(5):
                    case 0:
                        client.send(mutated(packet, rng))
                    case 1:
                        client.send(resealed(packet, rng))
                    case 2:
                        client.send(rng.randbytes(rng.randrange(200)))
                    case _:
                        client.send(packet)
            client.send('{"type": "end"}')
        except websockets.exceptions.ConnectionClosed:
            pass
        events = events_of(client)
    assert {event["event"] for event in events} <= {"partial", "segment", "end", "error"}
    assert events[-1]["event"] in ("end", "error")
    assert all("Traceback" not in json.dumps(event) for event in events)


@pytest.mark.parametrize("seed", range(6))
def test_mutated_messages(small, coded, seed):
    rng = random.Random(seed)
    start = b'{"type": "start", "input": "packets", "session": "x", "timeline": {"hop": 1.0}}'
    with small.connected() as client:
        try:
            client.send(mutated(start, rng).decode("latin-1"))
            for packet in coded[:10]:
                client.send(mutated(packet, rng))
                client.send(mutated(b'{"type": "ack", "seq": 1}', rng).decode("latin-1"))
        except websockets.exceptions.ConnectionClosed:
            pass
        events_of(client)
    assert client.close_code in (1000, 1008, 1009)
    assert small.http.get("/healthz").status_code == 200


def test_a_stream_of_nothing_but_damage_ends(small):
    with small.stream(input="packets") as (client, _):
        try:
            for _ in range(200):
                client.send(b"\xa6" + bytes(30))
        except websockets.exceptions.ConnectionClosed:
            pass
        events = events_of(client)
    assert events[-1]["fatal"] and len(events) == 101
