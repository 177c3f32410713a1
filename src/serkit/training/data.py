"""Datasets: features, targets and speakers of utterances, for training and evaluation."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from serkit import corpora
from serkit.audio import SAMPLE_RATE, ContentHash, content_hash, stream
from serkit.corpora import Corpus, Stretch, Utterance, as_texts, dialogues, pieces, text_hash
from serkit.corpora.emotions import merge
from serkit.errors import AudioError, CorpusError, RecipeError
from serkit.features import DescriptorRecipe, Features, joined, stacked_twice
from serkit.runtime import TextEncoder, TextRecipe, features_of, with_context
from serkit.training.feature_cache import FeatureCache
from serkit.training.workers import Track, for_each

if TYPE_CHECKING:  # evaluating a trained model does not need the extra `train`
    from serkit.training.augmentation import Augmentation
    from serkit.training.recipe import Recipe

Samples = NDArray[np.float32]

MAX_CLIP_S = 600.0
"""Default limit of the length of an utterance in seconds, which bounds memory: samples and frames
are held several times during feature extraction."""

_AT_A_TIME = 32


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Features, targets and sources, one row per utterance.

    Attributes:
        features: Vectors `[n_utterances, n_features]`, float32, or the frames of n utterances.
        copies: Features of the augmented copies, `[n_copies, n_utterances, ...]`; used in training
            only.
        targets: Index of each label in the recipe's labels, shape `[n_utterances]`.
        utterances: The source of each row.
        hashes: `content_hash` of each recording; empty if the audio is not available.
    """

    features: Features
    copies: Features
    targets: NDArray[np.int64]
    utterances: tuple[Utterance, ...]
    hashes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def variants(self) -> Features:
        """Features of the recordings, then of their copies: `[1 + n_copies, n_utterances, ...]`."""
        return joined((self.features[None], self.copies))

    def rows(self, index: NDArray[np.int64]) -> Dataset:
        """The rows at `index`."""
        utterances = tuple(self.utterances[i] for i in index)
        hashes = tuple(self.hashes[i] for i in index) if self.hashes else ()
        return Dataset(
            self.features[index], self.copies[:, index], self.targets[index], utterances, hashes
        )

    def joined(self, other: Dataset) -> Dataset:
        """The rows of this dataset, then those of another one of the same recipe."""
        return Dataset(
            joined((self.features, other.features)),
            joined((self.copies, other.copies), axis=1),
            np.concatenate((self.targets, other.targets)),
            self.utterances + other.utterances,
            self.hashes + other.hashes,
        )


def load_utterances(
    recipe: Recipe, specs: Sequence[str] = ()
) -> tuple[tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Read the corpora of a recipe and keep the utterances with its labels.

    Args:
        recipe: The training recipe, with corpora and labels.
        specs: `NAME[=PATH]` of each corpus; the recipe's corpora if empty.

    Returns:
        The corpora and the utterances; for a recipe of text, without their recordings.

    Raises:
        CorpusError: A corpus is missing, a label occurs in none of them, or the recipe is of text
            and an utterance has none.
    """
    loaded, kept = select_utterances(recipe.name, recipe.labels, specs or recipe.corpora)
    if isinstance(recipe.input, TextRecipe):
        loaded, kept = as_texts(loaded, kept)
    return loaded, kept


def select_utterances(
    name: str,
    labels: Sequence[str],
    specs: Sequence[str],
    *,
    merges: Mapping[str, str] | None = None,
) -> tuple[tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Read corpora and keep the utterances with the labels of a recipe.

    Args:
        name: Name of the recipe, for messages.
        labels: The labels.
        specs: `NAME[=PATH]` of each corpus.
        merges: Labels to rename first.

    Returns:
        The corpora and the utterances, renamed.

    Raises:
        CorpusError: A corpus is missing, or a label occurs in none of them.
    """
    merges = merges or {}
    loaded, kept = corpora.load_labelled(specs, labels=[*labels, *merges])
    if merges:
        loaded = tuple(replace(c, utterances=merge(c.utterances, merges)) for c in loaded)
        kept = merge(kept, merges)
    missing = [label for label in labels if all(u.label != label for u in kept)]
    if missing:
        present = sorted({u.label for corpus in loaded for u in corpus.utterances})
        raise CorpusError(
            f"{', '.join(c.name for c in loaded)} has no utterance labelled "
            f"{', '.join(missing)}, as the recipe {name} expects; "
            f"its labels are {', '.join(present) or 'none'}"
        )
    return loaded, kept


def make_dataset(
    recipe: Recipe,
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    cache: FeatureCache | None = None,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
    encoder: TextEncoder | None = None,
) -> Dataset:
    """Extract the features of utterances.

    Args:
        recipe: The training recipe, with features, labels and augmentation.
        utterances: Utterances with labels of the recipe.
        jobs: Number of processes.
        cache: Cache of the features; None for no cache.
        track: Wraps the results to show progress: `track(results, total)`.
        max_clip_s: Maximum length of an utterance in seconds.
        encoder: The encoder of a recipe of text.

    Raises:
        CorpusError: A recording cannot be read or is too long; the message names the file.
        RecipeError: The recipe is of text, and this is not its encoder.
    """
    if isinstance(recipe.input, TextRecipe):
        return embed_dataset(
            recipe.input, recipe.labels, utterances, encoder=encoder, cache=cache, track=track
        )
    return extract_dataset(
        recipe.input,
        recipe.labels,
        utterances,
        augmentation=recipe.augmentation,
        jobs=jobs,
        cache=cache,
        track=track,
        max_clip_s=max_clip_s,
    )


def extract_dataset(
    recipe: DescriptorRecipe,
    labels: Sequence[str],
    utterances: Sequence[Utterance],
    *,
    augmentation: Augmentation | None = None,
    jobs: int = 1,
    cache: FeatureCache | None = None,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> Dataset:
    """`make_dataset` without a training recipe.

    Args:
        recipe: Features to extract.
        labels: Classes, in the order of their indices.
        utterances: Utterances with these labels.
        augmentation: Settings of the augmentation; None for no copies.
        jobs: As for `make_dataset`.
        cache: As for `make_dataset`.
        track: As for `make_dataset`.
        max_clip_s: As for `make_dataset`.

    Raises:
        CorpusError: A recording cannot be read or is too long; the message names the file.
    """
    work = partial(_features_of, recipe, augmentation, cache, max_clip_s)
    extracted = for_each(work, utterances, jobs, at_a_time=_AT_A_TIME, track=track)
    # [n_copies + 1][n_utterances] vectors or frames.
    rows = list(zip(*(rows for _, rows in extracted), strict=True))
    variants = stacked_twice(rows)
    return Dataset(
        features=variants[0],
        copies=variants[1:],
        targets=np.array([list(labels).index(u.label) for u in utterances], np.int64),
        utterances=tuple(utterances),
        hashes=tuple(content for content, _ in extracted),
    )


def embed_dataset(
    recipe: TextRecipe,
    labels: Sequence[str],
    utterances: Sequence[Utterance],
    *,
    encoder: TextEncoder | None,
    cache: FeatureCache | None = None,
    track: Track | None = None,
) -> Dataset:
    """`make_dataset` of texts.

    The context of an utterance is those before it, in the given order, of the same session and the
    same split.

    Args:
        recipe: Features to compute.
        labels: Classes, in the order of their indices.
        utterances: Utterances with these labels, with texts and without recordings.
        encoder: The encoder of the recipe.
        cache: Cache of the embeddings of all texts together; None for no cache.
        track: As for `make_dataset`.

    Raises:
        RecipeError: This is not the encoder of the recipe.
        ModelError: The encoder fails.
    """
    lines = [recipe.line(u.text or "", u.speaker) for u in utterances]
    embeddings = embed_lines(recipe, lines, encoder=encoder, cache=cache, track=track)
    groups = [index for index, _ in dialogues(utterances)]
    order = np.array([i for index in groups for i in index], np.int64)
    rows = embeddings[order]
    features = np.zeros((len(utterances), recipe.n_features), np.float32)
    features[order] = with_context(rows, [len(index) for index in groups], recipe.context)
    return Dataset(
        features=features,
        copies=features[None][:0],
        targets=np.array([list(labels).index(u.label) for u in utterances], np.int64),
        utterances=tuple(utterances),
        hashes=tuple(map(text_hash, utterances)),
    )


def embed_lines(
    recipe: TextRecipe,
    lines: Sequence[str],
    *,
    encoder: TextEncoder | None,
    cache: FeatureCache | None = None,
    track: Track | None = None,
) -> NDArray[np.float32]:
    """Embed lines of text; each distinct one once.

    Args:
        recipe: Names the encoder.
        lines: The lines, as the encoder takes them.
        encoder: The encoder of the recipe.
        cache: As for `embed_dataset`.
        track: As for `make_dataset`.

    Returns:
        Shape `[n, width]`, float32.

    Raises:
        RecipeError: This is not the encoder of the recipe.
        ModelError: The encoder fails.
    """
    if encoder is None or encoder.digest != recipe.digest:
        raise RecipeError(
            f"the recipe takes embeddings of the encoder {recipe.encoder or '(not chosen yet)'} "
            f"({recipe.digest[:16]}), not of {encoder.name if encoder else 'none'}; give the "
            "folder of that encoder"
        )
    distinct = list(dict.fromkeys(lines))

    def compute() -> list[NDArray[np.float32]]:
        rows: Iterable[NDArray[np.float32]] = (encoder.encode([line])[0] for line in distinct)
        return [np.stack(list(track(rows, len(distinct)) if track else rows))]

    if cache is None:
        (embeddings,) = compute()
    else:
        content = hashlib.blake2b(json.dumps(distinct).encode(), digest_size=16).hexdigest()
        (embeddings,) = cache.get(content, {"text encoder": encoder.digest}, compute)
    number = {line: i for i, line in enumerate(distinct)}
    return embeddings[[number[line] for line in lines]]


def read_utterance(utterance: Utterance, *, max_clip_s: float = MAX_CLIP_S) -> Samples:
    """Read the recording of an utterance, or its part of a recording.

    Args:
        utterance: An utterance with a recording.
        max_clip_s: Maximum length of an utterance in seconds.

    Returns:
        Mono at 16 kHz, float32, shape `[n_samples]`.

    Raises:
        CorpusError: There is no recording, or it cannot be read or is longer than `max_clip_s`; the
            message names the file.
    """
    return np.concatenate(list(_pieces_of(utterance, max_clip_s)))


def hash_utterance(utterance: Utterance, *, max_clip_s: float = MAX_CLIP_S) -> str:
    """The `content_hash` of an utterance, in constant memory; of a text only, its `text_hash`.

    Args:
        utterance: As for `read_utterance`.
        max_clip_s: As for `read_utterance`.

    Raises:
        CorpusError: As `read_utterance`.
    """
    if utterance.audio is None and utterance.text is not None:
        return text_hash(utterance)
    content = ContentHash()
    for piece in _pieces_of(utterance, max_clip_s):
        content.update(piece)
    return content.hexdigest()


def _pieces_of(utterance: Utterance, max_clip_s: float) -> Iterator[Samples]:
    """The recording of an utterance in blocks, at least one; reading stops at its end."""
    audio = utterance.audio
    if audio is None:
        raise CorpusError(f"an utterance of {utterance.corpus} has no recording")
    stretch = Stretch.of(utterance)
    n_read = 0

    def blocks() -> Iterator[Samples]:
        nonlocal n_read
        for block in stream(audio):
            n_read += len(block)
            yield block
            if stretch.ends_by(n_read):
                return

    n_given = 0
    try:
        for _, piece in pieces(blocks(), [stretch]):
            n_given += len(piece)
            if n_given > max_clip_s * SAMPLE_RATE:
                raise CorpusError(
                    f"{audio}: an utterance is longer than {max_clip_s:g} s; give the start and "
                    "end of each utterance in a manifest, or raise the limit (--max-clip-s)"
                )
            yield piece
    except AudioError as error:
        raise CorpusError(f"{audio}: {error}") from error
    if not n_given:
        raise CorpusError(
            f"{audio}: the utterance from {utterance.start_s or 0.0:g} s has no samples, with "
            f"{n_read / SAMPLE_RATE:.3f} s read; correct its times, or remove it"
        )


def _features_of(
    recipe: DescriptorRecipe,
    augmentation: Augmentation | None,
    cache: FeatureCache | None,
    max_clip_s: float,
    utterance: Utterance,
) -> tuple[str, list[NDArray[np.float32]]]:
    """Content hash of a recording; features of the recording and of its augmented copies."""
    samples = read_utterance(utterance, max_clip_s=max_clip_s)
    # Seeded by the name, so that copies do not depend on the other utterances or their order.
    stem = utterance.audio.stem if utterance.audio else ""
    seed = zlib.crc32(f"{utterance.speaker_key}/{stem}".encode())
    content = content_hash(samples)

    def compute() -> list[NDArray[np.float32]]:
        try:
            rows = [features_of(recipe, samples)]
        except AudioError as error:
            raise CorpusError(f"{utterance.audio}: {error}") from error
        if augmentation is not None:
            from serkit.training.augmentation import augmented_features

            rng = np.random.default_rng(seed)
            rows += [
                augmented_features(recipe, samples, augmentation, rng)
                for _ in range(augmentation.copies)
            ]
        return rows

    if cache is None:
        return content, compute()
    settings: dict[str, Any] = {type(recipe).__name__: recipe.to_dict()}
    if augmentation is not None:
        from serkit.training.augmentation import AUGMENTATION_VERSION

        settings |= {
            "augmentation": augmentation.model_dump(mode="json"),
            "version": AUGMENTATION_VERSION,
            "seed": seed,
        }
        if augmentation.coded:
            from serkit.codec import shipped_basis

            settings["basis"] = shipped_basis().digest.hex()
    return content, cache.get(content, settings, compute)
