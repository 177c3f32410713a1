"""The sections of the results page on few bits."""

from __future__ import annotations

from typing import Any

from frontier import frontier
from page import MISSING, conditions, interval_of, load, percent, table

PICTURES: dict[str, str] = {}
"""The plots of the page, by the name of their file beside it."""


def quantisation() -> str:
    """The paper's Table 2, the ablation, the frontier and a search."""
    title = "## Few bits: Table 2 of Shinde et al. rebuilt\n\n"
    result = load("quantisation")
    if result is None:
        return title + MISSING.format(command="python benchmarks/quantisation.py")
    text = (
        "Mean accuracy and 95 % interval (Student's t) over seeds; *against 32 bits* is the "
        "difference paired by seed. Bytes are those of the whole file, header, biases and "
        "normalisation included; where a search decides them, their mean and the largest. "
        "Plain rows round to levels that span each layer's weights; "
        f"*adaptive* is the paper's search (margin {result['margin']}, alpha {result['alpha']}); "
        f"*ours* adds least-squares steps and {result['fine_tuning']} epochs of fine-tuning; as "
        "these are also epochs of learning, *8 bits, ours* is what its other rows are to be held "
        "against. The network `256-512-64` is the paper's; at its 211 207 weights even one bit "
        "each takes 26 KB, so the files below 25 KB are of smaller networks.\n\n"
    )
    header = [
        "network, bits", "accuracy %", "against 32 bits", "against 8 bits, ours", "UA %", "bytes",
        "average bits",
    ]  # fmt: skip
    for found in result["tables"]:
        if found["network"] != "256-512-64":
            continue
        mark = ", **speaker-dependent**" if found["speaker_dependent"] else ""
        text += (
            f"### {found['corpus']}, {found['title']}{mark}\n\n{found['seeds']} seeds x "
            f"{found['folds']} folds, {found['tested_per_seed']} clips tested a seed.\n\n"
        )
        if found["speaker_dependent"]:
            paper = result["paper"][found["corpus"].split("_")[0]]
            (full, at_full), (small, at_small) = paper["32"], paper["adaptive"]
            text += (
                f"Published, on one split: 32 bits {percent(at_full)} % in {full} KB, adaptive "
                f"{percent(at_small)} % in {small} KB at {paper['average_bits']:.2f} bits on "
                "average.\n\n"
            )
        rows = [
            [
                f"{other['network']}, {row['name']}",
                percent(row["accuracy"]["mean"]) + interval_of(row["accuracy"]),
                difference_of(row["accuracy"]),
                against_control(row, other["rows"]),
                percent(row["ua"]["mean"]),
                bytes_of(row),
                f"{row['average_bits']:.2f}",
            ]
            for other in alike(result, found)
            for row in sorted(other["rows"], key=lambda row: -row["bytes"])
            if "+" not in row["name"] and not row["name"].endswith("plain rounding")
        ]
        tried = {
            f"{o['network']}, {r['name']}": (r, o["rows"])
            for o in alike(result, found)
            for r in o["rows"]
        }
        text += table(header, rows) + "\n" + smallest(tried) + "\n"
    if all(found["corpus"] != "savee" for found in result["tables"]):
        text += "### savee\n\n" + MISSING.format(
            command="SERKIT_CORPORA=/folder-with-savee python benchmarks/quantisation.py"
        )
        text += "\n"
    return title + text + ablation(result) + frontiers(result) + search_log(result)


def alike(result: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """The tables of all networks on the same corpus, split the same way."""
    return [
        other
        for other in result["tables"]
        if (other["corpus"], other["protocol"]) == (found["corpus"], found["protocol"])
    ]


def difference_of(found: dict[str, Any]) -> str:
    """A difference in points with its interval."""
    low, high = found["difference_interval"]
    return f"{100 * found['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


CONTROL = "8 bits, ours"


def against_control(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The mean difference in points to 8 bits that were fine-tuned alike."""
    control = next(other for other in rows if other["name"] == CONTROL)
    return f"{100 * (row['accuracy']['mean'] - control['accuracy']['mean']):+.1f}"


def smallest(tried: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]) -> str:
    """How far down one can go: the smallest files that lose no more than a point."""
    lines = []
    for name in ("32 bits", CONTROL):
        near = [
            (row["most_bytes"], called)
            for called, (row, rows) in tried.items()
            for base in rows
            if base["name"] == name and row["accuracy"]["mean"] >= base["accuracy"]["mean"] - 0.01
        ]
        size, called = min(near)
        lines.append(f"{called} against its own {name} ({size:.0f} bytes at most)")
    best, called = max((row["accuracy"]["mean"], called) for called, (row, _) in tried.items())
    return (
        "The smallest file that loses no more than a point on the mean: "
        + "; ".join(lines)
        + f". The most accurate of all: {called} ({percent(best)} %).\n"
    )


def bytes_of(row: dict[str, Any]) -> str:
    """The mean size over seeds and folds, and the largest where the search decides it."""
    largest = row["most_bytes"]
    return f"{row['bytes']:.0f}" + (
        f" (at most {largest:.0f})" if largest > 1.02 * row["bytes"] else ""
    )


def ablation(result: dict[str, Any]) -> str:
    """What each step past the paper buys, on the paper's network."""
    text = (
        "### What each step buys\n\nOn the paper's network, shuffled as in the paper "
        "(**speaker-dependent**): accuracy against 32 bits, each row with the steps above it.\n\n"
    )
    tables = [
        found
        for found in result["tables"]
        if found["network"] == "256-512-64" and found["speaker_dependent"]
    ]
    steps = ("plain rounding", "+ least-squares step", "+ a step for each output", "+ fine-tuning")
    widths = ("1 bits", "2 bits", "3 bits", "adaptive")
    rows = []
    for found in tables:
        by_name = {row["name"]: row for row in found["rows"]}
        for step in steps:
            cells = []
            for width in widths:
                row = by_name[f"{width}, {step}"]
                size = f", {row['bytes'] / 1e3:.1f} KB" if width == "adaptive" else ""
                cells.append(difference_of(row["accuracy"]) + size)
            rows.append([f"{found['corpus']}: {step}", *cells])
        row = by_bytes(found)
        if row is not None:
            cell = f"{difference_of(row['accuracy'])}, {row['bytes'] / 1e3:.1f} KB"
            rows.append([f"{found['corpus']}: + search by bytes", "", "", "", cell])
    header = ["", *(w.replace("1 bits", "1 bit") for w in widths)]
    return text + table(header, rows) + "\n" + byte_search()


def by_bytes(found: dict[str, Any]) -> dict[str, Any] | None:
    """The row of the search by bytes with all the steps, of the same splits and network."""
    result = load("byte_search")
    for other in result["tables"] if result else ():
        if all(other[key] == found[key] for key in ("corpus", "protocol", "network")):
            return next(row for row in other["rows"] if row["name"] == "by bytes, + fine-tuning")
    return None


def byte_search() -> str:
    """The search that counts bytes beside that by importance."""
    title = "### Counting the bytes of the file\n\n"
    result = load("byte_search")
    if result is None:
        return title + MISSING.format(command="python benchmarks/byte_search.py") + "\n"
    text = (
        "`--search bytes`: all layers start at 8 bits, and the narrower width of any layer that "
        "makes the smallest file (codes, steps, biases, normalisation, header) is taken while the "
        "network's validation accuracy stays within the margin. Beside it *adaptive, ours*, which "
        f"goes by importance with the margin {result['margin']}; splits and seeds are the same. "
        "*ours* has a step for each layer, *+ fine-tuning* one for each output, and the margin "
        f"{result['margin']}.\n\n"
    )
    rows = [
        [
            f"{found['corpus']}, {found['title']}"
            + (", **speaker-dependent**" if found["speaker_dependent"] else ""),
            f"{found['network']}, {row['name']}",
            percent(row["accuracy"]["mean"]),
            difference_of(row["accuracy"]),
            bytes_of(row),
            f"{row['average_bits']:.2f}",
        ]
        for found in result["tables"]
        for row in found["rows"]
        if row["name"] != "32 bits"
    ]
    header = ["corpus", "network, bits", "accuracy %", "against 32 bits", "bytes", "average bits"]
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def frontiers(result: dict[str, Any]) -> str:
    """Write the plots and show them."""
    text = "### Accuracy against bytes\n\n"
    for found in result["tables"]:
        if found["network"] != "256-512-64":
            continue
        series = {
            other["network"]: [
                row for row in other["rows"] if row["name"] == "32 bits" or "ours" in row["name"]
            ]
            for other in alike(result, found)
        }
        mark = ", speaker-dependent" if found["speaker_dependent"] else ""
        name = f"bytes-{found['corpus']}-{found['protocol']}.svg"
        PICTURES[name] = frontier(f"{found['corpus']}, {found['title']}{mark}", series)
        text += f"![{found['corpus']}, {found['title']}{mark}]({name})\n\n"
    return text


def search_log(result: dict[str, Any]) -> str:
    """The trials of one search."""
    found = result["tables"][0]
    rows = [
        [
            str(trial["layer"]),
            str(trial["bits"]),
            percent(trial["score"]),
            f"{100 * trial['margin']:.2f}",
            "yes" if trial["accepted"] else "",
        ]
        for trial in found["log"]
    ]
    header = ["layer", "bits", "validation accuracy %", "fall allowed, points", "taken"]
    what = f"{found['corpus']}, {found['network']}, seed 0; *adaptive, ours*."
    return f"### A search, trial by trial\n\n{what}\n\n{table(header, rows)}\n{conditions(result)}"


_FAMILY_NAMES = {
    "cnn": "1D-CNN",
    "lstm": "LSTM",
    "attention-gru": "GRU with attention",
    "128-64": "MLP 128-64",
    "256-512-64": "MLP of the paper",
}


def families() -> str:
    """The paper's Figure 2: four families in full and in few bits."""
    title = "### Four families: Figure 2 of Shinde et al. rebuilt\n\n"
    result, mlps = load("families"), load("quantisation")
    if result is None or mlps is None:
        return title + MISSING.format(command="python benchmarks/families.py") + "\n"
    text = (
        "The perceptrons take 180 means and learn as the paper says (Adam, patience 5, dropout "
        "0.1); the others take 40 MFCCs a frame and learn by recipes of ours (AdamW, one cycle of "
        "40 epochs, dropout 0.3), so that a difference is not the family's alone. Splits and seeds "
        "are the same, and so is the code that quantises. Of each the full network, *adaptive, "
        "ours*, and 8, 4, 2 and 1 bits, ours. By speaker, whole speakers validate; intervals are "
        "over seeds, not over people.\n\n"
    )
    header = [
        "network, bits", "accuracy %", "against 32 bits", "against 8 bits, ours", "UA %", "bytes",
        "average bits",
    ]  # fmt: skip
    ways = dict.fromkeys((t["corpus"], t["protocol"], t["title"]) for t in result["tables"])
    for corpus, protocol, named in ways:
        every = [
            found
            for found in (*mlps["tables"], *result["tables"])
            if (found["corpus"], found["protocol"]) == (corpus, protocol)
            and found["network"] in _FAMILY_NAMES
        ]
        series = {
            _FAMILY_NAMES[found["network"]]: [
                row for row in found["rows"] if row["name"] == "32 bits" or "ours" in row["name"]
            ]
            for found in every
        }
        mark = ", speaker-dependent" if every[0]["speaker_dependent"] else ""
        name = f"families-{corpus}-{protocol}.svg"
        PICTURES[name] = frontier(f"{corpus}, {named}{mark}", series)
        rows = [
            [
                f"{family}, {row['name']}",
                percent(row["accuracy"]["mean"]) + interval_of(row["accuracy"]),
                difference_of(row["accuracy"]),
                against_control(row, found),
                percent(row["ua"]["mean"]),
                bytes_of(row),
                f"{row['average_bits']:.2f}",
            ]
            for family, found in series.items()
            if not family.startswith("MLP")
            for row in sorted(found, key=lambda row: -row["bytes"])
        ]
        marked = mark.replace("speaker-dependent", "**speaker-dependent**")
        text += (
            f"#### {corpus}, {named}{marked}\n\n![{corpus}, {named}{mark}]({name})\n\n"
            + table(header, rows)
            + "\n"
            + smallest(
                {
                    f"{family}, {row['name']}": (row, found)
                    for family, found in series.items()
                    for row in found
                }
            )
            + "\n"
        )
    return title + text + conditions(result) + "\n"


def tiny_quantised() -> str:
    """Few bits for `tiny`, speakers and corpora kept apart."""
    title = "### `tiny` in few bits\n\n"
    result = load("tiny_quantised")
    if result is None:
        return title + MISSING.format(command="python benchmarks/tiny_quantised.py")
    protocols = list(result["rows"][0]["protocols"])
    titles = [result["rows"][0]["protocols"][p]["title"] for p in protocols]
    rows = []
    for row in result["rows"]:
        cells = [row["name"], str(row["bytes"])]
        for protocol in protocols:
            found = row["protocols"][protocol]
            full = result["rows"][0]["protocols"][protocol]["mean_ua"]
            cells += [percent(found["mean_ua"]), f"{100 * (found['mean_ua'] - full):+.2f}"]
        rows.append(cells)
    header = ["weights", "bytes"]
    for name in titles:
        header += [f"mean UA %, {name}", "against float16, points"]
    text = (
        f"Mean of the corpora's UA, {result['seeds']} seeds. The bytes are those of the file "
        "learned from all corpora, with its card; where a search decides the bits, the models of "
        "the folds may have others.\n\n"
    )
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def quantised_calibration() -> str:
    """How sure a quantised model is, by what its temperature was found with."""
    title = "### How sure a quantised model is\n\n"
    result = load("quantised_calibration")
    if result is None:
        return title + MISSING.format(command="python benchmarks/quantised_calibration.py") + "\n"
    text = (
        f"On speakers that nothing was learned from ({result['protocol']}, {result['seeds']} "
        "seeds, mean over folds), by what the temperature was found with. Where a model has "
        "learned from the corpus it is quantised on, `serkit quantize` takes *the full model's "
        "probabilities*, else *labels of held-out speakers*.\n\n"
    )
    rows = []
    for row in result["rows"]:
        bits, _, way = row["way"].partition(" ")
        rows.append(
            [
                f"`{row['recipe'].rpartition('/')[2]}`",
                "32" if bits == "full" else bits,
                way or "labels of held-out speakers",
                percent(row["ua"]),
                percent(row["ece"]),
                f"{row['loss']:.3f}",
            ]
        )
    header = ["recipe", "bits", "temperature by", "UA %", "ECE %", "cross-entropy, nats"]
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def packed_speed() -> str:
    """Packed inference beside float32."""
    title = "### Packed inference\n\n"
    result = load("packed_speed")
    if result is None:
        return title + MISSING.format(command="python benchmarks/packed_speed.py") + "\n"
    text = (
        f"Each network with its own features on {result['seconds']} s, one thread, medians of "
        f"{result['rounds']} rounds; the ratio to 32 bits is the median of the rounds'. Packed "
        f"inference was to be no slower than float32; {_verdict(result['rows'])}\n\n"
    )
    rows = [
        [
            row["network"],
            str(row["bits"]),
            f"{row['median_ms']:.3f}",
            f"{row['ratio']:.3f}",
        ]
        for row in result["rows"]
    ]
    header = ["network", "bits", "ms", "times 32 bits"]
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def _verdict(rows: list[dict[str, Any]]) -> str:
    slower = [100 * (row["ratio"] - 1) for row in rows if row["bits"] < 32]
    if max(slower) <= 0:
        return "it is not."
    return f"it is slower by {max(0, min(slower)):.1f} to {max(slower):.1f} %."


def c_export() -> str:
    """The exported C beside Python."""
    title = "### As C\n\n"
    result = load("c_export")
    if result is None:
        return title + MISSING.format(command="python benchmarks/c_export.py") + "\n"
    text = (
        "`serkit export --to c`, compiled with `-std=c99 -Wall -Wextra -Werror "
        "-fsanitize=address,undefined` without a warning, on real recordings; flash and RAM by "
        f"`size` at `-Os` ({result['compiler']}).\n\n"
    )
    rows = [
        [
            f"`{row['model']}`, {row['variant']}",
            str(row["utterances"]),
            f"{row['largest_difference']:.1e}",
            percent(row["same_label"]),
            str(row["flash_bytes"]),
            str(row["ram_bytes"]),
        ]
        for row in result["rows"]
    ]
    header = [
        "model", "utterances", "largest difference of a probability", "same label %",
        "flash bytes", "RAM bytes",
    ]  # fmt: skip
    return title + text + table(header, rows) + "\n" + conditions(result)
