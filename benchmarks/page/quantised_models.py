"""Section: quantised models: `tiny`, calibration, speed of packed weights, and C."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, percent, plural, table
from page.names import plan_name
from page.section import Results, Section

_HELD_OUT = "labels of held-out speakers"
_TEMPERATURES = {
    "": _HELD_OUT,
    "labels of what was learned from": "labels of the training speakers",
}


def section(results: Results) -> Section:
    """What quantisation costs, and what it takes to run the models."""
    text = blocks(_tiny(results), _calibration(results), _speed(results), _c_export(results))
    return Section("Quantised models", "quantised-models", text)


def _tiny(results: Results) -> str:
    heading = "## `tiny` at 1 to 8 bits"
    result = results.get("tiny_quantised")
    if result is None:
        return blocks(heading, missing("python benchmarks/tiny_quantised.py"))
    full = result["rows"][0]["protocols"]
    rows = []
    for row in result["rows"]:
        cells = [row["name"], f"{row['bytes']:,}"]
        for protocol, figures in row["protocols"].items():
            change = 100 * (figures["mean_ua"] - full[protocol]["mean_ua"])
            cells += [percent(figures["mean_ua"]), f"{change:+.2f}"]
        rows.append(cells)
    header = ["weights", "bytes"]
    for protocol in full.values():
        header += [f"mean UA %, {protocol['title']}", "difference to float16, points"]
    return blocks(
        heading,
        paragraph(
            f"Mean UA over corpora, {plural(result['seeds'], 'seed')}, speaker-independent. Bytes "
            "are those of the file trained on all corpora, with its model card; where a search "
            "decides the bit-widths, the models of the folds may differ."
        ),
        table(header, rows),
        conditions(result),
    )


def _calibration(results: Results) -> str:
    heading = "## Calibration of quantised models"
    result = results.get("quantised_calibration")
    if result is None:
        return blocks(heading, missing("python benchmarks/quantised_calibration.py"))
    rows = []
    for row in result["rows"]:
        bits, _, fitted_on = row["way"].partition(" ")
        rows.append(
            [
                f"`{row['recipe'].rpartition('/')[2]}`",
                "32" if bits == "full" else bits,
                _TEMPERATURES.get(fitted_on, fitted_on),
                percent(row["ua"]),
                percent(row["ece"]),
                f"{row['loss']:.3f}",
            ]
        )
    header = ["recipe", "bits", "temperature fitted on", "UA %", "ECE %", "cross-entropy, nats"]
    return blocks(
        heading,
        paragraph(
            f"New speakers ({result['protocol']}, {plural(result['seeds'], 'seed')}, mean over "
            "folds), by what the temperature was fitted on. `serkit quantize` uses *the full "
            "model's probabilities* if the model was trained on the corpus it is quantised with, "
            f"else *{_HELD_OUT}*."
        ),
        table(header, rows),
        conditions(result),
    )


def _speed(results: Results) -> str:
    heading = "## Speed of packed weights"
    result = results.get("packed_speed")
    if result is None:
        return blocks(heading, missing("python benchmarks/packed_speed.py"))
    rows = [
        [row["network"], str(row["bits"]), f"{row['median_ms']:.3f}", f"{row['ratio']:.3f}"]
        for row in result["rows"]
    ]
    return blocks(
        heading,
        paragraph(
            f"Features and network on {result['seconds']} s of audio, one thread, medians of "
            f"{result['rounds']} rounds; the ratio to 32 bits is the median over rounds. Aim: "
            f"packed weights are not slower than float32. {_verdict(result['rows'])}"
        ),
        table(["network", "bits", "ms", "ratio to 32 bits"], rows),
        conditions(result),
    )


def _verdict(rows: list[dict[str, Any]]) -> str:
    slower = [100 * (row["ratio"] - 1) for row in rows if row["bits"] < 32]
    if max(slower) <= 0:
        return "They are not slower."
    return f"They are slower by {max(0, min(slower)):.1f} to {max(slower):.1f} %."


def _c_export(results: Results) -> str:
    heading = "## C export"
    result = results.get("c_export")
    if result is None:
        return blocks(heading, missing("python benchmarks/c_export.py"))
    rows = [
        [
            f"`{row['model']}`, {plan_name(row['variant'])}",
            str(row["utterances"]),
            f"{row['largest_difference']:.1e}",
            percent(row["same_label"]),
            f"{row['flash_bytes']:,}",
            f"{row['ram_bytes']:,}",
        ]
        for row in result["rows"]
    ]
    header = [
        "model", "utterances", "largest difference of a probability", "same label %",
        "flash, bytes", "RAM, bytes",
    ]  # fmt: skip
    return blocks(
        heading,
        paragraph(
            "`serkit export --to c` compared with Python on real recordings. The code compiles "
            "without warnings with `-std=c99 -Wall -Wextra -Werror -fsanitize=address,undefined`; "
            f"flash and RAM are those that `size` reports at `-Os` ({result['compiler']})."
        ),
        table(header, rows),
        conditions(result),
    )
