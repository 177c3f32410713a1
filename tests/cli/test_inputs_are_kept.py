"""No output replaces what a command reads."""

import numpy as np
import pytest
import soundfile

from command import in_process


@pytest.fixture
def place(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["audio,label,speaker"]
    for i in range(8):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * rng.standard_normal(8_000), 16_000)
        rows.append(f"{i}.wav,{('angry', 'sad', 'happy', 'neutral')[i % 4]},s{i // 4}")
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    (tmp_path / "recipe.yaml").write_text("name: mine")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "0.wav", "1.wav", "--report", "1.wav"), "1.wav: has the suffix of an audio"),
        (("predict", "0.wav", "--report", "9.wav"), "9.wav: has the suffix of an audio"),
        (("predict", "mine.csv", "--report", "mine.csv"), "mine.csv: is an input"),
        (("evaluate", "tiny", "--corpus", "manifest=mine.csv", "--markdown", "mine.csv"),
         "mine.csv: is an input"),
        (("evaluate", "recipe.yaml", "--protocol", "loso", "--corpus", "manifest=mine.csv",
          "--latex", "recipe.yaml"), "recipe.yaml: is an input"),
        (("quantize", "tiny", "--corpus", "manifest=mine.csv", "-o", "mine.csv"),
         "mine.csv: is an input"),
        (("train", "models/tiny", "--corpus", "manifest=mine.csv", "-o", "mine.csv"),
         "mine.csv: is an input"),
    ],
)  # fmt: skip
def test_an_output_that_is_an_input(place, arguments, message):
    before = {path: path.read_bytes() for path in place.iterdir()}
    done = in_process(*arguments, cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith(f"serkit: {message}")
    assert {path: path.read_bytes() for path in place.iterdir()} == before
