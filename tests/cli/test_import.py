"""`serkit import`, and what users do with its models."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import serkit
from audio_toys import (
    SOUNDS,
    make_classifier,
    make_dimensional,
    scores_by_transformers,
)
from serkit.audio import read
from serkit.corpora import label_of

from command import in_process

RATE = 16_000
PLAIN = SOUNDS[0]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    make_classifier(root / "wav2vec2", "wav2vec2", labels=("ang", "hap", "neu", "sad"))
    make_classifier(root / "whisper", "whisper", labels=("anger", "joy", "neutral", "sadness"))
    make_dimensional(root / "dims")
    return root


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Three sentences by eight speakers at several levels, with labels in turn."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    lines = ["audio,label,speaker"]
    for speaker in range(8):
        for i in range(8):
            samples = read(SOUNDS[i % 3])[: round((0.8 + 0.2 * i) * RATE)]
            samples = samples + rng.normal(scale=0.002 * (1 + speaker), size=len(samples))
            path = root / f"{speaker}-{i}.wav"
            soundfile.write(path, 0.5 * samples, RATE)
            lines.append(f"{path.name},{('angry', 'happy', 'neutral', 'sad')[i % 4]},s{speaker}")
    (root / "corpus.csv").write_text("\n".join(lines) + "\n")
    return root / "corpus.csv"


@pytest.fixture(scope="module")
def models(hub, corpus, tmp_path_factory):
    """Both imported, one of them calibrated; by family, with what was printed."""
    root = tmp_path_factory.mktemp("models")
    done = {
        "wav2vec2": in_process("import", hub / "wav2vec2", "-o", root / "wav2vec2.onnx"),
        "whisper": in_process(
            "import", hub / "whisper", "-o", root / "whisper.onnx", "--calibrate",
            f"manifest={corpus}", "--json",
        ),
    }  # fmt: skip
    for one in done.values():
        assert one.returncode == 0, one.stderr
    return {family: (root / f"{family}.onnx", one) for family, one in done.items()}


def test_it_shows_labels_parameters_size_and_licence(models, hub):
    path, done = models["wav2vec2"]
    size = path.stat().st_size
    for line in (
        "wav2vec2: Wav2Vec2ForSequenceClassification, ",
        "licence: apache-2.0; base model: toys/base; trained on: ",
        "  ang  -> angry",
        "  sad     sad",
        f"{path}: {size} bytes, fp32; largest difference to torch ",
    ):
        assert line in done.stdout
    assert done.stderr.count("\n") == 1
    assert "warning: the probabilities are not calibrated; add --calibrate" in done.stderr


def test_the_whole_way_of_two_imported_models(models, hub, corpus, tmp_path):
    """Import, predict, timeline, evaluate, compare."""
    runs = []
    for family, (path, _) in models.items():
        model = serkit.load(path)
        done = in_process("predict", PLAIN, "-m", path, "--format", "json")
        (answer,) = json.loads(done.stdout)
        theirs = scores_by_transformers(hub / family, read(PLAIN))
        tempered = {k: v ** (1.0 / model.card.temperature) for k, v in theirs.items()}
        for name, value in tempered.items():
            expected = value / sum(tempered.values())
            assert answer["scores"][label_of(name)] == pytest.approx(expected, abs=5e-4)
        done = in_process("timeline", PLAIN, "-m", path, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["segments"]
        report = tmp_path / f"{family}.html"
        done = in_process("predict", PLAIN, "-m", path, "--report", report)
        assert (done.returncode, family in report.read_text()) == (0, True)
        run = tmp_path / family
        done = in_process(
            "evaluate", path, "--corpus", f"manifest={corpus}", "--run", run, "--jobs", 2, "--json"
        )
        assert done.returncode == 0, done.stderr
        figures = json.loads(done.stdout)
        assert figures["model"] == family
        runs.append(run)
    done = in_process("compare", *runs, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterances"] == 64


def test_the_temperature_is_fitted_on_other_speakers_than_are_reported(models, corpus):
    path, done = models["whisper"]
    values = json.loads(done.stdout)
    (protocol,) = values["figures"]["protocols"]
    assert protocol["protocol"] == "other-half"
    assert sum(row["speakers"] for row in protocol["rows"]) == 4
    assert sum(row["utterances"] for row in protocol["rows"]) == 32
    model = serkit.load(path)
    assert model.card.temperature == pytest.approx(values["temperature"])
    assert model.card.temperature != 1.0
    assert model.card.figures == values["figures"]
    assert values["outputs"] == {
        "anger": "angry", "joy": "happy", "neutral": "neutral", "sadness": "sad",
    }  # fmt: skip
    shown = in_process("models", "show", path)
    assert "half of the speakers" in shown.stdout
    assert "imported from  whisper (WhisperForAudioClassification)" in shown.stdout


def test_a_model_is_not_tested_on_what_its_card_says_it_was_trained_on(models, tmp_path):
    """Its model card names narad/ravdess."""
    clip = tmp_path / "ravdess" / "Actor_01" / "03-01-05-01-01-01-01.wav"
    clip.parent.mkdir(parents=True)
    shutil.copy(PLAIN, clip)
    samples, rate = soundfile.read(PLAIN)
    soundfile.write(clip, samples, rate)
    done = in_process("evaluate", models["wav2vec2"][0], "--corpus", f"ravdess={tmp_path}/ravdess")
    assert done.returncode == 2
    assert "wav2vec2 was trained on ravdess" in done.stderr


def test_a_dimensional_model(hub, corpus, tmp_path):
    out = tmp_path / "d.onnx"
    done = in_process("import", hub / "dims", "-o", out, "--range", "-2,2", "--name", "affect")
    assert (done.returncode, done.stderr) == (0, "")
    done = in_process("predict", PLAIN, "-m", out, "--format", "json")
    (answer,) = json.loads(done.stdout)
    assert (answer["label"], answer["affect"]) == (None, "learned")
    assert all(-1.0 <= answer[n] <= 1.0 for n in ("arousal", "valence", "dominance"))
    done = in_process("import", hub / "dims", "-o", out, "--calibrate", f"manifest={corpus}")
    assert done.returncode == 2
    assert "no categories, whose probabilities could be calibrated" in done.stderr


def test_integers_are_calibrated_on_the_corpus(hub, corpus, tmp_path):
    out = tmp_path / "m.onnx"
    done = in_process(
        "import", hub / "whisper", "-o", out, "--int8", "--calibrate", f"manifest={corpus}",
        "--label", "joy=excited", "--window", "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "  joy      -> excited" in done.stdout
    model = serkit.load(out)
    assert model.labels == ("angry", "excited", "neutral", "sad")
    assert (model.card.window_s, model.backend.facts["precision"]) == (4.0, "int8")


def test_bits_make_the_file_smaller_and_give_it_the_same_labels(tmp_path):
    wide = {"hidden_size": 64, "conv_dim": (48,) * 7, "intermediate_size": 256}
    folder = make_classifier(tmp_path / "m", "hubert", **wide)
    sizes = {}
    for bits in ("8", "4", "search"):
        out = tmp_path / f"{bits}.onnx"
        chosen = [] if bits == "8" else ["--bits", bits]
        done = in_process("import", folder, "-o", out, "--int8", *chosen)
        assert done.returncode == 0, done.stderr
        sizes[bits] = out.stat().st_size
        answer = json.loads(in_process("predict", PLAIN, "-m", out, "--format", "json").stdout)
        assert answer[0]["label"] in serkit.load(out).labels
    assert sizes["4"] < sizes["8"]
    assert sizes["search"] <= sizes["8"]


def test_unknown_names_are_kept_with_a_warning(tmp_path):
    folder = make_classifier(tmp_path / "m", "hubert", labels=("a", "b", "c", "sad"))
    done = in_process("import", folder, "-o", tmp_path / "m.onnx", "--label", "b=happy")
    assert "no emotions of serkit: a, c; rename them with --label" in done.stderr
    assert serkit.load(tmp_path / "m.onnx").labels == ("a", "happy", "c", "sad")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "x"], "--label is 'x'; expected THEIRS=OURS"),
        (["--bits", "4"], "--bits needs --int8"),
        (["--int8", "--bits", "8"], "--bits is '8'; expected 1 to 7, or search"),
        (["--label", "ang=x", "--label", "ang=y"], "each output once"),
        (["--label", "nothing=x"], "no output 'nothing' to rename; the outputs are ang, hap"),
        (["--label", "ang=happy"], "the outputs ang and hap are both named happy"),
        (["--range", "1"], "--range is '1'; expected LOW,HIGH such as 1,7"),
        (["--range", "1,7"], "has the labels angry, happy"),
        (["--window", "0.1"], "window_s is 0.1; expected 0.5 to 60"),
        (["--window", "900"], "window_s is 900.0; expected 0.5 to 60"),
        (["--calibrate", "nothing"], "unknown corpus 'nothing'"),
    ],
)
def test_wrong_options_are_one_line(hub, tmp_path, options, message):
    done = in_process("import", hub / "wav2vec2", "-o", tmp_path / "m.onnx", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "m.onnx").exists()


def test_nothing_of_the_users_is_overwritten(hub, tmp_path):
    folder = shutil.copytree(hub / "wav2vec2", tmp_path / "m")
    before = (folder / "model.safetensors").read_bytes()
    done = in_process("import", folder, "-o", folder / "model.safetensors")
    assert done.returncode == 2
    assert "is an input and would be overwritten" in done.stderr
    assert (folder / "model.safetensors").read_bytes() == before
    done = in_process("import", folder, "-o", tmp_path)
    assert "is a folder; expected a file" in done.stderr


def test_a_source_that_is_neither_folder_nor_id(tmp_path):
    done = in_process("import", "no such", "-o", tmp_path / "m.onnx")
    assert done.returncode == 2
    assert "'no such' is neither a folder nor an id on the Hugging Face hub" in done.stderr


def test_without_transformers_the_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        f"sys.argv = ['serkit', 'import', {str(tmp_path)!r}, '-o', {str(tmp_path / 'm.onnx')!r}]\n"
        "from serkit.cli import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'serkit[import]'" in done.stderr


def test_threads_and_providers_of_the_commands(models):
    path, _ = models["wav2vec2"]
    expected = in_process("predict", PLAIN, "-m", path)
    one = in_process("predict", PLAIN, "-m", path, "--threads", 1, "--provider", "cpu")
    assert (one.returncode, one.stdout) == (0, expected.stdout)
    for command in ("predict", "timeline"):
        done = in_process(command, PLAIN, "-m", path, "--provider", "nnapi")
        assert done.returncode == 2
        assert "the provider nnapi is not in the installed ONNX Runtime" in done.stderr
        done = in_process(command, PLAIN, "--threads", 2)
        assert "runs in NumPy on the CPU" in done.stderr


def test_an_imported_model_runs_without_torch(models):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'onnx']))\n"
        f"import serkit; print(serkit.load({str(models['whisper'][0])!r})({str(PLAIN)!r}).label)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("angry", "happy", "neutral", "sad")
