"""POST /v1/recognize and /v1/timeline give the answers of `serkit.load`."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import serkit
from serkit.runtime import TimelineSettings
from serkit.runtime.timeline_text import overall_object, timeline_object

from serving_rig import encoded

PLAIN = Path("examples/plain.flac").read_bytes()
NOTE = Path("examples/note.ogg").read_bytes()


def recognised(prediction):
    return {
        **overall_object(prediction),
        "duration_s": round(prediction.duration_s, 6),
        "model": prediction.model,
        "modalities": ["acoustic"],
    }


def test_recognise_gives_the_prediction_of_the_model(running):
    answer = running.http.post("/v1/recognize", content=PLAIN)
    assert answer.status_code == 200, answer.text
    assert answer.json() == recognised(serkit.load("tiny")(PLAIN))


def test_a_model_by_name(running):
    answer = running.http.post("/v1/recognize", content=NOTE, params={"model": "tiny-mel"})
    assert answer.json() == recognised(serkit.load("tiny-mel")(NOTE))
    unknown = running.http.post("/v1/recognize", content=NOTE, params={"model": "gone"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_unknown")


def test_labels_and_confidence(running):
    query = {"labels": "angry, sad", "min_confidence": 0.99}
    answer = running.http.post("/v1/recognize", content=PLAIN, params=query).json()
    expected = serkit.load("tiny")(PLAIN, labels=["angry", "sad"], min_confidence=0.99)
    assert answer == recognised(expected)
    assert answer["label"] is None and answer["reason"]


def test_a_form_with_a_file(running):
    answer = running.http.post("/v1/recognize", files={"file": ("../../etc/x", PLAIN)})
    assert answer.json() == recognised(serkit.load("tiny")(PLAIN))


def test_packets_of_a_file(running, coded_file):
    answer = running.http.post("/v1/recognize", content=coded_file)
    assert answer.json() == recognised(serkit.load("tiny-mel")(coded_file))
    answer = running.http.post("/v1/timeline", content=coded_file)
    expected = timeline_object(serkit.load("tiny-mel").timeline(coded_file))
    assert answer.json() == {**expected, "modalities": ["acoustic"]}


def test_packets_with_losses(running, coded):
    lossy = b"".join(packet for i, packet in enumerate(coded[:-1]) if i not in (3, 4, 20))
    answer = running.http.post("/v1/timeline", content=lossy, params={"hop": 2}).json()
    expected = serkit.load("tiny-mel").timeline(lossy, TimelineSettings(hop_s=2.0))
    assert answer == json.loads(json.dumps(timeline_object(expected))) | {
        "modalities": ["acoustic"]
    }
    assert any(w["code"] == "lost-packets" for s in answer["segments"] for w in s["warnings"])


@pytest.mark.parametrize("detector", ["bands", "off"])
def test_a_timeline(running, detector):
    query = {
        "hop": 1.0, "window": 3.0, "smoothing": "median", "detector": detector,
        "aggregation": "confidence", "labels": "angry,happy,neutral", "pause": 0.5,
    }  # fmt: skip
    answer = running.http.post("/v1/timeline", content=NOTE, params=query)
    settings = TimelineSettings(
        hop_s=1.0, window_s=3.0, smoothing="median", aggregation="confidence",
        labels=("angry", "happy", "neutral"), pause_s=0.5,
    )  # fmt: skip
    expected = serkit.load("tiny").timeline(
        NOTE, settings, detector=None if detector == "off" else detector
    )
    values = json.loads(json.dumps(timeline_object(expected)))
    assert answer.json() == {**values, "modalities": ["acoustic"]}


def test_a_channel(running, note):
    two = encoded(np.stack([note, note[::-1]], axis=1), subtype="FLOAT")
    answer = running.http.post("/v1/recognize", content=two, params={"channel": 1}).json()
    assert answer == recognised(serkit.load("tiny")((note, 16_000)))
    missing = running.http.post("/v1/recognize", content=two, params={"channel": 3})
    assert missing.status_code == 422 and "channel 3" in missing.json()["error"]["message"]


def test_a_truncated_file_is_answered_with_a_warning(running):
    cut = NOTE[: len(NOTE) // 2]
    answer = running.http.post("/v1/timeline", content=cut).json()
    values = json.loads(json.dumps(timeline_object(serkit.load("tiny").timeline(cut))))
    assert answer == {**values, "modalities": ["acoustic"]}
    assert "truncated" in [warning["code"] for warning in answer["overall"]["warnings"]]


def test_answers_do_not_depend_on_what_else_is_asked(running, note):
    clips = [encoded(note[i * 8000 : i * 8000 + 24_000 + 1000 * i]) for i in range(24)]
    model = serkit.load("tiny")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda c: running.http.post("/v1/recognize", content=c), clips))
    assert [answer.json() for answer in answers] == [recognised(model(clip)) for clip in clips]
    text = running.http.get("/metrics").text
    sizes = {
        line.split("le=")[1].split('"')[1]: float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith("serkit_batch_size_bucket{le=") and 'queue="tiny"' in line
    }
    assert sizes["+Inf"] > sizes["1.0"]  # there were batches of several


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "audio", "empty"),
        (b"no sound at all", "audio", "not recognised as audio"),
        (b"\xa6" + bytes(20), "packet", "packet"),
        (encoded(np.zeros(800)), "audio", "50 ms"),
    ],
)
def test_a_bad_recording_is_one_line(running, content, code, words):
    answer = running.http.post("/v1/recognize", content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, code)
    assert words in error["message"] and "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"labels": "joyful"}, "joyful"),
        ({"min_confidence": 2}, "min_confidence"),
        ({"hop": 99}, "hop"),
        ({"window": "nan"}, "window"),
        ({"detector": "ears"}, "detector"),
        ({"dwell": -1}, "dwell"),
    ],
)
def test_a_bad_question_is_one_line(running, query, words):
    answer = running.http.post("/v1/timeline", content=NOTE, params=query)
    assert answer.status_code == 422 and words in answer.json()["error"]["message"]


def test_a_form_without_a_file(running):
    for form in (
        {"files": {"a": (None, "b")}},
        {"files": [("a", ("a", b"1")), ("b", ("b", b"2"))]},
    ):
        answer = running.http.post("/v1/recognize", **form)
        assert answer.status_code in (400, 422) and answer.json()["error"]["code"] == "form"
    headers = {"content-type": "multipart/form-data"}
    answer = running.http.post("/v1/recognize", content=b"x", headers=headers)
    assert answer.json()["error"]["code"] == "form"


def test_the_models(running):
    answer = running.http.get("/v1/models").json()
    assert [model["name"] for model in answer["models"]] == ["tiny", "tiny-mel"]
    assert answer["models"][1]["takes_packets"]
    assert answer["models"][0]["digest"] == serkit.load("tiny").backend.digest
