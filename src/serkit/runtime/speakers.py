"""The speaker model of a card as JSON values and back."""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.speaker_model import MAX_CLASSES, SpeakerModel
from serkit.runtime.typical import as_text, triangle

_COVARIANCES = ("between", "interaction", "within")


def describe_speakers(speakers: SpeakerModel) -> dict[str, str]:
    """A speaker model as text: little-endian float16 as base64.

    Of each covariance the lower triangle of its Cholesky factor is stored: it stays positive
    definite when rounded.
    """
    described = {"means": base64.b64encode(speakers.means.astype("<f2").tobytes()).decode()}
    for name in _COVARIANCES:
        described[name] = as_text(np.linalg.cholesky(getattr(speakers, name)))
    return described


def check_speakers(values: object, n_labels: int) -> SpeakerModel:
    """The speaker model that `describe_speakers` wrote.

    Args:
        values: JSON values.
        n_labels: Number of labels of the model.

    Raises:
        ValueError: A value is missing, of another size or not finite, or a covariance is not
            positive definite.
    """
    names = {"means", *_COVARIANCES}
    if (
        not isinstance(values, dict)
        or set(values) != names
        or not all(isinstance(text, str) for text in values.values())
    ):
        raise ValueError(f"expected {', '.join(sorted(names))}, each a text")
    if not 2 < n_labels <= MAX_CLASSES:
        raise ValueError(f"{n_labels} labels; expected 3 to {MAX_CLASSES}")
    covariances = {name: _covariance(name, values[name], n_labels - 1) for name in _COVARIANCES}
    return SpeakerModel(means=_means(values["means"], n_labels), **covariances)


def _means(text: str, n_labels: int) -> NDArray[np.float64]:
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"means is not base64: {error}") from error
    if len(content) != 2 * n_labels * (n_labels - 1):
        raise ValueError(
            f"means has {len(content)} bytes; expected {2 * n_labels * (n_labels - 1)}"
        )
    means = np.frombuffer(content, "<f2").astype(np.float64).reshape(n_labels, -1)
    if not np.isfinite(means).all():
        raise ValueError("means holds numbers that are not finite")
    return means


def _covariance(name: str, text: str, width: int) -> NDArray[np.float64]:
    lower = triangle(text)
    if len(lower) != width or not (np.diag(lower) > 0.0).all():
        raise ValueError(
            f"{name} is a factor of {len(lower)} rows; expected {width} rows with a positive "
            "diagonal"
        )
    covariance: NDArray[np.float64] = lower @ lower.T
    return covariance
