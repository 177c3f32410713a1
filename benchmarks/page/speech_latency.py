"""Section: speech transformers as imported models, time, memory, size and rounding."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, table
from page.section import Results, Section

_MB, _SEARCHED_MB = 24.0, 16.0
_TORCH, _FP32, _DIFFERENCE = 4.0, 2.0, 0.02
_HEADER = (
    "system", "MB", "s", "x torch", "x fp32", "load s", "peak MB", "mean Δp", "same label",
)  # fmt: skip


def section(results: Results) -> Section:
    """DistilHuBERT in float32 and in integers."""
    found = results.get("speech_latency")
    masked = results.get("no_dot_products")
    text = blocks(
        missing("python benchmarks/speech_latency.py") if found is None else _measured(found),
        "## Processors without integer dot products",
        missing("python benchmarks/no_dot_products.py") if masked is None else _masked(masked),
    )
    return Section("Speech transformers in int8", "speech-latency", text)


def _measured(found: dict[str, Any]) -> str:
    rows = {row["system"]: row for row in found["rows"]}
    return blocks(
        paragraph(
            "The architecture of DistilHuBERT with a classifier of four emotions, imported by "
            f"`serkit import`; windows of {found['window_s']:g} s, one thread. The weights are "
            "random: time, memory and size do not depend on them, but rounding does, so the "
            "differences show only that the arithmetic is right. What int8 costs in accuracy "
            "needs the trained weights."
        ),
        table(
            list(_HEADER),
            [_row(row) for row in found["rows"]],
        ),
        paragraph(
            f"The bars: at most {_MB:g} MB, at least {_TORCH:g} times as fast as torch and "
            f"{_FP32:g} times as fast as fp32, mean difference of the probabilities at most "
            f"{_DIFFERENCE:g}; with searched bits at most {_SEARCHED_MB:g} MB. `int8`: "
            f"{_verdict(rows['int8'])}. `int8, bits searched`: "
            f"{rows['int8, bits searched']['bytes'] / 1e6:.1f} MB, "
            f"{_bits(found)}; found for random weights, so it says nothing about the size that "
            f"trained ones need. The paper's model takes {found['paper_mb']:g} MB."
        ),
        paragraph(
            "`static int8` is the quantiser of ONNX Runtime on the same graph. `int8` computes the "
            "convolutions as products of matrices, with the group norm in the weights of the "
            "first, and `x * sigmoid(1.702 x)` instead of GELU, so that only codes pass between "
            "them; the products of the transformer have a scale per frame. Weights of fewer bits "
            "are packed in the file, and unpacked to 8 bits when the graph is loaded. `log-mel` "
            "has a spectrogram and a linear layer instead of the convolutions: what the "
            "convolutions cost is its difference to the others."
        ),
        paragraph(
            f"The processor has {', '.join(found['instructions'])}."
        ),
        conditions(found),
    )  # fmt: skip


def _masked(found: dict[str, Any]) -> str:
    others = found["rows"][1:]
    slower = [row["instructions"] for row in others if row["faster_than_fp32"] < 1.0]
    rounded = all(row["mean_difference"] <= _DIFFERENCE for row in others)
    return blocks(
        paragraph(
            "The same files on the same processor, of which ONNX Runtime is told that it lacks "
            f"instructions (it has {', '.join(found['instructions'])}). Without dot products, "
            "sums of two products saturate at 16 bits there, so that the rounding is another."
        ),
        table(
            ["instructions", "fp32, s", "int8, s", "x fp32", "mean Δp", "same label"],
            [
                [
                    row["instructions"],
                    f"{row['fp32_s']:.3f}",
                    f"{row['int8_s']:.3f}",
                    f"{row['faster_than_fp32']:.1f}",
                    f"{row['mean_difference']:.4f}",
                    f"{100 * row['same_label']:.0f} %",
                ]
                for row in found["rows"]
            ],
        ),
        paragraph(
            "The bars: no slower than fp32, mean difference of the probabilities at most "
            f"{_DIFFERENCE:g}. "
            + (f"Slower: {', '.join(slower)}; " if slower else "Nowhere slower; ")
            + ("the differences are met." if rounded else "a difference is missed.")
            + (" Take the fp32 file there." if slower else " One file, int8, suits all of these.")
            + " ARM was not at hand."
        ),
        conditions(found),
    )


def _row(row: dict[str, Any]) -> list[str]:
    rounded = "mean_difference" in row
    return [
        f"`{row['system']}`",
        f"{row['bytes'] / 1e6:.1f}",
        f"{row['seconds']:.3f}",
        f"{row['faster_than_torch']:.1f}",
        f"{row['faster_than_fp32']:.1f}",
        f"{row['load_s']:.1f}",
        f"{row['peak_mb']:.0f}",
        f"{row['mean_difference']:.4f}" if rounded else "",
        f"{100 * row['same_label']:.0f} %" if rounded else "",
    ]


def _verdict(row: dict[str, Any]) -> str:
    bars = {
        "size": row["bytes"] <= _MB * 1e6,
        "torch": row["faster_than_torch"] >= _TORCH,
        "fp32": row["faster_than_fp32"] >= _FP32,
        "probabilities": row["mean_difference"] <= _DIFFERENCE,
    }
    failed = [name for name, met in bars.items() if not met]
    return "all met" if not failed else f"missed: {', '.join(failed)}"


def _bits(found: dict[str, Any]) -> str:
    bits = found["bits"].values()
    return f"{min(bits)} to {max(bits)} bits a weight" if bits else "not searched"
