import io
import sys

import numpy as np
import pytest
import soundfile

from serkit.audio import read
from serkit.corpora import load
from serkit.errors import CorpusError, MissingExtraError


def test_without_the_extra_the_message_names_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[datasets\]'"):
        load(f"datasets={tmp_path}")


@pytest.fixture
def datasets(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    import datasets as module

    return module


def sound(value, container="WAV"):
    file = io.BytesIO()
    soundfile.write(file, np.full(1600, value), 16_000, format=container)
    return file.getvalue()


def table(datasets, rows, *, label="emotion", names=("anger", "joy"), speaker="speaker_id"):
    """Rows of (bytes, path, class, speaker, text)."""
    audio = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    features = datasets.Features(
        {
            "audio": audio,
            label: datasets.ClassLabel(names=list(names)) if names else datasets.Value("int64"),
            speaker: datasets.Value("string"),
            "text": datasets.Value("string"),
        }
    )
    columns = list(zip(*rows, strict=True))
    return datasets.Dataset.from_dict(
        {
            "audio": [{"bytes": b, "path": p} for b, p in zip(*columns[:2], strict=True)],
            label: list(columns[2]),
            speaker: list(columns[3]),
            "text": list(columns[4]),
        },
        features=features,
    ).cast_column("audio", datasets.Audio())


def test_bytes_become_files(datasets, tmp_path):
    rows = [(sound(0.25), "x.wav", 0, "s1", "Oh."), (sound(0.5, "FLAC"), None, 1, "s2", None)]
    table(datasets, rows).save_to_disk(tmp_path / "mine")
    corpus = load(f"datasets={tmp_path / 'mine'}")
    assert [
        (u.label, u.speaker_key, u.text, u.split, u.audio.suffix) for u in corpus.utterances
    ] == [
        ("angry", "mine/s1", "Oh.", None, ".wav"),
        ("happy", "mine/s2", None, None, ".flac"),
    ]
    assert read(corpus.utterances[1].audio)[0] == pytest.approx(0.5, abs=1e-3)
    assert corpus.utterances[0].audio.is_relative_to(tmp_path / "cache" / "serkit")
    before = corpus.utterances[0].audio.stat().st_mtime_ns
    assert load(f"datasets={tmp_path / 'mine'}") == corpus
    assert corpus.utterances[0].audio.stat().st_mtime_ns == before


def test_the_published_splits(datasets, tmp_path):
    part = table(datasets, [(sound(0.25), "x.wav", 0, "s1", "Oh.")])
    both = datasets.DatasetDict({"train": part, "validation": part})
    both.save_to_disk(tmp_path / "mine")
    assert [u.split for u in load(f"datasets={tmp_path / 'mine'}").utterances] == ["train", "dev"]


def test_splits_with_dots_keep_their_recordings_apart(datasets, tmp_path):
    rows = [(sound(0.25), None, 0, "s1", "Oh."), (sound(0.5), None, 1, "s2", None)]
    both = datasets.DatasetDict({name: table(datasets, rows) for name in ("a.en", "a.de")})
    both.save_to_disk(tmp_path / "mine")
    found = load(f"datasets={tmp_path / 'mine'}").utterances
    assert len({u.audio for u in found}) == 4
    assert sorted(float(read(u.audio)[0]) for u in found) == pytest.approx([0.25] * 2 + [0.5] * 2)


def test_a_single_split_is_none(datasets, tmp_path):
    part = table(datasets, [(sound(0.25), "x.wav", 0, "s1", "Oh.")])
    datasets.DatasetDict({"train": part}).save_to_disk(tmp_path / "mine")
    assert [u.split for u in load(f"datasets={tmp_path / 'mine'}").utterances] == [None]


def test_paths_in_plain_columns(datasets, tmp_path):
    (tmp_path / "a.wav").write_bytes(sound(0.5))
    datasets.Dataset.from_dict(
        {
            "file": [str(tmp_path / "a.wav"), str(tmp_path / "gone.wav")],
            "label": ["Surprise", "sad"],
            "speaker": [7, 8],
        }
    ).save_to_disk(tmp_path / "mine")
    corpus = load(f"datasets={tmp_path / 'mine'}")
    (utterance,) = corpus.utterances
    assert (utterance.audio, utterance.label) == (tmp_path / "a.wav", "surprised")
    assert utterance.speaker == "7"
    assert corpus.oddities[0].problem == "row 1 has no audio file; passed over"


def test_rows_without_label_or_speaker_are_reported(datasets, tmp_path):
    rows = [
        (sound(0.25), "x.wav", 0, "s1", "Oh."),
        (sound(0.25), "x.wav", -1, "s1", "Oh."),
        (sound(0.25), "x.wav", None, "", "Oh."),
    ]
    table(datasets, rows).save_to_disk(tmp_path / "mine")
    corpus = load(f"datasets={tmp_path / 'mine'}")
    assert [odd.problem for odd in corpus.oddities] == [
        "row 1 has no label; passed over",
        "row 2 has no label and no speaker; passed over",
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"speaker": "who"}, r"the columns audio, emotion, who, text; expected .* speaker: spea"),
        ({"label": "feeling"}, "label: emotion, label"),
        ({"names": None}, "numbers without names"),
    ],
)
def test_a_dataset_that_lacks_what_is_needed(datasets, tmp_path, options, problem):
    rows = [(sound(0.25), "x.wav", 0, "s1", "Oh.")]
    table(datasets, rows, **options).save_to_disk(tmp_path / "mine")
    with pytest.raises(CorpusError, match=problem):
        load(f"datasets={tmp_path / 'mine'}")


def test_no_dataset_there(datasets, tmp_path):
    with pytest.raises(CorpusError, match="expected a folder written by save_to_disk"):
        load(f"datasets={tmp_path}")


def test_a_damaged_dataset(datasets, tmp_path):
    table(datasets, [(sound(0.25), "x.wav", 0, "s1", "Oh.")]).save_to_disk(tmp_path / "mine")
    (tmp_path / "mine" / "state.json").write_text("{")
    with pytest.raises(CorpusError, match="cannot be loaded"):
        load(f"datasets={tmp_path / 'mine'}")
