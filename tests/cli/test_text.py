"""Text on the command line: export, train, evaluate, predict, quantise, tune."""

import csv
import io
import json

import numpy as np
import pytest

import serkit

from command import in_process as run

LINES = {
    "happy": ["I am so happy!", "This is wonderful, I love it.", "great joy, smile and laugh"],
    "sad": ["I cry, so sad.", "sorry, this is awful, tears", "never happy, always sad day"],
}
RECIPE = """
name: lines
corpora: [manifest]
labels: [happy, sad]
text: {context: 1}
network: {hidden: []}
optimiser: {name: elm, units: 16}
validation_share: 0.25
acceptance: [{protocol: speaker-folds, seeds: 1}]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, encoder_folder):
    folder = tmp_path_factory.mktemp("texts")
    rows = ["text,label,speaker,session"]
    for speaker in range(8):
        for turn in range(6):
            label = ("happy", "sad")[(speaker + turn) % 2]
            said = LINES[label][turn // 2]
            rows.append(
                f'"{said} {"abcdefgh"[speaker]}{"abcdef"[turn]}",{label},s{speaker},{speaker}'
            )
    (folder / "lines.csv").write_text("\n".join(rows))
    (folder / "lines.yaml").write_text(RECIPE)
    done = run(
        "train", folder / "lines.yaml", "-o", folder / "m.safetensors", "--encoder",
        encoder_folder, "--corpus", f"manifest={folder / 'lines.csv'}", "--jobs", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def asked(place, encoder_folder):
    def ask(*arguments):
        return run(
            "predict", "--model", place / "m.safetensors", "--encoder", encoder_folder, *arguments
        )

    return ask


def test_a_model_is_trained_with_its_figures(place):
    card = serkit.runtime.load_network(place / "m.safetensors").card
    assert card.figures["protocols"][0]["rows"][0]["utterances"] == 48
    shown = run("models", "show", place / "m.safetensors")
    assert "computed by the encoder toy-bert" in shown.stdout


def test_lines_are_recognised_as_in_python(asked, place, encoder_folder):
    done = asked("--text", "I cry, so sad.", "--text", "great joy!", "--text", "", "-f", "json")
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    model = serkit.load(place / "m.safetensors", encoder=encoder_folder)
    expected = model.dialogue(["I cry, so sad.", "great joy!", ""])
    for answer, prediction in zip(answers, expected, strict=True):
        assert answer["label"] == prediction.label
        assert answer["scores"] == pytest.approx(prediction.scores, abs=1e-6)
    assert answers[2]["reason"] == "empty text: nothing to classify"


def test_an_empty_line_begins_a_dialogue(asked, place, encoder_folder):
    file = place / "said.txt"
    file.write_bytes("\ufeffoh no\r\nI am happy\r\n\r\n \nsad 😀\u2028day\x0c".encode())
    done = asked("--text-file", file, "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["text"] for row in rows] == ["oh no", "I am happy", "sad 😀\\u2028day\\x0c"]
    model = serkit.load(place / "m.safetensors", encoder=encoder_folder)
    second = model("I am happy", context=["oh no"])
    assert float(rows[1]["happy"]) == pytest.approx(second.scores["happy"], abs=1e-5)
    alone = model("sad 😀\u2028day\x0c")
    assert float(rows[2]["sad"]) == pytest.approx(alone.scores["sad"], abs=1e-5)


def test_the_table_is_for_reading(asked):
    done = asked("--text", "I am so happy! \x1b[31m", "--labels", "happy, sad")
    assert "happy" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_million_characters(asked, place):
    (place / "long.txt").write_text("a" * 1_000_000)
    done = asked("--text-file", place / "long.txt")
    assert done.returncode == 0
    assert "only the first" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "x", "a.wav"], "a recording is given together with text"),
        (["--text", "x", "--report", "r.html"], "--report is given together with text"),
        (["--text", "x", "--profile", "anna"], "--profile is given together with text"),
        (["--text", "x", "--labels", "bored"], "unknown label 'bored'"),
        (["--text-file", "none.txt"], "none.txt"),
        (["a.wav"], "--encoder is for text"),
    ],
)
def test_what_cannot_be(asked, arguments, message):
    done = asked(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_text_needs_a_model_and_an_encoder(place):
    for arguments, missing in (
        ([], "--model"),
        (["--model", place / "m.safetensors"], "--encoder"),
    ):
        done = run("predict", "--text", "x", *arguments)
        assert done.returncode == 2
        assert f"text needs {missing}" in done.stderr


def test_a_file_that_is_not_utf_8(asked, place):
    (place / "bad.txt").write_bytes(b"fine\ncaf\xe9\n")
    done = asked("--text-file", place / "bad.txt")
    assert "is not UTF-8: byte 0xe9 in line 2" in done.stderr


def test_another_encoder_is_refused(place, bert, tmp_path):
    other = run("encoder", "export", bert, "-o", tmp_path / "e", "--precision", "int8")
    assert other.returncode == 0, other.stderr
    assert "smallest cosine similarity" in other.stdout
    done = run(
        "predict", "--text", "x", "--model", place / "m.safetensors", "--encoder", tmp_path / "e"
    )
    assert done.returncode == 2
    assert "was trained with the encoder toy-bert of digest" in done.stderr
    again = run("encoder", "export", bert, "-o", tmp_path / "e")
    assert again.returncode == 2
    assert "exists; choose another folder" in again.stderr
    assert "int8" in run("encoder", "show", tmp_path / "e").stdout
    none = run("encoder", "export", bert, "-o", tmp_path / "none", "--precision", "int4")
    assert none.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_an_encoder_is_shown(encoder_folder):
    values = json.loads(run("encoder", "show", encoder_folder, "--json").stdout)
    assert (values["name"], values["width"], values["precision"]) == ("toy-bert", 32, "fp32")
    assert len(values["digest"]) == 64
    assert "toy-bert" in run("encoder", "show", encoder_folder).stdout


def test_recipes_and_models_are_evaluated(place, encoder_folder):
    corpus = f"manifest={place / 'lines.csv'}"
    done = run(
        "evaluate", place / "lines.yaml", "--encoder", encoder_folder, "--corpus", corpus,
        "--protocol", "speaker-folds", "--jobs", 1, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "lines"
    ours = ["evaluate", place / "m.safetensors", "--corpus", corpus, "--encoder", encoder_folder]
    refused = run(*ours)
    assert refused.returncode == 2
    assert "was trained on" in refused.stderr
    seen = run(*ours, "--allow-seen", "--json")
    assert seen.returncode == 0, seen.stderr
    missing = run("evaluate", place / "lines.yaml", "--corpus", corpus, "--protocol", "loso")
    assert "takes text: give the folder of an encoder" in missing.stderr


def test_text_models_are_quantised_and_exported(place, encoder_folder, tmp_path):
    corpus = f"manifest={place / 'lines.csv'}"
    done = run(
        "quantize", place / "m.safetensors", "-o", tmp_path / "q.safetensors", "--corpus", corpus,
        "--encoder", encoder_folder, "--bits", 8, "--jobs", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [
        serkit.load(path, encoder=encoder_folder)("I am so happy!").scores["happy"]
        for path in (place / "m.safetensors", tmp_path / "q.safetensors")
    ]
    assert np.ptp(answers) < 0.1
    exported = run("export", tmp_path / "q.safetensors", "-o", tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert "text, embedded by toy-bert" in (tmp_path / "serkit_q.h").read_text()


def test_a_transformer_is_tuned(place, bert, tmp_path):
    rows = ["text,label,speaker,session"]
    rng = np.random.default_rng(0)
    for i in range(60):
        label = ("happy", "sad")[i % 2]
        said = " ".join(rng.permutation(["oh", "you", label, *rng.choice(["a", "b", "c"], 5)]))
        rows.append(f"{said} {i},{label},s{i},d{i}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    command = [
        "encoder", "tune", bert, "--corpus", f"manifest={tmp_path / 't.csv'}", "-o",
        tmp_path / "tuned", "--protocol", "shuffle", "--epochs", 2, "--learning-rate", 0.003,
        "--batch-size", 8, "--stop-at", 0.8,
    ]  # fmt: skip
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "at convergence; tested:" in done.stdout
    assert (tmp_path / "tuned" / "model.safetensors").exists()
    assert run("encoder", "export", tmp_path / "tuned", "-o", tmp_path / "e").returncode == 0
    again = run(*command)
    assert again.returncode == 2
    assert "exists; choose another folder" in again.stderr
    assert not list(tmp_path.glob(".tuned*"))
