import json

import numpy as np
import pytest
import soundfile

from serkit.runtime import load, load_network, save_model

from command import serkit

RECIPE = """
name: tones
corpora: [manifest]
labels: [happy, sad]
features: {name: mfcc13, descriptors: [{name: mfcc, size: 13}]}
network: {hidden: [16]}
optimiser: {max_epochs: 20, learning_rate: 0.02, patience: 20}
validation_share: 0.25
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Ten speakers, happy high and sad low, and a model trained on them."""
    root = tmp_path_factory.mktemp("quantize")
    lines = record(root, "all.csv", 0)
    one = [line for line in lines if line.endswith((",0", "speaker"))]
    (root / "one.csv").write_text("\n".join(one))
    (root / "tones.yaml").write_text(RECIPE)
    done = serkit(
        "train", root / "tones.yaml", "--corpus", f"manifest={root / 'all.csv'}", "--jobs", "1",
        "-o", root / "full.safetensors",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root


def record(root, name, seed):
    """A manifest of ten speakers, and its lines."""
    rng = np.random.default_rng(seed)
    lines = ["audio,label,speaker"]
    for speaker in range(10):
        for label, hz in (("happy", 900.0), ("sad", 200.0)):
            for take in range(2):
                time = np.arange(4800) / 16_000
                tone = 0.3 * np.sin(2 * np.pi * hz * rng.uniform(0.8, 1.2) * time)
                clip = f"{seed}-{speaker}-{label}-{take}.wav"
                soundfile.write(root / clip, tone + 0.01 * rng.standard_normal(4800), 16_000)
                lines.append(f"{clip},{label},{speaker}")
    (root / name).write_text("\n".join(lines))
    return lines


def quantize(place, *arguments, corpus="all.csv", model="full.safetensors"):
    return serkit(
        "quantize", place / model, "--corpus", f"manifest={place / corpus}",
        "-o", place / "small.safetensors", "--jobs", "1", *arguments,
    )  # fmt: skip


@pytest.mark.parametrize(
    "options", [(), ("--fine-tuning", "3", "--no-per-row"), ("--search", "bytes")]
)
def test_a_model_gets_small_and_every_trial_is_written(place, options):
    done = quantize(place, "--json", place / "f.json", *options)
    assert done.returncode == 0, done.stderr
    small = load_network(place / "small.safetensors")
    values = json.loads((place / "f.json").read_text())
    assert values["bits"] == [layer.weight.bits for layer in small.layers]
    assert values["bytes"] == small.file_bytes < values["bytes_before"]
    assert f"{small.file_bytes} bytes" in done.stdout
    assert values["marks"] == ["trained on this corpus"]
    assert "(trained on this corpus)" in done.stdout
    assert values["test"]["after"]["utterances"] == 8
    assert all(0 < t["bytes"] < values["bytes_before"] for t in values["trials"])
    accepted = {t["layer"]: t["bits"] for t in values["trials"] if t["accepted"]}
    assert [accepted.get(0, 8), accepted.get(1, 8)] == values["bits"]
    shown = serkit("models", "show", place / "small.safetensors").stdout
    assert f"weights of {', '.join(map(str, values['bits']))} bits" in shown


def test_given_bits_are_taken_and_need_no_trials(place):
    done = quantize(place, "--bits", "3", "--json", place / "f.json", "--protocol", "loso")
    assert done.returncode == 0, done.stderr
    values = json.loads((place / "f.json").read_text())
    assert (values["bits"], values["trials"], values["average_bits"]) == ([3, 3], [], 3.0)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("--bits", "0"), {}, "bits is 0"),
        (("--bits", "9"), {}, "bits is 9"),
        (("--alpha", "1.5"), {}, "alpha is 1.5"),
        (("--margin", "-1"), {}, "margin is -1"),
        (("--search", "size"), {}, "search is size"),
        (("--protocol", "nope"), {}, "no protocol is called"),
        ((), {"corpus": "one.csv"}, "speaker"),
        ((), {"corpus": "none.csv"}, "none.csv"),
        ((), {"model": "nope.safetensors"}, "no such file"),
    ],
)
def test_bad_input_is_one_line(place, arguments, options, message):
    done = quantize(place, *arguments, **options)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def others(place):
    """Other recordings of ten other speakers, whom no model has heard."""
    return record(place, "others.csv", 1)


def test_what_a_model_was_quantised_on_is_on_its_card(place, others):
    """Bits, calibration and fine-tuning have seen it, so figures on it would flatter."""
    done = quantize(place, "--bits", "4", corpus="others.csv")
    assert done.returncode == 0, done.stderr
    small = load_network(place / "small.safetensors")
    assert [corpus.name for corpus in small.card.corpora] == ["all", "others"]
    (place / "renamed.csv").write_text((place / "others.csv").read_text())
    tested = serkit(
        "evaluate", place / "small.safetensors", "--corpus", f"manifest={place / 'renamed.csv'}"
    )
    assert tested.returncode == 2
    assert "has learned from about 40 of these 40 recordings" in tested.stderr


def test_it_calibrates_on_its_validation_speakers(place, others):
    full = load_network(place / "full.safetensors")
    save_model(full.with_card(temperature=7.0), place / "warm.safetensors")
    done = quantize(place, "--bits", "8", "--json", place / "f.json", model="warm.safetensors",
                    corpus="others.csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "by the validation speakers of the fold" in done.stdout
    assert load(place / "small.safetensors").card.temperature < 1.0
    values = json.loads((place / "f.json").read_text())
    before, after = values["test"]["before"], values["test"]["after"]
    assert f"ECE {100 * after['ece']:.1f} % (before: {100 * before['ece']:.1f} %)" in done.stdout
    assert after["ece"] < before["ece"] - 0.1
    assert values["temperature"]["before"] == 7.0
    assert (values["marks"], values["warnings"], done.stderr) == ([], [], "")


@pytest.mark.parametrize("corpus", ["all.csv", "all-renamed.csv"])
def test_on_what_a_model_knows_it_becomes_no_surer_than_it_was(place, corpus):
    """By labels of what it has learned, it would be made surer still."""
    (place / "all-renamed.csv").write_text((place / "all.csv").read_text())
    full = load_network(place / "full.safetensors")
    save_model(full.with_card(temperature=7.0), place / "warm.safetensors")
    done = quantize(place, "--bits", "8", model="warm.safetensors", corpus=corpus)
    assert "by the full model's probabilities" in done.stdout
    assert "(trained on this corpus)" in done.stdout
    assert "UA and ECE on it flatter" in done.stderr
    temperature = load(place / "small.safetensors").card.temperature
    assert temperature == pytest.approx(7.0, rel=0.05)


def test_a_quantised_model_is_quantised_again(place, others):
    assert quantize(place, "--bits", "6", corpus="others.csv").returncode == 0
    (place / "small.safetensors").rename(place / "six.safetensors")
    done = quantize(place, "--bits", "2", "--name", "two", model="six.safetensors")
    assert done.returncode == 0, done.stderr
    assert "--full-precision" in done.stderr
    small = load_network(place / "small.safetensors")
    assert small.card.name == "two"
    assert {layer.weight.bits for layer in small.layers} == {2}


def test_the_card_is_the_small_models_own(place, tmp_path):
    full = load_network(place / "full.safetensors")
    row = {"corpus": "all", "ua": 1.0, "ua_interval": None, "ece": 0.0, "speakers": 10,
           "utterances": 40}  # fmt: skip
    figures = {"protocols": [{"title": "loso", "seeds": [0], "rows": [row]}]}
    save_model(full.with_card(figures=figures), place / "figures.safetensors")
    assert "UA 100.0" in serkit("models", "show", place / "figures.safetensors").stdout
    done = quantize(place, "--bits", "3", model="figures.safetensors")
    assert done.returncode == 0, done.stderr
    card = load(place / "small.safetensors").card
    assert card.figures == {}
    assert card.recipe["quantisation"] == {"bits": 3}


def test_a_card_with_damaged_figures_is_one_line(place):
    full = load_network(place / "full.safetensors")
    for figures in ({"protocols": [{}]}, {"protocols": 5}, {"protocols": [3]}):
        save_model(full.with_card(figures=figures), place / "odd.safetensors")
        done = serkit("models", "show", place / "odd.safetensors")
        assert done.returncode == 2
        assert "are damaged" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
