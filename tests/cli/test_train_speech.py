"""`serkit train` and `serkit evaluate` of recipes of networks on waveforms."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import yaml

import serkit

from command import in_process as run

RECIPE = {
    "name": "tones",
    "corpora": ["manifest"],
    "labels": ["happy", "sad"],
    "encoder": {
        "kind": "log-mel", "width": 8, "blocks": 1, "heads": 1, "kernel": 3, "hop": 400,
        "range_db": 80,
        "dropout": 0.0,
    },
    "optimiser": {"learning_rate": 0.02, "batch_size": 8, "max_epochs": 6, "patience": None},
    "head": {"dropout": 0.0},
    "validation_share": 0.25,
    "acceptance": [{"protocol": "loso", "seeds": 1}],
}  # fmt: skip


@pytest.fixture
def corpus(tmp_path):
    """Happy is a high tone, sad a low one; four speakers differ a little."""
    rng = np.random.default_rng(0)
    time = np.arange(6400) / 16_000
    lines = ["audio,label,speaker"]
    for speaker in range(4):
        for label, hz in (("happy", 1500.0), ("sad", 250.0)):
            for i in range(4):
                tone = np.sin(2 * np.pi * hz * (1 + 0.05 * rng.standard_normal()) * time)
                name = f"{speaker}-{label}-{i}.wav"
                soundfile.write(tmp_path / name, 0.3 * tone, 16_000)
                lines.append(f"{name},{label},{speaker}")
    (tmp_path / "all.csv").write_text("\n".join(lines))
    (tmp_path / "tones.yaml").write_text(yaml.safe_dump(RECIPE))
    return tmp_path


def train(corpus, *more):
    manifest = f"manifest={corpus / 'all.csv'}"
    out = corpus / "tones.onnx"
    return run(
        "train", corpus / "tones.yaml", "--corpus", manifest, "-o", out, "--jobs", 1, *more
    )  # fmt: skip


def test_a_recipe_becomes_an_onnx_model_with_its_figures(corpus):
    log = corpus / "log.jsonl"
    done = train(corpus, "--log", log, "--tensorboard", corpus / "board")
    assert done.returncode == 0, done.stderr
    out = corpus / "tones.onnx"
    assert f"{out.stat().st_size} bytes" in done.stdout and "fp16" in done.stdout
    assert not (corpus / "tones.onnx.checkpoint").exists()
    model = serkit.load(out)
    assert model(corpus / "0-happy-0.wav").label == "happy"
    assert model(corpus / "0-sad-0.wav").label == "sad"
    (protocol,) = model.card.figures["protocols"]
    assert protocol["rows"][0]["ua"] > 0.9
    assert [c.utterances for c in model.card.corpora] == [32]
    assert [json.loads(line)["number"] for line in log.read_text().splitlines()] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert len(list((corpus / "board").iterdir())) == 1
    shown = run("models", "show", out).stdout
    assert "leave one speaker out" in shown

    tested = run("evaluate", out, "--corpus", f"manifest={corpus / 'all.csv'}", "--jobs", 1)
    assert tested.returncode == 2 and "training" in tested.stderr


def test_a_run_is_resumed_and_compared(corpus):
    manifest = f"manifest={corpus / 'all.csv'}"
    arguments = (
        "evaluate", corpus / "tones.yaml", "--corpus", manifest, "--protocol", "loso", "--jobs", 1,
    )  # fmt: skip
    first = run(*arguments, "--run", corpus / "first", "--json")
    assert first.returncode == 0, first.stderr
    values = json.loads(first.stdout)
    assert values["corpora"][0]["figures"]["ua"]["value"] > 0.9
    folds = list((corpus / "first" / "folds").iterdir())
    assert len(folds) == 4 and not list((corpus / "first" / "checkpoints").iterdir())
    times = {path: path.stat().st_mtime_ns for path in folds}
    again = run(*arguments, "--run", corpus / "first", "--json")
    assert json.loads(again.stdout)["corpora"] == values["corpora"]
    assert {path: path.stat().st_mtime_ns for path in folds} == times


def test_a_student_of_a_teacher_names_what_the_teacher_learned(corpus):
    assert train(corpus, "--no-figures").returncode == 0
    sounds = corpus / "sounds"
    sounds.mkdir()
    for path in corpus.glob("3-*.wav"):
        path.rename(sounds / path.name)
    lines = (corpus / "all.csv").read_text().splitlines()
    (corpus / "some.csv").write_text("\n".join(x for x in lines if not x.startswith("3-")))
    done = run(
        "train", corpus / "tones.yaml", "--corpus", f"manifest={corpus / 'some.csv'}",
        "-o", corpus / "student.onnx", "--teacher", corpus / "tones.onnx",
        "--unlabelled", sounds, "--precision", "fp32", "--jobs", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    student = serkit.load(corpus / "student.onnx")
    assert student(sounds / "3-sad-0.wav").label == "sad"
    assert student.card.corpora[0].utterances == 32  # of the teacher
    assert student.card.figures == {}


def test_two_processes_train_the_same_network(corpus):
    """As `accelerate launch` starts them on two GPUs, here on the CPU."""
    assert train(corpus, "--no-figures", "--log", corpus / "one.jsonl").returncode == 0
    script = corpus / "train.py"
    words = [
        "serkit", "train", "tones.yaml", "--corpus", "manifest=all.csv", "--no-figures", "--jobs",
        "1", "-o", "two.onnx", "--log", "two.jsonl",
    ]  # fmt: skip
    script.write_text(
        f"import sys\nfrom serkit.cli.main import main\nsys.argv = {words!r}\nmain()\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(script)], cwd=corpus, capture_output=True, text=True, check=False,
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("two.onnx: ") == 1
    logs = [(corpus / f"{name}.jsonl").read_text().splitlines() for name in ("one", "two")]
    for one, two in zip(*(map(json.loads, log) for log in logs), strict=True):
        assert two == pytest.approx(one, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "fp8"], "precision is 'fp8'; expected one of fp32, fp16, int8"),
        (["--unlabelled", "."], "--unlabelled needs --teacher"),
        (["--teacher", "nothing"], "unknown model 'nothing'"),
        (["--full-precision"], "--full-precision does not apply to tones"),
        (["--anchor", "tess=/nowhere"], "/nowhere"),
    ],
)
def test_what_cannot_be_is_named_in_one_line(corpus, arguments, message):
    done = train(corpus, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_options_of_speech_are_refused_for_other_recipes(tmp_path):
    done = run("train", "models/tiny", "--teacher", "tiny", "-o", tmp_path / "m.safetensors")
    assert done.returncode == 2
    assert "--teacher does not apply to" in done.stderr
