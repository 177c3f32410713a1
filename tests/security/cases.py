"""Cases of untrusted input: a benign and several hostile inputs for every reader."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import onnx_toys
from fuzz import audio, corpora, encoders, models, profiles

READ, REFUSED = "read", "refused"


@dataclass(frozen=True)
class Place:
    """The folder of a case.

    Attributes:
        root: The folder given to the reader. Its parent has `canary`, which nothing may open, and
            `evil`, which nothing may create.
        port: Port of the listener on the loopback interface.
    """

    root: Path
    port: int

    @property
    def canary(self) -> Path:
        return self.root.parent / "canary"

    @property
    def command(self) -> str:
        """A shell command that leaves a trace."""
        return f"touch {self.root.parent / 'evil'}"

    def pickled(self) -> bytes:
        """A pickle that runs the command."""
        return pickle.dumps(_Run(self.command))


class _Run:
    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> Any:
        return os.system, (self._command,)


@dataclass(frozen=True)
class Case:
    """An input.

    Attributes:
        name: Name of the test.
        reader: Key of `watched.READERS`, or name of a corpus reader.
        make: Writes the input and returns its path below the folder.
        outcome: Expected outcome: `read`, `refused`, or both.
    """

    name: str
    reader: str
    make: Callable[[Place], Path | str | bytes]
    outcome: str = REFUSED


def file(name: str, content: bytes | str | Callable[[Place], bytes | str]) -> Any:
    """Write one file."""

    def make(place: Place) -> str:
        found = content(place) if callable(content) else content
        path = place.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found if isinstance(found, bytes) else found.encode())
        return name

    return make


def pipe(name: str) -> Any:
    """Create a pipe without a writer."""

    def make(place: Place) -> str:
        os.mkfifo(place.root / name)
        return name

    return make


def corpus(kind: str, upset: Callable[[Place], object] = lambda place: None) -> Any:
    """Write a small corpus of a reader and alter it."""

    def make(place: Place) -> str:
        corpora.write(corpora.MADE[kind](), place.root)
        upset(place)
        path = corpora.spec(kind, place.root).partition("=")[2]
        return os.path.relpath(path, place.root)

    return make


def instead(name: str, content: bytes | str | Callable[[Place], bytes | str]) -> Any:
    """Replace the content of a file of a corpus."""
    return lambda place: file(name, content)(place)


def link(name: str, target: str = "canary") -> Any:
    """Replace a file of a corpus by a link out of the folder."""

    def make(place: Place) -> None:
        path = place.root / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(place.root.parent / target)

    return make


def blocked(name: str) -> Any:
    """Replace a file of a corpus by a pipe."""

    def make(place: Place) -> None:
        (place.root / name).unlink()
        os.mkfifo(place.root / name)

    return make


def all_of(*upsets: Callable[[Place], object]) -> Any:
    """Several alterations."""
    return lambda place: [upset(place) for upset in upsets]


def changed(name: str, **values: Any) -> Any:
    """Replace values in a JSON file of a corpus; callables get the place."""

    def make(place: Place) -> None:
        path = place.root / name
        found = {k: v(place) if callable(v) else v for k, v in values.items()}
        path.write_text(json.dumps(json.loads(path.read_text()) | found))

    return make


SDP = "RIFF\r\nv=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
SDP += "m=audio 40404 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"


def _movie(place: Place) -> bytes:
    """An MP4 file with a data reference to another file."""
    made = bytearray(audio._by_ffmpeg(np.zeros(4000), "mp4", "aac", 16_000))
    reference = made.index(b"url \0\0\0\1")
    path = os.fsencode(place.canary) + b"\0"
    made[reference + 4 : reference + 8] = b"\0\0\0\0"  # not in this file
    made[reference + 8 : reference + 8] = path
    for box in (b"url ", b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        start = made.index(box) - 4
        size = struct.unpack_from(">I", made, start)[0] + len(path)
        struct.pack_into(">I", made, start, size)
    return bytes(made)


def _wav(tag: int) -> bytes:
    made = bytearray(corpora.sound())
    struct.pack_into("<H", made, 20, tag)
    return bytes(made)


AUDIO: list[tuple[str, Any, str]] = [
    *((f"seed {i}", file(f"{i}.bin", content), READ) for i, content in enumerate(audio.seeds())),
    ("SDP", file("a.wav", SDP), REFUSED),
    ("SDP of a stranger's host", file("a.wav", SDP.replace("127.0.0.1", "0.0.0.0")), REFUSED),
    ("ffconcat", file("a.wav", lambda p: f"ffconcat version 1.0\nfile {p.canary}\n"), REFUSED),
    ("playlist", file("a.m3u8", lambda p: f"#EXTM3U\n#EXTINF:1,\nfile:{p.canary}\n"), REFUSED),
    ("playlist by name", file("a.mp3", lambda p: f"#EXTM3U\n{_url(p)}\n"), REFUSED),
    ("RIFF and a playlist", file("a.wav", lambda p: f"RIFF\n#EXTM3U\n{_url(p)}\n"), REFUSED),
    ("DASH", file("a.m4a", lambda p: f"<MPD><BaseURL>{_url(p)}</BaseURL></MPD>"), REFUSED),
    ("data reference", file("a.mp4", _movie), "either"),
    ("format tag 0x1234", file("a.wav", _wav(0x1234)), REFUSED),
    ("text", file("a.wav", lambda p: str(p.canary)), REFUSED),
    ("empty", file("a.wav", b""), REFUSED),
]


def _url(place: Place) -> str:
    return f"http://127.0.0.1:{place.port}/a.wav"


def _hostile_name(name: str | bytes) -> Any:
    def make(place: Place) -> bytes:
        found = os.fsencode(name).replace(b"PORT", str(place.port).encode())
        path = os.fsencode(place.root) + b"/" + found
        Path(os.fsdecode(path)).write_bytes(audio.seeds()[-4])
        return found

    return make


def _encoder(**changes: Any) -> Any:
    """Write the folder of an encoder with other contents of some files; callables get the place."""

    def make(place: Place) -> str:
        found = {k: v(place) if callable(v) else v for k, v in changes.items()}
        encoders.write(place.root / "encoder", **found)
        return "encoder"

    return make


def _weights_in(canary: Path) -> Any:
    """Have the first weights of an ONNX model in another file."""

    def edit(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        tensor.external_data.add(key="location", value=str(canary))

    return edit


def _operators_of_others(model: Any) -> None:
    model.graph.node[0].domain = "evil"


def _greedy(model: Any) -> None:
    """Ask for 40 GB when the graph is run."""
    from onnx import helper

    shape = helper.make_tensor("shape", 7, [2], [100_000, 100_000])
    model.graph.initializer.append(shape)
    last = model.graph.node[-1]
    name, last.output[0] = last.output[0], "before"
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["large"]),
            helper.make_node("ReduceMax", ["large"], ["zero"], keepdims=0),
            helper.make_node("Add", ["before", "zero"], [name]),
        ]
    )


def _linked_encoder(place: Place) -> str:
    encoders.write(place.root / "encoder")
    link("encoder/tokenizer.json")(place)
    return "encoder"


def _model(**changes: Any) -> Any:
    def content(place: Place) -> bytes:
        header, data = models._parts(models.originals()[0])
        described = json.loads(header["__metadata__"]["serkit"]) | changes
        header["__metadata__"]["serkit"] = json.dumps(described)
        return models._whole((header, data))

    return file("m.safetensors", content)


def _profile(**changes: Any) -> Any:
    def content(place: Place) -> bytes:
        header, data = models._parts(profiles.of_tiny())
        described = json.loads(header["__metadata__"]["serkit"])
        made = {key: value(place) if callable(value) else value for key, value in changes.items()}
        described["model"] |= made
        header["__metadata__"]["serkit"] = json.dumps(described)
        return models._whole((header, data))

    return file("a.profile", content)


def _recipe(text: str | Callable[[Place], str]) -> Any:
    return file("r.yaml", text)


RECIPE = """
name: mine
corpora: [tess]
labels: [angry, sad]
features: {name: mfcc13, descriptors: [{name: mfcc, size: 13}]}
network: {hidden: [8]}
"""
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12)
)


def _run(**changes: Any) -> Any:
    """A run with one fold, altered."""

    def make(place: Place) -> str:
        utterance = {"audio": "a.wav", "label": "sad", "speaker": "1", "corpus": "toys"}
        utterance |= dict.fromkeys(("session", "text", "start_s", "end_s", "split"))
        protocol = {"name": "loso", "title": "t", "citation": "", "speaker_dependent": False}
        manifest = {
            "format": 2, "serkit": "0", "recipe": {}, "protocol": protocol, "data": "",
            "seen": False, "planned": [[0, "x"]], "labels": ["sad", "angry"], "hashes": [],
            "utterances": [utterance],
        }  # fmt: skip
        manifest |= {key: changes[key] for key in manifest.keys() & changes.keys()}
        place.root.joinpath("manifest.json").write_text(json.dumps(manifest))
        folds = place.root / "folds"
        folds.mkdir()
        from serkit.evaluation.run_folder import RunFolder

        name = RunFolder(place.root)._file(0, "x").name
        buffer = io.BytesIO()
        evil = np.empty(1, object)
        evil[0] = _Run(place.command)
        test = evil if changes.get("pickled") else np.array([0])
        np.savez(buffer, seed=0, fold="x", test=test, probabilities=np.ones((1, 2), np.float32))
        content = buffer.getvalue()
        if changes.get("bomb"):
            content = _bomb()
        if changes.get("fold") == "link":
            (folds / name).symlink_to(place.canary)
        elif changes.get("fold") == "pipe":
            os.mkfifo(folds / name)
        else:
            (folds / name).write_bytes(content)
        if changes.get("manifest") == "pipe":
            (place.root / "manifest.json").unlink()
            os.mkfifo(place.root / "manifest.json")
        elif changes.get("manifest") == "link":
            link("manifest.json")(place)
        elif "manifest" in changes:
            (place.root / "manifest.json").write_text(changes["manifest"])
        return "."

    return make


@cache
def _bomb() -> bytes:
    """A small archive of 256 MB of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 28,)}
        )
        with archive.open("test.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(1 << 8):
                member.write(bytes(1 << 20))
    return buffer.getvalue()


def _features(content: Callable[[Place], bytes] | str) -> Any:
    """A cache with another content in the place of the features."""

    def make(place: Place) -> str:
        from serkit.training import FeatureCache

        FeatureCache(place.root).get("ab12", {"way": 1}, lambda: [np.zeros(3, np.float32)])
        (path,) = place.root.rglob("*.npy")
        if content == "benign":
            return "."
        path.unlink()
        values = content(place)
        import hashlib

        path.write_bytes(hashlib.blake2b(values, digest_size=16).digest() + values)
        return "."

    return make


def _pickled_array(place: Place) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Run(place.command)], object), allow_pickle=True)
    return buffer.getvalue()


def _evil_yaml(place: Place) -> str:
    return f"!!python/object/apply:os.system ['{place.command}']\n"


def _database(**changes: Any) -> Any:
    """Replace entries in the header of a database."""

    def upset(place: Place) -> None:
        import yaml

        path = place.root / "db.yaml"
        found = {k: v(place) if callable(v) else v for k, v in changes.items()}
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | found))

    return upset


def _evil_table(place: Place) -> None:
    """The table `x/evil`, pickled."""
    table = {"type": "filewise", "columns": {"emotion": {"scheme_id": "emotion"}}}
    _database(tables={"x/evil": table})(place)
    (place.root / "db.x").mkdir()
    (place.root / "db.x" / "evil.pkl").write_bytes(place.pickled())


def _pickled_tables(place: Place) -> None:
    for name in ("db.files.pkl", "db.pkl"):
        (place.root / name).write_bytes(place.pickled())


def _audio_elsewhere(place: Place) -> None:
    rows = [f"{place.canary},anger,1", "../canary,anger,1", f"{_url(place)},anger,1", "b.wav,,2"]
    (place.root / "db.files.csv").write_text("\n".join(["file,emotion,speaker", *rows, ""]))


def _dataset(paths: Callable[[Place], list[str]], *, contents: bool = False) -> Any:
    """Rows with these paths of audio."""

    def upset(place: Place) -> None:
        import pyarrow as pa

        given = [corpora.sound() if contents else None, *[None] * 99]
        named = paths(place)
        rows = pa.table(
            {
                "audio": [{"bytes": b, "path": p} for b, p in zip(given, named, strict=False)],
                "emotion": [0] * len(named),
                "speaker_id": ["s"] * len(named),
            }
        )
        with pa.ipc.new_stream(place.root / "data-00000-of-00001.arrow", rows.schema) as writer:
            writer.write(rows)

    return upset


def _evil_split(place: Place) -> None:
    """A split with the name of a file that the interpreter runs at its next start."""
    name = "L/../../../../evil"
    (place.root / "dataset_dict.json").write_text(json.dumps({"splits": [name]}))


def _elsewhere(place: Place) -> list[str]:
    paths = (str(place.canary), "../canary", _url(place), f"zip://a.wav::{_url(place)}")
    return [*paths, f"file://{place.canary}", f"hf://datasets/x/y@{place.port}", "/dev/zero"]


def _compressed(place: Place) -> None:
    import pyarrow as pa

    text = "x" * (1 << 27)
    rows = pa.table({"audio": [text], "emotion": [0], "speaker_id": ["s"]})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    path = place.root / "data-00000-of-00001.arrow"
    with pa.ipc.new_stream(path, rows.schema, options=options) as writer:
        writer.write(rows)


def _parquet_bomb(place: Place) -> None:
    """A million rows of one long text, dictionary-encoded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    index = pa.array(np.zeros(1_000_000, np.int32))
    texts = pa.DictionaryArray.from_arrays(index, pa.array(["x" * 5000]))
    rows = pa.table({"file": texts, "emotion": texts, "speaker": index})
    pq.write_table(rows, place.root / "db.files.parquet")


def _cases() -> list[Case]:
    found = [
        Case(f"{name}: {reader}", reader, make, outcome)
        for name, make, outcome in AUDIO
        for reader in ("audio", "audio in memory")
    ]
    names = ("http:127.0.0.1:PORT", "udp:127.0.0.1:PORT", "tcp:127.0.0.1:PORT", "file:..\\canary")
    names += ("concat:..", "rtp:127.0.0.1:PORT", "pipe:0", "-", "a.sdp", "a.raw", "hls+http:x")
    for name in names:
        made = _hostile_name(name)
        found.append(Case(f"audio named {name}", "audio by its name", made, READ))
    found += [
        Case("audio named in Latin-1", "audio", _hostile_name(b"\xe9.m4a"), READ),
        Case("audio: a pipe", "audio", pipe("a.wav")),
        Case("audio: a device", "audio", lambda place: "/dev/zero"),
    ]
    pickled = file("m.safetensors", lambda place: place.pickled())
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    found += [
        Case("model", "model", _model(), READ),
        Case("model: a pickle", "model", pickled),
        Case("encoder", "encoder", _encoder(), READ),
        Case("encoder: pickles", "encoder", _encoder(graph=Place.pickled, vocabulary=b"{}")),
        Case(
            "encoder: weights elsewhere",
            "encoder",
            _encoder(graph=lambda place: encoders.graph_of(weights_in=str(place.canary))),
        ),
        Case("encoder: operators of others", "encoder", _encoder(graph=encoders.graph_of("evil"))),
        Case("encoder: exponential", "encoder", _encoder(vocabulary=encoders.tokenizer("(a+)+$"))),
        Case("encoder: a link", "encoder", _linked_encoder),
        Case("encoder: a file", "encoder", file("encoder", b"{}")),
        Case("ONNX model", "model", file("m.onnx", onnx_toys.content()), READ),
        Case(
            "ONNX model: weights elsewhere",
            "model",
            file("m.onnx", lambda place: onnx_toys.content(edit=_weights_in(place.canary))),
        ),
        Case(
            "ONNX model: operators of others",
            "model",
            file("m.onnx", onnx_toys.content(edit=_operators_of_others)),
        ),
        Case("ONNX model: no card", "model", file("m.onnx", onnx_toys.content(text=False))),
        Case("ONNX model: a deep card", "model", file("m.onnx", onnx_toys.content(text="[" * 999))),
        Case("ONNX model: memory", "model", file("m.onnx", onnx_toys.content(edit=_greedy))),
        Case("ONNX model: half of it", "model", file("m.onnx", onnx_toys.content()[:300])),
        Case("model: a pipe", "model", pipe("m.safetensors")),
        Case("model: half a character", "model", _model(figures={"\ud800": 1})),
        Case("model: no number", "model", _model(figures={"a": float("nan")})),
        Case("model: infinite", "model", _model(recipe={"a": float("inf")})),
        Case("model: digits", "model", _model(figures={"a": 10**4000})),
        Case("model: deep", "model", _model(figures={"a": deep})),
        Case("profile", "profile", file("a.profile", lambda p: profiles.of_tiny()), READ),
        Case("profile: a pickle", "profile", file("a.profile", lambda p: p.pickled())),
        Case("profile: a pipe", "profile", pipe("a.profile")),
        Case("profile: a device", "profile", lambda place: "/dev/zero"),
        Case("profile: too large", "profile", file("a.profile", lambda p: b"\0" * (5 << 20))),
        Case("profile: a model", "profile", _model()),
        Case("profile: a path", "profile", _profile(name=lambda p: str(p.canary)), READ),
        Case("profile: an address", "profile", _profile(name=_url, labels=["a", "b"])),
        Case("profile: digits", "profile", _profile(n_features=10**4000)),
        Case("profile: deep", "profile", _profile(labels=deep)),
        Case("basis", "basis", file("b", lambda p: _shipped_basis()), READ),
        Case("packets", "packets", file("p.smel", lambda p: _shipped_packets()), READ),
        Case("packets: a pickle", "packets", file("p.smel", lambda p: p.pickled())),
        Case("recipe", "recipe", _recipe(RECIPE), READ),
        Case("recipe: a tag", "recipe", _recipe(lambda p: f"{RECIPE}source: {_evil_yaml(p)}")),
        Case("recipe: a module", "recipe", _recipe("!!python/module:antigravity x")),
        Case("recipe: laughs", "recipe", _recipe(LAUGHS)),
        Case("recipe: merges", "recipe", _recipe(MERGES)),
        Case("recipe: deep", "recipe", _recipe("[" * 100_000)),
        Case("recipe: date", "recipe", _recipe(f"{RECIPE}source: 2001-13-45\n")),
        Case("recipe: digits", "recipe", _recipe(f"{RECIPE}clip: {'9' * 10_000}\n")),
        Case("recipe: a pipe", "recipe", pipe("r.yaml")),
        Case("recipe: a device", "recipe", lambda place: "/dev/zero"),
        Case("recipe: too large", "recipe", _recipe("# " + "x" * (2 << 20))),
        Case("run", "run", _run(), READ),
        Case("run: pickled arrays", "run", _run(pickled=True)),
        Case("run: a bomb", "run", _run(bomb=True)),
        Case("run: a link out", "run", _run(fold="link")),
        Case("run: a manifest that links out", "run", _run(manifest="link")),
        Case("run: a pipe", "run", _run(fold="pipe")),
        Case("run: a pipe for a manifest", "run", _run(manifest="pipe")),
        Case("run: digits", "run", _run(planned=[[10**400, "x"]])),
        Case("run: deep", "run", _run(manifest="[" * 100_000)),
        Case("run: utterances", "run", _run(utterances=[{"__class__": "os"}])),
        Case("features", "features", _features("benign"), READ),
        Case("features: pickled", "features", _features(_pickled_array), READ),
        Case("features: an archive", "features", _features(lambda p: _bomb()), READ),
        Case("features: a pickle", "features", _features(lambda p: p.pickled()), READ),
    ]
    for kind in corpora.MADE:
        reader = kind.partition(" ")[0]
        found.append(Case(f"corpus {kind}", reader, corpus(kind), READ))
        for name in corpora.MADE[kind]():
            if not kind.startswith("manifest"):
                made = corpus(kind, link(name))
                found.append(Case(f"corpus {kind}: {name} links out", reader, made, "either"))
            made = corpus(kind, blocked(name))
            found.append(Case(f"corpus {kind}: {name} is a pipe", reader, made, "either"))
        whole = corpus(kind, link("everything", "."))
        found.append(Case(f"corpus {kind}: a folder links out", reader, whole, "either"))
    evil_header = instead("db.yaml", _evil_yaml)
    hidden = instead("db.yaml", lambda p: f"name: x\nusage: other\nsource: {_evil_yaml(p)}")
    attachment = _database(attachments={"x": {"path": "../canary"}})
    split = {"train": {"type": "train"}}
    address = changed("dataset_info.json", download_checksums=lambda p: {_url(p): {}})
    module = changed("dataset_info.json", features={"audio": {"_type": "os.system"}})
    rows = "data-00000-of-00001.arrow"
    found += [
        Case("audformat: a tag", "audformat", corpus("audformat", evil_header)),
        Case("audformat: a tag within", "audformat", corpus("audformat", hidden)),
        Case("audformat: x/evil", "audformat", corpus("audformat", _evil_table)),
        Case("audformat: pickled", "audformat", corpus("audformat", _pickled_tables), READ),
        Case("audformat: attachment", "audformat", corpus("audformat", attachment), READ),
        Case("audformat: audio", "audformat", corpus("audformat", _audio_elsewhere)),
        Case("audformat: laughs", "audformat", corpus("audformat", instead("db.yaml", LAUGHS))),
        Case("audformat: deep", "audformat", corpus("audformat", instead("db.yaml", "[" * 9**6))),
        Case("audformat: splits", "audformat", corpus("audformat", _database(splits=split))),
        Case("audformat: Parquet", "audformat", corpus("audformat parquet", _parquet_bomb)),
        Case("datasets: a split", "datasets", corpus("datasets splits", _evil_split)),
        Case("datasets: paths", "datasets", corpus("datasets", _dataset(_elsewhere))),
        Case(
            "datasets: named bytes",
            "datasets",
            corpus("datasets", _dataset(lambda p: ["../../evil.pth"], contents=True)),
            READ,
        ),
        Case("datasets: address", "datasets", corpus("datasets", address), READ),
        Case("datasets: module", "datasets", corpus("datasets", module)),
        Case("datasets: compressed", "datasets", corpus("datasets", _compressed)),
        Case("datasets: no rows", "datasets", corpus("datasets", instead(rows, b""))),
        Case(
            "datasets: files",
            "datasets",
            corpus("datasets", changed("state.json", _data_files=[{"filename": "../canary"}])),
        ),
        Case(
            "datasets: an address as file",
            "datasets",
            corpus(
                "datasets",
                changed("state.json", _data_files=lambda p: [{"filename": _url(p)}]),
            ),
        ),
        Case("manifest: a pipe", "manifest", pipe("my.csv")),
        Case("manifest: a field", "manifest", file("my.csv", "x" * 10**6)),
        Case("manifest: deep", "manifest", file("my.jsonl", "[" * 100_000)),
        Case(
            "manifest: an address",
            "manifest",
            file("my.csv", lambda p: f"audio,label,speaker\n{_url(p)},sad,x\n"),
        ),
    ]  # fmt: skip
    return found


def _shipped_basis() -> bytes:
    from importlib.resources import files

    return files("serkit.codec").joinpath("basis.safetensors").read_bytes()


def _shipped_packets() -> bytes:
    from serkit.codec import encode_basis

    return encode_basis(np.zeros(16_000, np.float32), 5)


CASES = _cases()
