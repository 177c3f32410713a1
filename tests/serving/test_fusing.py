"""Answers from speech and text: those of `FusionModel`, and of the sound alone without text."""

from pathlib import Path

import numpy as np
import pytest

import serkit
from asr_toys import Heard
from fusion_toys import TEXT, save_random
from serkit.codec import decode
from serkit.errors import ModelError, SerkitError
from serkit.features import whisper_log_mel
from serkit.runtime import FusionModel, TextEncoder
from serkit.serving.fusing import Fusion
from serkit.serving.settings import SettingsError, settings_of

from serving_rig import RATE, encoded, packets_of, started, voice_like

PLAIN = Path("examples/plain.flac").read_bytes()


@pytest.fixture(scope="module")
def encoder(encoder_folder):
    return TextEncoder.load(encoder_folder)


@pytest.fixture(scope="module")
def path(encoder, tmp_path_factory):
    return save_random(tmp_path_factory.mktemp("fusion") / "fusion.onnx", encoder.recipe())


@pytest.fixture(scope="module")
def heard():
    return Heard()


@pytest.fixture(scope="module")
def fusing(path, encoder_folder, heard):
    with started(asr=heard, asr_timeout_s=1.0, fusion=path, encoder=encoder_folder) as server:
        yield server


@pytest.fixture(autouse=True)
def _as_new(heard):
    yield
    heard.new()


@pytest.fixture(scope="module")
def expected(path, encoder):
    """The scores of the model itself."""
    model = FusionModel.load(path)

    def expect(log_mel, text):
        found = model(log_mel, None if text is None else encoder.encode([text]))
        return pytest.approx(found.scores, abs=1e-5), found.label, list(found.modalities)

    return expect


def told(answer):
    return answer["scores"], answer["label"], answer["modalities"]


def test_speech_and_text(fusing, expected, coded_file):
    sound = whisper_log_mel(serkit.read("examples/plain.flac"))
    for content, log_mel in ((PLAIN, sound), (coded_file, decode(coded_file).log_mel)):
        answer = fusing.http.post("/v1/recognize", content=content).json()
        assert answer["text"] == f"{log_mel.shape[1]} frames"
        assert told(answer) == expected(log_mel, answer["text"])
        assert answer["modalities"] == ["acoustic", "text"]
        assert answer["model"] == "toy-fusion" and answer["affect"] == "circumplex"


@pytest.mark.parametrize("why", ["failed", "late"])
def test_without_text_the_sound_answers(fusing, heard, expected, why):
    if why == "late":
        heard.gate.clear()
    heard.fails = why == "failed"
    answer = fusing.http.post("/v1/recognize", content=PLAIN).json()
    assert (answer["text"], answer["text_reason"]) == (None, why)
    log_mel = whisper_log_mel(serkit.read("examples/plain.flac"))
    assert told(answer) == expected(log_mel, None)
    assert (answer["model"], answer["modalities"]) == ("toy-fusion", ["acoustic"])


def test_without_a_recogniser(path, encoder_folder, expected):
    with started(fusion=path, encoder=encoder_folder) as server:
        answer = server.http.post("/v1/recognize", content=PLAIN).json()
        assert server.http.get("/readyz").json()["modalities"] == ["acoustic"]
    log_mel = whisper_log_mel(serkit.read("examples/plain.flac"))
    assert told(answer) == expected(log_mel, None) and "text" not in answer


def test_labels_confidence_and_warnings(fusing, running):
    query = {"labels": "angry,sad", "min_confidence": 1.0}
    answer = fusing.http.post("/v1/recognize", content=PLAIN, params=query).json()
    free = fusing.http.post("/v1/recognize", content=PLAIN).json()
    both = free["scores"]["angry"] + free["scores"]["sad"]
    assert answer["scores"] == pytest.approx(
        {name: free["scores"][name] / both for name in ("angry", "sad")}, abs=1e-5
    )
    assert answer["label"] is None and "minimum" in answer["reason"]
    loud = encoded(np.clip(20 * voice_like(2.0), -1.0, 1.0))
    codes = [
        {one["code"] for one in server.http.post("/v1/recognize", content=loud).json()["warnings"]}
        for server in (fusing, running)
    ]
    assert {"clipped", "far-from-training"} <= codes[1]  # the latter is about that model
    assert codes[0] == codes[1] - {"far-from-training"}


def test_other_models_can_be_asked(fusing, running):
    for query, path in (({"model": "tiny"}, "/v1/recognize"), ({}, "/v1/timeline")):
        answer = fusing.http.post(path, content=PLAIN, params=query).json()
        same = running.http.post(path, content=PLAIN, params=query).json()
        assert same.items() <= answer.items() and answer["model"] == "tiny"
    refused = fusing.http.post("/v1/timeline", content=PLAIN, params={"model": "toy-fusion"})
    assert refused.status_code == 422 and "/v1/recognize" in refused.json()["error"]["message"]
    unknown = fusing.http.post("/v1/recognize", content=PLAIN, params={"labels": "joyful"})
    assert unknown.status_code == 422 and "toy-fusion" in unknown.json()["error"]["message"]


def test_long_recordings_and_silence(fusing):
    long = b"".join(packets_of(voice_like(31.0)))
    answer = fusing.http.post("/v1/recognize", content=long).json()
    assert (answer["model"], answer["modalities"]) == ("tiny-mel", ["acoustic"])
    assert answer["text"] is not None
    refused = fusing.http.post("/v1/recognize", content=long, params={"model": "toy-fusion"})
    assert refused.status_code == 422 and "30 s" in refused.json()["error"]["message"]
    silence = fusing.http.post("/v1/recognize", content=encoded(np.zeros(RATE))).json()
    assert (silence["label"], silence["scores"]) == (None, {}) and "silence" in silence["reason"]


def test_it_is_listed(fusing, path):
    values = fusing.http.get("/v1/models").json()
    assert (values["modalities"], values["asr"]) == (["acoustic", "text"], "heard")
    last = values["models"][-1]
    assert (last["name"], last["input"]) == ("toy-fusion", "log_mel_and_text")
    assert last["takes_packets"] and last["window_s"] == 30.0
    assert last["digest"] == FusionModel.load(path).digest
    assert set(last) == set(values["models"][0])


def test_models_that_cannot_be_used(path, encoder, encoder_folder, tmp_path):
    with pytest.raises(ModelError, match="needs the encoder"):
        Fusion(path, None)
    with pytest.raises(ModelError, match="whom the server does not know"):
        Fusion(save_random(tmp_path / "s.onnx", encoder.recipe(speaker=True)), encoder_folder)
    with pytest.raises(ModelError, match="trained with another encoder"):
        Fusion(save_random(tmp_path / "o.onnx", TEXT), encoder_folder)
    with pytest.raises(SettingsError, match="encoder belongs to fusion"):
        settings_of({"encoder": encoder_folder})
    named = save_random(tmp_path / "n.onnx", encoder.recipe(), name="tiny")
    with pytest.raises(SerkitError, match="two models are named 'tiny'"):
        started(fusion=named, encoder=encoder_folder).__enter__()


def test_a_model_of_speech_alone(tmp_path):
    path = save_random(tmp_path / "a.onnx", None, "acoustic", "toy-acoustic")
    with started(fusion=path, asr=Heard()) as server:
        answer = server.http.post("/v1/recognize", content=PLAIN).json()
        assert server.http.get("/v1/models").json()["modalities"] == ["acoustic"]
    assert (answer["model"], answer["modalities"]) == ("toy-acoustic", ["acoustic"])
    assert answer["text"]
