"""Configurations of pretrained classifiers of sound, checked, and their preprocessing.

Nothing that a configuration names, such as a file or a class, is opened or run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serkit.audio import SAMPLE_RATE
from serkit.errors import ModelError
from serkit.hub import Repository
from serkit.plain import is_int
from serkit.text import shown

if TYPE_CHECKING:
    from torch import nn

CONFIG = "config.json"

WAVEFORM_FAMILIES = (
    "hubert",
    "wav2vec2",
    "wavlm",
    "data2vec-audio",
    "unispeech",
    "unispeech-sat",
    "wav2vec2-conformer",
    "sew",
    "sew-d",
)
"""Values of `model_type` whose input is the waveform."""

TRAINED_FAMILIES = ("hubert", "wav2vec2", "wavlm", "unispeech", "unispeech-sat")
"""Those of `WAVEFORM_FAMILIES` in which the padding of a batch has no influence on the results."""

FAMILIES = (*WAVEFORM_FAMILIES, "whisper", "audio-spectrogram-transformer")
"""All values of `model_type` that can be loaded."""

_PREPROCESSOR, _PROCESSOR = "preprocessor_config.json", "processor_config.json"
_MAX_LAYERS, _MAX_WIDTH = 256, 1 << 16


def extractor_of(repository: Repository) -> dict[str, Any]:
    """The configuration of the feature extractor.

    Raises:
        ModelError: There is none.
    """
    if repository.file(_PREPROCESSOR) is None and repository.file(_PROCESSOR) is not None:
        values = repository.json(_PROCESSOR).get("feature_extractor")
        if isinstance(values, dict):
            return values
    return repository.json(_PREPROCESSOR)


def family_of(
    repository: Repository,
    values: Mapping[str, Any],
    extractor: Mapping[str, Any],
    known: Sequence[str] = FAMILIES,
) -> str:
    """The `model_type` of a model whose configurations are acceptable.

    Args:
        repository: Its folder, for messages.
        values: Its configuration.
        extractor: The configuration of its feature extractor; empty if it needs none.
        known: Accepted values of `model_type`.

    Raises:
        ModelError: It is of another type, quantised, not for sound of 16 kHz, or needs its own
            code.
    """
    for name, one in ((CONFIG, values), (_PREPROCESSOR, extractor)):
        if "auto_map" in one:
            raise ModelError(
                f"{repository.name}: {name} asks for code of the repository (auto_map), which "
                "serkit never runs; expected an architecture of the library transformers"
            )
    if values.get("quantization_config") is not None:
        raise ModelError(
            f"{repository.name}: the weights are quantised; expected those of float16 or float32"
        )
    family = values.get("model_type")
    if not isinstance(family, str) or family not in known:
        raise ModelError(
            f"{repository.name}: model_type is {shown(family, 80)}; expected a model of sound of "
            f"one of {', '.join(known)}"
        )
    for key in ("num_hidden_layers", "encoder_layers"):
        if key in values and not is_int(values[key], 1, _MAX_LAYERS):
            raise ModelError(
                f"{repository.name}: {key} is {shown(values[key], 80)}; expected 1 to {_MAX_LAYERS}"
            )
    for key in ("conv_dim", "conv_kernel", "conv_stride"):
        sizes = values.get(key)
        if sizes is not None and (
            not isinstance(sizes, list)
            or not 1 <= len(sizes) <= _MAX_LAYERS
            or not all(is_int(size, 1, _MAX_WIDTH) for size in sizes)
        ):
            raise ModelError(
                f"{repository.name}: {key} is {shown(sizes, 80)}; expected 1 to {_MAX_LAYERS} "
                f"numbers from 1 to {_MAX_WIDTH}"
            )
    rate = extractor.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise ModelError(
            f"{repository.name}: its sampling rate is {shown(rate, 40)} Hz; expected {SAMPLE_RATE}"
        )
    return family


def front_end_of(
    family: str, extractor: Mapping[str, Any], config: Any
) -> tuple[nn.Module, float | None]:
    """Preprocessing as in the feature extractor, and the longest sound it takes, in seconds.

    Args:
        family: Of `FAMILIES`.
        extractor: The configuration of the feature extractor.
        config: The configuration of the model, as `transformers` reads it.

    Raises:
        ModelError: The extractor has settings that are not implemented.
    """
    from torch import nn

    from serkit.networks.audio import KaldiLogMel, Normaliser, WhisperLogMel

    def require(key: str, expected: Any, default: Any) -> None:
        found = extractor.get(key, default)
        if found != expected:
            raise ModelError(
                f"{key} of its feature extractor is {shown(found)}; expected {expected}"
            )

    if family == "whisper":
        n_frames = 2 * int(config.max_source_positions)
        for key, expected, default in (
            ("n_fft", 400, 400),
            ("hop_length", 160, 160),
            ("feature_size", config.num_mel_bins, 80),
            ("chunk_length", n_frames // 100, 30),
            ("dither", 0.0, 0.0),
        ):
            require(key, expected, default)
        return WhisperLogMel(config.num_mel_bins, n_frames), n_frames / 100
    if family == "audio-spectrogram-transformer":
        require("num_mel_bins", config.num_mel_bins, 128)
        require("max_length", config.max_length, 1024)
        mean, std = extractor.get("mean", -4.2677393), extractor.get("std", 4.5689974)
        if not extractor.get("do_normalize", True):
            mean, std = 0.0, 0.5
        front_end = KaldiLogMel(config.num_mel_bins, config.max_length, float(mean), float(std))
        return front_end, config.max_length / 100
    require("feature_size", 1, 1)
    return Normaliser() if extractor.get("do_normalize", True) else nn.Identity(), None
