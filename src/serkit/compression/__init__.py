"""Quantisation and C export of trained models.

`serkit.compression.quantize` needs the extra `train`; the rest needs NumPy only.
"""

from serkit.compression.bit_search import Trial, search_bits, search_bytes
from serkit.compression.c_export import CSource, export_c
from serkit.compression.importance import (
    average_bits,
    layer_importance,
    normalised_variances,
    parameter_shares,
)
from serkit.compression.quantizer import quantize_matrix

__all__ = [
    "CSource",
    "Trial",
    "average_bits",
    "export_c",
    "layer_importance",
    "normalised_variances",
    "parameter_shares",
    "quantize_matrix",
    "search_bits",
    "search_bytes",
]
