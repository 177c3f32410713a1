import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import serkit

from command import in_process as run

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
    (protocol,) = model.card.figures["protocols"]
    assert protocol["rows"][0]["ua"] > 0.9
    assert protocol["rows"][0]["speakers"] == 5
    epochs = [json.loads(line) for line in log.read_text().splitlines()]
    assert [epoch["number"] for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert "leave one speaker out" in run("models", "show", out).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing/here"], "unknown recipe 'nothing/here'"),
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


def card(path):
    return json.loads(run("models", "show", path, "--json").stdout)


def test_a_protocol_for_other_corpora_gives_way_before_anything_is_extracted(corpus):
    """A recipe of somebody else; the recordings are broken, so that extraction would end it."""
    for clip in corpus.glob("*.wav"):
        clip.write_bytes(b"no sound")
    recipe = corpus / "tones.yaml"
    recipe.write_text(RECIPE.replace("loso", "emobox-ravdess"))
    options = ["--corpus", f"manifest={corpus / 'all.csv'}", "-o", corpus / "m.safetensors"]
    done = run("train", recipe, *options, "--jobs", 1)
    note, error = done.stderr.strip().splitlines()
    assert "emobox-ravdess does not fit this data" in note
    assert "evaluated by loso over its 5 speakers" in note
    assert "0-happy-0.wav" in error


def test_what_nobody_can_be_held_out_of_is_refused_before_anything_is_extracted(corpus):
    for clip in corpus.glob("*.wav"):
        clip.write_bytes(b"no sound")
    lines = (corpus / "all.csv").read_text().splitlines()
    (corpus / "one.csv").write_text("\n".join(x for x in lines if x.endswith((",0", "speaker"))))
    options = ["--corpus", f"manifest={corpus / 'one.csv'}", "-o", corpus / "m.safetensors"]
    done = run("train", corpus / "tones.yaml", *options, "--jobs", 1)
    assert done.returncode == 2
    assert "none can be held out" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_own_data_gets_a_protocol_a_name_and_a_licence(corpus):
    recipe = corpus / "tones.yaml"
    recipe.write_text(RECIPE.replace("loso, seeds: 2", "leave-one-corpus-out, seeds: 1"))
    out = corpus / "küche-2.safetensors"
    options = ["--corpus", f"manifest={corpus / 'all.csv'}", "-o", out, "--jobs", 1]
    done = run("train", recipe, *options, "--licence", "our own", "--commercial-use")
    assert done.returncode == 0, done.stderr
    assert "loso" in done.stderr
    found = card(out)
    assert found["name"] == "küche-2"
    (protocol,) = found["figures"]["protocols"]
    assert protocol["protocol"] == "loso"
    assert found["recipe"]["acceptance"] == [{"protocol": "loso", "seeds": 1}]
    (learned,) = found["corpora"]
    assert (learned["licence"], learned["commercial_use"]) == ("our own", True)
    assert list(found["seen"]) == ["all"]
    done = run("train", recipe, *options, "--no-figures", "--name", "Our voices")
    (line,) = done.stderr.splitlines()
    assert "the model will not warn" in line
    found = card(out)
    assert (found["name"], found["figures"]) == ("Our voices", {})
    assert found["corpora"][0]["licence"] == "unknown"


def test_a_recipe_of_few_bits_is_trained_in_full_if_asked(corpus):
    recipe, out = corpus / "tones.yaml", corpus / "m.safetensors"
    recipe.write_text(RECIPE + "quantisation: {bits: 4}\n")
    options = ["--corpus", f"manifest={corpus / 'all.csv'}", "-o", out, "--jobs", 1]
    for more, packed in (((), True), (("--full-precision",), False)):
        done = run("train", recipe, *options, "--no-figures", *more)
        assert done.returncode == 0, done.stderr
        assert ("weights of 4, 4 bits" in run("models", "show", out).stdout) == packed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--commercial-use"], "needs --licence"),
        (["--licence", "mine"], "a licence is given for data"),
    ],
)
def test_a_licence_is_for_data_without_one(corpus, tmp_path, options, message):
    """As of an emodb that names its own terms."""
    folder = tmp_path / "emodb" / "wav"
    folder.mkdir(parents=True)
    for name in ("03a01Fa", "08a01Ta", "09a01Fa", "10a01Ta"):
        soundfile.write(folder / f"{name}.wav", np.zeros(8000), 16_000)
    done = run(
        "train", corpus / "tones.yaml", "--corpus", f"emodb={tmp_path / 'emodb'}",
        "-o", corpus / "m.safetensors", *options,
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
