import json
import os
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
        ("b.wav", "has no speaker; skipped"),
        ("c.wav", "does not exist; skipped"),
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


def test_pickled_tables_are_never_opened(database, tmp_path):
    saved(database, tmp_path, "a.wav")
    corpus = load(f"audformat={tmp_path}")
    assert not list(tmp_path.glob("*.pkl"))  # reading leaves none behind
    os.mkfifo(tmp_path / "db.files.pkl")  # whoever opens it waits for ever
    assert load(f"audformat={tmp_path}") == corpus
    next(tmp_path.glob("db.files.*[!l]")).unlink()
    with pytest.raises(CorpusError, match=r"db\.files\.pkl is a pickled table"):
        load(f"audformat={tmp_path}")


@pytest.mark.parametrize("storage", ["csv", "parquet"])
def test_both_kinds_of_tables(database, tmp_path, storage):
    database.save(str(tmp_path), storage_format=storage)
    (tmp_path / "a.wav").touch()
    assert [u.label for u in load(f"audformat={tmp_path}").utterances] == ["angry"]


def test_audio_outside_the_database_is_passed_over(database, tmp_path):
    root = tmp_path / "db"
    saved(database, root, "a.wav")
    (tmp_path / "secret.wav").touch()
    for name in ("b.wav", "c.wav"):
        (root / name).symlink_to(tmp_path / "secret.wav")
    corpus = load(f"audformat={root}")
    assert [u.audio.name for u in corpus.utterances] == ["a.wav"]
    assert {odd.problem for odd in corpus.oddities} == {
        "lies outside the database's folder; skipped"
    }


@pytest.mark.parametrize("name", ["x/evil", "../evil", "..", "/etc", "a\\b", "a\0b", "a\nb", ""])
@pytest.mark.parametrize("section", ["tables", "misc_tables", "schemes", "splits", "raters"])
def test_ids_that_are_no_names(audformat, tmp_path, section, name):
    header = {"name": "mine", "source": "", "usage": "other", section: {name: {}}}
    (tmp_path / "db.yaml").write_text(json.dumps(header))
    with pytest.raises(CorpusError, match=f"the id .* in {section}; expected a name"):
        load(f"audformat={tmp_path}")


def test_stretches_that_are_none(audformat, database, tmp_path):
    files, starts, ends = ["a.wav", "b.wav", "c.wav", "d.wav"], [-1, 2, 0, 0.5], [1, 1, 0, None]
    index = audformat.segmented_index(
        files, [f"{s}s" for s in starts], [e and f"{e}s" for e in ends]
    )
    database.drop_tables(["emotion.train", "emotion.test"])
    add(audformat, database, "test", index, ["anger"] * 4)
    database["files"] = audformat.Table(audformat.filewise_index(files))
    database["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    database["files"]["speaker"].set(["1"] * 4)
    corpus = load(f"audformat={saved(database, tmp_path, *files)}")
    assert [(u.audio.name, u.start_s, u.end_s) for u in corpus.utterances] == [("d.wav", 0.5, None)]
    assert [odd.problem for odd in corpus.oddities] == [
        "has a stretch from -1 s to 1 s; skipped",
        "has a stretch from 2 s to 1 s; skipped",
        "has a stretch from 0 s to 0 s; skipped",
    ]


def test_a_row_without_a_file(database, tmp_path):
    saved(database, tmp_path, "a.wav")
    for table in tmp_path.glob("db.emotion.*"):
        table.unlink()
    (tmp_path / "db.emotion.train.csv").write_text("file,emotion\n,anger\na.wav,anger\n")
    (tmp_path / "db.emotion.test.csv").write_text("file,start,end,emotion\n")
    corpus = load(f"audformat={tmp_path}")
    assert [u.audio.name for u in corpus.utterances] == ["a.wav"]


def test_a_row_twice(database, tmp_path):
    saved(database, tmp_path, "a.wav")
    for table in tmp_path.glob("db.files.*"):
        table.unlink()
    rows = "a.wav,1,t1\n" * 50_000  # joined with itself, that is more than memory holds
    (tmp_path / "db.files.csv").write_text(f"file,speaker,transcription\n{rows}")
    with pytest.raises(CorpusError, match="the table files has the same row twice"):
        load(f"audformat={tmp_path}")


def test_a_table_that_links_out_of_the_folder(database, tmp_path):
    root = tmp_path / "db"
    saved(database, root, "a.wav")
    table = next(root.glob("db.files.*"))
    table.rename(tmp_path / table.name)
    table.symlink_to(tmp_path / table.name)
    with pytest.raises(CorpusError, match="a link out of the corpus's folder"):
        load(f"audformat={root}")
