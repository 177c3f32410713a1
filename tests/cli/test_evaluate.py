import json
import os
import re

import numpy as np
import pytest
import soundfile
import yaml

from serkit.runtime import TrainingCorpus, load_network, save_model

from command import in_process, serkit
from toys import LABELS, make_recipe


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Six speakers whose emotions differ in pitch, a recipe, and a folder for the cache."""
    root = tmp_path_factory.mktemp("evaluate")
    rng = np.random.default_rng(0)
    lines = ["audio,label,speaker"]
    for speaker in "abcdef":
        for place, label in enumerate(LABELS):
            for take in range(2):
                hertz = 300 * (1 + place) * rng.uniform(0.9, 1.1)
                tone = 0.2 * np.sin(2 * np.pi * hertz * np.arange(4800) / 16_000)
                noise = 0.02 * rng.standard_normal(4800)
                name = f"{speaker}-{label}-{take}.wav"
                soundfile.write(root / name, tone + noise, 16_000)
                lines.append(f"{name},{label},{speaker}")
    (root / "all.csv").write_text("\n".join(lines))
    recipe = make_recipe(corpora=("manifest",)).to_dict()
    (root / "toy.yaml").write_text(yaml.safe_dump(recipe))
    return root


def evaluate(place, *arguments):
    corpus = f"manifest={place / 'all.csv'}"
    environment = os.environ | {"XDG_CACHE_HOME": str(place / "cache")}
    return in_process("evaluate", *arguments, "--corpus", corpus, "--jobs", "1", env=environment)


def test_a_recipe_from_folds_to_pages(place, tmp_path):
    out = {kind: tmp_path / f"out.{kind}" for kind in ("html", "md", "tex")}
    done = evaluate(
        place, place / "toy.yaml", "--protocol", "loso", "--seeds", "2", "--run", tmp_path / "run",
        "--report", out["html"], "--markdown", out["md"], "--latex", out["tex"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "| protocol | corpus |" in done.stdout
    assert (place / "cache" / "serkit" / "features").is_dir()
    again = evaluate(
        place, place / "toy.yaml", "--protocol", "loso", "--seeds", "2", "--run", tmp_path / "run",
        "--json",
    )  # fmt: skip
    values = json.loads(again.stdout)
    assert values["command"].startswith("serkit evaluate")
    assert (values["marks"], values["seeds"], len(values["folds"])) == ([], [0, 1], 12)
    (corpus,) = values["corpora"]
    low, high = corpus["figures"]["ua"]["interval"]
    assert 0 <= low <= corpus["figures"]["ua"]["value"] <= high <= 1
    assert np.sum(corpus["confusion"]) == 72
    assert len(corpus["speakers"]) == 6
    page = out["html"].read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"<script|https?://|src=|href=", page)
    for expected in ("serkit evaluate", "numpy", "data ", "mean ± SD over seeds", "Reliability"):
        assert expected in page
    assert r"\toprule" in out["tex"].read_text()
    assert out["md"].read_text().count("### ") == 4
    itself = in_process("compare", tmp_path / "run", tmp_path / "run")
    assert itself.returncode == 2
    assert "compared with itself" in itself.stderr


def test_two_runs_differ_as_their_own_figures_do(place, tmp_path):
    """A recipe that hardly learns against one that does; UA as each run reports it by itself."""
    recipe = yaml.safe_load((place / "toy.yaml").read_text())
    recipe["optimiser"] |= {"max_epochs": 1, "learning_rate": 1e-6}
    (tmp_path / "poor.yaml").write_text(yaml.safe_dump(recipe))
    ua = {}
    for name, path in (("poor", tmp_path / "poor.yaml"), ("good", place / "toy.yaml")):
        done = evaluate(place, path, "--protocol", "loso", "--run", tmp_path / name, "--json")
        assert done.returncode == 0, done.stderr
        (corpus,) = json.loads(done.stdout)["corpora"]
        ua[name] = corpus["figures"]["ua"]["value"]
    assert ua["good"] > ua["poor"] + 0.2
    found = json.loads(in_process("compare", tmp_path / "poor", tmp_path / "good", "--json").stdout)
    assert (found["first"], found["second"]) == pytest.approx((ua["poor"], ua["good"]))
    assert found["difference"] == pytest.approx(ua["good"] - ua["poor"])
    assert found["interval"]["low"] <= found["difference"] <= found["interval"]["high"]
    # Six speakers, all better: of 64 patterns of signs two are as far from zero.
    assert found["p_value"] <= 0.05
    back = json.loads(in_process("compare", tmp_path / "good", tmp_path / "poor", "--json").stdout)
    assert back["difference"] == pytest.approx(-found["difference"])


def test_every_row_of_a_speaker_dependent_protocol_says_so(place, tmp_path):
    out = tmp_path / "tables.md"
    done = evaluate(
        place, place / "toy.yaml", "--protocol", "k-fold:3", "--markdown", out, "--no-cache"
    )
    assert done.returncode == 0, done.stderr
    rows = [
        line
        for table in out.read_text().split("### ")[1:]
        for line in table.splitlines()[4:]
        if line.startswith("|")
    ]
    assert len(rows) > 8
    assert all("(speaker-dependent)" in row for row in rows)


def trained_on(path, *names):
    model = load_network("tiny")
    corpora = tuple(TrainingCorpus(n, n, "none", True, 1, 1) for n in names)
    save_model(model.with_card(corpora=corpora), path)
    return path


def test_a_model_as_it_is_and_one_that_has_seen_the_corpus(place, tmp_path):
    fresh = trained_on(tmp_path / "fresh.safetensors", "other")
    done = evaluate(place, fresh, "--json", "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["protocol"] == "as-is"
    assert values["corpora"][0]["utterances"] == 36
    again = evaluate(place, fresh, "--run", tmp_path / "run")
    assert again.returncode == 2
    assert "holds a run already" in again.stderr

    corpus = json.loads((tmp_path / "run" / "manifest.json").read_text())["utterances"][0]["corpus"]
    seen = trained_on(tmp_path / "seen.safetensors", corpus)
    refused = evaluate(place, seen)
    assert refused.returncode == 2
    assert "--allow-seen" in refused.stderr
    allowed = evaluate(place, seen, "--allow-seen")
    assert allowed.returncode == 0, allowed.stderr
    assert "trained on this corpus" in allowed.stdout


def test_a_finished_model_is_evaluated_and_compared_with_the_core_alone(place, tmp_path):
    """In workers too: what is not of the core cannot be imported by any process."""
    names = ("torch", "scipy", "sklearn", "pydantic", "yaml", "librosa", "av", "ray", "pandas",
             "audformat", "datasets", "transformers")  # fmt: skip
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({names}))\n"
    )
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    alone = {"env": os.environ | {"PYTHONPATH": path}}
    corpus = f"manifest={place / 'all.csv'}"
    tiny = load_network("tiny")
    save_model(tiny.with_card(temperature=2 * tiny.card.temperature), tmp_path / "b.safetensors")
    for model, run, jobs in (("tiny", "a", 1), (tmp_path / "b.safetensors", "b", 2)):
        done = serkit(
            "evaluate", model, "--corpus", corpus, "--run", tmp_path / run,
            "--jobs", jobs, "--report", tmp_path / "report.html", **alone,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    done = serkit("compare", tmp_path / "a", tmp_path / "b", **alone)
    assert done.returncode == 0, done.stderr
    assert "difference +0.0 points" in done.stdout
    done = serkit("evaluate", "models/tiny", "--corpus", corpus, "--protocol", "loso", **alone)
    assert done.returncode == 2
    assert "serkit[train]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toy.yaml"], "needs --protocol"),
        (["toy.yaml", "--protocol", "10-fold"], "no protocol is called '10-fold'"),
        (["toy.yaml", "--protocol", "leave-one-corpus-out"], "at least two corpora; found"),
        (["tiny", "--protocol", "loso"], "applies to recipes only"),
        (["huge"], "unknown recipe 'huge'"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(place, arguments, message):
    first = place / arguments[0] if arguments[0].endswith("yaml") else arguments[0]
    done = evaluate(place, first, *arguments[1:])
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_comparing_what_is_no_run(tmp_path):
    done = in_process("compare", tmp_path, tmp_path)
    assert done.returncode == 2
    assert "holds no run" in done.stderr


def test_two_outputs_of_one_name_are_refused(place, tmp_path):
    for second in ("--report", "--markdown"):
        done = evaluate(
            place, place / "toy.yaml", "--protocol", "loso", "--latex", tmp_path / "x",
            second, tmp_path / "." / "x",
        )  # fmt: skip
        assert done.returncode == 2
        assert "is named for two outputs" in done.stderr


def test_a_folder_of_something_else_is_refused_before_anything_is_heard(place, tmp_path):
    (tmp_path / "notes.txt").touch()
    done = in_process("evaluate", "tiny", "--corpus", "tess=/nowhere", "--run", tmp_path)
    assert done.returncode == 2
    assert "is not empty and not the folder of a run" in done.stderr
