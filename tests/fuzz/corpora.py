"""Fuzz the corpus readers: any folder gives utterances or a `SerkitError`.

    python tests/fuzz/corpora.py --runs 200 --seed 0

A small corpus of every reader, from `MADE`, is mutated at random: values, bytes, names, links,
pipes. It is read, and every file it names is opened as by `serkit corpus stats`.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from serkit.corpora import inspect, load
from serkit.errors import SerkitError

sys.path[:0] = [str(Path(__file__).parents[1])]
from fuzz.children import main

Files = dict[str, bytes]

EVIL_TEXTS = (
    "../../../etc/passwd", "/etc/passwd", "..", ".", "", "x/evil", "a\0b", "a\nb", "\x1b[31m",
    "9" * 10_000, "-1", "1e999", "nan", "NaN", "-inf", "1" * 309, "0x" + "f" * 5000, "2001-13-45",
    "http://127.0.0.1:9/a.wav", "hf://datasets/a/b", "zip://a.wav::http://127.0.0.1:9/a.zip",
    "udp://127.0.0.1:9", "file:///etc/passwd", "x" * 5000, "'" * 999, '"', "é" * 200, "\u202e",
    "!!python/object/apply:os.system ['true']", "&a [*a, *a]", "[" * 3000, "{" * 3000, "\ufeff",
)  # fmt: skip
MOST_BYTES = 1 << 20
EVIL_NAME = b"\xe9\n\x1b[31m"
EVIL_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 63, 10**400, 1e308, float("nan"), float("inf"), [], {}, [[]],
    {"a": {}}, "\ud800", [None] * 1000,
)  # fmt: skip


def sound(seed: int = 0, *, container: str = "WAV") -> bytes:
    """A twentieth of a second of noise."""
    file = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, 800)
    soundfile.write(file, noise, 16_000, format=container)
    return file.getvalue()


def _table(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def _audformat(storage: str) -> Files:
    import tempfile

    import audformat

    db = audformat.Database("mine", usage="commercial", languages=["deu"])
    db.splits["test"] = audformat.Split("test")
    db.schemes["emotion"] = audformat.Scheme(labels=["anger", "happiness"])
    db.schemes["speaker"] = audformat.Scheme("int", minimum=0)
    db["files"] = audformat.Table(audformat.filewise_index(["a.wav", "b.wav"]), split_id="test")
    for scheme, values in (("emotion", ["anger", "happiness"]), ("speaker", [1, 2])):
        db["files"][scheme] = audformat.Column(scheme_id=scheme)
        db["files"][scheme].set(values)
    with tempfile.TemporaryDirectory() as folder:
        db.save(folder, storage_format=storage)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return {**files, "a.wav": sound(1), "b.wav": sound(2)}


def _datasets() -> Files:
    import pyarrow as pa

    rows = pa.table(
        {
            "audio": [{"bytes": sound(i), "path": f"{i}.wav"} for i in range(2)],
            "emotion": [0, 1],
            "speaker_id": ["s1", "s2"],
            "text": ["Oh.", None],
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write(rows)
    info = {"features": {"emotion": {"names": ["anger", "joy"], "_type": "ClassLabel"}}}
    state = dict.fromkeys(("_format_columns", "_format_type", "_split"))
    state |= {"_fingerprint": "0", "_format_kwargs": {}, "_output_all_columns": False}
    state |= {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
    return {
        "data-00000-of-00001.arrow": sink.getvalue(),
        "dataset_info.json": json.dumps(info).encode(),
        "state.json": json.dumps(state).encode(),
    }


def _split_datasets() -> Files:
    parts = {f"{split}/{n}": c for split in ("train", "test") for n, c in _datasets().items()}
    return {"dataset_dict.json": b'{"splits": ["train", "test"]}', **parts}


def _iemocap() -> Files:
    names = ("Ses01F_impro01_F000", "Ses01F_impro01_M000")
    return {
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": _table(
            f"[1.25 - 2.50]\t{names[0]}\tneu\t[2.5, 2.5, 2.5]",
            f"[2.50 - 3.50]\t{names[1]}\tang\t[2.5, 2.5, 2.5]",
        ),
        "Session1/dialog/transcriptions/Ses01F_impro01.txt": _table(
            *(f"{name} [001.2500-002.5000]: Oh." for name in names)
        ),
        **{
            f"Session1/sentences/wav/Ses01F_impro01/{name}.wav": sound(i)
            for i, name in enumerate(names)
        },
    }


def _meld() -> Files:
    header = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,Season,Episode"
    return {
        "train_sent_emo.csv": _table(header, "Oh,Joey,joy,0,0,1,2", "No,Ross,anger,0,1,1,2"),
        "train_splits/dia0_utt0.wav": sound(0),
        "train_splits/dia0_utt1.wav": sound(1),
    }


def _crema_d() -> Files:
    return {
        "AudioWAV/1001_DFA_ANG_XX.wav": sound(0),
        "AudioWAV/1002_DFA_SAD_XX.wav": sound(1),
        "processedResults/summaryTable.csv": _table(
            "FileName,VoiceVote,VoiceLevel", "1001_DFA_ANG_XX,A,70", "1002_DFA_SAD_XX,S,40"
        ),
    }


def _zed() -> Files:
    entries = {
        f"spk{i}_1": {
            "wav": f"datafolder/spk{i}/1.wav",
            "duration": 0.05,
            "emotion": [{"emo": "angry", "start": 0.01, "end": end}],
            "transcription": "Oh.",
        }
        for i, end in enumerate((0.03, 0.05))
    }
    return {
        "ZED.json": json.dumps(entries).encode(),
        "spk0/1.wav": sound(0),
        "spk1/1.wav": sound(1),
    }


def _clips(*names: str) -> Callable[[], Files]:
    return lambda: {name: sound(i) for i, name in enumerate(names)}


MADE: dict[str, Callable[[], Files]] = {
    "ravdess": _clips("Actor_01/03-01-05-01-01-01-01.wav", "Actor_02/03-01-04-01-01-01-02.wav"),
    "emodb": _clips("wav/03a01Fa.wav", "wav/08a01Wa.wav"),
    "tess": _clips("OAF_angry/OAF_back_angry.wav", "YAF_sad/YAF_back_sad.wav"),
    "nemo": lambda: {
        "data.tsv": _table("file_id\traw_text", "EB0_anger_1.wav\tO.", "IC0_fear_1.wav\tNie."),
        **_clips("samples/EB0_anger_1.wav", "samples/IC0_fear_1.wav")(),
    },
    "iemocap": _iemocap,
    "iemocap_4class": _iemocap,
    "iemocap_6class": _iemocap,
    "crema_d": _crema_d,
    "crema_d_rated": _crema_d,
    "savee": _clips("AudioData/DC/a01.wav", "AudioData/JE/sa02.wav"),
    "emovo": _clips("f1/dis-f1-b1.wav", "m1/rab-m1-b2.wav"),
    "meld": _meld,
    "emorynlp": lambda: {
        "emorynlp_train_final.csv": _table(
            "Utterance,Speaker,Emotion,Scene_ID,Season,Episode",
            "Oh,\"['Joey', 'Ross']\",Joyful,1,1,2",
            "No,['Monica'],Mad,1,1,2",
        )
    },
    "zed": _zed,
    "manifest": lambda: {
        "my.csv": _table("audio,label,speaker,start,end", "a.wav,sad,x,0,0.02", "b.wav,angry,y,,"),
        **_clips("a.wav", "b.wav")(),
    },
    "manifest jsonl": lambda: {
        "my.jsonl": _table(
            '{"audio": "a.wav", "label": "sad", "speaker": "x", "start": 0, "end": 0.02}',
            '{"audio": "b.wav", "label": "angry", "speaker": "y"}',
        ),
        **_clips("a.wav", "b.wav")(),
    },
    "audformat": lambda: _audformat("csv"),
    "audformat parquet": lambda: _audformat("parquet"),
    "datasets": _datasets,
    "datasets splits": _split_datasets,
}
"""The files of a small corpus, by the reader (and kind) it is for."""


def write(files: Files, root: Path) -> None:
    """Write the files of a corpus below a folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def spec(kind: str, root: Path) -> str:
    """The argument of `load` for a corpus in a folder."""
    reader = kind.partition(" ")[0]
    if reader == "manifest":
        return f"manifest={root / ('my.jsonl' if 'jsonl' in kind else 'my.csv')}"
    return f"{reader}={root}"


def prepare(seed: int) -> dict[str, Files]:
    """All kinds of corpora."""
    warnings.simplefilter("ignore")
    os.environ["XDG_CACHE_HOME"] = "/nonexistent"  # set for each input
    return {kind: make() for kind, make in MADE.items()}


def one_input(corpora: dict[str, Files], rng: random.Random, folder: Path) -> str:
    """Change a corpus, read it, and open all its files."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    kind = rng.choice(list(corpora))
    root = folder / "corpus"
    root.mkdir()
    files = dict(corpora[kind])
    tables = [name for name in files if not name.endswith(".wav")]
    if rng.random() < 0.8:
        for _ in range(rng.randint(1, 3)):
            name = rng.choice(tables if tables and rng.random() < 0.8 else list(files))
            files[name] = _changed(name, files[name], rng)
    write(files, root)
    if rng.random() < 0.5:
        for _ in range(rng.randint(1, 3)):
            _upset(root, rng)
    try:
        corpus = load(spec(kind, root))
        survey = inspect(corpus)
    except SerkitError as error:
        # Names are shown as they are here, and escaped where they reach a terminal.
        assert "\n" not in str(error).replace(os.fsdecode(EVIL_NAME), ""), str(error)
        assert len(str(error)) < 20_000
        return f"{kind}: {type(error).__name__}"
    assert survey.stats.total == len(corpus.utterances) > 0
    return f"{kind}: read"


def _changed(name: str, content: bytes, rng: random.Random) -> bytes:
    """Mutate a value or bytes of a file."""
    try:
        return _value_changed(name, content, rng)
    except (IndexError, ValueError):  # it was changed before
        return _bytes_changed(content, rng)


def _value_changed(name: str, content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return _bytes_changed(content, rng)
    if name.endswith(".json"):
        values = json.loads(content)
        for _ in range(rng.randint(1, 3)):
            values = value_changed(values, rng)
        return json.dumps(values).encode()
    if name.endswith(".yaml"):
        text = content.decode()
        place = rng.choice(list(re.finditer(r"[\w.]+", text)))
        evil = rng.choice(EVIL_TEXTS)
        quoted = json.dumps(evil) if rng.random() < 0.5 else evil
        return (text[: place.start()] + quoted + text[place.end() :]).encode()
    if name.endswith((".csv", ".tsv", ".jsonl", ".txt")):
        cells = re.split(rb"([,\t\n:\[\]{}]+)", content)
        evil = rng.choice(EVIL_TEXTS).encode("utf-8", "surrogatepass")
        cells[2 * rng.randrange(len(cells) // 2)] = evil * rng.choice((1, 1, 1, 40))
        return b"".join(cells)
    return _bytes_changed(content, rng)


def value_changed(values: Any, rng: random.Random) -> Any:
    """JSON values with one of them replaced."""
    if isinstance(values, dict) and values and rng.random() < 0.85:
        key = rng.choice(list(values))
        if rng.random() < 0.1:
            return {k: v for k, v in values.items() if k != key}
        if rng.random() < 0.1:
            return {**values, rng.choice(EVIL_TEXTS): values[key]}
        return {**values, key: value_changed(values[key], rng)}
    if isinstance(values, list) and values and rng.random() < 0.85:
        place = rng.randrange(len(values))
        return [*values[:place], value_changed(values[place], rng), *values[place + 1 :]]
    return rng.choice(EVIL_TEXTS if rng.random() < 0.5 else EVIL_VALUES)


def _bytes_changed(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        place = rng.randint(0, len(changed))
        match rng.randrange(5):
            case 0 if place < len(changed):
                changed[place] = rng.randrange(256)
            case 1:
                changed[place:place] = rng.randbytes(rng.choice((1, 4, 100)))
            case 2:
                del changed[place : place + rng.choice((1, 4, 100))]
            case 3:
                number = rng.choice((0, 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1))
                size = rng.choice((4, 8))
                changed[place : place + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
            case _:
                del changed[place:]
    return bytes(changed)


def _upset(root: Path, rng: random.Random) -> None:
    """Replace, remove or add a file, link, pipe or folder."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
    if not files:
        return
    path = rng.choice(files)
    kept = path.read_bytes()
    match rng.randrange(9):
        case 0:
            path.unlink()
            os.mkfifo(path)
        case 1:
            path.unlink()
            path.mkdir()
        case 2:
            path.unlink()
            target = ("/dev/zero", "/etc/passwd", path, "nowhere", root, "/proc/self/mem")
            path.symlink_to(rng.choice(target))
        case 3:
            (path.parent / "loop").symlink_to(root) if not (path.parent / "loop").exists() else 0
        case 4:
            name = os.fsencode(path.parent) + b"/" + EVIL_NAME + os.fsencode(path.name)
            Path(os.fsdecode(name)).write_bytes(kept)
        case 5:
            path.unlink()
        case 6:
            path.write_bytes(b"")
        case 7:
            path.with_suffix(".pkl").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
        case _:
            path.write_bytes((kept * rng.choice((2, 100)))[:MOST_BYTES])


if __name__ == "__main__":
    main(__file__, prepare, one_input, runs=200)
