import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from serkit.cli.corpus import app
from serkit.corpora import EMOTIONS
from serkit.errors import CorpusError


@pytest.fixture
def emodb(tmp_path):
    """Three sound clips of two speakers, one duplicate and one stray file."""
    folder = tmp_path / "emodb" / "wav"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for name in ("03a01Fa", "03a01Wa", "16b10Fa"):
        soundfile.write(folder / f"{name}.wav", rng.uniform(-0.5, 0.5, 1600), 16_000)
    (folder / "16b10Fb.wav").write_bytes((folder / "16b10Fa.wav").read_bytes())
    (folder / "stray.wav").touch()
    return folder.parent


def run(*arguments):
    return CliRunner().invoke(app, ["stats", *map(str, arguments)], catch_exceptions=False)


def test_the_table(emodb):
    result = run(f"emodb={emodb}")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["speaker", "angry", "happy", "all"] in rows
    assert ["03", "1", "1", "2"] in rows
    assert ["16", "0", "2", "2"] in rows
    assert ["all", "1", "3", "4"] in rows
    assert "4 utterances, 0.00 h, 2 speakers, 2 classes" in result.stdout
    assert "3 oddities:" in result.stdout
    assert "wav/stray.wav: not named like 03a01Fa; skipped" in result.stdout
    assert "wav/16b10Fb.wav: sounds exactly like wav/16b10Fa.wav" in result.stdout
    assert max(map(len, result.stdout.split("oddities")[0].splitlines())) <= 80
    assert result.stderr == ""


def test_json(emodb):
    answer = json.loads(run(f"emodb={emodb}", "--json").stdout)
    assert answer["name"] == "emodb"
    assert answer["utterances"] == 4
    assert answer["duration_s"] == pytest.approx(0.4)
    assert answer["speakers"] == {"03": {"angry": 1, "happy": 1}, "16": {"angry": 0, "happy": 2}}
    assert [odd["problem"].split()[0] for odd in answer["oddities"]] == ["not", "4", "sounds"]


def test_a_long_list_of_oddities_is_cut_unless_asked_for(emodb):
    for i in range(30):
        (emodb / "wav" / f"x{i:02d}.wav").touch()
    short, long = run(f"emodb={emodb}").stdout, run(f"emodb={emodb}", "--all").stdout
    assert "and 13 more (--all shows them)" in short
    assert "x19.wav" not in short
    assert "x29.wav" in long
    assert "more (--all" not in long


def test_many_speakers_are_summed_up_unless_asked_for(tmp_path):
    rows = []
    for i in range(33):
        soundfile.write(tmp_path / f"{i}.wav", np.full(80, (i + 1) / 100), 16_000)
        rows.append(f"{i}.wav,sad,s{i:02d}\n")
    (tmp_path / "mine.csv").write_text("audio,label,speaker\n" + "".join(rows))
    spec = f"manifest={tmp_path / 'mine.csv'}"
    assert ["3", "others", "3", "3"] in [line.split() for line in run(spec).stdout.splitlines()]
    everything = run(spec, "--all").stdout
    assert "others" not in everything
    assert "s32" in everything


def test_ten_classes_fit_80_columns(tmp_path):
    labels = (*EMOTIONS[:7], "excited", "frustrated", "other")
    rows = []
    for i, label in enumerate(labels):
        soundfile.write(tmp_path / f"{i}.wav", np.full(80, (i + 1) / 100), 16_000)
        rows.append(f"{i}.wav,{label},a speaker with a very long name\n")
    (tmp_path / "mine.csv").write_text("audio,label,speaker\n" + "".join(rows))
    table = run(f"manifest={tmp_path / 'mine.csv'}").stdout.splitlines()
    assert max(map(len, table)) <= 80
    (row,) = [line for line in table if line.strip().startswith("a speaker")]
    assert row.split()[-11:] == ["1"] * 10 + ["10"]
    assert any(" sad " in line and "…" in line for line in table)


def test_errors_pass_through():
    with pytest.raises(CorpusError, match="unknown corpus"):
        run("nonsense")
