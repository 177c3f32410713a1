import errno
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from serkit.adaptation import profile_file
from serkit.adaptation.corrections import MAX_ENTRIES, Example, directions, shift
from serkit.adaptation.enrolment import MAX_HEARD
from serkit.adaptation.profile import Owner, ProfileState
from serkit.adaptation.profile_file import (
    LOCK,
    load_profile,
    profile_bytes,
    save_profile,
    update_profile,
)
from serkit.adaptation.profile_store import ProfileStore
from serkit.errors import ProfileError
from serkit.runtime import load_backend
from serkit.runtime.profile import owner_of

OWNER = Owner("toy", "0123456789abcdef" * 2, ("angry", "sad", "happy"), 4)


def example(i, owner=OWNER):
    rng = np.random.default_rng(i)
    vector = directions(rng.standard_normal((1, owner.embedding_width)).astype(np.float32))[0]
    logits = rng.normal(0, 2, len(owner.labels)).astype(np.float32)
    return Example(f"{i:032x}", vector, logits)


def learn(state, i):
    label = i % len(state.owner.labels)
    return state.with_corrections(state.corrections.learned(example(i, state.owner), label))


def state_of(n, owner=OWNER):
    """A profile of five windows of speech and n corrections."""
    state = ProfileState.empty(owner)
    speech = np.random.default_rng(0).standard_normal((5, len(owner.labels))).astype(np.float32)
    state = state.with_heard(state.heard.extended(speech, 12.5))
    for i in range(n):
        state = learn(state, i)
    return state


def same(one, other):
    assert one.owner == other.owner
    assert (one.heard.n_windows, one.heard.seconds) == (other.heard.n_windows, other.heard.seconds)
    np.testing.assert_array_equal(one.heard.contrasts, other.heard.contrasts)
    for name in ("moments", "sums", "counts", "contrast_sums"):
        np.testing.assert_array_equal(
            getattr(one.corrections, name), getattr(other.corrections, name)
        )
    assert one.corrections.next_id == other.corrections.next_id
    assert one.corrections.n_learned == other.corrections.n_learned
    assert one.listed == other.listed
    for a, b in zip(one.corrections.entries, other.corrections.entries, strict=True):
        assert a.digest == b.digest
        if a.example is not None:
            np.testing.assert_array_equal(a.example.vector, b.example.vector)
            np.testing.assert_array_equal(a.example.logits, b.example.logits)


@pytest.mark.parametrize("n", [0, 1, 3, 200])
def test_a_profile_comes_back_and_learns_on_alike(tmp_path, n):
    state = state_of(n)
    size = save_profile(state, tmp_path / "a.profile")
    assert size == (tmp_path / "a.profile").stat().st_size
    again = load_profile(tmp_path / "a.profile")
    same(again, state)
    same(learn(again, 1000), learn(state, 1000))


def test_a_profile_of_tiny_never_exceeds_64_kb(tmp_path):
    """After 10,000 corrections, and at its largest before."""
    owner = owner_of(load_backend("tiny"))
    state, largest = state_of(0, owner), 0
    speech = np.zeros((MAX_HEARD, len(owner.labels)), np.float32)
    state = state.with_heard(state.heard.extended(speech, 1.0))
    for i in range(10_000):
        state = learn(state, i)
        if i + 1 in (1, 100, 128, 129, MAX_ENTRIES, MAX_ENTRIES + 1, 10_000):
            largest = max(largest, save_profile(state, tmp_path / "a.profile"))
    assert state.corrections.n_learned == 10_000
    assert largest <= 64_000
    same(load_profile(tmp_path / "a.profile"), state)


@pytest.mark.parametrize("name", ["emodb7", "ravdess8"])
def test_profiles_of_wider_models_are_bounded_too(name):
    state = state_of(MAX_ENTRIES, owner_of(load_backend(name)))
    speech = np.zeros((MAX_HEARD, len(state.owner.labels)), np.float32)
    assert len(profile_bytes(state.with_heard(state.heard.extended(speech, 1.0)))) <= 100_000


def header(path):
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length])


def changed(path, out, tensors=None, **changes):
    """The file with other values in its description, or other tensors."""
    content = path.read_bytes()
    description = json.loads(header(path)["__metadata__"]["serkit"])
    for key, value in changes.items():
        outer, _, inner = key.partition("__")
        if inner:
            description[outer][inner] = value
        else:
            description[outer] = value
    out.write_bytes(
        save(load(content) | (tensors or {}), metadata={"serkit": json.dumps(description)})
    )
    return out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 1000}, "format version 1000; this serkit reads version"),
        ({"version": True}, "format version True"),
        ({"format": "serkit-head"}, "not that of a serkit-profile"),
        ({"model": []}, r"model is \[\]; expected an object"),
        ({"model__name": 3}, "name is 3"),
        ({"model__digest": "0" * 31}, "digest is '0000"),
        ({"model__labels": ["a"]}, r"labels is \['a'\]; expected 2 to 33 different names"),
        ({"model__labels": ["a", "a", "b"]}, "different names"),
        ({"model__labels": [str(i) for i in range(100_000)]}, "a profile file has at most 1048576"),
        ({"model__labels": [str(i) for i in range(10_000)]}, "2 to 33 different names"),
        ({"model__labels": ["a", "b"]}, r"sums has shape \[5, 3\]; expected \[5, 2\]"),
        ({"model__embedding_width": 5}, r"moments has shape \[5, 5\]; expected \[6, 6\]"),
        ({"model__embedding_width": 1 << 40}, "width is 1099511627776; expected 1 to 65536"),
        ({"heard__windows": -1}, "windows is -1"),
        ({"heard__windows": 4}, "kept is 5; expected 0 to 4"),
        ({"heard__seconds": True}, "seconds is True"),
        ({"learned__corrections": 2}, "entries is 3; expected 0 to 2"),
        ({"learned__entries": 2}, "vectors is 3; expected 0 to 2"),
        ({"learned__next_id": 3}, "entries.id are not rising numbers from 1 to 2"),
    ],
)
def test_a_file_that_contradicts_itself(tmp_path, changes, message):
    save_profile(state_of(3), tmp_path / "a.profile")
    path = changed(tmp_path / "a.profile", tmp_path / "bad.profile", **changes)
    with pytest.raises(ProfileError, match=message) as refused:
        load_profile(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert str(refused.value).count(str(path)) == 1
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"sums": np.full((5, 3), np.nan)}, "sums holds numbers that are not finite"),
        ({"sums": np.full((5, 3), 1e300)}, r"sums holds 1e\+300; expected at most 3"),
        ({"moments": -np.eye(5)}, "moments of the profile are damaged"),
        ({"heard": np.full((5, 2), 1e30, np.float32)}, r"heard holds 1e\+30"),
        ({"counts": np.array([1, 1, 2])}, r"counts are \[1, 1, 2\]; expected 3 in all"),
        ({"counts": np.array([4, -1, 0])}, r"counts are \[4, -1, 0\]"),
        ({"contrast_sums": np.full((3, 2), 1e9)}, r"contrast_sums holds 1e\+09"),
        ({"entries.id": np.array([1, 3, 2])}, "not rising numbers"),
        ({"entries.label": np.array([0, 1, 3], np.int16)}, "outside 0 to 2"),
        ({"entries.digest": np.zeros((3, 16), np.uint8)}, "holds a recording twice"),
        ({"entries.vector": np.full((3, 4), 9, np.float32)}, "entries.vector holds 9"),
        ({"entries.logits": np.zeros((3, 3))}, "type F64"),
        ({"audio": np.zeros(1)}, "unexpected audio"),
    ],
)
def test_tensors_that_no_learning_gives(tmp_path, tensors, message):
    save_profile(state_of(3), tmp_path / "a.profile")
    path = changed(tmp_path / "a.profile", tmp_path / "bad.profile", tensors)
    with pytest.raises(ProfileError, match=message):
        load_profile(path)


def test_version_1(tmp_path):
    """A file of five windows of speech and 140 corrections, written by version 1."""
    path = tmp_path / "anna.profile"
    shutil.copy(Path(__file__).parent / "golden" / "version-1.profile", path)
    state = load_profile(path)
    assert state.owner == OWNER
    corrections = state.corrections
    assert (corrections.n_learned, corrections.next_id) == (140, 141)
    # What it answered then.
    np.testing.assert_allclose(
        shift(example(1000).vector[None], corrections.weights()),
        [[0.5484655499, -0.3000633121, -0.2484022230]],
        rtol=1e-6,
    )
    # Those without a vector have no logits either, and cannot be taken back; the others can.
    assert [entry.id for entry in corrections.entries] == list(range(13, 141))
    assert corrections.counts.sum() == 128
    for _ in range(128):
        corrections = corrections.forgotten(corrections.last())
    assert not corrections.counts.any()
    np.testing.assert_allclose(corrections.contrast_sums, 0.0, atol=1e-9)
    assert corrections.n_learned == 12
    # It is written as the present version.
    update_profile(path, lambda state: learn(state, 500))
    assert json.loads(header(path)["__metadata__"]["serkit"])["version"] == 2
    assert load_profile(path).corrections.n_learned == 141


def test_truncated_and_foreign_files(tmp_path):
    save_profile(state_of(3), tmp_path / "a.profile")
    content = (tmp_path / "a.profile").read_bytes()
    foreign = [content[:n] for n in (0, 7, 8, 100, len(content) - 1)]
    foreign += [b"RIFF....WAVE", b"\x80\x04.", save({"x": np.zeros(2)})]
    for bad in foreign:
        (tmp_path / "bad.profile").write_bytes(bad)
        with pytest.raises(ProfileError, match=r"bad\.profile: "):
            load_profile(tmp_path / "bad.profile")
    with pytest.raises(ProfileError, match="no such file"):
        load_profile(tmp_path / "none.profile")


def test_an_update_that_fails_leaves_the_file_as_it_is(tmp_path):
    path = tmp_path / "a.profile"
    save_profile(state_of(3), path)
    before = path.read_bytes()

    def fail(state):
        raise ProfileError("no")

    with pytest.raises(ProfileError, match="no"):
        update_profile(path, fail)
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [LOCK, "a.profile"]
    same(update_profile(path, lambda state: learn(state, 3)), load_profile(path))


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk(tmp_path, monkeypatch, function):
    path = tmp_path / "a.profile"
    save_profile(state_of(3), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match="No space left on device"):
        update_profile(path, lambda state: learn(state, 3))
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [LOCK, "a.profile"]


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from serkit.adaptation.profile_file import load_profile, update_profile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    update_profile(Path(sys.argv[1]), lambda state: state)
except OSError as error:
    print(error.errno)
"""


def test_a_file_system_that_takes_only_a_part(tmp_path):
    """The write itself fails after 1000 bytes."""
    path = tmp_path / "a.profile"
    save_profile(state_of(20), path)
    before = path.read_bytes()
    assert len(before) > 2000
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, path], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{errno.EFBIG}\n"
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [LOCK, "a.profile"]


def test_writers_wait_for_each_other(tmp_path):
    path = tmp_path / "a.profile"
    save_profile(ProfileState.empty(OWNER), path)

    def work(first):
        for i in range(first, first + 25):
            update_profile(path, lambda state, i=i: learn(state, i))

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    corrections = load_profile(path).corrections
    assert corrections.n_learned == 75
    found = {int(entry.digest, 16) for entry in corrections.entries}
    assert found == {*range(25), *range(100, 125), *range(200, 225)}


def test_a_lock_that_nobody_gives_back(tmp_path, monkeypatch):
    path = tmp_path / "a.profile"
    save_profile(state_of(1), path)
    monkeypatch.setattr(profile_file, "TIMEOUT_S", 0.05)
    with profile_file.writing(path), pytest.raises(ProfileError, match="end it, or try again"):
        update_profile(path, lambda state: state)
    update_profile(path, lambda state: state)


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    path = tmp_path / "a.profile"
    save_profile(state_of(1), path)
    kept = [".a.profile.old.bak", "b.profile", ".a.profiles", ".b.profile.abcdefgh"]
    for name in (*kept, ".a.profile.abcd_f1h"):
        (tmp_path / name).write_text("x")
    update_profile(path, lambda state: state)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*kept, LOCK, "a.profile"])


class TestStore:
    def test_profiles_by_name(self, tmp_path):
        store = ProfileStore(tmp_path / "new" / "folder")
        assert store.names() == []
        for name in ("änna", "Dr. Bob 2", "名前"):
            store.create(name, state_of(1))
        assert store.names() == ["Dr. Bob 2", "änna", "名前"]
        same(load_profile(store.existing("a\u0308nna")), state_of(1))  # the same name decomposed
        store.delete("änna")
        assert store.names() == ["Dr. Bob 2", "名前"]
        with pytest.raises(ProfileError, match=r"no profile 'änna' in .*create änna"):
            store.existing("änna")

    def test_none_is_replaced(self, tmp_path):
        store = ProfileStore(tmp_path)
        store.create("anna", state_of(2))
        with pytest.raises(ProfileError, match="there is a profile 'anna' already"):
            store.create("anna", state_of(0))
        same(load_profile(store.existing("anna")), state_of(2))

    def test_a_damaged_one_can_be_removed(self, tmp_path):
        store = ProfileStore(tmp_path)
        store.create("anna", state_of(2)).write_bytes(b"damaged")
        store.delete("anna")
        assert store.names() == []

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("", "is empty"), ("a/b", "has one of"), ("..", "begins with"), ("a\\b", "has one of"),
            ("../a", "has one of"), ("C:a", "has one of"), (".a", "begins with"), ("a.", "ends"),
            ("-a", "begins with a hyphen"), (" a", "begins with"), ("a ", "ends with"),
            ("nul", "device"), ("COM1.x", "device"), ("a\nb", "cannot be seen"),
            ("a\0b", "cannot be seen"), ("a\u202eb", "cannot be seen"), ("\udce9", "cannot be"),
            ("a.Profile", "ends with .profile"), ("ä" * 51, "has 102 bytes; at most 100"),
        ],
    )  # fmt: skip
    def test_names_that_are_none(self, tmp_path, name, problem):
        store = ProfileStore(tmp_path)
        for act in (store.path, store.existing, store.delete):
            with pytest.raises(ProfileError, match=re.escape(problem)) as refused:
                act(name)
            assert "expected a plain name" in str(refused.value)
        with pytest.raises(ProfileError):
            store.create(name, state_of(0))
        assert list(tmp_path.iterdir()) == []

    def test_the_default_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SERKIT_PROFILES", str(tmp_path))
        assert ProfileStore.default().folder == tmp_path
        monkeypatch.delenv("SERKIT_PROFILES")
        monkeypatch.setenv("XDG_DATA_HOME", "/x")
        monkeypatch.setattr(sys, "platform", "linux")
        assert str(ProfileStore.default().folder) == "/x/serkit/profiles"
        monkeypatch.setenv("HOME", "/home/anna")
        monkeypatch.delenv("XDG_DATA_HOME")
        assert str(ProfileStore.default().folder) == "/home/anna/.local/share/serkit/profiles"
        monkeypatch.setattr(sys, "platform", "darwin")
        home = "/home/anna/Library/Application Support"
        assert str(ProfileStore.default().folder) == f"{home}/serkit/profiles"
