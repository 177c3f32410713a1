import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from serkit.errors import ProtocolError
from serkit.evaluation import evaluate, find_protocol, load_run, save_run
from serkit.training import Optimiser

from toys import make_data, make_recipe

QUICK = make_recipe(optimiser=Optimiser(max_epochs=3))
DATA = make_data(n_speakers=4, per_class=3)
LOSO = find_protocol("loso")

_RUN = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from serkit.evaluation import evaluate, find_protocol
from serkit.training import Optimiser
from toys import make_data, make_recipe

def killed(results, total):
    for number, result in enumerate(results):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield result

evaluate(
    make_recipe(optimiser=Optimiser(max_epochs=3)), make_data(n_speakers=4, per_class=3),
    find_protocol("loso"), seeds=[0], folder=Path(sys.argv[1]), track=killed,
)
"""


def same(one, other):
    assert [(r.seed, r.fold) for r in one.results] == [(r.seed, r.fold) for r in other.results]
    for ours, theirs in zip(one.results, other.results, strict=True):
        np.testing.assert_array_equal(ours.test, theirs.test)
        np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)


def test_kill_in_the_middle_and_run_again(tmp_path):
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", _RUN, folder, *[p for p in sys.path if p]], check=False
    )
    assert done.returncode == -9
    kept = sorted((folder / "folds").iterdir())
    assert 2 <= len(kept) < 4
    before = [file.stat().st_mtime_ns for file in kept]
    again = evaluate(QUICK, DATA, LOSO, seeds=[0], folder=folder)
    assert [file.stat().st_mtime_ns for file in kept] == before
    same(again, evaluate(QUICK, DATA, LOSO, seeds=[0]))
    same(again, load_run(folder))


def test_more_seeds_are_added_to_a_run(tmp_path):
    evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    both = evaluate(QUICK, DATA, LOSO, seeds=[0, 1], folder=tmp_path, jobs=2)
    same(both, evaluate(QUICK, DATA, LOSO, seeds=[0, 1]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": make_recipe(clip=3.0)}, "another recipe .*clip, optimiser"),
        ({"protocol": find_protocol("speaker-folds")}, "another protocol"),
        ({"data": make_data(n_speakers=4, per_class=3, seed=1)}, "another dataset"),
    ],
)
def test_a_folder_of_another_run_is_refused(tmp_path, changes, message):
    values = {"recipe": QUICK, "data": DATA, "protocol": LOSO}
    evaluate(**values, seeds=[0], folder=tmp_path)
    with pytest.raises(ProtocolError, match=message):
        evaluate(**(values | changes), seeds=[0], folder=tmp_path)


def test_recordings_are_known_by_what_they_sound_like(tmp_path):
    """Not by features, whose last digits another number of threads changes."""
    hashes = tuple(map(str, range(len(DATA))))
    heard = replace(DATA, hashes=hashes)
    evaluate(QUICK, heard, LOSO, seeds=[0], folder=tmp_path)
    nearly = replace(heard, features=np.nextafter(DATA.features, np.float32(9)))
    evaluate(QUICK, nearly, LOSO, seeds=[0], folder=tmp_path)
    other = replace(heard, hashes=("x", *hashes[1:]))
    with pytest.raises(ProtocolError, match="another dataset"):
        evaluate(QUICK, other, LOSO, seeds=[0], folder=tmp_path)


def test_a_folder_of_another_version_is_refused(tmp_path):
    evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    file = tmp_path / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(manifest | {"serkit": "0.0.1"}))
    with pytest.raises(ProtocolError, match=r"version of serkit: found 0\.0\.1"):
        evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    file.write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(ProtocolError, match="found 99, expected 2"):
        load_run(tmp_path)
    file.write_text("{")
    with pytest.raises(ProtocolError, match="damaged"):
        load_run(tmp_path)


def test_folders_that_hold_no_run(tmp_path):
    with pytest.raises(ProtocolError, match="holds no run"):
        load_run(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ProtocolError, match="not empty"):
        evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)


def test_an_unfinished_run_is_no_result(tmp_path):
    evaluate(QUICK, DATA, LOSO, seeds=[0, 1], folder=tmp_path)
    for file in sorted((tmp_path / "folds").glob("1-*"))[:3]:
        file.unlink()
    with pytest.raises(ProtocolError, match=r"3 of 8 folds are missing, such as toys/. of seed 1"):
        load_run(tmp_path)
    evaluate(QUICK, DATA, LOSO, seeds=[0, 1], folder=tmp_path)
    same(load_run(tmp_path), evaluate(QUICK, DATA, LOSO, seeds=[0, 1]))


def test_seeds_are_added_and_none_is_forgotten(tmp_path):
    for seeds in ([1], [0]):
        evaluate(QUICK, DATA, LOSO, seeds=seeds, folder=tmp_path)
    assert load_run(tmp_path).seeds == (0, 1)


def test_what_a_kill_left_half_written_blocks_nothing(tmp_path):
    (tmp_path / ".manifest.json.abc").write_text("{")
    evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    assert len(load_run(tmp_path).results) == 4


def _saved(file, **changes):
    with np.load(file) as values:
        content = dict(values)
    np.savez(file, **(content | changes))


SPOILED = {
    "rubbish": lambda file: file.write_bytes(b"PK no"),
    "empty": lambda file: file.write_bytes(b""),
    "an odd compression": lambda file: _flip(file, file.read_bytes().index(b"PK\x01\x02") + 10),
    "a list as seed": lambda file: _saved(file, seed=np.zeros(2)),
    "twice the same": lambda file: _saved(file, test=np.zeros(9, np.int64)),
    "beyond the data": lambda file: _saved(file, test=np.arange(900, 909)),
    "text for numbers": lambda file: _saved(file, test=np.array(["a"] * 9)),
    "too few": lambda file: _saved(file, probabilities=np.ones((3, 3), np.float32)),
    "no numbers": lambda file: _saved(file, probabilities=np.full((9, 3), np.nan, np.float32)),
    "another fold": lambda file: _saved(file, fold=np.array("toys/9")),
}


def _flip(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 0x40
    file.write_bytes(content)


@pytest.mark.parametrize("kind", SPOILED)
def test_a_damaged_fold_is_named_and_done_again(tmp_path, kind):
    whole = evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    file = sorted((tmp_path / "folds").iterdir())[1]
    SPOILED[kind](file)
    with pytest.raises(ProtocolError, match=file.name):
        load_run(tmp_path)
    same(evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path), whole)
    same(load_run(tmp_path), whole)


@pytest.mark.parametrize(
    "change",
    [
        {"hashes": ["x"]},
        {"planned": [0]},
        {"planned": []},
        {"planned": [[1e308, "toys/0"]]},
        {"planned": [[-1, "toys/0"]]},
        {"planned": None},
        {"utterances": [1]},
        {"labels": ["angry"]},
        {"protocol": {"name": "loso"}},
    ],
)
def test_a_damaged_manifest_is_named(tmp_path, change):
    evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ProtocolError, match=r"manifest\.json is damaged"):
        load_run(tmp_path)


def test_folds_that_test_the_same_utterances_are_no_run(tmp_path):
    evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    one, other = sorted((tmp_path / "folds").iterdir())[:2]
    with np.load(other) as values:
        test = values["test"]
    _saved(one, test=test)
    with pytest.raises(ProtocolError, match="folds of seed 0 test the same utterances"):
        load_run(tmp_path)
    evaluate(QUICK, DATA, LOSO, seeds=[0], folder=tmp_path)
    assert len(load_run(tmp_path).results) == 4


def test_an_outcome_is_kept_once(tmp_path):
    found = evaluate(QUICK, DATA, LOSO, seeds=[0])
    save_run(tmp_path, found, QUICK.to_dict())
    same(load_run(tmp_path), found)
    with pytest.raises(ProtocolError, match="holds a run already"):
        save_run(tmp_path, found, QUICK.to_dict())
    for file in (tmp_path / "folds").iterdir():  # as if killed before the first fold
        file.unlink()
    save_run(tmp_path, found, QUICK.to_dict())
    same(load_run(tmp_path), found)
