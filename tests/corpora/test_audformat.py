import sys

import pytest

from serkit.corpora import load
from serkit.errors import CorpusError, MissingExtraError

# audformat 1.4 uses what pandas 3.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_without_the_extra_the_message_names_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[audformat\]'"):
        load(f"audformat={tmp_path}")


@pytest.fixture
def audformat():
    import audformat as module

    return module


@pytest.fixture
def database(audformat):
    """Two files and a stretch of a third; one of them in the test split."""
    db = audformat.Database("mine", usage="commercial", languages=["deu"], license="CC0-1.0")
    db.splits["train"] = audformat.Split("train")
    db.splits["test"] = audformat.Split("test")
    db.schemes["emotion"] = audformat.Scheme(labels=["anger", "happiness", "boredom"])
    db.schemes["speaker"] = audformat.Scheme("str")
    db.schemes["transcription"] = audformat.Scheme(labels={"t1": "Hallo."})
    add(audformat, db, "train", audformat.filewise_index(["a.wav", "b.wav"]), ["anger", "boredom"])
    add(audformat, db, "test", audformat.segmented_index(["c.wav"], [0.5], [1.5]), ["happiness"])
    db["files"] = audformat.Table(audformat.filewise_index(["a.wav", "b.wav", "c.wav"]))
    for scheme, values in (("speaker", ["1", "1", "2"]), ("transcription", ["t1", None, None])):
        db["files"][scheme] = audformat.Column(scheme_id=scheme)
        db["files"][scheme].set(values)
    return db


def add(audformat, db, split, index, emotions):
    db[f"emotion.{split}"] = audformat.Table(index, split_id=split)
    db[f"emotion.{split}"]["emotion"] = audformat.Column(scheme_id="emotion")
    db[f"emotion.{split}"]["emotion"].set(emotions)


def saved(db, root, *names):
    db.save(str(root))
    for name in names:
        (root / name).touch()
    return root


def test_a_database(database, tmp_path):
    corpus = load(f"audformat={saved(database, tmp_path, 'a.wav', 'b.wav', 'c.wav')}")
    found = {
        u.audio.name: (u.label, u.speaker, u.text, u.start_s, u.end_s, u.split)
        for u in corpus.utterances
    }
    assert found == {
        "a.wav": ("angry", "1", "Hallo.", None, None, "train"),
        "b.wav": ("bored", "1", None, None, None, "train"),
        "c.wav": ("happy", "2", None, 0.5, 1.5, "test"),
    }
    assert corpus.name == "mine"
    assert corpus.oddities == ()
    assert (corpus.info.licence, corpus.info.commercial_use) == ("CC0-1.0", True)


def test_missing_files_and_cells_are_reported(database, tmp_path):
    database["files"]["speaker"].set(["1", None, "2"])
    corpus = load(f"audformat={saved(database, tmp_path, 'a.wav', 'b.wav')}")
    assert [u.audio.name for u in corpus.utterances] == ["a.wav"]
    assert {(odd.path.name, odd.problem) for odd in corpus.oddities} == {
        ("b.wav", "has no speaker; passed over"),
        ("c.wav", "does not exist; passed over"),
    }


def test_a_database_without_speakers(audformat, tmp_path):
    db = audformat.Database("mine")
    db.schemes["emotion"] = audformat.Scheme(labels=["anger"])
    db["files"] = audformat.Table(audformat.filewise_index(["a.wav"]))
    db["files"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["files"]["emotion"].set(["anger"])
    with pytest.raises(CorpusError, match="no scheme 'speaker'"):
        load(f"audformat={saved(db, tmp_path, 'a.wav')}")


def test_a_database_without_emotions(audformat, tmp_path):
    db = audformat.Database("mine")
    db.schemes["speaker"] = audformat.Scheme("str")
    db["files"] = audformat.Table(audformat.filewise_index(["a.wav"]))
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set(["x"])
    with pytest.raises(CorpusError, match="no scheme 'emotion'; its schemes are speaker"):
        load(f"audformat={saved(db, tmp_path, 'a.wav')}")


def test_no_database_there(audformat, tmp_path):
    with pytest.raises(CorpusError, match=r"holds no db\.yaml"):
        load(f"audformat={tmp_path}")


@pytest.mark.parametrize("header", ["", "[", "name: 3\ntables: {a: {type: filewise}}\n"])
def test_a_damaged_database(audformat, tmp_path, header):
    (tmp_path / "db.yaml").write_text(header)
    with pytest.raises(CorpusError, match="cannot be loaded"):
        load(f"audformat={tmp_path}")


def test_pickled_tables_are_refused_before_anything_is_read(database, tmp_path):
    saved(database, tmp_path, "a.wav")
    load(f"audformat={tmp_path}")
    assert not list(tmp_path.glob("*.pkl"))  # reading leaves none behind
    (tmp_path / "db.files.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(CorpusError, match=r"pickled tables \(db\.files\.pkl\)"):
        load(f"audformat={tmp_path}")
