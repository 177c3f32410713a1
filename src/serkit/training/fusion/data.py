"""Utterances as coded log-mel and text vectors, read when they are needed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serkit.audio import SAMPLE_RATE, content_hash
from serkit.codec import decode, encode_basis, log_mel_of, normalised
from serkit.codec.recording import encode_low_rank
from serkit.corpora import Utterance
from serkit.features.whisper import HOP, N_MELS
from serkit.runtime import TextEncoder
from serkit.training.data import MAX_CLIP_S, embed_lines, read_utterance
from serkit.training.feature_cache import FeatureCache
from serkit.training.fusion.recipe import Coding, FusionRecipe, Spectrograms
from serkit.training.speech.augmentation import augmented
from serkit.training.speech.recipe import MIN_CLIP_S
from serkit.training.workers import Track, for_each

Array = NDArray[np.float32]
Index = NDArray[np.int64]

VERSION = 1
"""Changes whenever the same settings would give another log-mel."""

_AT_A_TIME = 16


@dataclass(frozen=True, slots=True, eq=False)
class FusionData:
    """Log-mel and text vectors of utterances; the log-mel is not held in memory.

    Attributes:
        utterances: The utterances.
        targets: Index of each label in the recipe's labels, shape `[n]`.
        hashes: `content_hash` of each recording.
        lengths: Frames of each recording, shape `[n]`.
        vectors: A vector of each text, zeros without a text, shape `[n, text_width]`, float32.
        has_text: Which utterances have a text, shape `[n]`, bool.
        plan: The log-mel.
        cache: Cache of the log-mel; None to compute it every time.
        max_clip_s: Longest accepted utterance, in seconds.
    """

    utterances: tuple[Utterance, ...]
    targets: Index
    hashes: tuple[str, ...]
    lengths: Index
    vectors: Array
    has_text: NDArray[np.bool_]
    plan: Spectrograms
    cache: FeatureCache | None = None
    max_clip_s: float = MAX_CLIP_S

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def features(self) -> FusionData:
        """What a classifier takes: the data themselves."""
        return self

    @property
    def n_variants(self) -> int:
        """Number of variants of a training recording: its codings, and those of its copies."""
        return len(self.plan.variants)

    def __getitem__(self, index: Index) -> FusionData:
        return self.rows(index)

    def rows(self, index: Index) -> FusionData:
        """The utterances at `index`."""
        return replace(
            self,
            utterances=tuple(self.utterances[i] for i in index),
            targets=self.targets[index],
            hashes=tuple(self.hashes[i] for i in index),
            lengths=self.lengths[index],
            vectors=self.vectors[index],
            has_text=self.has_text[index],
        )

    def tested_at(self, coding: Coding) -> FusionData:
        """The same utterances, with another coding in validation and test."""
        return replace(self, plan=self.plan.model_copy(update={"tested": coding}))

    def without_text(self) -> FusionData:
        """The same utterances as if none had a text."""
        return replace(self, has_text=np.zeros_like(self.has_text))

    def batch(self, index: Tensor, variants: Tensor | None) -> tuple[Tensor, ...]:
        """The arguments of a network.

        Args:
            index: Indices of the utterances, shape `[n]`.
            variants: Variant of each in training; None for that of validation and test.

        Returns:
            Frames `[n, 80, n_frames]` and their counts, vectors `[n, 1, text_width]` and their
            counts.

        Raises:
            CorpusError: A recording cannot be read.
        """
        chosen = (
            [(self.plan.test_coding, 0)] * len(index)
            if variants is None
            else [self.plan.variants[v] for v in variants.tolist()]
        )
        rows = [self.log_mel(i, *one) for i, one in zip(index.tolist(), chosen, strict=True)]
        frames = torch.zeros(len(rows), N_MELS, max(row.shape[1] for row in rows))
        for frame, row in zip(frames, rows, strict=True):
            frame[:, : row.shape[1]] = torch.from_numpy(row)
        return (
            frames,
            torch.tensor([row.shape[1] for row in rows]),
            torch.from_numpy(self.vectors)[index][:, None],
            torch.from_numpy(self.has_text)[index].long(),
        )

    def log_mel(self, i: int, coding: Coding, copy: int = 0) -> Array:
        """The log-mel of utterance `i` after a coding, in the units of Whisper's encoder.

        Args:
            i: Index of the utterance.
            coding: The coding.
            copy: Number of a changed copy; 0 for the recording itself.

        Returns:
            Shape `[80, n_frames]`, float32.

        Raises:
            CorpusError: The recording cannot be read.
        """

        def samples() -> Array:
            return _cut(self.plan, read_utterance(self.utterances[i], max_clip_s=self.max_clip_s))

        return _log_mel(self.plan, self.cache, self.hashes[i], samples, coding, copy)


def coded(samples: Array, coding: Coding) -> Array:
    """The log-mel that a server receives.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`, float32.
        coding: The coding.

    Returns:
        The input of Whisper's encoder, shape `[80, n_frames]`, float32.

    Raises:
        AudioError: The recording is shorter than a frame.
    """
    packets = packets_of(samples, coding)
    return normalised(log_mel_of(samples)) if packets is None else decode(packets).log_mel


def packets_of(samples: Array, coding: Coding) -> bytes | None:
    """What a device sends; None for uncoded log-mel.

    Args:
        samples: As for `coded`.
        coding: The coding.

    Raises:
        AudioError: The recording is shorter than a frame.
    """
    if coding.svd is not None:
        return encode_low_rank(samples, ratio=coding.svd)
    return None if coding.basis is None else encode_basis(samples, quality=coding.basis)


def make_fusion_data(
    recipe: FusionRecipe,
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    cache: FeatureCache | None = None,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
    encoder: TextEncoder | None = None,
) -> FusionData:
    """Read utterances, code their log-mel into the cache, and embed their texts.

    Args:
        recipe: The recipe, bound to the encoder.
        utterances: Utterances with labels of the recipe.
        jobs: Number of processes.
        cache: Cache of the log-mel of every variant; None for no cache.
        track: Wraps the results to show progress: `track(results, total)`.
        max_clip_s: Longest accepted utterance, in seconds.
        encoder: The encoder of the recipe; None without text.

    Raises:
        CorpusError: A recording cannot be read or is too long; the message names the file.
        RecipeError: This is not the encoder of the recipe.
        ModelError: The encoder fails.
    """
    work = partial(_read, recipe.log_mel, cache, max_clip_s)
    found = for_each(work, utterances, jobs, at_a_time=_AT_A_TIME, track=track)
    labels = list(recipe.labels)
    spoken = np.array([bool(u.text and u.text.strip()) for u in utterances], np.bool_)
    vectors = np.zeros((len(utterances), 1 if recipe.text is None else recipe.text.width))
    if recipe.text is not None and spoken.any():
        lines = [recipe.text.line(u.text or "", u.speaker) for u in utterances]
        chosen = np.flatnonzero(spoken).tolist()
        vectors[spoken] = embed_lines(
            recipe.text, [lines[i] for i in chosen], encoder=encoder, cache=cache
        )
    return FusionData(
        tuple(utterances),
        np.array([labels.index(u.label) for u in utterances], np.int64),
        tuple(content for content, _ in found),
        np.array([length for _, length in found], np.int64),
        vectors.astype(np.float32),
        spoken if recipe.text is not None else np.zeros_like(spoken),
        recipe.log_mel,
        cache,
        max_clip_s,
    )


def _read(
    plan: Spectrograms, cache: FeatureCache | None, max_clip_s: float, utterance: Utterance
) -> tuple[str, int]:
    """Content hash and number of frames of a recording, whose log-mel is put into the cache."""
    whole = read_utterance(utterance, max_clip_s=max_clip_s)
    content, samples = content_hash(whole), _cut(plan, whole)
    if cache is not None:
        for coding, copy in {*plan.variants, (plan.test_coding, 0)}:
            _log_mel(plan, cache, content, lambda: samples, coding, copy)
    return content, len(samples) // HOP


def _cut(plan: Spectrograms, samples: Array) -> Array:
    """The beginning of a recording; a very short one is padded with silence."""
    cut = samples[: plan.max_samples]
    return np.pad(cut, (0, max(0, round(MIN_CLIP_S * SAMPLE_RATE) - len(cut))))


def _log_mel(
    plan: Spectrograms,
    cache: FeatureCache | None,
    content: str,
    samples: Callable[[], Array],
    coding: Coding,
    copy: int,
) -> Array:
    def compute() -> list[Array]:
        sound = samples()
        if copy and plan.augmentation is not None:
            sound = augmented(sound, plan.augmentation, zlib.crc32(f"{copy}/{content}".encode()))
        return [coded(sound, coding)]

    if cache is None:
        (log_mel,) = compute()
        return log_mel
    settings: dict[str, Any] = {"coded": coding.model_dump(), "max_s": plan.max_s, "v": VERSION}
    if copy and plan.augmentation is not None:
        settings |= {"copy": copy, "augmentation": plan.augmentation.model_dump(mode="json")}
    (log_mel,) = cache.get(content, settings, compute)
    return log_mel
