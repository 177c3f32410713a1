"""Pretrained classifiers of sound of the library `transformers`: by id or from a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.audio import SAMPLE_RATE
from serkit.errors import MissingExtraError, ModelError
from serkit.hub import CardHead, Repository, opened
from serkit.plain import is_int
from serkit.text import one_line, printable, shortened, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

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

FAMILIES = (*WAVEFORM_FAMILIES, "whisper", "audio-spectrogram-transformer")
"""All values of `model_type` that can be loaded."""

MAX_WEIGHT_BYTES = 2_000_000_000
"""Weights in float32, at most: an ONNX file has at most 2 GiB."""

_CONFIG, _PREPROCESSOR, _PROCESSOR = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
)
_SAFE, _PICKLED = "model.safetensors", "pytorch_model.bin"
_MAX_LAYERS = 256
# Weight normalisation of PyTorch before 2.0.
_OLD_NAMES = {
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}
_DENSE_HEAD = {"classifier.dense.weight", "classifier.out_proj.weight"}
# Heads of classifiers, of pre-training and of speech recognition.
_HEAD = re.compile(r"(classifier|projector|lm_head|quantizer|project_hid|project_q)\.")
# Replaces masked frames in training, and is not used otherwise.
_UNUSED = re.compile(r"(^|\.)masked_spec_embed$")


@dataclass(frozen=True, slots=True, eq=False)
class PretrainedAudio:
    """A pretrained classifier of sound.

    Attributes:
        name: The id with its revision, or the name of the folder.
        architecture: Class of its network.
        network: The network, in evaluation mode.
        last: Name of its last layer.
        front_end: From samples at 16 kHz to the input of the network.
        labels: Names of its outputs, in their order.
        head: What its model card says.
        longest_s: Longest sound that is not cut off, in seconds; None for any.
    """

    name: str
    architecture: str
    network: nn.Module
    last: str
    front_end: nn.Module
    labels: tuple[str, ...]
    head: CardHead
    longest_s: float | None

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(one.numel() for one in self.network.parameters())


def load_audio(id_or_folder: str, *, allow_pickle: bool = False) -> PretrainedAudio:
    """Load a classifier of sound.

    Configuration and sizes are checked before the weights are downloaded and read. Code of a
    repository is never run, and a file that its configuration names never opened.

    Args:
        id_or_folder: An id on the Hugging Face hub, or a folder with `config.json`,
            `preprocessor_config.json` and `model.safetensors`.
        allow_pickle: Whether weights may be pickled; PyTorch's restricted unpickler reads them,
            which builds tensors only, but whose safety depends on its version.

    Raises:
        ModelError: It cannot be downloaded or read, is of another architecture, needs its own code,
            or its weights are not those of its configuration.
        MissingExtraError: transformers or torch is not installed.
    """
    try:
        import transformers
        from torch import nn  # noqa: F401  # transformers imports without it
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "import", "importing a model") from error
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    repository = opened(id_or_folder, "*.json", "README.md")
    values, extractor = repository.json(_CONFIG), _extractor(repository)
    family = _family(repository, values, extractor)
    try:
        config = transformers.AutoConfig.for_model(
            family, **{key: value for key, value in values.items() if key != "model_type"}
        )
        front_end, longest_s = _front_end(family, extractor, config)
        weights = _weight_files(id_or_folder, repository, allow_pickle=allow_pickle)
        state = _states(weights)
        _check_size(repository.name, config)
        if state.keys() >= _DENSE_HEAD:
            network, difference = _with_dense_head(repository.name, config, state)
        else:
            classes = transformers.AutoModelForAudioClassification
            network, difference = _of_transformers(config, state, classes)
        difference.check(repository.name, type(network).__name__)
    except (ModelError, MissingExtraError):
        raise
    except Exception as error:  # of many types: of configurations, of safetensors, of PyTorch
        raise ModelError(
            f"{repository.name} cannot be loaded: {shortened(printable(one_line(error)), 300)}"
        ) from error
    last = _last_layer(network)
    return PretrainedAudio(
        name=repository.name,
        architecture=_architecture(network, values),
        network=network.eval().requires_grad_(False),
        last=last,
        front_end=front_end,
        labels=_labels(repository.name, config, network.get_submodule(last)),
        head=repository.head(),
        longest_s=longest_s,
    )


def load_encoder(id_or_folder: str) -> nn.Module:
    """Load a waveform transformer without a head, to be trained further.

    As `load_audio`, but for safetensors alone; the head of a classifier is left out. SpecAugment,
    which transformers applies in training by default, is switched off.

    Args:
        id_or_folder: An id on the Hugging Face hub, or a folder with `config.json` and
            `model.safetensors`.

    Raises:
        ModelError: As `load_audio`.
        MissingExtraError: transformers or torch is not installed.
    """
    try:
        import transformers
        from torch import nn  # noqa: F401  # transformers imports without it
    except ImportError as error:
        raise MissingExtraError(
            error.name or "torch", "speech", "training a speech transformer"
        ) from error
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    repository = opened(id_or_folder, "*.json", "README.md")
    values = repository.json(_CONFIG)
    family = _family(repository, values, {}, WAVEFORM_FAMILIES)
    try:
        config = transformers.AutoConfig.for_model(
            family, **{key: value for key, value in values.items() if key != "model_type"}
        )
        config.apply_spec_augment = False
        weights = _weight_files(id_or_folder, repository, allow_pickle=False)
        state = {k: v for k, v in _states(weights).items() if not _HEAD.match(k)}
        _check_size(repository.name, config)
        network, difference = _of_transformers(config, state, transformers.AutoModel)
        difference.check(repository.name, type(network).__name__)
    except (ModelError, MissingExtraError):
        raise
    except Exception as error:  # of many types: of configurations, of safetensors, of PyTorch
        raise ModelError(
            f"{repository.name} cannot be loaded: {shortened(printable(one_line(error)), 300)}"
        ) from error
    return network


def _extractor(repository: Repository) -> dict[str, Any]:
    """The configuration of the feature extractor."""
    if repository.file(_PREPROCESSOR) is None and repository.file(_PROCESSOR) is not None:
        values = repository.json(_PROCESSOR).get("feature_extractor")
        if isinstance(values, dict):
            return values
    return repository.json(_PREPROCESSOR)


def _family(
    repository: Repository,
    values: Mapping[str, Any],
    extractor: Mapping[str, Any],
    known: Sequence[str] = FAMILIES,
) -> str:
    """The `model_type`, after checks of both configurations."""
    for name, one in ((_CONFIG, values), (_PREPROCESSOR, extractor)):
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
    rate = extractor.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise ModelError(
            f"{repository.name}: its sampling rate is {shown(rate, 40)} Hz; expected {SAMPLE_RATE}"
        )
    return family


def _front_end(
    family: str, extractor: Mapping[str, Any], config: Any
) -> tuple[nn.Module, float | None]:
    """Preprocessing as in the feature extractor, and the longest sound it takes, in seconds."""
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


def _weight_files(source: str, repository: Repository, *, allow_pickle: bool) -> list[Path]:
    """The files of the weights, downloaded if need be."""
    if repository.is_snapshot:
        repository = opened(source, "*.json", "README.md", "model*.safetensors")
    found = repository.parts(_SAFE)
    if found:
        return found
    if not allow_pickle:
        pickled = repository.file(_PICKLED) or repository.file(f"{_PICKLED}.index.json")
        why = f"its weights are pickled ({_PICKLED})" if pickled else f"it has no {_SAFE}"
        raise ModelError(
            f"{repository.name}: {why}; expected {_SAFE}: unpickling can run code. Convert the "
            "weights where you trust them, or add --allow-pickle to serkit import"
        )
    if repository.is_snapshot:
        repository = opened(source, "*.json", "README.md", "pytorch_model*.bin")
    found = repository.parts(_PICKLED)
    if not found:
        raise ModelError(f"{repository.name}: has neither {_SAFE} nor {_PICKLED}")
    return found


def _states(files: list[Path]) -> dict[str, Tensor]:
    """All tensors of some files, in float32."""
    import torch
    from safetensors.torch import load_file

    size = sum(file.stat().st_size for file in files)
    if size > MAX_WEIGHT_BYTES:
        raise _too_large(files[0].parent.name, size)
    state: dict[str, Tensor] = {}
    for file in files:
        if file.suffix == ".safetensors":
            found = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or not all(
            isinstance(name, str) and isinstance(value, torch.Tensor)
            for name, value in found.items()
        ):
            raise ModelError(f"{file}: is no table of tensors by name")
        state |= {n: v.float() if v.is_floating_point() else v for n, v in found.items()}
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise ModelError(f"{files[0]}: {shown(broken[0], 80)} has values that are not finite")
    return state


def _too_large(name: str, size: int) -> ModelError:
    return ModelError(
        f"{name}: its weights take {size / 1e9:.2f} GB; expected at most "
        f"{MAX_WEIGHT_BYTES / 1e9:.0f} GB in float32, as an ONNX file has at most 2 GiB"
    )


@dataclass(frozen=True, slots=True)
class _Difference:
    """The tensors of a file against those of a network.

    Attributes:
        missing: Names in the network alone.
        extra: Names in the file alone.
        other: Names of tensors of other shapes, with both shapes.
    """

    missing: list[str]
    extra: list[str]
    other: list[tuple[str, list[int], list[int]]]

    def check(self, name: str, architecture: str) -> None:
        """Refuse any difference but in tensors that are not used.

        Raises:
            ModelError: Tensors are missing, unexpected, or of another shape.
        """
        missing, extra = (
            sorted(key for key in keys if not _UNUSED.search(key))
            for keys in (self.missing, self.extra)
        )
        if missing or extra:
            raise ModelError(
                f"{name}: the weights are not those of {architecture}: missing "
                f"{_listed(missing)}; unexpected {_listed(extra)}. Expected a fine-tuned "
                "classifier of this architecture, head included"
            )
        for key, found, expected in self.other:
            raise ModelError(
                f"{name}: {printable(key)} has shape {found}; expected {expected}, as in its "
                "configuration"
            )


def _check_size(name: str, config: Any) -> None:
    """Refuse a network that would be too large, before it is allocated."""
    import torch
    from transformers import AutoModelForAudioClassification

    with torch.device("meta"):
        network = AutoModelForAudioClassification.from_config(config)  # type: ignore[no-untyped-call]
    size = 4 * sum(one.numel() for one in network.parameters())
    if size > MAX_WEIGHT_BYTES:
        raise _too_large(name, size)


def _of_transformers(
    config: Any, state: dict[str, Tensor], classes: Any
) -> tuple[nn.Module, _Difference]:
    """A network of `transformers`, which knows the names of earlier versions."""
    kind: Any = classes._model_mapping[type(config)]
    network, info = kind.from_pretrained(
        None,
        config=config,
        state_dict=state,
        attn_implementation="eager",
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    other = [(key, list(found), list(wanted)) for key, found, wanted in info["mismatched_keys"]]
    return network, _Difference(list(info["missing_keys"]), list(info["unexpected_keys"]), other)


def _with_dense_head(
    name: str, config: Any, state: Mapping[str, Tensor]
) -> tuple[nn.Module, _Difference]:
    """A `DenseHead`, whose class is not part of `transformers`."""
    from transformers import AutoModel

    from serkit.networks.audio import DenseHead

    pooling = getattr(config, "pooling_mode", "mean")
    if config.model_type not in WAVEFORM_FAMILIES or pooling != "mean":
        raise ModelError(
            f"{name}: a head of two layers on {config.model_type} with {shown(pooling, 40)} "
            "pooling; expected a waveform model with mean pooling"
        )
    base = AutoModel.from_config(config, attn_implementation="eager")  # type: ignore[no-untyped-call]
    network = DenseHead(base.base_model_prefix, base, config.hidden_size, config.num_labels)
    found = {_renamed(key): value for key, value in state.items()}
    wanted = network.state_dict()
    fitting = {
        key: value
        for key, value in found.items()
        if key in wanted and value.shape == wanted[key].shape
    }
    network.load_state_dict(fitting, strict=False)
    other = [
        (key, list(found[key].shape), list(wanted[key].shape))
        for key in sorted(wanted.keys() & found.keys() - fitting.keys())
    ]
    return network, _Difference(
        list(wanted.keys() - found.keys()), list(found.keys() - wanted.keys()), other
    )


def _renamed(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _listed(names: list[str]) -> str:
    shown_names = shortened(", ".join(map(printable, names[:4])), 300)
    return shown_names + f" and {len(names) - 4} more" * (len(names) > 4) or "none"


def _last_layer(network: nn.Module) -> str:
    """Name of the last layer of a classifier."""
    from torch import nn

    for name in ("classifier", "classifier.dense", "classifier.out_proj"):
        try:
            layer = network.get_submodule(name)
        except AttributeError:
            continue
        if isinstance(layer, nn.Linear) and name != "classifier.dense":
            return name
    return "classifier.dense"


def _architecture(network: nn.Module, values: Mapping[str, Any]) -> str:
    named = values.get("architectures")
    if isinstance(named, list) and named and isinstance(named[0], str):
        return shortened(printable(named[0]), 100)
    return type(network).__name__


def _labels(name: str, config: Any, last: Any) -> tuple[str, ...]:
    """Names of the outputs."""
    table = config.id2label
    n_outputs = last.out_features
    labels = tuple(str(table.get(i, "")).strip() for i in range(n_outputs))
    if len(table) != n_outputs or not all(labels) or len(set(labels)) != n_outputs:
        raise ModelError(
            f"{name}: id2label is {shown(table)}; expected {n_outputs} different names"
        )
    return labels
