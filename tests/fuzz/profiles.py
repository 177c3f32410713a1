"""Fuzz the profile reader: any bytes give a working profile or a `ProfileError`.

    python tests/fuzz/profiles.py --runs 10000 --seed 0

Profiles of a toy model are mutated at random, as models are. Those that load answer, learn, forget
and are written again.
"""

from __future__ import annotations

import random
import sys
import warnings
from pathlib import Path

import numpy as np

from serkit.adaptation.corrections import Example
from serkit.adaptation.profile import Owner, ProfileState
from serkit.adaptation.profile_file import load_profile, profile_bytes, save_profile
from serkit.adaptation.speaker_model import SpeakerModel
from serkit.errors import ProfileError
from serkit.runtime import load_backend
from serkit.runtime.profile import owner_of

sys.path[:0] = [str(Path(__file__).parents[1])]
from fuzz.children import main
from fuzz.models import changed

OWNER = Owner("toy", "0123456789abcdef" * 2, ("angry", "sad", "happy"), 4)


def example(number: int, n_labels: int, width: int) -> Example:
    """A recording of a number."""
    rng = np.random.default_rng(number)
    vector = rng.uniform(-0.3, 0.3, width).astype(np.float32)
    return Example(f"{number:032x}", vector, rng.normal(0, 2, n_labels).astype(np.float32))


def originals() -> list[bytes]:
    """One of version 1, an empty profile, and others with speech and up to 140 corrections."""
    golden = Path(__file__).parents[1] / "adaptation" / "golden" / "version-1.profile"
    found = [golden.read_bytes()]
    for n in (0, 3, 140):
        state = ProfileState.empty(OWNER)
        if n:
            speech = np.random.default_rng(n).standard_normal((5, 3)).astype(np.float32)
            state = state.with_heard(state.heard.extended(speech, 12.5))
        for i in range(n):
            learned = state.corrections.learned(example(i, 3, 4), i % 3)
            state = state.with_corrections(learned)
        found.append(profile_bytes(state))
    return found


def speakers(n_labels: int) -> SpeakerModel:
    """A speaker model of independent contrasts."""
    one = np.eye(n_labels - 1)
    return SpeakerModel(np.eye(n_labels, n_labels - 1), one, 0.1 * one, one)


def of_tiny() -> bytes:
    """A profile of the model `tiny`, with a correction."""
    owner = owner_of(load_backend("tiny"))
    state = ProfileState.empty(owner)
    one = example(0, len(owner.labels), owner.embedding_width)
    return profile_bytes(state.with_corrections(state.corrections.learned(one, 0)))


def prepare(seed: int) -> list[bytes]:
    """Valid files of profiles."""
    warnings.simplefilter("error")
    return originals()


def one_input(contents: list[bytes], rng: random.Random, folder: Path) -> str:
    """Mutate a profile, load it, answer, learn, forget, and write it."""
    path = folder / "a.profile"
    path.write_bytes(changed(rng.choice(contents), rng))
    try:
        state = load_profile(path)
    except ProfileError as error:
        assert "\n" not in str(error), str(error)
        assert len(str(error)) < 2000, len(str(error))
        return "refused"
    corrections, n_labels = state.corrections, len(state.owner.labels)
    query = example(1 << 20, n_labels, corrections.width)
    embedding = np.ones((1, state.owner.embedding_width), np.float32)
    for known in (None, speakers(n_labels)) if n_labels > 2 else (None,):
        assert np.isfinite(state.voice(known).logits(query.logits[None], embedding)).all()
    state.stats()
    learned = corrections.learned(query, 0)
    back = learned.forgotten(learned.last())
    assert back.n_learned == corrections.n_learned
    if corrections.entries and corrections.last().example is not None:
        try:
            corrections.forgotten(corrections.last()).weights()
        except ProfileError:
            return "loaded, and what it lists was never learned"
    save_profile(state.with_corrections(learned), path)
    load_profile(path)
    return "loaded"


if __name__ == "__main__":
    main(__file__, prepare, one_input, runs=10_000)
