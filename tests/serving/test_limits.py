"""What the server refuses, how it says so, and that it goes on."""

import contextlib
import io
import json
import os
import signal
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import websockets.exceptions

import serkit
from serkit.serving.decoding import Decoders
from serkit.serving.pipeline import Pipeline
from serkit.serving.refusals import DeadlineError, RefusedError
from serkit.serving.tokens import Tokens

from serving_rig import started

PLAIN = Path("examples/plain.flac").read_bytes()


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def lasting(seconds):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(int(seconds * 8000), np.int16), 8000, format="FLAC")
    return file.getvalue()


def hours_in_a_megabyte():
    """A FLAC file whose header announces 75 hours."""
    content = bytearray(lasting(60))
    # STREAMINFO: 20 bits of the rate, 3 of channels, 5 of bits, 36 of the number of samples.
    (packed,) = struct.unpack(">Q", content[18:26])
    content[18:26] = struct.pack(">Q", packed & ~((1 << 36) - 1) | 75 * 3600 * 8000)
    return bytes(content)


def until_answered(server):
    """Ask until there is an answer in time: the machine of the tests may be busy."""
    until = time.monotonic() + 120
    while server.http.post("/v1/recognize", content=PLAIN).status_code != 200:
        assert time.monotonic() < until


class Blocked:
    """Holds the answers of a server until it is told to go on."""

    def __init__(self, monkeypatch):
        self.go_on = threading.Event()
        self.n_begun = 0
        answer = Pipeline.recognize

        def recognize(pipeline, content, question, deadline):
            self.n_begun += 1
            self.go_on.wait(20)
            return answer(pipeline, content, question, deadline)

        monkeypatch.setattr(Pipeline, "recognize", recognize)


@pytest.fixture
def blocked(monkeypatch):
    holder = Blocked(monkeypatch)
    yield holder
    holder.go_on.set()


def test_a_full_server_says_when_to_return(blocked):
    with started(max_pending=2, workers=1, models="tiny") as server, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(server.http.post, "/v1/recognize", content=PLAIN) for _ in range(2)]
        while server.service.admission.pending < 2:
            time.sleep(0.01)
        refused = server.http.post("/v1/recognize", content=PLAIN)
        assert code_of(refused) == (429, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1
        blocked.go_on.set()
        assert [one.result().status_code for one in waiting] == [200, 200]
        assert server.http.post("/v1/recognize", content=PLAIN).status_code == 200
        assert 'serkit_refusals_total{reason="overloaded"} 1.0' in server.http.get("/metrics").text


def test_an_answer_that_would_come_too_late(blocked):
    with started(deadline_s=4.0, workers=1, models="tiny") as server:
        assert code_of(server.http.post("/v1/recognize", content=PLAIN)) == (504, "deadline")
        blocked.go_on.set()
        until_answered(server)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body(chunked):
    with started(max_body_mb=0.1, models="tiny") as server:
        content = bytes(200_000)
        body = (content[i : i + 1000] for i in range(0, len(content), 1000)) if chunked else content
        assert code_of(server.http.post("/v1/recognize", content=body)) == (413, "too_large")
        assert server.http.post("/v1/recognize", content=PLAIN).status_code == 200


def test_a_long_recording_is_refused_by_its_header(running):
    content = hours_in_a_megabyte()
    assert soundfile.info(io.BytesIO(content)).duration == 75 * 3600
    answer = running.http.post("/v1/recognize", content=content)
    assert code_of(answer) == (413, "too_long") and "270,000" in answer.json()["error"]["message"]


def test_a_long_recording_without_a_length(coded_file):
    with started(max_duration_s=5.0) as server:
        assert code_of(server.http.post("/v1/recognize", content=lasting(6))) == (413, "too_long")
        assert server.http.post("/v1/recognize", content=lasting(4)).status_code == 200
        answer = server.http.post("/v1/recognize", content=coded_file)
        assert code_of(answer) == (413, "too_long")


@pytest.mark.parametrize(
    "number, status, code",
    [(signal.SIGKILL, 503, "worker_died"), (signal.SIGSEGV, 422, "decoder_died")],
)
def test_a_decoder_that_dies_costs_its_request_alone(running, number, status, code):
    """A process is killed while it decodes; the next request gets a new one."""
    decoders = running.service.pipeline.decoders
    (process,) = decoders.process_ids
    os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(running.http.post, "/v1/recognize", content=PLAIN)
        while decoders.process_ids:
            time.sleep(0.01)
        os.kill(process, number)
        os.kill(process, signal.SIGCONT)
        assert code_of(lost.result()) == (status, code)
        assert lost.result().headers.get("retry-after") == ("1" if status == 503 else None)
    assert running.http.post("/v1/recognize", content=PLAIN).status_code == 200
    assert decoders.process_ids != [process]


def test_a_process_that_dies_while_it_classifies_costs_nothing(running):
    """Its windows are classified by the next."""
    pipeline = running.service.pipeline
    sound = serkit.read(io.BytesIO(PLAIN))
    expected = serkit.load("tiny").backend.outputs([sound])
    (process,) = pipeline.decoders.process_ids
    os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(pipeline.models["tiny"].backend.outputs, [sound])
        while pipeline.decoders.process_ids:
            time.sleep(0.01)
        os.kill(process, signal.SIGKILL)
        outputs = found.result()
    for name in ("logits", "embeddings", "distances", "dimensions"):
        np.testing.assert_array_equal(getattr(outputs, name), getattr(expected, name))
    assert pipeline.decoders.process_ids != [process]


def test_windows_that_end_every_process_are_refused(running, monkeypatch):
    pipeline = running.service.pipeline

    def killed(worker, *_):
        worker.process.kill()
        raise EOFError

    monkeypatch.setattr("serkit.serving.decoding._Worker.ask", killed)
    with pytest.raises(RefusedError, match="ask again") as refused:
        pipeline.models["tiny"].backend.outputs([np.zeros(16000, np.float32)])
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1)


def test_a_decoder_that_died_idle_is_replaced(running):
    (process,) = running.service.pipeline.decoders.process_ids
    os.kill(process, signal.SIGKILL)
    time.sleep(0.1)
    assert running.http.post("/v1/recognize", content=PLAIN).status_code == 200


def test_a_decoder_that_takes_too_long_is_ended():
    with started(deadline_s=6.0, models="tiny") as server:
        until_answered(server)
        (process,) = server.service.pipeline.decoders.process_ids
        os.kill(process, signal.SIGSTOP)
        assert code_of(server.http.post("/v1/recognize", content=PLAIN)) == (504, "deadline")
        while server.service.pipeline.decoders.process_ids in ([], [process]):
            time.sleep(0.01)
        until_answered(server)
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def read_all(sock):
    """What comes until the server closes or resets the connection."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(4096):
            content += part
    return content


def test_a_process_that_starts_slowly_is_waited_for():
    """A request that comes too early does not end it; otherwise none would ever start."""
    decoders = Decoders(1, max_s=60.0, memory_mb=2048)
    (process,) = decoders.process_ids
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(DeadlineError):
            decoders.recording(PLAIN, timeout_s=0.2)
        assert decoders.process_ids == [process]
        os.kill(process, signal.SIGCONT)
        assert sum(map(len, decoders.recording(PLAIN, timeout_s=120.0).parts)) > 16_000
        assert decoders.process_ids == [process]
    finally:
        decoders.close()


def test_a_slow_header_and_a_silent_connection_are_cut():
    with started(header_timeout_s=0.3, models="tiny") as server:
        silent, slow = connect(server), connect(server)
        with silent, slow:
            slow.sendall(b"POST /v1/recognize HTTP/1.1\r\nHost: x\r\n")
            for sock in (silent, slow):
                assert read_all(sock) == b""
        assert server.http.get("/healthz").status_code == 200


def test_a_slow_second_header_is_cut():
    settings = {"header_timeout_s": 0.3, "idle_timeout_s": 10, "models": "tiny"}
    with started(**settings) as server, connect(server) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b'"ok"}'):
            answer += sock.recv(4096)
        time.sleep(0.5)  # between requests another limit holds
        sock.sendall(b"GET /healthz HT")
        assert read_all(sock) == b""


def test_a_slow_body_is_told_so():
    with started(body_timeout_s=0.3, models="tiny") as server, connect(server) as sock:
        sock.sendall(b"POST /v1/recognize HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        answer = read_all(sock)
        assert b" 408 " in answer.split(b"\r\n")[0] and b'"slow"' in answer
        assert b"connection: close" in answer.lower()


def test_connections_beyond_the_limit_are_told_so():
    with started(max_connections=8, header_timeout_s=20.0, models="tiny") as server:
        idle = [connect(server) for _ in range(8)]
        refused = [connect(server) for _ in range(30)]
        for sock in refused:
            head, _, body = read_all(sock).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503") and b"Retry-After" in head
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert len(body) == length
            assert json.loads(body)["error"]["code"] == "connections"
        for sock in (*idle, *refused):
            sock.close()
        time.sleep(0.2)
        assert server.http.get("/healthz").status_code == 200


@pytest.mark.parametrize("n", [1, 3])
def test_a_half_closed_connection_is_answered(running, n):
    with connect(running) as sock:
        head = f"POST /v1/recognize HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PLAIN)}\r\n\r\n"
        sock.sendall((head.encode() + PLAIN) * n)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).count(b"200 OK") == n


@pytest.fixture
def tokens(tmp_path):
    file = tmp_path / "tokens"
    file.write_text("# of the tests\nfirst-token-0123456789\n\nsecond-token-0123456789\n")
    return file


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_tokens(tokens):
    with started(tokens=tokens, models="tiny-mel") as server:
        for path in ("/v1/models", "/metrics"):
            assert code_of(server.http.get(path)) == (401, "token_missing")
            wrong = server.http.get(path, headers=bearer("first-token-012345678"))
            assert code_of(wrong) == (401, "token_unknown")
            assert wrong.headers["WWW-Authenticate"] == "Bearer"
            right = server.http.get(path, headers=bearer("second-token-0123456789"))
            assert right.status_code == 200
        assert code_of(server.http.post("/v1/recognize", content=PLAIN)) == (401, "token_missing")
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert server.http.get(path).status_code == 200
        for headers in (None, bearer("x" * 20)):
            with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
                server.connected(headers).__enter__()
            assert refused.value.response.status_code == 401
        with server.stream(headers=bearer("first-token-0123456789"), input="packets") as (_, ready):
            assert ready["event"] == "ready"
        with server.connected(
            subprotocols=["serkit.v1", "bearer.first-token-0123456789"]
        ) as client:
            assert client.subprotocol == "serkit.v1"


def test_tokens_are_changed_without_a_restart(tokens):
    with started(tokens=tokens, models="tiny") as server:
        assert server.http.get("/v1/models", headers=bearer("third-token-0123456789")).is_error
        tokens.write_text("third-token-0123456789\n")
        assert server.http.get("/v1/models", headers=bearer("third-token-0123456789")).is_success
        assert server.http.get("/v1/models", headers=bearer("first-token-0123456789")).is_error
        tokens.write_text("")  # while it is written: the last good tokens hold
        assert server.http.get("/v1/models", headers=bearer("third-token-0123456789")).is_success
        tokens.unlink()
        assert server.http.get("/v1/models", headers=bearer("third-token-0123456789")).is_success


def test_tokens_that_cannot_be_read_again_are_told_once(tmp_path, caplog):
    file = tmp_path / "tokens"
    file.write_text("first-token-0123456789\n")
    known = Tokens(file)
    with caplog.at_level("WARNING", "serkit.serving"):
        for spoil in (lambda: file.write_text("short\n"), file.unlink):
            spoil()
            for _ in range(3):
                assert known.owner("first-token-0123456789")
    assert len(caplog.records) == 2
    assert [record.getMessage() for record in caplog.records] == ["tokens not read"] * 2
    assert "1 tokens of less than 16" in caplog.records[0].values["reason"]
    assert str(tmp_path) not in "".join(record.values["reason"] for record in caplog.records)


def test_a_session_belongs_to_its_token(tokens, coded):
    with started(tokens=tokens, models="tiny-mel") as server:
        one, other = (bearer(f"{name}-token-0123456789") for name in ("first", "second"))
        with server.stream(one, input="packets", session="s") as (client, _):
            client.send(coded[0])
            client.send("{}")
        with server.stream(other, input="packets", session="s") as (_, ready):
            assert not ready["resumed"]
        with server.stream(one, input="packets", session="s") as (_, ready):
            assert ready["received"] == 1


def test_a_request_under_the_same_key_is_computed_once(running, blocked):
    key = {"Idempotency-Key": "abc"}
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(running.http.post, "/v1/recognize", content=PLAIN, headers=key)
            for _ in range(3)
        ]
        time.sleep(0.3)
        blocked.go_on.set()
        answers = [one.result() for one in asked]
    assert len({answer.text for answer in answers}) == 1 and blocked.n_begun == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 2
    for change in ({"content": PLAIN[:-1]}, {"content": PLAIN, "params": {"labels": "sad"}}):
        other = running.http.post("/v1/recognize", headers=key, **change)
        assert code_of(other) == (422, "idempotency_key")
    again = running.http.post("/v1/recognize", content=PLAIN, headers={"Idempotency-Key": "abd"})
    assert "Idempotent-Replayed" not in again.headers and again.text == answers[0].text


def test_an_error_is_not_kept_for_its_key(running):
    key = {"Idempotency-Key": "bad"}
    for _ in range(2):
        answer = running.http.post("/v1/recognize", content=b"no sound", headers=key)
        assert code_of(answer) == (422, "audio")
    answer = running.http.post("/v1/recognize", content=PLAIN, headers=key)
    assert answer.status_code == 200


def test_request_ids_and_safe_headers(running):
    answer = running.http.get("/healthz", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["X-Request-Id"] == "mine-1"
    answer = running.http.get("/nowhere", headers={"X-Request-Id": "no\tgood" + "x" * 99})
    assert code_of(answer) == (404, "not_found")
    assert len(answer.headers["X-Request-Id"]) == 16
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert code_of(running.http.get("/v1/recognize")) == (405, "method")


def test_pages_of_other_origins(running):
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    answer = running.http.options("/v1/recognize", headers=asked)
    assert "Access-Control-Allow-Origin" not in answer.headers
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        running.connected({"Origin": "https://example.org"}).__enter__()
    assert refused.value.response.status_code == 403
    with started(cors_origins="https://example.org", models="tiny-mel") as server:
        answer = server.http.options("/v1/recognize", headers=asked)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://example.org"
        with server.connected({"Origin": "https://example.org"}):
            pass


def test_a_failure_of_the_server_says_nothing_of_itself(running, monkeypatch):
    def fail(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr(Pipeline, "recognize", fail)
    answer = running.http.post("/v1/recognize", content=PLAIN)
    assert code_of(answer) == (500, "internal") and "secret" not in answer.text
