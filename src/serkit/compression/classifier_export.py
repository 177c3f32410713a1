"""Export of a pretrained classifier of sound as an ONNX model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.parametrize import remove_parametrizations

from serkit.adaptation import softmax
from serkit.audio import SAMPLE_RATE, read
from serkit.compression.onnx_integers import Packing, in_integers
from serkit.compression.onnx_precision import in_precision
from serkit.compression.onnx_tracing import traced
from serkit.container import METADATA_KEY
from serkit.errors import ModelError
from serkit.files import write_atomically
from serkit.networks import FeatureEncoder, fits
from serkit.networks.audio import AudioClassifier
from serkit.runtime import MIN_DURATION_S, ModelCard
from serkit.runtime.onnx_backend import INPUT, output_widths
from serkit.runtime.onnx_model import MAX_FILE_BYTES, GraphDescription, description_of
from serkit.runtime.onnx_session import OnnxSession
from serkit.text import one_line, printable, shortened
from serkit.training.pretrained_audio import PretrainedAudio

Array = NDArray[np.float32]

_TOLERANCE = 1e-3
"""Largest difference of an exported output to that of torch, by the largest magnitude."""


@dataclass(frozen=True, slots=True, eq=False)
class ExportedClassifier:
    """A classifier as an ONNX graph.

    Attributes:
        graph: The graph, without a card.
        description: What the metadata will say of it.
        difference: Largest difference of its outputs to those of torch, over some sounds.
        probability_difference: Mean difference of its probabilities; 0 without labels.
    """

    graph: bytes
    description: GraphDescription
    difference: float
    probability_difference: float


def export_classifier(
    pretrained: PretrainedAudio,
    card: ModelCard,
    *,
    value_range: tuple[float, float] = (0.0, 1.0),
    int8: bool = False,
    packed: Packing | None = None,
    sounds: Sequence[Array] = (),
) -> ExportedClassifier:
    """Export a classifier, and compare it with torch on sounds of several lengths.

    Args:
        pretrained: The classifier; it is changed and must not be used afterwards.
        card: Its card, whose labels or dimensions are its outputs.
        value_range: For dimensions, the values of the classifier that are -1 and 1.
        int8: Whether weights and activations have 8 bits.
        packed: With `int8`, chooses the weights of less than 8 bits, as `in_bits` and
            `search_by_agreement`.
        sounds: Speech to compare on, and to calibrate int8, mono at 16 kHz; a shipped sentence if
            empty.

    Raises:
        ModelError: The classifier has no ONNX form, is too large for a file, or its ONNX form gives
            other outputs.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    n_parameters = pretrained.n_parameters
    network = AudioClassifier(pretrained.front_end, pretrained.network, pretrained.last).eval()
    if card.dimensions:
        _rescale(network.last, *value_range)
    return export_network(
        network,
        card,
        GraphDescription(network.width, n_parameters, "int8" if int8 else "fp32"),
        packed=packed,
        sounds=sounds,
    )


def export_network(
    network: nn.Module,
    card: ModelCard,
    wanted: GraphDescription,
    *,
    packed: Packing | None = None,
    sounds: Sequence[Array] = (),
) -> ExportedClassifier:
    """Export a network, and compare it with torch on sounds of several lengths.

    Args:
        network: From samples `[n, n_samples]` to logits (or dimensions) and embeddings; it is
            changed and must not be used afterwards.
        card: Its card, whose labels or dimensions are its outputs.
        wanted: The graph to make.
        packed: As for `export_classifier`.
        sounds: As for `export_classifier`, with the preprocessing of the card.

    Raises:
        ModelError: As `export_classifier`.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    _fold_weight_norm(network)
    widths = output_widths(card, wanted)
    speech = list(sounds) or [shipped_speech()]
    probes = _probes(speech, card.window_s)
    expected = [_by_torch(network, probe) for probe in probes]
    graph = _traced(network, list(widths))
    found = _by_onnx(graph, widths, probes)
    difference = difference_of(found, expected)
    require_equal(card.name, difference)
    if wanted.precision == "fp16":
        graph = in_precision(graph, "fp16")
    elif wanted.precision == "int8":
        # Of its GELU, integers need a table only.
        _replace_feature_encoders(network)
        graph = _traced(network, list(widths))
        windows = [{INPUT: cut[None]} for one in speech for cut in _cut(one, card.window_s)]
        graph = in_integers(graph, windows, packed=packed(graph, windows) if packed else None)
    if wanted.precision != "fp32":
        found = _by_onnx(graph, widths, probes)
        difference = difference_of(found, expected)
        if not math.isfinite(difference):
            raise ModelError(f"{card.name} has outputs that are not finite in {wanted.precision}")
    moved = [
        np.abs(softmax(one[0]) - softmax(other[0])).mean()
        for one, other in zip(found, expected, strict=True)
        if card.labels
    ]
    return ExportedClassifier(graph, wanted, difference, float(np.mean(moved)) if moved else 0.0)


def with_card(exported: ExportedClassifier, card: ModelCard) -> bytes:
    """The content of a model file: the graph with the card in its metadata.

    Raises:
        ModelError: It is larger than an ONNX file can be.
    """
    import onnx

    model = onnx.load_model_from_string(exported.graph)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=description_of(card, exported.description))
    size = model.ByteSize()
    if size > MAX_FILE_BYTES:
        raise ModelError(
            f"{card.name} takes {size / 1e9:.2f} GB as ONNX; expected at most 2 GiB: add --int8"
        )
    return bytes(model.SerializeToString())


def save_classifier(exported: ExportedClassifier, card: ModelCard, path: Path) -> int:
    """Write a model file atomically, and return its size in bytes.

    Raises:
        ModelError: As `with_card`.
        OSError: The file cannot be written.
    """
    content = with_card(exported, card)
    write_atomically(path, content)
    return len(content)


@cache
def shipped_speech() -> Array:
    """A synthesised sentence of three seconds, mono at 16 kHz."""
    with as_file(files("serkit.compression") / "speech.flac") as path:
        return read(path)


def _probes(speech: Sequence[Array], window_s: float) -> list[Array]:
    """Sounds of the shortest length, of 1 s, and of the longest window, among others."""
    lengths = [round(s * SAMPLE_RATE) for s in (MIN_DURATION_S, 1.0, 0.37 * window_s, window_s)]
    lengths.append(round(1.25 * window_s * SAMPLE_RATE) - 1)
    return [
        np.resize(speech[i % len(speech)], length).astype(np.float32)
        for i, length in enumerate(lengths)
    ]


def _cut(sound: Array, window_s: float) -> list[Array]:
    size = round(window_s * SAMPLE_RATE)
    least = round(MIN_DURATION_S * SAMPLE_RATE)
    cuts = (sound[start : start + size] for start in range(0, len(sound), size))
    return [cut for cut in cuts if len(cut) >= least]


def _by_torch(network: nn.Module, sound: Array) -> tuple[Array, Array]:
    try:
        with torch.no_grad():
            outputs, embeddings = network(torch.from_numpy(sound)[None])
    except (RuntimeError, ValueError) as error:  # as for kernels longer than the sound
        raise ModelError(
            f"the network cannot be run on {len(sound) / SAMPLE_RATE:g} s of sound: "
            f"{shortened(printable(one_line(error)), 300)}"
        ) from error
    return outputs.numpy(), embeddings.numpy()


def _by_onnx(graph: bytes, widths: Mapping[str, int], sounds: Sequence[Array]) -> list[list[Array]]:
    session = OnnxSession(
        graph,
        inputs={INPUT: (None, None)},
        outputs={name: (None, width) for name, width in widths.items()},
        extra="import",
        dtype="float32",
        threads=0,
    )
    return [session.run(samples=sound[None]) for sound in sounds]


def difference_of(found: Sequence[Sequence[Array]], expected: Sequence[Sequence[Array]]) -> float:
    """Largest difference of any output by its largest magnitude, but at least 1."""
    return max(
        float(np.abs(one - other).max() / max(1.0, np.abs(other).max()))
        for ours, theirs in zip(found, expected, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    )


def require_equal(name: str, difference: float) -> None:
    """Refuse an exported graph that differs from torch.

    Raises:
        ModelError: It does.
    """
    if not difference <= _TOLERANCE:
        raise ModelError(
            f"the exported graph of {name} differs from torch by {difference:.2g} of its outputs; "
            f"expected at most {_TOLERANCE:g}: the architecture cannot be exported"
        )


def _fold_weight_norm(network: nn.Module) -> None:
    """Replace weight normalisation by the weights that it computes."""
    for module in list(network.modules()):
        for name in [*getattr(module, "parametrizations", ())]:
            remove_parametrizations(module, name)


def _replace_feature_encoders(network: nn.Module) -> None:
    """Compute the convolutions of HuBERT and wav2vec 2.0 as products, with the quick GELU."""
    for module in list(network.modules()):
        encoder = getattr(module, "feature_extractor", None)
        layers = getattr(encoder, "conv_layers", None)
        if isinstance(layers, nn.ModuleList) and fits(layers):
            module.feature_extractor = FeatureEncoder(layers, quick=True)


def _rescale(last: nn.Linear, low: float, high: float) -> None:
    """Change a linear layer so that `low` becomes -1 and `high` 1."""
    if not low < high:
        raise ModelError(
            f"the range of the dimensions is {low:g} to {high:g}; expected low to high"
        )
    with torch.no_grad():
        last.weight.mul_(2.0 / (high - low))
        last.bias.mul_(2.0 / (high - low)).sub_((high + low) / (high - low))


def _traced(network: nn.Module, outputs: Sequence[str]) -> bytes:
    """The network as ONNX with float32 weights, for sounds of any number and length."""
    axes = {INPUT: {0: "n", 1: "n_samples"}} | {name: {0: "n"} for name in outputs}
    return traced(network, (torch.randn(2, SAMPLE_RATE) * 0.1,), [INPUT], outputs, axes)
