"""The server as a process: signals, and what it leaves behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import websockets.sync.client

import serkit
from serkit.runtime.timeline_text import overall_object

from serving_rig import events_of

NOTE = Path("examples/note.ogg").read_bytes()
PLAIN = Path("examples/plain.flac").read_bytes()


@contextlib.contextmanager
def process(*settings, **options):
    """`serkit serve` on a free port: the process, its port and the lines of its log."""
    command = [sys.executable, "-m", "serkit", "serve", "--port", "0"]
    command += [part for setting in settings for part in ("--set", setting)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options) as server:
        lines, port = [], 0
        for text in server.stderr:
            line = json.loads(text)
            if line["event"] == "listening":
                port = int(line["addresses"][0].rpartition(":")[2])
                break
        reader = threading.Thread(target=lambda: lines.extend(map(json.loads, server.stderr)))
        reader.start()
        try:
            yield server, port, lines
        finally:
            server.kill()
            reader.join()


def n_accepted(http):
    """Timelines that are in work or answered."""
    lines = [line.split() for line in http.get("/metrics").text.splitlines()]
    names = ("serkit_requests_pending", 'serkit_requests_total{route="/v1/timeline"')
    return sum(float(line[-1]) for line in lines if line[0].startswith(names))


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_server(coded, sig):
    """What was accepted is answered, streams get their end, and the process ends."""
    settings = ("drain_delay_s=4", "decoders=1", "models=tiny,tiny-mel")
    with process(*settings) as (server, port, lines):
        url = f"http://127.0.0.1:{port}"
        asked = f"ws://127.0.0.1:{port}/v1/stream"
        with (
            httpx.Client(base_url=url, timeout=30) as http,
            websockets.sync.client.connect(asked, proxy=None) as stream,
        ):
            assert http.get("/readyz").status_code == 200
            stream.send(json.dumps({"type": "start", "input": "packets", "session": "s"}))
            stream.recv()
            for packet in coded[:40]:
                stream.send(packet)
            answers = []
            asking = [
                threading.Thread(
                    target=lambda: answers.append(httpx.post(f"{url}/v1/timeline", content=NOTE))
                )
                for _ in range(6)
            ]
            for thread in asking:
                thread.start()
            while n_accepted(http) < 6:
                time.sleep(0.05)
            server.send_signal(sig)
            while http.get("/readyz").status_code == 200:
                time.sleep(0.05)
            assert http.get("/readyz").status_code == 503
            assert http.get("/healthz").status_code == 200
            for thread in asking:
                thread.join()
            assert [answer.status_code for answer in answers] == [200] * 6
            events = events_of(stream)
            assert stream.close_code == 1012
        assert server.wait(20) in (0, -sig)
    last = events[-1]
    assert (last["event"], last["complete"]) == ("end", False)
    assert 1 <= last["received"] <= 40  # the client sends the others elsewhere
    live = serkit.load("tiny-mel").stream()
    for packet in coded[: last["received"]]:
        live.push_packet(packet)
    assert {**last, **overall_object(live.overall())} == last
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 6 and {"route", "status", "ms", "request_id"} <= set(requests[0])
    assert not any("127.0.0.1" in json.dumps(line) for line in requests)


def test_no_line_of_the_log_has_a_token_or_what_was_said(tmp_path):
    token = "0123456789abcdef"
    (tmp_path / "tokens").write_text(token + "\n")
    settings = ("decoders=1", "models=tiny", "log_level=debug", f"tokens={tmp_path / 'tokens'}")
    settings += ("asr=pocketsphinx",)
    headers = {"Authorization": f"Bearer {token}"}
    with process(*settings) as (server, port, lines):
        url = f"127.0.0.1:{port}/v1"
        said = httpx.post(f"http://{url}/recognize", content=PLAIN, headers=headers, timeout=60)
        assert said.status_code == 200
        asked = websockets.sync.client.connect(
            f"ws://{url}/stream", additional_headers=headers, proxy=None
        )
        with asked as stream:
            stream.send(json.dumps({"type": "start", "input": "pcm", "rate": 16_000}))
            stream.recv()
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    told = json.dumps(lines)
    assert {"request", "stream"} <= {line["event"] for line in lines}
    assert token not in told
    assert said.json()["label"] not in told
    assert said.json()["text"] and said.json()["text"] not in told
    assert "127.0.0.1" not in told


def test_a_killed_server_leaves_no_process():
    with process("decoders=2") as (server, _, _):
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        assert len(children) == 2
        server.kill()
        server.wait()
        until = time.monotonic() + 120
        while any(Path(f"/proc/{child}/exe").exists() for child in children):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_stream_survives_the_death_of_its_server(coded):
    """kill -9: the client sends all chunks to the next server, and gets each event once."""
    events = []
    for stop in (50, len(coded)):
        with process("decoders=1", "models=tiny-mel") as (server, port, _):
            asked = f"ws://127.0.0.1:{port}/v1/stream"
            with websockets.sync.client.connect(asked, proxy=None) as client:
                start = {
                    "type": "start",
                    "input": "packets",
                    "session": "s",
                    "timeline": {"hop": 1},
                }
                client.send(json.dumps({**start, "last_event": len(events)}))
                assert json.loads(client.recv())["received"] == 0
                for packet in coded[:stop]:
                    client.send(packet)
                if stop == len(coded):
                    client.send('{"type": "end"}')
                    events += events_of(client)
                else:
                    while len(events) < 5:
                        event = json.loads(client.recv(30))
                        events += [event] if event["event"] != "ack" else []
                    server.kill()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["event"] == "end"


def test_tls(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is not installed")
    settings = (f"tls_certificate={certificate}", f"tls_key={key}", "models=tiny", "decoders=1")
    with process(*settings) as (_, port, _):
        import ssl

        context = ssl.create_default_context(cafile=str(certificate))
        answer = httpx.get(f"https://127.0.0.1:{port}/healthz", verify=context)
        assert answer.json() == {"status": "ok"}


def test_the_settings_do_not_reach_the_decoders():
    environment = {**os.environ, "SERKIT_SERVE_DECODERS": "1", "A_SECRET": "x"}
    with process(env=environment) as (server, _, _):
        (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        found = Path(f"/proc/{child}/environ").read_bytes()
        assert b"SECRET" not in found and b"SERKIT_SERVE" not in found
