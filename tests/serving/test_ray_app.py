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
from fusion_toys import save_random
from serkit.runtime import TextEncoder
from serkit.runtime.timeline_text import overall_object
from serkit.serving.settings import SettingsError

from serving_rig import started

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
def settings(encoder_folder, tmp_path_factory):
    """Of the server, on Ray and without."""
    recipe = TextEncoder.load(encoder_folder).recipe()
    model = save_random(tmp_path_factory.mktemp("fusion") / "fusion.onnx", recipe)
    return {"asr": "pocketsphinx", "fusion": str(model), "encoder": str(encoder_folder)}


@pytest.fixture(scope="module")
def on_ray(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    (folder / "tokens").write_text(TOKEN)
    given = {**settings, "tokens": str(folder / "tokens")}
    command = [sys.executable, "tests/serving/ray_cluster.py", json.dumps(given)]
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
def expected(settings):
    """Answers of the server without Ray."""
    asked = {"recognize": {}, "timeline": {}, "alone": {"model": "tiny"}}
    with started(**settings) as server:
        answers = {
            name: server.http.post(
                f"/v1/{name.replace('alone', 'recognize')}", content=PLAIN, params=query
            ).json()
            for name, query in asked.items()
        }
    assert answers["recognize"]["text"] and answers["recognize"]["model"] == "toy-fusion"
    assert answers["recognize"]["modalities"] == ["acoustic", "text"]
    return answers


def test_answers_are_those_of_the_server_without_ray(on_ray, expected):
    for route in ("recognize", "timeline"):
        assert on_ray.http.post(f"/v1/{route}", content=PLAIN).json() == expected[route]
    alone = on_ray.http.post("/v1/recognize", content=PLAIN, params={"model": "tiny"}).json()
    assert alone == expected["alone"]
    assert {**alone, **overall_object(serkit.load("tiny")(PLAIN))} == alone


def test_requests_at_once_do_not_mix(on_ray):
    model = serkit.load("tiny")
    with ThreadPoolExecutor(len(CLIPS)) as pool:
        answers = pool.map(
            lambda clip: on_ray.http.post(
                "/v1/recognize", content=clip.read_bytes(), params={"model": "tiny"}
            ),
            CLIPS,
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


def test_a_bad_question_to_the_model_of_speech_and_text_is_its_own_error(on_ray):
    answer = on_ray.http.post("/v1/recognize", content=PLAIN, params={"labels": "joyful"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model")
    listed = on_ray.http.get("/v1/models").json()["models"]
    assert listed[-1]["name"] == "toy-fusion"


def test_without_its_recogniser_the_sound_is_answered_and_the_recogniser_returns(on_ray, expected):
    assert on_ray.kill("Speech") == 1
    texts = []
    while not texts or texts[-1] is None:
        answer = on_ray.http.post("/v1/recognize", content=PLAIN, params={"model": "tiny"})
        assert answer.status_code == 200
        texts.append(answer.json()["text"])
        assert answer.json()["scores"] == expected["alone"]["scores"]
    assert texts[-1] == expected["alone"]["text"]


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
