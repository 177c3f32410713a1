import shutil
from importlib import import_module

import pytest

from features import golden
from serkit.features import RECIPE_VERSION


def test_the_golden_vectors_are_of_this_version_and_of_every_recipe():
    version, vectors = golden.stored()
    assert version == RECIPE_VERSION, f"write the golden vectors anew: {golden.COMMAND}"
    missing = set(golden.recipes()) - set(vectors)
    assert not missing, f"write the vectors of the new recipes: {golden.COMMAND}"


def test_other_numbers_are_another_version():
    _, vectors = golden.stored()
    key = golden.changed(golden.current(), vectors)
    assert key is None, golden.advice(key)


@pytest.mark.parametrize(
    ("module", "constant", "other"),
    [
        ("pitch", "_OCTAVE_COST", 0.025),
        ("pitch", "_VOICED", 0.5),
        ("shape", "_ROLLOFF", 0.84),
        ("analysis", "_RANGE_DB", 60.0),
    ],
)
def test_a_changed_constant_is_noticed_and_not_written(
    module, constant, other, monkeypatch, tmp_path
):
    path = tmp_path / "golden.npz"
    shutil.copy(golden.FILE, path)
    golden.write(path)
    before = path.read_bytes()
    monkeypatch.setattr(import_module(f"serkit.features.{module}"), constant, other)
    with pytest.raises(ValueError, match=f"raise RECIPE_VERSION from {RECIPE_VERSION}"):
        golden.write(path)
    assert path.read_bytes() == before
    monkeypatch.setattr(golden, "RECIPE_VERSION", RECIPE_VERSION + 1)
    golden.write(path)
    assert golden.stored(path)[0] == RECIPE_VERSION + 1
