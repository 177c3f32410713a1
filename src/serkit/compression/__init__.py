"""Trained models in few bits: layer importance, bit search, rounding, fine-tuning."""

from serkit.compression.bit_search import Trial, search_bits
from serkit.compression.importance import (
    average_bits,
    layer_importance,
    normalised_variances,
    parameter_shares,
)
from serkit.compression.quantize import Quantised, learn, quantize
from serkit.compression.quantizer import quantize_matrix

__all__ = [
    "Quantised",
    "Trial",
    "average_bits",
    "layer_importance",
    "learn",
    "normalised_variances",
    "parameter_shares",
    "quantize",
    "quantize_matrix",
    "search_bits",
]
