"""The server on a local Ray gives the answers of `serkit.load`."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import websockets.sync.client

import serkit
from serkit.codec.frontend import log_mel_of
from serkit.features.whisper import scaled
from serkit.runtime.timeline_text import overall_object, timeline_object
from serkit.serving.asr import load_asr
from serkit.serving.settings import SettingsError

CLIPS = sorted(Path("examples").glob("*.flac"))
PLAIN = Path("examples/plain.flac").read_bytes()
TOKEN = "0123456789abcdef"


class OnRay:
    """The process of the cluster, and a client of its server."""

    def __init__(self, process):
        self._process = process
        port = int(self._line())
        self.address = f"127.0.0.1:{port}"
        self.http = httpx.Client(
            base_url=f"http://{self.address}",
            timeout=60.0,
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    def _line(self):
        line = self._process.stdout.readline()
        assert line, "the cluster ended"
        return line

    def kill(self, deployment):
        """Kill the replicas of a deployment; their number."""
        self._process.stdin.write(f"kill {deployment}\n")
        self._process.stdin.flush()
        return int(self._line())


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    (folder / "tokens").write_text(TOKEN)
    settings = {"tokens": str(folder / "tokens")}
    command = [
        sys.executable, "tests/serving/ray_cluster.py", "pocketsphinx", json.dumps(settings)
    ]  # fmt: skip
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        cluster = OnRay(process)
        try:
            yield cluster
        finally:
            cluster.http.close()
            process.stdin.close()
            process.wait()


@pytest.fixture(scope="module")
def words():
    """The text of the plain clip, by the same recogniser without Ray."""
    found = load_asr("pocketsphinx").transcribe(scaled(log_mel_of(serkit.read(PLAIN))))
    assert found.text
    return found


def test_answers_are_those_of_the_model_and_the_recogniser(on_ray, words):
    answer = on_ray.http.post("/v1/recognize", content=PLAIN).json()
    expected = serkit.load("tiny")(PLAIN)
    assert {**answer, **overall_object(expected)} == answer
    assert answer["modalities"] == ["acoustic", "text"]
    assert (answer["text"], answer["language"]) == (words.text, words.language)
    answer = on_ray.http.post("/v1/timeline", content=PLAIN).json()
    timeline = json.loads(json.dumps(timeline_object(serkit.load("tiny").timeline(PLAIN))))
    assert {**answer, **timeline} == answer and answer["text"] == words.text


def test_requests_at_once_do_not_mix(on_ray):
    model = serkit.load("tiny")
    with ThreadPoolExecutor(len(CLIPS)) as pool:
        answers = pool.map(
            lambda clip: on_ray.http.post("/v1/recognize", content=clip.read_bytes()), CLIPS
        )
    for clip, answer in zip(CLIPS, answers, strict=True):
        assert {**answer.json(), **overall_object(model(clip))} == answer.json()


def test_errors_are_those_of_the_server(on_ray):
    answer = on_ray.http.post("/v1/recognize", content=b"no sound at all")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "audio")
    unknown = on_ray.http.get("/v1/models", headers={"Authorization": "Bearer wrong"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "token_unknown")


def test_streams_are_refused(on_ray):
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        websockets.sync.client.connect(
            f"ws://{on_ray.address}/v1/stream",
            proxy=None,
            additional_headers={"Authorization": f"Bearer {TOKEN}"},
        )
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["error"]["code"] == "no_streams"


def test_without_its_recogniser_the_sound_is_answered_and_the_recogniser_returns(on_ray, words):
    assert on_ray.kill("Speech") == 1
    expected = overall_object(serkit.load("tiny")(PLAIN))
    texts = []
    while not texts or texts[-1] is None:
        answer = on_ray.http.post("/v1/recognize", content=PLAIN)
        assert answer.status_code == 200
        assert {**answer.json(), **expected} == answer.json()
        texts.append(answer.json()["text"])
    assert texts[-1] == words.text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ray.serve for pydantic
def test_tokens_are_obligatory_unless_ray_listens_on_loopback(tmp_path):
    from serkit.serving.ray_app import app

    with pytest.raises(SettingsError, match="tokens"):
        app({})
    assert app({"host": "127.0.0.1"})
    (tmp_path / "tokens").write_text(TOKEN)
    assert app({"tokens": str(tmp_path / "tokens"), "max_pending": "8"})
    with pytest.raises(SettingsError, match="'prot'"):
        app({"prot": 1})
