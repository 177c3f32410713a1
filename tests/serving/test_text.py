"""Text with the answers: from the recogniser, in time or not at all, and never instead of them."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serkit
from asr_toys import Heard, slow_to_load_again
from serkit.codec import decode, encode_basis
from serkit.errors import ModelError
from serkit.features import whisper_log_mel
from serkit.serving.asr import AsrProcess, Transcript, load_asr
from serkit.serving.cutting import parts_of
from serkit.serving.metrics import Metrics
from serkit.serving.transcribing import Transcribing

from peers.wer import word_errors
from serving_rig import encoded, started, voice_like

PLAIN = Path("examples/plain.flac").read_bytes()


@pytest.fixture(scope="module")
def heard():
    return Heard()


@pytest.fixture(scope="module")
def hearing(heard):
    """A server with a recogniser in this process."""
    with started(asr=heard, asr_timeout_s=0.5, asr_queue_s=20.0) as server:
        yield server


@pytest.fixture(autouse=True)
def _as_new(heard):
    yield
    heard.new()


def until_ready(server):
    until = time.monotonic() + 60
    while server.http.get("/readyz").json()["asr"] != "ready":
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("path", ["/v1/recognize", "/v1/timeline"])
def test_text_comes_with_the_answer(hearing, heard, running, coded_file, path):
    answer = hearing.http.post(path, content=PLAIN).json()
    n_frames = int(100 * answer["duration_s"])
    assert answer == running.http.post(path, content=PLAIN).json() | {
        "text": f"{n_frames} frames",
        "language": "en",
        "text_segments": [{"start_s": 0.0, "end_s": n_frames / 100, "text": f"{n_frames} frames"}],
        "text_warnings": ["unlikely"],
    }
    assert answer["modalities"] == ["acoustic"]  # the label is that of the sound
    sound = serkit.read("examples/plain.flac")
    np.testing.assert_allclose(heard.log_mels[-1], whisper_log_mel(sound), atol=1e-5)
    hearing.http.post(path, content=coded_file)
    np.testing.assert_array_equal(heard.log_mels[-1], decode(coded_file).log_mel)


def test_a_recogniser_that_fails_costs_the_text_alone(hearing, heard, running):
    heard.fails = True
    answer = hearing.http.post("/v1/recognize", content=PLAIN)
    assert answer.json() == running.http.post("/v1/recognize", content=PLAIN).json() | {
        "text": None,
        "language": None,
        "text_reason": "failed",
    }
    assert "secret" not in answer.text


def test_a_late_text_is_left_out(hearing, heard):
    """The answers wait for as long as they may; others are not held up by those that wait."""
    heard.gate.clear()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(hearing.http.post, "/v1/recognize", content=PLAIN) for _ in range(12)]
        answers = [one.result().json() for one in asked]
    reasons = [answer["text_reason"] for answer in answers]
    assert set(reasons) == {"late", "busy"}
    assert reasons.count("late") == 20.0 // answers[0]["duration_s"]
    assert all(answer["label"] == answers[0]["label"] is not None for answer in answers)
    assert f'serkit_texts_total{{outcome="busy"}} {reasons.count("busy")}.0' in (
        hearing.http.get("/metrics").text
    )


def test_who_waits_for_a_text_takes_no_thread(heard):
    """With one thread for requests, sound is classified while other texts are waited for."""
    with started(asr=heard, asr_timeout_s=25.0, workers=1, batch_max=1) as server:
        heard.gate.clear()
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(server.http.post, "/v1/recognize", content=PLAIN) for _ in range(4)
            ]
            classified = (
                'serkit_stage_seconds_count{stage="tiny compute"} 4.0',
                "serkit_requests_pending 0.0",
            )
            until = time.monotonic() + 60
            while not all(line in server.http.get("/metrics").text for line in classified):
                assert time.monotonic() < until
                time.sleep(0.02)
            heard.gate.set()
            assert all(one.result().json()["text"] for one in asked)


def test_a_long_recording_is_transcribed_in_parts(heard):
    with started(asr=heard) as server:
        answer = server.http.post("/v1/recognize", content=encoded(voice_like(75.0))).json()
        assert [frames.shape[1] for frames in heard.log_mels] == [
            round(100 * (part["end_s"] - part["start_s"])) for part in answer["text_segments"]
        ]
        starts = [part["start_s"] for part in answer["text_segments"]]
        ends = [part["end_s"] for part in answer["text_segments"][:-1]]
        assert starts == pytest.approx([0.0, *ends], abs=0.02) and len(starts) == 3
        assert answer["text"] == " ".join(part["text"] for part in answer["text_segments"])
        assert answer["text_segments"][-1]["end_s"] == pytest.approx(75.0, abs=0.02)
        assert answer["text_warnings"][0] == "unlikely"
        assert answer["text_warnings"][1] == f"from {starts[1]:.3f} s on: unlikely"
        heard.fails = True
        heard.log_mels.clear()
        answer = server.http.post("/v1/recognize", content=encoded(voice_like(75.0))).json()
        assert (answer["text"], answer["text_reason"]) == (None, "failed")
        assert len(heard.log_mels) <= 2  # the rest is left


@given(st.integers(0, 12_000), st.integers(0, 2**32 - 1), st.sampled_from([1, 8]))
def test_parts_are_the_whole(n, seed, n_rows):
    """They end where it is quietest; 100 samples or frames are a second."""
    content = np.random.default_rng(seed).random((n_rows, n), np.float32)
    content = content[0] if n_rows == 1 else content
    parts = parts_of(content, 100)
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), content)
    assert all(2000 < part.shape[-1] <= 3000 for part in parts[:-1])
    assert parts[-1].shape[-1] <= 3000
    if len(parts) > 1:
        content[..., 2500:2520] = 0.0
        assert parts_of(content, 100)[0].shape[-1] == 2510


class Together:
    """Answers only when it is asked for two recordings at once."""

    name, n_mels, languages = "together", 80, ("en",)

    def __init__(self):
        self._both = threading.Barrier(2)

    def transcribe(self, log_mel, *, language=None):
        self._both.wait(60)
        return Transcript(f"{log_mel.shape[1]}", "en")


def test_a_recogniser_with_replicas_takes_recordings_at_once():
    transcribing = Transcribing(Together(), Metrics(), queue_s=60.0, timeout_s=60.0, at_once=2)
    coming = [transcribing.submit(np.zeros(n * 160, np.float32)) for n in (100, 200)]
    assert [one.result(60.0).text for one in coming] == ["100", "200"]
    transcribing.close()


def test_whisper_of_128_bands_takes_sound_but_no_packets(coded_file):
    heard = Heard(n_mels=128)
    with started(asr=heard) as server:
        assert server.http.post("/v1/recognize", content=PLAIN).json()["text"]
        expected = whisper_log_mel(serkit.read("examples/plain.flac"), n_mels=128)
        np.testing.assert_array_equal(heard.log_mels[-1], expected)
        answer = server.http.post("/v1/recognize", content=coded_file).json()
        assert (answer["text"], answer["text_reason"]) == (None, "unsupported")
        assert answer["label"] is not None


def test_it_is_among_the_models(hearing, running):
    assert hearing.http.get("/v1/models").json()["asr"] == "heard"
    assert hearing.http.get("/readyz").json()["asr"] == "ready"
    assert running.http.get("/v1/models").json()["asr"] is None
    assert running.http.get("/readyz").json()["asr"] == "none"


def test_kill_9_of_the_recogniser_under_load(running):
    """Every request is answered, some without text; then texts come again."""
    expected = running.http.post("/v1/recognize", content=PLAIN).json()
    with started(asr="pocketsphinx") as server, ThreadPoolExecutor(4) as pool:

        def ask():
            return server.http.post("/v1/recognize", content=PLAIN)

        text = ask().json()["text"]
        assert text
        asking = [pool.submit(ask) for _ in range(6)]
        asking[0].result()
        os.kill(server.service.pipeline.transcribing._asr.pid, signal.SIGKILL)
        answers = [one.result() for one in asking]
        assert [answer.status_code for answer in answers] == [200] * 6
        for answer in (answer.json() for answer in answers):
            assert expected.items() <= answer.items()
            assert answer["text"] == text or answer["text_reason"] in ("failed", "restarting")
        until_ready(server)
        assert ask().json()["text"] == text
        assert "serkit_asr_deaths_total 1.0" in server.http.get("/metrics").text


def test_readyz_tells_that_the_recogniser_is_away(tmp_path):
    asr = AsrProcess(partial(slow_to_load_again, tmp_path / "flag"), timeout_s=20.0)
    with started(asr=asr) as server:
        os.kill(asr.pid, signal.SIGKILL)
        asr._process.join(60)
        answer = server.http.post("/v1/recognize", content=PLAIN).json()
        assert (answer["text"], answer["text_reason"]) == (None, "restarting")
        assert answer["modalities"] == ["acoustic"] and answer["label"]
        ready = server.http.get("/readyz")
        assert (ready.status_code, ready.json()["asr"]) == (200, "restarting")
        until_ready(server)
        assert server.http.post("/v1/recognize", content=PLAIN).json()["text"]


@pytest.mark.corpora
def test_real_words(corpora_root):
    """Speech -> packets of about 2 kbit/s -> the server -> words."""
    file = corpora_root / "transcribed" / "librispeech_test_clean" / "1089-134691-0000.flac"
    coded = encode_basis(serkit.read(file), quality=7)
    with started(asr="pocketsphinx") as server:
        answer = server.http.post("/v1/recognize", content=coded).json()
        assert server.http.get("/v1/models").json()["asr"] == "pocketsphinx"
    expected = load_asr("pocketsphinx").transcribe(decode(coded).log_mel)
    assert (answer["text"], answer["language"]) == (expected.text, "en")
    assert [part["text"] for part in answer["text_segments"]] == [
        part.text for part in expected.segments
    ]
    assert word_errors("he could wait no longer", answer["text"]).errors <= 1


def test_a_recogniser_that_cannot_be_loaded_ends_the_start(tmp_path):
    with pytest.raises(ModelError, match="gone"):
        started(asr=f"faster-whisper={tmp_path / 'gone'}").__enter__()
