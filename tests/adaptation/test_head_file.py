import errno
import json
import os
import struct

import numpy as np
import pytest
from safetensors.numpy import load, save

from serkit.adaptation import ELM, OSELM, Head, Hidden, Linear
from serkit.errors import ProfileError

RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((60, 5))
LABELS = [("angry", "sad")[i % 2] for i in range(60)]
HEADS = {
    "oselm": lambda: OSELM(5, n_hidden=8, penalty=0.5, scale=0.5, forgetting=0.99, seed=3),
    "linear": lambda: Linear(5, learning_rate=0.01, epochs=3),
    "hidden": lambda: Hidden(5, n_hidden=4, optimiser="sgd", learning_rate=0.1, epochs=2),
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_comes_back_and_learns_on_alike(kind, tmp_path):
    head = HEADS[kind]().fit(VECTORS[:40], LABELS[:40])
    head.temperature = 0.7
    size = head.save(tmp_path / "h.safetensors")
    assert size == (tmp_path / "h.safetensors").stat().st_size
    again = Head.load(tmp_path / "h.safetensors")
    assert (type(again), again.classes, again.temperature) == (type(head), head.classes, 0.7)
    np.testing.assert_array_equal(again.predict_proba(VECTORS), head.predict_proba(VECTORS))
    for one in (head, again):
        one.partial_fit(VECTORS[40:], [*LABELS[41:], "happy"])
    np.testing.assert_array_equal(again.predict_proba(VECTORS), head.predict_proba(VECTORS))


def test_an_elm_comes_back_without_its_moments(tmp_path):
    head = ELM(5, n_hidden=100, penalty=0.5, seed=3).fit(VECTORS, LABELS)
    size = head.save(tmp_path / "elm.safetensors")
    again = Head.load(tmp_path / "elm.safetensors")
    assert type(again) is ELM
    np.testing.assert_array_equal(again.predict_proba(VECTORS), head.predict_proba(VECTORS))
    with pytest.raises(ProfileError, match="cannot be trained further"):
        again.partial_fit(VECTORS, LABELS)
    # 101 x 2 weights of 8 bytes and a description.
    assert 101 * 2 * 8 < size < 101 * 2 * 8 + 600
    assert OSELM(5, n_hidden=100).fit(VECTORS, LABELS).save(tmp_path / "o") > 30 * size


def test_another_kind_of_head(tmp_path):
    Linear(5).fit(VECTORS, LABELS).save(tmp_path / "h.safetensors")
    assert type(Linear.load(tmp_path / "h.safetensors")) is Linear
    with pytest.raises(ProfileError, match="holds a head of the kind Linear; expected OSELM"):
        OSELM.load(tmp_path / "h.safetensors")


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "h.safetensors"
    HEADS["oselm"]().fit(VECTORS[:40], LABELS[:40]).save(path)
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        HEADS["oselm"]().fit(VECTORS, LABELS).save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["h.safetensors"]


def test_a_head_that_comes_back_is_trained_from_scratch_alike(tmp_path):
    """Of the classes it keeps those given to the constructor."""
    head = Linear(5, classes=("calm",), epochs=3).fit(VECTORS, LABELS)
    head.save(tmp_path / "h.safetensors")
    again = Head.load(tmp_path / "h.safetensors").fit(VECTORS, ["bored"] * 60)
    assert again.classes == ("calm", "bored")


def changed(path, out, tensors=None, **changes):
    """The file with other values in its description, or other tensors."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    description = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["serkit"])
    text = json.dumps(description | changes)
    out.write_bytes(save(load(content) | (tensors or {}), metadata={"serkit": text}))
    return out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "svm"}, "kind is 'svm'; expected one of elm, oselm, linear, hidden"),
        ({"kind": ["oselm"]}, "kind is"),
        ({"version": 2}, "format version 2; this serkit reads version 1"),
        ({"format": "serkit-model"}, "not that of a serkit-head"),
        ({"n_features": 0}, "n_features is 0"),
        ({"n_features": 6}, None),
        ({"classes": ["a", "a"]}, "at most 1024 different names"),
        ({"given": 3}, "given is 3; expected 0 to 2"),
        ({"given": True}, "given is True"),
        ({"fixed": True}, "given is 0; expected 2 to 2"),
        ({"classes": ["a", "b", "c"]}, r"sums has shape \[9, 2\]; expected \[9, 3\]"),
        ({"fixed": 1}, "fixed is 1"),
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": True}, "temperature is True"),
        ({"steps": -1}, "steps is -1"),
        ({"settings": {}}, "settings is {}; expected n_hidden, penalty, scale, forgetting, seed"),
        (
            {
                "settings": {
                    "n_hidden": 1 << 20,
                    "penalty": 1,
                    "scale": 1,
                    "forgetting": 1,
                    "seed": 0,
                }
            },
            "n_hidden is 1048576",
        ),
        (
            {"settings": {"n_hidden": 8, "penalty": -1, "scale": 1, "forgetting": 1, "seed": 0}},
            "penalty is -1",
        ),
        (
            {
                "n_features": 65536,
                "settings": {
                    "n_hidden": 4096,
                    "penalty": 1,
                    "scale": 1,
                    "forgetting": 1,
                    "seed": 0,
                },
            },
            "268435456 numbers; expected at most 5000000",
        ),
    ],
)
def test_a_file_that_contradicts_itself(tmp_path, changes, message):
    HEADS["oselm"]().fit(VECTORS, LABELS).save(tmp_path / "h.safetensors")
    path = changed(tmp_path / "h.safetensors", tmp_path / "bad.safetensors", **changes)
    if message is None:  # the random layer is no tensor of the file
        assert Head.load(path).n_features == 6
        return
    with pytest.raises(ProfileError, match=message):
        Head.load(path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"sums": np.full((9, 2), np.nan)}, "sums holds numbers that are not finite"),
        ({"sums": np.zeros((9, 2), np.float32)}, "type F32; expected F64"),
        ({"more": np.zeros(1)}, "unexpected more"),
    ],
)
def test_tensors_that_are_not_those_described(tmp_path, tensors, message):
    HEADS["oselm"]().fit(VECTORS, LABELS).save(tmp_path / "h.safetensors")
    path = changed(tmp_path / "h.safetensors", tmp_path / "bad.safetensors", tensors)
    with pytest.raises(ProfileError, match=message):
        Head.load(path)


def test_moments_that_no_samples_have(tmp_path):
    HEADS["oselm"]().fit(VECTORS, LABELS).save(tmp_path / "h.safetensors")
    path = changed(
        tmp_path / "h.safetensors", tmp_path / "bad.safetensors", {"moments": -5.0 * np.eye(9)}
    )
    with pytest.raises(ProfileError, match="moments of the head are damaged"):
        Head.load(path).predict_proba(VECTORS)


def test_a_truncated_file(tmp_path):
    HEADS["linear"]().fit(VECTORS, LABELS).save(tmp_path / "h.safetensors")
    content = (tmp_path / "h.safetensors").read_bytes()
    for length in (0, 7, 100, len(content) - 1):
        (tmp_path / "cut.safetensors").write_bytes(content[:length])
        with pytest.raises(ProfileError):
            Head.load(tmp_path / "cut.safetensors")
    with pytest.raises(ProfileError, match="no such file"):
        Head.load(tmp_path / "none.safetensors")
