"""Export of a network trained on waveforms as an ONNX model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.compression.classifier_export import (
    ExportedClassifier,
    export_network,
    shipped_speech,
)
from serkit.compression.onnx_integers import Packing
from serkit.errors import ModelError
from serkit.runtime.onnx_model import PRECISIONS, GraphDescription
from serkit.training.speech import Recordings, SpeechModel

Array = NDArray[np.float32]

_MOST_SOUNDS = 32


def export_speech(
    model: SpeechModel,
    *,
    precision: str = "fp32",
    packed: Packing | None = None,
    recordings: Recordings | None = None,
) -> ExportedClassifier:
    """Export a trained network, and compare it with torch.

    Args:
        model: The network; weight normalisation is replaced by the weights that it computes.
        precision: `fp32`, `fp16` (stored weights) or `int8` (weights and activations).
        packed: With `int8`, as for `export_classifier`.
        recordings: Recordings to calibrate int8 and to compare on, of which some are used; a
            shipped sentence if None.

    Raises:
        ModelError: The precision is unknown, or the network has no ONNX form.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    check_precision(precision)
    sounds: Sequence[Array]
    if recordings is None or not len(recordings):
        sounds = [shipped_speech()]
    else:
        chosen = np.random.default_rng(0).permutation(len(recordings))[:_MOST_SOUNDS]
        sounds = [recordings.samples(i) for i in chosen.tolist()]
    network = model.network.eval()
    wanted = GraphDescription(network.embedding_width, model.n_parameters, precision)
    return export_network(network, model.card, wanted, packed=packed, sounds=sounds)


def check_precision(precision: str) -> None:
    """Refuse a precision that is not of `PRECISIONS`.

    Raises:
        ModelError: It is not.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
