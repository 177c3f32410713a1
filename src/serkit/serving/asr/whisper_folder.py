"""Folders of Whisper models of strangers: what may be opened, and the checks of what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serkit.errors import ModelError
from serkit.features.whisper import HOP, N_FFT
from serkit.hub import Repository, opened
from serkit.text import shown

WINDOW_S = 30
"""Length of the encoder's input, in seconds."""

WINDOW_FRAMES = 3000
"""The same in frames of log-mel."""

MEL_BANDS = (80, 128)
"""Mel bands of the published models; 128 are those of large-v3."""

TOKENIZER = "tokenizer.json"
MAX_TOKENIZER_BYTES = 32 << 20

_PREPROCESSOR = "preprocessor_config.json"
_FRONT_END = {
    "sampling_rate": 16_000,
    "n_fft": N_FFT,
    "hop_length": HOP,
    "chunk_length": WINDOW_S,
    "dither": 0.0,
}


def whisper_folder(
    source: str, *required: str, patterns: tuple[str, ...], extra: str, download: bool
) -> Repository:
    """The folder of a Whisper model.

    Args:
        source: A folder, or an id on the Hugging Face hub.
        required: Files that it must have, `tokenizer.json` among them.
        patterns: Names of the files to download, `*` for any characters.
        extra: The extra that has huggingface_hub.
        download: Whether an id may be downloaded; if not, it must be in the cache.

    Raises:
        ModelError: There is no such folder, a file is missing, too large or a link out of it, or
            the model wants other features than Whisper's.
        MissingExtraError: huggingface_hub is not installed.
    """
    repository = opened(source, *patterns, download=download, extra=extra)
    for name in required:
        if repository.file(name) is None:
            raise ModelError(
                f"{repository.name} has no {name}; expected a folder with {', '.join(required)}"
            )
    size = (repository.folder / TOKENIZER).stat().st_size
    if size > MAX_TOKENIZER_BYTES:
        raise ModelError(
            f"{repository.name}: {TOKENIZER} has {size:,} bytes; expected at most "
            f"{MAX_TOKENIZER_BYTES:,}"
        )
    if repository.file(_PREPROCESSOR) is not None:
        _check_front_end(repository.name, repository.json(_PREPROCESSOR))
    return repository


def _check_front_end(name: str, values: Mapping[str, Any]) -> None:
    for key, expected in _FRONT_END.items():
        found = values.get(key, expected)
        if found != expected:
            raise ModelError(
                f"{name}: {key} of its feature extractor is {shown(found, 40)}; expected {expected}"
            )
    if values.get("feature_size", MEL_BANDS[0]) not in MEL_BANDS:
        raise ModelError(
            f"{name}: it takes {shown(values['feature_size'], 40)} mel bands; expected 80 or 128"
        )
