import io
import json
import re
import sys

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from serkit.audio import read
from serkit.corpora import load
from serkit.errors import CorpusError, MissingExtraError


def test_without_the_extra_the_message_names_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
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
    outside = tmp_path / "outside.wav"
    outside.write_bytes(sound(0.5))
    inside = tmp_path / "mine" / "a.wav"
    files = ["a.wav", str(inside), str(outside), "../outside.wav", "link.wav", "gone.wav"]
    files += ["http://127.0.0.1/a.wav", "zip://a.wav::http://127.0.0.1/a.zip", "a\0.wav", "x" * 999]
    count = len(files)
    datasets.Dataset.from_dict(
        {"file": files, "label": ["Surprise"] * count, "speaker": list(range(count))}
    ).save_to_disk(tmp_path / "mine")
    inside.write_bytes(sound(0.5))
    (tmp_path / "mine" / "link.wav").symlink_to(outside)
    corpus = load(f"datasets={tmp_path / 'mine'}")
    assert [(u.audio, u.label, u.speaker) for u in corpus.utterances] == [
        (inside, "surprised", "0"),
        (inside, "surprised", "1"),
    ]
    assert [odd.problem for odd in corpus.oddities] == [
        f"row {number} has no audio file within the dataset; skipped" for number in range(2, count)
    ]


def test_rows_without_label_or_speaker_are_reported(datasets, tmp_path):
    rows = [
        (sound(0.25), "x.wav", 0, "s1", "Oh."),
        (sound(0.25), "x.wav", -1, "s1", "Oh."),
        (sound(0.25), "x.wav", None, "", "Oh."),
    ]
    table(datasets, rows).save_to_disk(tmp_path / "mine")
    corpus = load(f"datasets={tmp_path / 'mine'}")
    assert [odd.problem for odd in corpus.oddities] == [
        "row 1 has no label; skipped",
        "row 2 has no label and no speaker; skipped",
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


def saved(datasets, root):
    table(datasets, [(sound(0.25), "x.wav", 0, "s1", "Oh.")]).save_to_disk(root)
    return root


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


EVIL_NAMES = ["../evil", "/evil", "a/b", "a\\b", "..", "", "a\0b", None, 3, ["x"]]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_names_that_are_none(datasets, tmp_path, name):
    root = saved(datasets, tmp_path / "mine")
    change(root / "state.json", _data_files=[{"filename": name}])
    with pytest.raises(CorpusError, match="as files; expected names of files"):
        load(f"datasets={root}")
    (root / "dataset_dict.json").write_text(json.dumps({"splits": [name]}))
    with pytest.raises(CorpusError, match="as splits; expected names of folders"):
        load(f"datasets={root}")


def test_a_file_of_rows_twice(datasets, tmp_path):
    root = saved(datasets, tmp_path / "mine")
    (rows,) = root.glob("*.arrow")
    change(root / "state.json", _data_files=[{"filename": rows.name}] * 2)
    with pytest.raises(CorpusError, match="each once"):
        load(f"datasets={root}")


def test_the_cache_is_named_by_hashes(datasets, tmp_path):
    part = table(datasets, [(sound(0.25), "../../x.pth", 0, "s1", "Oh.")])
    datasets.DatasetDict({"a": part, "b": part}).save_to_disk(tmp_path / "mine")
    for utterance in load(f"datasets={tmp_path / 'mine'}").utterances:
        assert re.fullmatch(r"[0-9a-f]{32}\.wav", utterance.audio.name)
        assert utterance.audio.parent.parent == tmp_path / "cache" / "serkit" / "datasets"


def test_a_file_of_rows_that_links_out_of_the_folder(datasets, tmp_path):
    root = saved(datasets, tmp_path / "mine")
    (rows,) = root.glob("*.arrow")
    rows.rename(tmp_path / "rows")
    rows.symlink_to(tmp_path / "rows")
    with pytest.raises(CorpusError, match="is a link that leads out of the dataset's folder"):
        load(f"datasets={root}")


@pytest.mark.parametrize("how", ["lz4", "zstd"])
def test_compressed_rows_are_refused(datasets, tmp_path, how):
    root = saved(datasets, tmp_path / "mine")
    (rows,) = root.glob("*.arrow")
    with pa.ipc.open_stream(rows.read_bytes()) as reader:
        content = reader.read_all()
    for compression in (None, how):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, content.schema, options=options) as writer:
            writer.write(content)
        rows.write_bytes(sink.getvalue())
        if compression is None:
            assert len(load(f"datasets={root}").utterances) == 1
    with pytest.raises(CorpusError, match="its Arrow file is compressed"):
        load(f"datasets={root}")


def test_offsets_beyond_the_end(datasets, tmp_path):
    root = saved(datasets, tmp_path / "mine")
    (rows,) = root.glob("*.arrow")
    content = bytearray(rows.read_bytes())
    end = content.rindex((3).to_bytes(4, "little"), 0, content.rindex(b"Oh."))
    content[end : end + 4] = (1 << 20).to_bytes(4, "little")
    rows.write_bytes(content)
    with pytest.raises(CorpusError, match="cannot be loaded"):
        load(f"datasets={root}")


@pytest.mark.parametrize("column", ["text", "audio"])
def test_a_value_that_many_rows_share_is_refused(tmp_path, column):
    """A column as a dictionary: one value and an index a row, which would become as many copies."""
    n = 2000
    index = pa.array([0] * n, pa.int8())
    columns = {
        "audio": pa.array(["a.wav"] * n),
        "emotion": pa.array(["sad"] * n),
        "speaker_id": pa.array(["1"] * n),
    }
    if column == "text":
        columns["text"] = pa.DictionaryArray.from_arrays(index, pa.array(["é" * 100_000]))
    else:
        content = pa.DictionaryArray.from_arrays(index, pa.array([sound(0.25)]))
        columns["audio"] = pa.StructArray.from_arrays([content], ["bytes"])
    rows = pa.table(columns)
    root = tmp_path / "small"
    root.mkdir()
    with pa.ipc.new_stream(root / "data.arrow", rows.schema) as writer:
        writer.write_table(rows)
    (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    (root / "dataset_info.json").write_text("{}")
    assert sum(path.stat().st_size for path in root.iterdir()) < 300_000
    with pytest.raises(CorpusError, match="a column is stored as a dictionary; cast it"):
        load(f"datasets={root}")
