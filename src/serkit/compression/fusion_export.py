"""Export of a trained network on log-mel and text as an ONNX model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serkit.adaptation import softmax
from serkit.compression.classifier_export import (
    ExportedClassifier,
    difference_of,
    require_equal,
)
from serkit.compression.onnx_precision import in_precision
from serkit.compression.onnx_tracing import traced
from serkit.errors import ModelError
from serkit.features.whisper import N_MELS
from serkit.networks.fusion import FusionNetwork
from serkit.runtime import SpeechAndText
from serkit.runtime.fusion import FRAME_COUNTS, FRAMES, VECTOR_COUNTS, VECTORS
from serkit.runtime.onnx_model import LOGITS, GraphDescription
from serkit.runtime.onnx_session import OnnxSession
from serkit.training.fusion import TrainedFusion

Array = NDArray[np.float32]
Inputs = tuple[Tensor, ...]

PRECISIONS = ("fp32", "fp16")

# Frames and vectors of the recordings of each batch to compare on; 0 for an absent modality.
_PROBES = (((1, 1),), ((97, 0),), ((0, 3),), ((300, 1), (41, 0), (0, 2), (799, 5)))


class _Graph(nn.Module):
    """The network with counts in float32, and without a modality that it does not take."""

    def __init__(self, network: FusionNetwork, text_width: int | None) -> None:
        super().__init__()
        self.network, self.text_width = network, text_width

    def forward(self, frames: Tensor, frame_counts: Tensor, *text: Tensor) -> Tensor:
        vectors, counts = text or (frames[:, :1, :1], torch.zeros_like(frame_counts))
        logits: Tensor = self.network(frames, frame_counts.long(), vectors, counts.long())
        return logits


def export_fusion(model: TrainedFusion, *, precision: str = "fp32") -> ExportedClassifier:
    """Export a trained network, and compare it with torch.

    Args:
        model: The network.
        precision: `fp32`, or `fp16` for stored weights.

    Raises:
        ModelError: The precision is unknown, or the network has no ONNX form or another one.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    check_fusion_precision(precision)
    if not isinstance(model.card.input, SpeechAndText):
        raise ModelError(f"{model.card.name} is no model of speech and text")
    text = model.card.input.text
    width = None if text is None else text.width
    network = _Graph(model.network, width).eval()
    names = [FRAMES, FRAME_COUNTS] + ([] if width is None else [VECTORS, VECTOR_COUNTS])
    probes = [_probe(counts, width) for counts in _PROBES if width is not None or counts[0][0]]
    with torch.no_grad():
        expected = [[network(*probe).numpy()] for probe in probes]
    axes = {FRAMES: {0: "n", 2: "n_frames"}, VECTORS: {0: "n", 1: "n_vectors"}}
    varying = {name: axes.get(name, {0: "n"}) for name in (*names, LOGITS)}
    graph = traced(network, probes[-1], names, [LOGITS], varying)
    found = _by_onnx(graph, names, width, len(model.card.labels), probes)
    difference = difference_of(found, expected)
    require_equal(model.card.name, difference)
    if precision == "fp16":
        graph = in_precision(graph, "fp16")
        found = _by_onnx(graph, names, width, len(model.card.labels), probes)
        difference = difference_of(found, expected)
        if not math.isfinite(difference):
            raise ModelError(f"{model.card.name} has outputs that are not finite in fp16")
    moved = [
        np.abs(softmax(one) - softmax(other)).mean()
        for (one,), (other,) in zip(found, expected, strict=True)
    ]
    description = GraphDescription(model.network.output.in_features, model.n_parameters, precision)
    return ExportedClassifier(graph, description, difference, float(np.mean(moved)))


def check_fusion_precision(precision: str) -> None:
    """Refuse a precision that is not of `PRECISIONS`.

    Raises:
        ModelError: It is not.
    """
    if precision not in PRECISIONS:
        raise ModelError(
            f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)} for a network on "
            "log-mel and text"
        )


def _probe(counts: Sequence[tuple[int, int]], width: int | None) -> Inputs:
    """Random inputs with these numbers of frames and vectors."""
    n_frames, n_vectors = zip(*counts, strict=True)
    generator = torch.Generator().manual_seed(len(counts))
    frames = 0.5 * torch.randn(len(counts), N_MELS, max(1, *n_frames), generator=generator)
    speech = frames, torch.tensor(n_frames, dtype=torch.float32)
    if width is None:
        return tuple(one[speech[1] > 0] for one in speech)
    vectors = torch.randn(len(counts), max(1, *n_vectors), width, generator=generator)
    return (*speech, vectors, torch.tensor(n_vectors, dtype=torch.float32))


def _by_onnx(
    graph: bytes, names: Sequence[str], width: int | None, n_labels: int, probes: Sequence[Inputs]
) -> list[list[Array]]:
    shapes: dict[str, tuple[int | None, ...]] = {
        FRAMES: (None, N_MELS, None),
        VECTORS: (None, None, width),
    }
    session = OnnxSession(
        graph,
        inputs={name: shapes.get(name, (None,)) for name in names},
        outputs={LOGITS: (None, n_labels)},
        extra="import",
        dtype="float32",
        threads=0,
    )
    return [
        session.run(**{n: one.numpy() for n, one in zip(names, probe, strict=True)})
        for probe in probes
    ]
