"""`serkit send`, as a user runs it."""

import json

import pytest

import serkit
from serkit.codec import encode_basis
from serkit.runtime.timeline_text import event_object, overall_object

from command import in_process
from command import serkit as command
from serving_faults import free_port, process, scripted
from serving_rig import packets_of, started

FILE = "examples/note.ogg"
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def nowhere():
    return f"http://127.0.0.1:{free_port()}"


def test_a_recording(running, note):
    done = in_process("send", FILE, "--to", running.url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (answer,) = json.loads(done.stdout)
    expected = overall_object(serkit.load("tiny-mel")(encode_basis(note, 5)))
    assert {**answer, **expected} == answer
    assert (answer["file"], answer["source"], answer["text"]) == (FILE, "server", None)
    assert answer["costs"][0]["bytes_sent"] > len(encode_basis(note, 5))
    done = in_process("send", FILE, "--to", running.url, "--mode", "file")
    label = serkit.load("tiny")(FILE).label
    assert done.stdout.startswith(f"{FILE}: {label} 0.") and "  (server; " in done.stdout


def test_a_stream(running, note):
    done = in_process("send", FILE, "--to", running.url, "--stream", "--json")
    *events, costs = map(json.loads, done.stdout.splitlines())
    stream = serkit.load("tiny-mel").stream()
    expected = [event for packet in packets_of(note) for event in stream.push_packet(packet)]
    assert events == [
        json.loads(json.dumps(event_object(event))) for event in expected + stream.finish()
    ]
    assert (costs["event"], costs["source"]) == ("costs", "server")
    done = in_process("send", FILE, "--to", running.url, "--stream")
    assert len(done.stdout.splitlines()) == sum(one["event"] == "segment" for one in events) + 2


def test_without_a_server(nowhere):
    done = in_process("send", FILE, "--to", nowhere)
    assert done.returncode == 0 and "  (device; server: 0 bytes, " in done.stdout
    assert done.stderr.startswith(f"serkit: {FILE}: answered on the device, as the server is away")
    assert len(done.stderr.splitlines()) == 1
    for extra in ((), ("--stream",)):
        done = in_process("send", FILE, "--to", nowhere, "--no-fallback", *extra)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("serkit: the server is away: ")
        assert len(done.stderr.splitlines()) == 1


def test_a_sure_device_sends_nothing(nowhere):
    done = in_process("send", FILE, "--to", nowhere, "--when-unsure", "0", "--json")
    (answer,) = json.loads(done.stdout)
    assert (answer["source"], done.stderr) == ("device", "")
    assert [cost["way"] for cost in answer["costs"]] == ["device"]


def test_one_bad_recording_among_others(running, tmp_path):
    odd = tmp_path / "odd.wav"
    odd.write_text("no audio")
    files = [odd, tmp_path / "missing.wav", FILE]
    done = in_process("send", *files, "--to", running.url, "--json")
    assert done.returncode == 2
    values = json.loads(done.stdout)
    assert ["error" in one for one in values] == [True, True, False]
    assert len(done.stderr.splitlines()) == 2
    done = in_process("send", odd, "--to", running.url, "--mode", "file")
    assert done.returncode == 2 and "status 422" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "ftp://host"], "expected https"),
        (["--to", "http://example.com"], "unprotected"),
        (["--mode", "mp3"], "the mode is 'mp3'"),
        (["--mode", "svd", "--stream"], "expected one of basis, wav"),
        (["--when-unsure", "0.5", "--stream"], "expected no when_unsure"),
        (["--when-unsure", "2"], "expected a probability"),
        (["--token-file", "gone"], "gone: "),
        (["--device", "1", "--stream"], "expected one of them"),
    ],
)
def test_options_that_are_refused(options, message):
    done = in_process("send", FILE, *options, env={"SERKIT_TOKEN": TOKEN})
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
    assert TOKEN not in done.stderr


def test_a_full_server():
    full = (429, {"Retry-After": "600"}, {"error": {"code": "overloaded", "message": "full"}})
    with scripted(full) as (url, _):
        done = in_process("send", FILE, "--to", url, "--no-fallback")
    assert done.stderr == "serkit: the server refuses (status 429): full\n"
    assert done.returncode == 2


def test_a_token(tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"# of this test\n{TOKEN}\n")
    with started(tokens=file, models=("tiny-mel",)) as server:
        for options, env in (
            (["--token-file", file], {}),
            ([], {"SERKIT_TOKEN": TOKEN}),
            (["--token-file", file, "--stream"], {}),
        ):
            done = in_process("send", FILE, "--to", server.url, *options, env=env)
            assert (done.returncode, done.stderr) == (0, "")
        done = in_process("send", FILE, "--to", server.url)
        assert done.returncode == 2 and "status 401" in done.stderr


def test_no_log_has_the_token(tmp_path):
    """Nor what was said, nor addresses of clients: at no level, on no side."""
    file, log = tmp_path / "tokens", tmp_path / "log"
    file.write_text(TOKEN)
    port = free_port()
    with (
        log.open("wb") as opened,
        process(port, "log_level=debug", f"tokens={file}", log=opened),
    ):
        to = ("--to", f"http://127.0.0.1:{port}", "--token-file", file)
        for extra in ((), ("--stream",)):
            done = command("--debug", "send", FILE, *to, *extra)
            assert done.returncode == 0 and TOKEN not in done.stdout + done.stderr
    told = log.read_text()
    lines = [json.loads(line) for line in told.splitlines()]
    assert {"request", "stream"} <= {line["event"] for line in lines}
    assert TOKEN not in told and "neutral" not in told
    assert "127.0.0.1" not in json.dumps([one for one in lines if one["event"] != "listening"])
