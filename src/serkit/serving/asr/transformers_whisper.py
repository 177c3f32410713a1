"""Speech recognition with Whisper of the library transformers, fed with log-mel frames."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import MissingExtraError, ModelError, TranscriptionError
from serkit.features.whisper import DECADES, SCALE
from serkit.files import read_bounded
from serkit.hub import Repository
from serkit.plain import is_int
from serkit.serving.asr.transcript import (
    Transcript,
    TranscriptSegment,
    checked,
    require_language,
)
from serkit.serving.asr.whisper_folder import (
    MAX_TOKENIZER_BYTES,
    MEL_BANDS,
    TOKENIZER,
    WINDOW_FRAMES,
    whisper_folder,
)
from serkit.text import one_line, printable, shown

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]

_WEIGHTS = "model.safetensors"
_FILES = ("config.json", "generation_config.json", TOKENIZER)
_MAX_LAYERS = 256
_UNSURE = 0.5
# Written in the weights of some versions, and the same as the embedding of the tokens.
_TIED = "proj_out.weight"
_LANGUAGE = re.compile(r"<\|([a-z]{2,4})\|>")
# What a generation configuration may set; all else keeps its default.
_SETTINGS = (
    "is_multilingual", "lang_to_id", "task_to_id", "no_timestamps_token_id", "prev_sot_token_id",
    "max_initial_timestamp_index", "suppress_tokens", "begin_suppress_tokens", "pad_token_id",
    "bos_token_id", "eos_token_id", "decoder_start_token_id", "max_length",
)  # fmt: skip


class TransformersWhisper:
    """Whisper of the library transformers, in float32 on the CPU, with greedy decoding.

    Weights are read from safetensors files only, and no code of the folder is run.

    Args:
        source: A folder as transformers saves it, or its id on the Hugging Face hub, such as
            `openai/whisper-base`.
        download: Whether an id may be downloaded; if not, it must be in the cache.

    Raises:
        ModelError: The folder or id cannot be loaded.
        MissingExtraError: transformers or torch is not installed.
    """

    def __init__(self, source: str, *, download: bool = False) -> None:
        try:
            import transformers
            from tokenizers import Tokenizer
            from torch import nn  # noqa: F401  # transformers imports without it
        except ImportError as error:
            raise MissingExtraError(
                error.name or "torch", "import", "speech recognition with transformers"
            ) from error
        transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        repository = whisper_folder(
            source,
            *_FILES,
            patterns=(*_FILES, "preprocessor_config.json", "model*.safetensors*"),
            extra="import",
            download=download,
        )
        self.name = f"transformers {repository.name}"
        try:
            self._model = _network(repository, _config(repository))
            self._model.generation_config = _generation_config(repository)
            content = read_bounded(repository.folder / TOKENIZER, MAX_TOKENIZER_BYTES)
            self._tokenizer = Tokenizer.from_str(content.decode())
        except ModelError:
            raise
        except Exception as error:  # of many types: of configurations, of safetensors, of PyTorch
            raise ModelError(
                f"{repository.name} cannot be loaded: {printable(one_line(error))}"
            ) from error
        self.n_mels = int(self._model.config.num_mel_bins)
        self._ids = _language_ids(repository.name, self._model.generation_config)
        self.languages = tuple(self._ids) or ("en",)

    def transcribe(self, log_mel: Array, *, language: str | None = None) -> Transcript:
        """As `Asr.transcribe`."""
        import torch

        log_mel = checked(log_mel, self.n_mels)
        require_language(language, self.languages, self.name)
        duration_s = log_mel.shape[1] / FRAMES_PER_SECOND
        if not log_mel.size:
            return Transcript("", language or self.languages[0])
        warnings, options = [], {}
        try:
            with torch.inference_mode():
                features = torch.from_numpy(padded(log_mel))[None]
                if self._ids:
                    if language is None:
                        language, probability = self._detected(features[..., :WINDOW_FRAMES])
                        if probability < _UNSURE:
                            warnings.append(
                                f"the language may not be {language}: its probability is "
                                f"{probability:.2f}"
                            )
                    options = {"language": language, "task": "transcribe"}
                answer = self._model.generate(
                    features,
                    do_sample=False,
                    num_beams=1,
                    return_timestamps=True,
                    return_segments=True,
                    **options,
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise TranscriptionError(f"{self.name} failed: {printable(one_line(error))}") from error
        return Transcript.of(
            (
                TranscriptSegment(
                    float(part["start"]), float(part["end"]), self._text(part["tokens"].tolist())
                )
                for part in answer["segments"][0]
            ),
            language=language or "en",
            duration_s=duration_s,
            warnings=warnings,
        )

    def _detected(self, features: Tensor) -> tuple[str, float]:
        """The likeliest language of a window, and its probability among all."""
        import torch

        start = torch.tensor([[self._model.generation_config.decoder_start_token_id]])
        logits = self._model(input_features=features, decoder_input_ids=start).logits[0, -1]
        shares = logits[list(self._ids.values())].softmax(0)
        best = int(shares.argmax())
        return self.languages[best], float(shares[best])

    def _text(self, tokens: Sequence[int]) -> str:
        """Text of tokens, without special ones and timestamps."""
        most = int(self._model.generation_config.eos_token_id)
        return str(self._tokenizer.decode([token for token in tokens if token < most]))


def padded(log_mel: Array) -> Array:
    """Frames padded to a window of 30 s with what digital silence has in Whisper's log-mel.

    Args:
        log_mel: Shape `[n_mels, n_frames]`, at least one frame; more than 30 s are kept.
    """
    missing = max(0, WINDOW_FRAMES - log_mel.shape[1])
    silence = log_mel.max() - DECADES / SCALE
    return np.pad(log_mel, ((0, 0), (0, missing)), constant_values=silence)


def _config(repository: Repository) -> Any:
    """The configuration of the network, after checks."""
    from transformers import WhisperConfig

    values = repository.json("config.json")
    limits = {
        "num_mel_bins": MEL_BANDS,
        "max_source_positions": (WINDOW_FRAMES // 2,),
        "encoder_layers": range(1, _MAX_LAYERS + 1),
        "decoder_layers": range(1, _MAX_LAYERS + 1),
    }
    if values.get("model_type") != "whisper" or "auto_map" in values:
        raise ModelError(
            f"{repository.name}: model_type is {shown(values.get('model_type'), 80)}"
            + " with code of its own (auto_map)" * ("auto_map" in values)
            + "; expected whisper, without"
        )
    if values.get("quantization_config") is not None:
        raise ModelError(
            f"{repository.name}: the weights are quantised; expected those of float16 or float32"
        )
    for key, allowed in limits.items():
        if key in values and not (is_int(values[key], 0, allowed[-1]) and values[key] in allowed):
            raise ModelError(
                f"{repository.name}: {key} is {shown(values[key], 40)}; expected "
                + " or ".join(map(str, allowed if len(allowed) < 3 else (allowed,)))
            )
    return WhisperConfig(**{key: value for key, value in values.items() if key != "model_type"})


def _network(repository: Repository, config: Any) -> Any:
    """The network with the weights of its folder; no weight is allocated beside the file's."""
    import torch
    from safetensors.torch import load_file
    from transformers import WhisperForConditionalGeneration

    files = repository.parts(_WEIGHTS)
    if not files:
        raise ModelError(
            f"{repository.name} has no {_WEIGHTS}; expected weights as safetensors: unpickling "
            "others can run code"
        )
    with torch.device("meta"):
        network = WhisperForConditionalGeneration(config)
    state: dict[str, Any] = {}
    for file in files:
        state |= load_file(file)
    expected = network.state_dict()
    state.setdefault(_TIED, state.get("model.decoder.embed_tokens.weight"))
    if state.keys() != expected.keys():
        odd = sorted(state.keys() ^ expected.keys())
        raise ModelError(
            f"{repository.name}: {len(odd)} weights are missing or unknown, such as "
            f"{printable(odd[0])}; expected those of Whisper with its decoder"
        )
    for key, value in expected.items():
        if state[key] is None or state[key].shape != value.shape:
            found = None if state[key] is None else list(state[key].shape)
            raise ModelError(
                f"{repository.name}: {key} has shape {found}; expected {list(value.shape)}, as in "
                "its configuration"
            )
    network.load_state_dict({k: v.float() for k, v in state.items()}, assign=True)
    network.tie_weights()
    network.requires_grad_(False)
    return network.train(False)


def _generation_config(repository: Repository) -> Any:
    import transformers

    kind: Any = transformers.GenerationConfig
    values = repository.json("generation_config.json")
    return kind(**{key: values[key] for key in _SETTINGS if key in values})


def _language_ids(name: str, config: Any) -> dict[str, int]:
    """Tokens of the languages by code; empty for an English model."""
    if not getattr(config, "is_multilingual", False):
        return {}
    table: object = getattr(config, "lang_to_id", None)
    if not isinstance(table, Mapping) or not table:
        raise ModelError(f"{name}: lang_to_id is {shown(table, 80)}; expected a table of tokens")
    ids = {}
    for token, number in table.items():
        code = _LANGUAGE.fullmatch(str(token))
        if code is None or type(number) is not int:
            raise ModelError(f"{name}: lang_to_id has {shown(token, 40)}; expected such as <|en|>")
        ids[code[1]] = number
    return ids
