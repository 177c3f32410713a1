import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import onnx_toys
import serkit
from serkit.cli.microphone import as_if_live, microphone
from serkit.codec import Encoder
from serkit.errors import AudioError, MissingExtraError
from serkit.runtime import TimelineSettings

from command import in_process

RATE = 16_000


@pytest.fixture
def note(tmp_path):
    rng = np.random.default_rng(0)
    levels = np.repeat([0.2, 0.02, 0.2], 4 * RATE)
    path = tmp_path / "note.wav"
    soundfile.write(path, levels * rng.standard_normal(len(levels)), RATE, "FLOAT")
    return path


def listen(note, *options):
    return in_process(
        "listen", "--input", note, "--speed", "0", "--detector", "off", "--hop", "2", *options
    )


def test_a_line_for_each_segment_of_the_timeline(note):
    done = listen(note)
    assert (done.returncode, done.stderr) == (0, "")
    settings = TimelineSettings(hop_s=2.0)
    timeline = serkit.load("tiny").timeline(note, settings, detector=None)
    *segments, overall = done.stdout.splitlines()
    expected = [f"{part.label} {part.confidence:.2f}" for part in timeline.segments]
    assert [line.split("  ")[1] for line in segments] == expected
    assert segments[0].startswith("0:00.0 - ")
    assert overall.startswith(f"overall: {timeline.overall.label} ")


def test_events_as_json(note):
    events = [json.loads(line) for line in listen(note, "--json").stdout.splitlines()]
    assert {event["event"] for event in events} == {"partial", "segment", "end"}
    partial = [event for event in events if event["event"] == "partial"]
    assert [event["start_s"] for event in partial] == [0, 2, 4, 6, 8]
    assert partial[0]["label"] == max(partial[0]["scores"], key=partial[0]["scores"].get)
    assert events[-1]["event"] == "end"
    assert events[-1]["duration_s"] == 12.0


def test_voice_events(tmp_path):
    speech = serkit.read("examples/plain.flac")
    samples = np.concatenate((np.zeros(2 * RATE, np.float32), speech, np.zeros(4 * RATE)))
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    done = in_process("listen", "--input", tmp_path / "a.wav", "--speed", "0", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    voice = [event for event in events if event["event"] == "voice"]
    assert [event["voiced"] for event in voice] == [True, False] * (len(voice) // 2)
    assert 1.9 < voice[0]["time_s"] < 2.5
    segments = [event for event in events if event["event"] == "segment"]
    assert (segments[0]["label"], segments[0]["reason"]) == (None, "no voice was detected")
    assert segments[1]["label"] is not None


def on_a_terminal(note, *options):
    """What `listen` shows last."""
    command = [
        sys.executable, "-m", "serkit", "listen", "--input", str(note), "--speed", "0",
        "--detector", "off", *map(str, options),
    ]  # fmt: skip
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 1 << 16):
                shown += piece
        except OSError:  # the terminal is closed
            pass
        os.close(ours)
        assert process.wait() == 0
    return shown.decode().split("\x1b[2K0:12.0")[-1]


def test_a_bar_for_each_emotion_on_a_terminal(note):
    last = on_a_terminal(note)
    for label in ("angry", "happy", "neutral", "sad"):
        assert label in last
    assert "█" in last
    assert re.search(r"arousal [+-]\d\.\d\d, valence [+-]\d\.\d\d", last)
    assert "overall: " in last


def test_a_model_without_categories(note, tmp_path):
    """The toy hears the mean magnitude of noise, whose standard deviation is 0.2 at the end."""
    toy = onnx_toys.content(onnx_toys.card(labels=(), dimensions=("valence", "arousal")))
    (tmp_path / "toy.onnx").write_bytes(toy)
    last = on_a_terminal(note, "--model", tmp_path / "toy.onnx", "--hop", "4", "--window", "4")
    valence, arousal = onnx_toys.DIMENSIONS[0] * 0.2 * np.sqrt(2 / np.pi)
    assert f"arousal {arousal:+.2f}, valence {valence:+.2f}" in last
    assert "none: the model has no categories (arousal " in last
    assert "█" not in last


def test_impossible_options(note, tmp_path):
    encoder = Encoder()
    packets = [*encoder.push(np.zeros(RATE, np.float32)), *encoder.flush()]
    (tmp_path / "packets").write_bytes(b"".join(packets))
    for arguments, said in (
        (("--input", tmp_path / "no.wav"), "no.wav: no such file"),
        (("--input", tmp_path / "packets"), "packets: holds packets, not sound"),
        (("--input", note, "--device", "1"), "expected one of them"),
        (("--input", note, "--hop", "5"), "the hop is 5 s; expected more than 0 and at most"),
    ):
        done = in_process("listen", *arguments)
        assert (done.returncode, done.stdout) == (2, "")  # no answer about sound never heard
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_file_is_played_in_its_own_time(note, monkeypatch):
    now = 0.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    samples = 0
    for chunk, rate in as_if_live(note, 2.0):
        samples += len(chunk)
        assert now == pytest.approx(samples / rate / 2)
    assert samples == 12 * RATE


class PortAudioError(Exception):
    pass


def devices(chunks, *, ends=True, rate=48_000):
    """A fake of sounddevice whose microphone gives some chunks and then stops."""

    class InputStream:
        active = True

        def __init__(self, **options):
            self.options = options

        def __enter__(self):
            def run():
                for chunk in chunks:
                    self.options["callback"](chunk[:, None], len(chunk), None, None)
                self.active = not ends

            self.thread = threading.Thread(target=run)
            self.thread.start()
            return self

        def __exit__(self, *_):
            self.thread.join()

    def query_devices(device, kind):
        if device == "none":
            raise ValueError("No input device matching 'none'")
        return {"default_samplerate": float(rate)}

    return SimpleNamespace(
        InputStream=InputStream, query_devices=query_devices, PortAudioError=PortAudioError
    )


def test_an_unplugged_microphone(monkeypatch):
    chunks = [np.full(4800, i, np.float32) for i in range(3)]
    monkeypatch.setitem(sys.modules, "sounddevice", devices(chunks))
    heard = microphone()
    for expected in chunks:
        found, rate = next(heard)
        assert rate == 48_000
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(AudioError, match="the microphone stopped; is it still plugged in"):
        next(heard)


def test_a_computer_that_is_too_slow(monkeypatch):
    fake = devices([np.zeros(10, np.float32)] * 200, ends=False)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    heard = microphone()
    next(heard)
    with pytest.raises(AudioError, match="this computer is too slow: 10 s of sound were waiting"):
        for _ in range(100):
            next(heard)


def test_no_microphone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", devices([]))
    with pytest.raises(AudioError, match="cannot be opened: No input device matching"):
        next(microphone("none"))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[mic\]'"):
        next(microphone())


def test_listening_to_a_microphone_ends_in_one_line(monkeypatch):
    rng = np.random.default_rng(0)
    chunks = [(0.1 * rng.standard_normal(4800)).astype(np.float32) for _ in range(50)]
    monkeypatch.setitem(sys.modules, "sounddevice", devices(chunks))
    done = in_process("listen", "--detector", "off", "--hop", "2")
    assert done.returncode == 2
    assert done.stderr == "serkit: the microphone stopped; is it still plugged in?\n"
    assert done.stdout.splitlines()[-1].startswith("overall: ")
