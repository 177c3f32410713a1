import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import serkit

RECIPE = """
name: tones
corpora: [manifest]
labels: [happy, sad]
features: {name: mfcc13, descriptors: [{name: mfcc, size: 13}]}
network: {hidden: [8]}
optimiser: {max_epochs: 20, learning_rate: 0.02, patience: 20}
validation_share: 0.25
acceptance: [{protocol: loso, seeds: 2}]
"""


def run(*arguments):
    command = [sys.executable, "-c", "from serkit.cli.main import main; main()", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture
def corpus(tmp_path):
    """Happy is a high tone, sad a low one; five speakers differ a little."""
    rng = np.random.default_rng(0)
    time = np.arange(8000) / 16_000
    lines = ["audio,label,speaker"]
    for speaker in range(5):
        for label, hz in (("happy", 900.0), ("sad", 200.0)):
            for i in range(4):
                tone = np.sin(2 * np.pi * hz * (1 + 0.05 * rng.standard_normal()) * time)
                name = f"{speaker}-{label}-{i}.wav"
                soundfile.write(tmp_path / name, 0.3 * tone, 16_000)
                lines.append(f"{name},{label},{speaker}")
    (tmp_path / "all.csv").write_text("\n".join(lines))
    (tmp_path / "tones.yaml").write_text(RECIPE)
    return tmp_path


def test_a_recipe_becomes_a_model_with_its_figures(corpus):
    out, log = corpus / "tones.safetensors", corpus / "log.jsonl"
    manifest = f"manifest={corpus / 'all.csv'}"
    done = run(
        "train", corpus / "tones.yaml", "--corpus", manifest, "-o", out, "--log", log, "--jobs", 1
    )
    assert done.returncode == 0, done.stderr
    assert f"{out.stat().st_size} bytes" in done.stdout
    model = serkit.load(out)
    assert model(corpus / "0-happy-0.wav").label == "happy"
    assert model(corpus / "0-sad-0.wav").label == "sad"
    (protocol,) = model.model.card.figures["protocols"]
    assert protocol["rows"][0]["ua"] > 0.9
    assert protocol["rows"][0]["speakers"] == 5
    epochs = [json.loads(line) for line in log.read_text().splitlines()]
    assert [epoch["number"] for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert "leave one speaker out" in run("models", "show", out).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing/here"], "no recipe 'nothing/here'"),
        (["models/tiny", "--corpus", "tess=/nowhere"], "/nowhere"),
        (["models/tiny", "--corpus", "tessa"], "tessa"),
    ],
)
def test_what_is_missing_is_named_in_one_line(tmp_path, arguments, message):
    done = run("train", *arguments, "-o", tmp_path / "m.safetensors")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "."], "is a folder"),
        (["-o", "/proc/nowhere/m.safetensors"], "/proc/nowhere"),
        (["-o", "m.safetensors", "--log", "all.csv/log"], "all.csv"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_read(corpus, arguments, message):
    options = [corpus / part if part[0] not in "-/" else part for part in arguments]
    done = run("train", corpus / "tones.yaml", "--corpus", "tess=/nowhere", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_misspelt_protocol_is_said_before_anything_is_read(corpus):
    recipe = corpus / "tones.yaml"
    recipe.write_text(RECIPE.replace("loso", "lsoo"))
    done = run("train", recipe, "--corpus", "tess=/nowhere", "-o", corpus / "m.safetensors")
    assert done.returncode == 2
    assert "no protocol is called 'lsoo'" in done.stderr


@pytest.mark.parametrize("option", ["--seed", "--jobs"])
def test_numbers_below_zero_are_refused(corpus, option):
    done = run("train", corpus / "tones.yaml", "-o", corpus / "m.safetensors", option, "-1")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_without_torch_the_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv[1:] = "
        f"['train', 'models/tiny', '-o', {str(tmp_path / 'm.safetensors')!r}]\n"
        "from serkit.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'serkit[train]'" in done.stderr
