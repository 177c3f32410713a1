"""Tables 8 and 9 and Figure 2 of Pandelea et al. (2021): latency, size and rounding of encoders.

Claim: an int8 encoder is smaller and faster than its float32 original, and the rounding costs
little of the weighted F1.

Method: one sentence at a time, tokenisation included, padded to 32 tokens, one thread, the same 80
sentences of MELD's test part for every system, which take turns. Means and standard deviations as
in the paper, and medians of the ratios to torch. BERT-Tiny, BERT-Medium and MobileBERT have their
exact architecture with random weights, on which latency and size do not depend; all-MiniLM-L6-v2 is
pretrained. The rounding error e = (h_fp32 - h_quant)^2 (equation 6) is over all features and all
sentences of the test part, of all-MiniLM-L6-v2; its cost is the weighted F1 of `Linear`, trained on
the embeddings of each precision.

Needs MELD: SERKIT_CORPORA=/folder python benchmarks/text_latency.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from transformers import AutoModel, BertConfig, MobileBertConfig

from serkit.adaptation import Linear
from serkit.compression.encoder_export import export_encoder
from serkit.networks import PooledEncoder
from serkit.runtime import TextEncoder
from serkit.training.pretrained import Pretrained, load_pretrained

from harness import machine, versions, write_result
from meld import MINILM, SEEDS, embedded, folder_of_minilm, over_seeds, read

MAX_TOKENS = 32
SENTENCES, ROUNDS = 80, 3
PRECISIONS = ("fp32", "fp16", "int8")
LAYERS = {MINILM: (2, 4, 5)}
"""Layers whose means are concatenated; the last one of the others."""

PENALTY, EPOCHS = 0.03, 40

ARCHITECTURES = {
    "BERT-Tiny": BertConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
    ),
    "BERT-Medium": BertConfig(
        hidden_size=512, num_hidden_layers=8, num_attention_heads=8, intermediate_size=2048
    ),
    "MobileBERT": MobileBertConfig(),
}

PAPER_MS = {
    "Jetson Nano, Max-N": {"BERT-Tiny": [17.1, 17.2, None], "BERT-Medium": [24.02, 24.28, None]},
    "Snapdragon 765G": {"BERT-Tiny": [2.6, 2.6, 1.9], "BERT-Medium": [88.0, 85.0, 32.8]},
    "HiSilicon Kirin 655": {"BERT-Tiny": [12.3, 12.1, 9.6], "BERT-Medium": [460.6, 456.8, 242.5]},
}
"""Tables 8 and 9: mean milliseconds at FP32, FP16 and INT8."""

BOUNDS = [0.0, *(10.0**k for k in range(-12, 2))]
"""Of the histogram of the rounding error."""


def random_transformer(name: str, pretrained: Pretrained) -> Pretrained:
    """An architecture with random weights and the tokenizer of BERT."""
    torch.manual_seed(0)
    config = ARCHITECTURES[name]
    config._attn_implementation = "eager"
    transformer = AutoModel.from_config(config).eval()
    return Pretrained(name, transformer, pretrained.tokenizer, pretrained.pad_token, "")


def timed(systems: dict[str, Callable[[str], object]], texts: list[str]) -> dict[str, Any]:
    """Milliseconds of each system on each text, in turn; the first is the reference."""
    times: dict[str, list[float]] = {name: [] for name in systems}
    for text in texts[:5]:
        for work in systems.values():
            work(text)
    for _ in range(ROUNDS):
        for text in texts:
            for name, work in systems.items():
                start = time.perf_counter()
                work(text)
                times[name].append(1000.0 * (time.perf_counter() - start))
    reference = np.array(next(iter(times.values())))
    return {
        name: {
            "mean_ms": float(np.mean(ms)),
            "sd_ms": float(np.std(ms, ddof=1)),
            "median_ms": float(np.median(ms)),
            "ratio": float(np.median(reference / np.array(ms))),
        }
        for name, ms in times.items()
    }


def in_torch(pretrained: Pretrained, layers: tuple[int, ...]) -> Callable[[str], object]:
    """The transformer in torch, as transformers runs it, with the same pooling."""
    network = PooledEncoder(pretrained.transformer, "mean", layers).eval()
    tokenizer = pretrained.padded_tokenizer(MAX_TOKENS)

    def encode(text: str) -> object:
        tokens = tokenizer.encode(text)
        with torch.inference_mode():
            return network(torch.tensor([tokens.ids]), torch.tensor([tokens.attention_mask]))

    return encode


def latency(pretrained: Pretrained, name: str, texts: list[str], folder: str) -> dict[str, Any]:
    """Times and sizes of one encoder."""
    layers = LAYERS.get(name, (-1,))
    systems: dict[str, Callable[[str], object]] = {"torch": in_torch(pretrained, layers)}
    sizes, differences = {}, {}
    for precision in PRECISIONS:
        exported = export_encoder(
            pretrained, f"{folder}/{name}-{precision}", precision=precision, layers=layers
        )
        sizes[precision] = exported.encoder.file_bytes
        differences[precision] = exported.difference
        systems[precision] = lambda text, e=exported.encoder: e.encode([text])
    parameters = sum(p.numel() for p in pretrained.transformer.parameters())
    sizes["torch"] = 4 * parameters
    return {
        "encoder": name,
        "parameters": parameters,
        "random_weights": name in ARCHITECTURES,
        "layers": list(layers),
        "bytes": sizes,
        "difference": differences,
        "systems": timed(systems, texts),
    }


def rounding(folder: str) -> dict[str, Any]:
    """Histogram of the rounding error and weighted F1, of each precision."""
    utterances = read()
    texts = [u.text or "" for u in utterances["test"]]
    encoders = {p: TextEncoder.load(f"{folder}/{MINILM}-{p}") for p in PRECISIONS}
    exact = encoded(encoders["fp32"], texts)
    rows = []
    for precision, encoder in encoders.items():
        split = embedded(encoder, utterances)
        predicted = []
        for seed in SEEDS:
            head = Linear(encoder.width, penalty=PENALTY, epochs=EPOCHS, seed=seed)
            head.fit(split["train"].vectors, split["train"].labels)
            chosen = head.predict_proba(split["test"].vectors).argmax(axis=1)
            predicted.append([head.classes[i] for i in chosen])
        row: dict[str, Any] = {"precision": precision, **over_seeds(utterances["test"], predicted)}
        if precision != "fp32":
            error = (exact - encoded(encoder, texts)) ** 2
            row["error"] = {
                "mean": float(error.mean()),
                "p99": float(np.percentile(error, 99)),
                "max": float(error.max()),
                "mean_square_of_feature": float((exact**2).mean()),
                "bounds": BOUNDS,
                "counts": np.histogram(error, [*BOUNDS, np.inf])[0].tolist(),
            }
        rows.append(row)
        print(row, flush=True)
    return {"encoder": MINILM, "rows": rows, "penalty": PENALTY, "epochs": EPOCHS}


def encoded(encoder: TextEncoder, texts: list[str]) -> NDArray[np.float32]:
    """Embeddings of texts."""
    return np.concatenate([encoder.encode([text]) for text in track(texts, "encoding test")])


def main() -> None:
    """All encoders, then the rounding error."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    test = [u.text or "" for u in read()["test"]]
    chosen = np.random.default_rng(0).choice(len(test), SENTENCES, replace=False)
    texts = [test[i] for i in chosen]
    minilm = load_pretrained(folder_of_minilm())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in (MINILM, *ARCHITECTURES):
            pretrained = minilm if name == MINILM else random_transformer(name, minilm)
            rows.append(latency(pretrained, name, texts, folder))
            print(rows[-1], flush=True)
        error = rounding(folder)
    write_result(
        "text_latency",
        {
            "machine": machine(),
            "versions": versions(
                ["serkit", "numpy", "onnxruntime", "tokenizers", "torch", "transformers"]
            ),
            "threads": 1,
            "sentences": SENTENCES,
            "rounds": ROUNDS,
            "max_tokens": MAX_TOKENS,
            "paper_ms": PAPER_MS,
            "rows": rows,
            "rounding": error,
        },
    )


if __name__ == "__main__":
    main()
