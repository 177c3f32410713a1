"""Folders of encoders, made without torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np


def graph_of(domain: str = "", *, weights_in: str | None = None) -> bytes:
    """A graph that scales the ids of the tokens."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.full((8, 8), 0.01, np.float32), "w")
    if weights_in is not None:
        onnx.external_data_helper.set_external_data(weight, weights_in)
        weight.ClearField("raw_data")
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["embedding"], domain=domain),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", 8]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", 8]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 8])],
        [weight],
    )
    imports = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(made, opset_imports=imports, ir_version=8).SerializeToString())


def tokenizer(pattern: str = "") -> bytes:
    """A tokenizer of a few words; with a pattern, one that splits by it."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "happy": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if pattern:
        made.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    made.enable_truncation(8)
    made.enable_padding(length=8, pad_id=0, pad_token="[PAD]")
    return bytes(made.to_str().encode())


def write(folder: Path, *, graph: bytes | None = None, vocabulary: bytes | None = None) -> None:
    """Write a folder whose description fits the contents."""
    files = {
        "encoder.onnx": graph_of() if graph is None else graph,
        "tokenizer.json": tokenizer() if vocabulary is None else vocabulary,
    }
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hashes = [hashlib.sha256(content).hexdigest() for content in files.values()]
    description = {
        "format": "serkit-encoder",
        "version": 1,
        "name": "toy",
        "width": 8,
        "pooling": "mean",
        "layers": [-1],
        "max_tokens": 8,
        "precision": "fp32",
        "licence": "",
        "graph_sha256": hashes[0],
        "tokenizer_sha256": hashes[1],
    }
    (folder / "encoder.json").write_text(json.dumps(description))
