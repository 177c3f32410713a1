"""The file of a profile, as specified in `docs/profiles.md`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.checks import MAX_FEATURES
from serkit.adaptation.corrections import (
    MAX_ENTRIES,
    MAX_LOGIT,
    MAX_VECTORS,
    Corrections,
    Entry,
    Example,
    width_of,
)
from serkit.adaptation.enrolment import MAX_HEARD, MAX_LEARNED
from serkit.adaptation.profile import MAX_LABELS, Heard, Owner, ProfileState
from serkit.adaptation.speaker_model import contrasts
from serkit.container import Contents, Format, TensorSpec, container_bytes, open_container
from serkit.errors import ProfileError
from serkit.files import locked, remove_unfinished, write_atomically
from serkit.text import shown

FORMAT = Format("serkit-profile", 2, "profile", max_bytes=1 << 20, error=ProfileError, oldest=1)

LOCK = ".lock"
"""File beside profiles that whoever writes one of them locks."""

TIMEOUT_S = 30.0
"""Longest wait for the lock."""

_DIGEST = re.compile("[0-9a-f]{32}")
_DIGEST_BYTES = 16

Tensors = dict[str, NDArray[Any]]


def save_profile(state: ProfileState, path: Path) -> int:
    """Write the file of a profile atomically.

    Returns:
        Size of the file in bytes.

    Raises:
        OSError: The file cannot be written; a file that was there before is unharmed.
    """
    content = profile_bytes(state)
    write_atomically(path, content)
    return len(content)


def update_profile(path: Path, change: Callable[[ProfileState], ProfileState]) -> ProfileState:
    """Read the file of a profile, change the profile, and write it, as one step.

    Writers of profiles in one folder wait for each other. The change should be quick.

    Args:
        path: The file.
        change: Makes the new profile of the old one; if it fails, the file stays as it is.

    Returns:
        The new profile.

    Raises:
        ProfileError: As `load_profile`, or another process holds the lock for long.
        OSError: The file cannot be written; it is unharmed.
    """
    with writing(path):
        state = change(load_profile(path))
        save_profile(state, path)
    return state


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Hold the lock of a profile's folder, and clean up after writers that were killed.

    Raises:
        ProfileError: There is no such folder, or another process holds the lock for long.
    """
    try:
        with locked(path.resolve().parent / LOCK, timeout_s=TIMEOUT_S):
            remove_unfinished(path)
            yield
    except TimeoutError as error:
        raise ProfileError(
            f"{path}: another process has been changing profiles for {TIMEOUT_S:g} s; "
            "end it, or try again"
        ) from error


def profile_bytes(state: ProfileState) -> bytes:
    """The content of the file of a profile."""
    corrections, heard = state.corrections, state.heard
    described = {
        "model": {
            "name": state.owner.name,
            "digest": state.owner.digest,
            "labels": list(state.owner.labels),
            "embedding_width": state.owner.embedding_width,
        },
        "heard": {
            "windows": heard.n_windows,
            "seconds": heard.seconds,
            "kept": len(heard.contrasts),
        },
        "learned": {
            "corrections": corrections.n_learned,
            "next_id": corrections.next_id,
            "entries": len(corrections.entries),
            "vectors": len(_examples(corrections)),
        },
    }
    return container_bytes(FORMAT, described, _tensors(state))


def load_profile(path: str | os.PathLike[str]) -> ProfileState:
    """Read the file of a profile.

    Raises:
        ProfileError: The file is missing, damaged, of another version, or contradicts itself.
    """
    with open_container(path, FORMAT) as contents:
        try:
            owner = _owner(contents.description)
            return _state(owner, contents)
        except ProfileError as error:
            message = str(error)
            if message.startswith(f"{contents.path}: "):
                raise
            raise ProfileError(f"{contents.path}: {message}") from error


def _tensors(state: ProfileState) -> Tensors:
    corrections = state.corrections
    entries, examples = corrections.entries, _examples(corrections)
    digests = b"".join(bytes.fromhex(entry.digest) for entry in entries)
    vectors = [one.vector for one in examples]
    logits = [one.logits for one in examples]
    return {
        "heard": state.heard.contrasts,
        "moments": corrections.moments,
        "sums": corrections.sums,
        "counts": corrections.counts,
        "contrast_sums": corrections.contrast_sums,
        "entries.id": np.array([entry.id for entry in entries], np.int64),
        "entries.label": np.array([entry.label for entry in entries], np.int16),
        "entries.digest": np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST_BYTES),
        "entries.vector": np.array(vectors, np.float32).reshape(-1, corrections.width),
        "entries.logits": np.array(logits, np.float32).reshape(-1, corrections.n_labels),
    }


def _entry_specs(owner: Owner, n_entries: int) -> dict[str, TensorSpec]:
    width, n_labels = width_of(owner.embedding_width), len(owner.labels)
    return {
        "moments": TensorSpec((width + 1, width + 1), ("F64",)),
        "sums": TensorSpec((width + 1, n_labels), ("F64",)),
        "entries.id": TensorSpec((n_entries,), ("I64",)),
        "entries.label": TensorSpec((n_entries,), ("I16",)),
        "entries.digest": TensorSpec((n_entries, _DIGEST_BYTES), ("U8",)),
    }


def _specs(owner: Owner, n_kept: int, n_entries: int, n_vectors: int) -> dict[str, TensorSpec]:
    n_labels = len(owner.labels)
    return _entry_specs(owner, n_entries) | {
        "heard": TensorSpec((n_kept, n_labels - 1)),
        "counts": TensorSpec((n_labels,), ("I64",)),
        "contrast_sums": TensorSpec((n_labels, n_labels - 1), ("F64",)),
        "entries.vector": TensorSpec((n_vectors, width_of(owner.embedding_width))),
        "entries.logits": TensorSpec((n_vectors, n_labels)),
    }


def _specs_1(
    owner: Owner, n_features: int, n_entries: int, n_vectors: int
) -> dict[str, TensorSpec]:
    """The tensors of version 1."""
    return _entry_specs(owner, n_entries) | {
        "enrolment.mean": TensorSpec((n_features,), ("F64",)),
        "enrolment.scatter": TensorSpec((n_features,), ("F64",)),
        "entries.vector": TensorSpec((n_vectors, width_of(owner.embedding_width))),
        "entries.scores": TensorSpec((n_vectors, len(owner.labels))),
    }


def _examples(corrections: Corrections) -> list[Example]:
    return [entry.example for entry in corrections.entries if entry.example is not None]


def _owner(description: Mapping[str, Any]) -> Owner:
    values = _object(description, "model")
    name, digest, labels = (values.get(key) for key in ("name", "digest", "labels"))
    _require(isinstance(name, str) and 0 < len(name) <= 200, values, "name", "a name")
    _require(
        isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None,
        values, "digest", "32 hexadecimal digits",
    )  # fmt: skip
    _require(
        isinstance(labels, list)
        and 2 <= len(labels) <= MAX_LABELS
        and all(isinstance(label, str) and label for label in labels)
        and len(set(labels)) == len(labels),
        values, "labels", f"2 to {MAX_LABELS} different names",
    )  # fmt: skip
    width = _whole(values, "embedding_width", 1, MAX_FEATURES)
    return Owner(values["name"], values["digest"], tuple(values["labels"]), width)


def _state(owner: Owner, contents: Contents) -> ProfileState:
    values = contents.description
    learned = _object(values, "learned")
    n_learned = _whole(learned, "corrections", 0, MAX_LEARNED)
    next_id = _whole(learned, "next_id", 1, 1 << 53)
    n_entries = _whole(learned, "entries", 0, min(MAX_ENTRIES, n_learned))
    n_vectors = _whole(learned, "vectors", 0, min(MAX_VECTORS, n_entries))
    if values["version"] == 1:
        n_features = _whole(_object(values, "model"), "n_features", 0, MAX_FEATURES)
        old = contents.tensors(_specs_1(owner, n_features, n_entries, n_vectors))
        n_windows, seconds, tensors = 0, 0.0, _of_version_1(old, len(owner.labels))
    else:
        n_windows, seconds, n_kept = _heard(values)
        tensors = contents.tensors(_specs(owner, n_kept, n_entries, n_vectors))
    _check_ranges(tensors, n_learned)
    corrections = Corrections(
        tensors["moments"],
        tensors["sums"],
        tensors["counts"],
        tensors["contrast_sums"],
        n_learned,
        next_id,
        _entries(tensors, len(owner.labels), next_id),
    )
    corrections.weights()  # refuses impossible moments
    return ProfileState(owner, Heard(tensors["heard"], n_windows, seconds), corrections)


def _of_version_1(old: Tensors, n_labels: int) -> Tensors:
    """The tensors of version 2.

    Version 1 held moments of features of unlabelled speech, which are dropped: the user is enrolled
    again. Of corrections without vectors it has no logits; they stay in the moments, but can no
    longer be taken back.
    """
    n_vectors = len(old["entries.vector"])
    kept = {
        name: old[name][len(old[name]) - n_vectors :]
        for name in ("entries.id", "entries.label", "entries.digest")
    }
    # The smallest normal float32: certain answers were rounded to 0.
    logits = np.log(np.maximum(old["entries.scores"], np.finfo(np.float32).tiny))
    wanted = kept["entries.label"][:, None] == np.arange(n_labels)
    return kept | {
        "moments": old["moments"],
        "sums": old["sums"],
        "entries.vector": old["entries.vector"],
        "entries.logits": logits,
        "heard": np.zeros((0, n_labels - 1), np.float32),
        "counts": wanted.sum(axis=0, dtype=np.int64),
        "contrast_sums": wanted.T.astype(np.float64) @ contrasts(logits),
    }


def _heard(description: Mapping[str, Any]) -> tuple[int, float, int]:
    values = _object(description, "heard")
    n_windows = _whole(values, "windows", 0, 1 << 53)
    seconds = values.get("seconds")
    _require(
        isinstance(seconds, int | float) and type(seconds) is not bool and 0 <= seconds <= 1e12,
        values, "seconds", "0 to 1e12",
    )  # fmt: skip
    return n_windows, float(values["seconds"]), _whole(values, "kept", 0, min(MAX_HEARD, n_windows))


def _check_ranges(tensors: Tensors, n_learned: int) -> None:
    """Refuse sums that no recordings have, so that no answer overflows."""
    limits = {
        "moments": n_learned,
        "sums": n_learned,
        "entries.vector": 1.0,
        "entries.logits": MAX_LOGIT,
        "heard": 2.0 * MAX_LOGIT,
        "contrast_sums": 2.0 * MAX_LOGIT * n_learned,
    }
    for key, limit in limits.items():
        largest = float(np.abs(tensors[key]).max(initial=0.0))
        if largest > limit * (1.0 + 1e-6) + 1e-6:
            raise ProfileError(f"{key} holds {largest:.3g}; expected at most {limit:.3g}")
    counts = tensors["counts"]
    if (counts < 0).any() or sum(counts.tolist()) > n_learned:
        raise ProfileError(f"counts are {shown(counts.tolist(), 80)}; expected {n_learned} in all")


def _entries(tensors: Tensors, n_labels: int, next_id: int) -> tuple[Entry, ...]:
    ids = tensors["entries.id"].tolist()
    labels = tensors["entries.label"].tolist()
    if ids != sorted(set(ids)) or (ids and not 1 <= ids[0] <= ids[-1] < next_id):
        raise ProfileError(f"entries.id are not rising numbers from 1 to {next_id - 1}")
    if not all(0 <= label < n_labels for label in labels):
        raise ProfileError(f"entries.label holds a number outside 0 to {n_labels - 1}")
    digests = [bytes(row).hex() for row in tensors["entries.digest"]]
    if len(set(digests)) < len(digests):
        raise ProfileError("entries.digest holds a recording twice")
    n_older = len(ids) - len(tensors["entries.vector"])
    examples = [None] * n_older + [
        Example(digest, vector, logits)
        for digest, vector, logits in zip(
            digests[n_older:], tensors["entries.vector"], tensors["entries.logits"], strict=True
        )
    ]
    return tuple(map(Entry, ids, labels, digests, examples))


def _object(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    _require(isinstance(values.get(key), dict), values, key, "an object")
    found: Mapping[str, Any] = values[key]
    return found


def _whole(values: Mapping[str, Any], key: str, low: int, high: int) -> int:
    value = values.get(key)
    if type(value) is not int or not low <= value <= high:
        raise ProfileError(f"{key} is {shown(value, 40)}; expected {low} to {high}")
    return value


def _require(condition: bool, values: Mapping[str, Any], key: str, expected: str) -> None:
    if not condition:
        raise ProfileError(f"{key} is {shown(values.get(key))}; expected {expected}")
