"""`serkit train` and `serkit evaluate` of recipes of networks on log-mel and text."""

import json

import numpy as np
import pytest
import soundfile
import yaml

from serkit.codec import log_mel_of, normalised
from serkit.runtime import FusionModel

from command import in_process as run

RECIPE = {
    "name": "tones",
    "corpora": ["manifest"],
    "labels": ["happy", "sad"],
    "fusion": {"kind": "acoustic", "channels": [4], "stride": 2, "width": 8, "dropout": 0.0},
    "log_mel": {"max_s": 2.0, "codings": [{"svd": 0.125}, {"basis": 4}]},
    "optimiser": {
        "learning_rate": 0.02, "batch_size": 8, "max_epochs": 8, "patience": None,
        "schedule": "one-cycle",
    },
    "validation_share": 0.25,
    "acceptance": [{"protocol": "loso", "seeds": 1}],
}  # fmt: skip


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Happy is a high tone, sad a low one; four speakers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    time = np.arange(6400) / 16_000
    lines = ["audio,label,speaker,text"]
    for speaker in range(4):
        for label, hz in (("happy", 1500.0), ("sad", 250.0)):
            for i in range(4):
                tone = np.sin(2 * np.pi * hz * (1 + 0.05 * rng.standard_normal()) * time)
                name = f"{speaker}-{label}-{i}.wav"
                soundfile.write(tmp_path / name, 0.3 * tone, 16_000)
                lines.append(f"{name},{label},{speaker},so it is")
    (tmp_path / "all.csv").write_text("\n".join(lines))
    (tmp_path / "tones.yaml").write_text(yaml.safe_dump(RECIPE))
    return tmp_path


def command(verb, corpus, *more):
    manifest = f"manifest={corpus / 'all.csv'}"
    return run(verb, corpus / "tones.yaml", "--corpus", manifest, "--jobs", 1, *more)


def test_a_recipe_becomes_an_onnx_model_with_its_figures(corpus):
    out, log = corpus / "tones.onnx", corpus / "log.jsonl"
    done = command("train", corpus, "-o", out, "--log", log)
    assert done.returncode == 0, done.stderr
    assert f"{out.stat().st_size} bytes" in done.stdout and "fp16" in done.stdout
    model = FusionModel.load(out)
    for label in ("happy", "sad"):
        samples, _ = soundfile.read(corpus / f"0-{label}-0.wav", dtype="float32")
        assert model(normalised(log_mel_of(samples))).label == label
    assert (model.card.name, model.input.text) == ("tones", None)
    (protocol,) = model.card.figures["protocols"]
    assert protocol["rows"][0]["ua"] > 0.9
    assert [c.utterances for c in model.card.corpora] == [32]
    numbers = [json.loads(line)["number"] for line in log.read_text().splitlines()]
    assert numbers == list(range(1, 9))
    card = run("models", "show", out)
    assert card.returncode == 0, card.stderr
    assert "log-mel of speech" in card.stdout and "fp16" in card.stdout
    shown = run("predict", corpus / "0-sad-0.wav", "--model", out)
    assert shown.returncode == 2
    assert "speech_and_text; expected a waveform" in shown.stderr


def test_evaluation_is_resumed(corpus):
    where = ("--protocol", "loso", "--run", corpus / "run", "--json")
    first = command("evaluate", corpus, *where)
    assert first.returncode == 0, first.stderr
    (row,) = json.loads(first.stdout)["corpora"]
    assert row["figures"]["ua"]["value"] > 0.9
    stamps = {path: path.stat().st_mtime_ns for path in (corpus / "run").rglob("*.npz")}
    assert len(stamps) == 4
    assert command("evaluate", corpus, *where).stdout == first.stdout
    assert stamps == {path: path.stat().st_mtime_ns for path in (corpus / "run").rglob("*.npz")}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, ["--precision", "int8"], "precision is 'int8'; expected one of fp32, fp16"),
        ({}, ["--full-precision"], "--full-precision does not apply to tones"),
        ({}, ["--tensorboard", "board"], "--tensorboard does not apply to tones"),
        ({"fusion": {"kind": "xu"}, "text": {}}, [], "give the folder of an encoder"),
        ({"fusion": {"kind": "xu"}}, [], "text is needed by every kind but acoustic"),
    ],
)
def test_what_does_not_fit_is_refused(corpus, change, options, message):
    (corpus / "tones.yaml").write_text(yaml.safe_dump(RECIPE | change))
    done = command("train", corpus, "-o", corpus / "x.onnx", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (corpus / "x.onnx").exists()
