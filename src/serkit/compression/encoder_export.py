"""Export of a pretrained transformer as the folder of an encoder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from serkit.compression.onnx_precision import in_precision
from serkit.errors import MissingExtraError, ModelError
from serkit.files import write_atomically
from serkit.networks import PooledEncoder
from serkit.runtime import EncoderDescription, TextEncoder
from serkit.runtime.text_encoder import (
    DESCRIPTION,
    GRAPH,
    INPUTS,
    OUTPUT,
    POOLINGS,
    PRECISIONS,
    TOKENIZER,
)
from serkit.runtime.text_input import MAX_TOKENS
from serkit.text import printable, shortened
from serkit.training.pretrained import Pretrained, load_pretrained

_OPSET = 17

_PROBES = (
    "I can't believe it!",
    "Hi.",
    "Well, we went to the museum on Tuesday, and then the rain began and nobody had a coat.",
    "oh no no no no, that is not what I meant to say, not at all, and you know it, don't you? "
    "You always have known, and still you asked me in front of everybody.",
)


@dataclass(frozen=True, slots=True)
class Exported:
    """A folder that was written.

    Attributes:
        encoder: The encoder, loaded from it.
        difference: Largest difference to the transformer in torch, over some sentences.
        cosine: Smallest cosine similarity of their embeddings to those of torch.
    """

    encoder: TextEncoder
    difference: float
    cosine: float


def export_encoder(
    source: str | Pretrained,
    folder: str | os.PathLike[str],
    *,
    precision: str = "fp32",
    pooling: str = "mean",
    layers: Sequence[int] = (-1,),
    max_tokens: int = 32,
    name: str = "",
    licence: str | None = None,
) -> Exported:
    """Write the folder of an encoder.

    Args:
        source: As for `load_pretrained`, or what it returned.
        folder: The folder; missing parents are created, files of an encoder replaced.
        precision: `fp32`, `fp16` (weights) or `int8` (weights and activations).
        pooling: `mean` over the tokens, or `cls` for the first token.
        layers: Layers to concatenate: 0 for the embeddings of the tokens, -1 for the last layer.
        max_tokens: Tokens of a text that are used.
        name: Name of the encoder; by default that of the source.
        licence: Licence of the weights; by default that on the model card.

    Returns:
        The encoder, and its difference to the transformer in torch.

    Raises:
        ModelError: A setting is invalid, or the source cannot be loaded or exported.
        MissingExtraError: A package is not installed.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    if pooling not in POOLINGS:
        raise ModelError(f"pooling is {pooling!r}; expected one of {', '.join(POOLINGS)}")
    pretrained = load_pretrained(source) if isinstance(source, str) else source
    n_layers = pretrained.n_layers
    if not layers or not all(-n_layers - 1 <= layer <= n_layers for layer in layers):
        raise ModelError(
            f"layers are {list(layers)}; {pretrained.name} has the layers 0 to {n_layers}, or "
            f"{-n_layers - 1} to -1"
        )
    most = min(MAX_TOKENS, int(getattr(pretrained.config, "max_position_embeddings", MAX_TOKENS)))
    if not 2 <= max_tokens <= most:
        raise ModelError(f"max_tokens is {max_tokens}; expected 2 to {most}")
    network = PooledEncoder(pretrained.transformer, pooling, layers).eval()
    tokenizer = pretrained.padded_tokenizer(max_tokens)
    encoded = tokenizer.encode_batch(list(_PROBES))
    ids = torch.tensor([one.ids for one in encoded])
    mask = torch.tensor([one.attention_mask for one in encoded])
    with torch.no_grad():
        expected = network(ids, mask).numpy()
    graph = in_precision(_traced(network, ids[:2], mask[:2]), precision)
    vocabulary = tokenizer.to_str().encode()
    description = EncoderDescription(
        name=name or pretrained.name,
        width=expected.shape[1],
        pooling=pooling,
        layers=tuple(layers),
        max_tokens=max_tokens,
        precision=precision,
        licence=pretrained.licence if licence is None else licence,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        tokenizer_sha256=hashlib.sha256(vocabulary).hexdigest(),
    )
    EncoderDescription.from_dict(description.to_dict())
    root = Path(folder)
    write_atomically(root / GRAPH, graph)
    write_atomically(root / TOKENIZER, vocabulary)
    # Last: until then the hashes in an older description refuse a mixture of both.
    write_atomically(root / DESCRIPTION, json.dumps(description.to_dict(), indent=2) + "\n")
    encoder = TextEncoder.load(root)
    found = encoder.encode(_PROBES)
    return Exported(
        encoder,
        float(np.abs(found - expected).max()),
        _smallest_cosine(found, expected),
    )


def _smallest_cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Of the rows of two arrays."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / np.maximum(lengths, 1e-30)).min())


def _traced(network: PooledEncoder, ids: torch.Tensor, mask: torch.Tensor) -> bytes:
    """The network as ONNX with float32 weights, for any number of texts."""
    try:
        import onnx  # noqa: F401  # torch's exporter reports its absence less clearly
    except ImportError:
        raise MissingExtraError("onnx", "encoders", "exporting an encoder") from None
    buffer: Any = io.BytesIO()
    try:
        # The exporter by tracing: that by torch.export gives the output the name of a layer.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (ids, mask),
                buffer,
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_axes={one: {0: "n"} for one in (*INPUTS, OUTPUT)},
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as error:  # of many types, for layers without an ONNX form
        raise ModelError(
            f"the transformer cannot be exported to ONNX: {shortened(printable(error), 300)}"
        ) from error
    return bytes(buffer.getvalue())
