"""Pretrained classifiers of sound of the library `transformers`: by id or from a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serkit.errors import MissingExtraError, ModelError
from serkit.hub import CardHead, opened
from serkit.memory import available_bytes
from serkit.text import one_line, printable, shortened, shown
from serkit.training.audio_configuration import (
    CONFIG,
    TRAINED_FAMILIES,
    WAVEFORM_FAMILIES,
    extractor_of,
    family_of,
    front_end_of,
)
from serkit.training.pretrained_weights import (
    MAX_WEIGHT_BYTES,
    Difference,
    read_weights,
    too_large,
    weight_files,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

_MEMORY_FACTOR = 13
"""Memory that an import takes, by the size of the weights: the network, graphs and sessions."""

_MAX_NAME = 100
"""Characters of the name of an output, at most."""

_SETTINGS = ("*.json", "README.md")
# Weight normalisation of PyTorch before 2.0.
_OLD_NAMES = {
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}
_DENSE_HEAD = {"classifier.dense.weight", "classifier.out_proj.weight"}
# Heads of classifiers, of pre-training and of speech recognition.
_HEAD = re.compile(
    r"(classifier|projector|lm_head|quantizer|project_hid|project_q)\.|layer_weights$"
)


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
    transformers = _library("import", "importing a model")
    repository = opened(id_or_folder, *_SETTINGS)
    values, extractor = repository.json(CONFIG), extractor_of(repository)
    family = family_of(repository, values, extractor)
    with _named(repository.name):
        config = _configured(transformers, family, values)
        _check_size(repository.name, config, memory=_MEMORY_FACTOR)
        front_end, longest_s = front_end_of(family, extractor, config)
        state = read_weights(weight_files(id_or_folder, repository, allow_pickle=allow_pickle))
        if state.keys() >= _DENSE_HEAD:
            network, difference = _with_dense_head(repository.name, config, state)
        else:
            classes = transformers.AutoModelForAudioClassification
            network, difference = _of_transformers(config, state, classes)
        difference.check(repository.name, type(network).__name__)
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
    """Load a transformer of `TRAINED_FAMILIES` without a head, to be trained further.

    As `load_audio`, but for safetensors alone; the head of a classifier is left out. SpecAugment,
    which transformers applies in training by default, is switched off.

    Args:
        id_or_folder: An id on the Hugging Face hub, or a folder with `config.json` and
            `model.safetensors`.

    Raises:
        ModelError: As `load_audio`.
        MissingExtraError: transformers or torch is not installed.
    """
    transformers = _library("speech", "training a speech transformer")
    repository = opened(id_or_folder, *_SETTINGS)
    values = repository.json(CONFIG)
    family = family_of(repository, values, {}, TRAINED_FAMILIES)
    with _named(repository.name):
        config = _configured(transformers, family, values)
        config.apply_spec_augment = False
        _check_size(repository.name, config)
        state = read_weights(weight_files(id_or_folder, repository, allow_pickle=False))
        without_head = {name: one for name, one in state.items() if not _HEAD.match(name)}
        network, difference = _of_transformers(config, without_head, transformers.AutoModel)
        difference.check(repository.name, type(network).__name__)
    return network


def _library(extra: str, purpose: str) -> Any:
    """The library `transformers`, silent."""
    try:
        import torch  # noqa: F401  # transformers imports without it
        import transformers
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", extra, purpose) from error
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return transformers


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Errors of libraries as errors of the model."""
    try:
        yield
    except (ModelError, MissingExtraError):
        raise
    except Exception as error:  # of many types: of configurations, of safetensors, of PyTorch
        raise ModelError(
            f"{name} cannot be loaded: {shortened(printable(one_line(error)), 300)}"
        ) from error


def _configured(transformers: Any, family: str, values: Mapping[str, Any]) -> Any:
    """A configuration as `transformers` reads it."""
    others = {key: value for key, value in values.items() if key != "model_type"}
    return transformers.AutoConfig.for_model(family, **others)


def _check_size(name: str, config: Any, *, memory: int = 1) -> None:
    """Refuse a network that is too large for a file or for the memory, before it is allocated.

    Args:
        name: Its name, for messages.
        config: Its configuration.
        memory: Memory that its use takes, by the size of its weights.
    """
    import torch
    from transformers import AutoModelForAudioClassification

    with torch.device("meta"):
        network = AutoModelForAudioClassification.from_config(config)  # type: ignore[no-untyped-call]
    size = 4 * sum(one.numel() for one in network.parameters())
    if size > MAX_WEIGHT_BYTES:
        raise too_large(name, size)
    free = available_bytes()
    if free is not None and memory * size > free:
        raise ModelError(
            f"{name}: its {size / 1e6:.0f} MB of weights need about {memory * size / 1e9:.1f} GB "
            f"of memory, and {free / 1e9:.1f} GB are available; end other programs, or use a "
            "larger machine"
        )


def _of_transformers(
    config: Any, state: dict[str, Tensor], classes: Any
) -> tuple[nn.Module, Difference]:
    """A network of `transformers`, which knows the names of earlier versions."""
    kind: Any = classes._model_mapping[type(config)]
    network, info = kind.from_pretrained(
        None,
        config=config,
        state_dict=state,
        dtype="float32",  # not that of the configuration
        attn_implementation="eager",
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    other = [(key, list(found), list(wanted)) for key, found, wanted in info["mismatched_keys"]]
    return network, Difference(list(info["missing_keys"]), list(info["unexpected_keys"]), other)


def _with_dense_head(
    name: str, config: Any, state: Mapping[str, Tensor]
) -> tuple[nn.Module, Difference]:
    """A `DenseHead`, whose class is not part of `transformers`."""
    from transformers import AutoModel

    from serkit.networks.audio import DenseHead

    pooling = getattr(config, "pooling_mode", "mean")
    if config.model_type not in WAVEFORM_FAMILIES or pooling != "mean":
        raise ModelError(
            f"{name}: a head of two layers on {config.model_type} with {shown(pooling, 40)} "
            "pooling; expected a waveform model with mean pooling"
        )
    base: Any = AutoModel.from_config(  # type: ignore[no-untyped-call]
        config, attn_implementation="eager", dtype="float32"
    )
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
    return network, Difference(
        list(wanted.keys() - found.keys()), list(found.keys() - wanted.keys()), other
    )


def _renamed(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


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
    longest = max(labels, key=len)
    if len(longest) > _MAX_NAME:
        raise ModelError(
            f"{name}: an output is named {shown(longest, 80)}; expected at most {_MAX_NAME} "
            "characters"
        )
    return labels
