"""Section: Table 2 of Shinde et al. (2024), its ablation, and the searches for bit-widths."""

from __future__ import annotations

from typing import Any

from page.frontier import frontier
from page.markdown import blocks, conditions, missing, paragraph, percent, table
from page.names import corpus_name, plan_name
from page.quantisation_rows import (
    PAPERS_NETWORK,
    Networks,
    difference,
    file_size,
    results_table,
    serkit_rows,
    smallest_and_best,
)
from page.section import Results, Section

Table = dict[str, Any]

_STEPS = ("plain rounding", "+ least-squares step", "+ a step for each output", "+ fine-tuning")
_WIDTHS = ("1 bits", "2 bits", "3 bits", "adaptive")


def section(results: Results) -> Section:
    """Accuracy against bits and bytes."""
    title, slug = "Table 2 of Shinde et al.: accuracy at 1 to 8 bits", "quantisation"
    result = results.get("quantisation")
    if result is None:
        return Section(title, slug, missing("python benchmarks/quantisation.py"))
    columns = [entry for entry in result["tables"] if entry["network"] == PAPERS_NETWORK]
    plots = {
        f"bytes-{entry['corpus']}-{entry['protocol']}.svg": (
            _title(entry),
            frontier(
                _title(entry),
                {name: serkit_rows(rows) for name, rows in _networks(result, entry).items()},
            ),
        )
        for entry in columns
    }
    text = blocks(
        paragraph(
            "Mean accuracy and 95 % interval (Student's t) over seeds; the difference to 32 bits "
            "is paired by seed. Bytes are those of the whole file, with header, biases and "
            "normalisation; where a search decides them, their mean and maximum. Rows without a "
            "suffix round to levels that span the weights of each layer; *adaptive* is the paper's "
            f"search (margin {result['margin']}, alpha {result['alpha']}). *serkit* adds "
            f"least-squares steps and {result['fine_tuning']} epochs of fine-tuning. Fine-tuning "
            "is further training, so the fair reference of these rows is *8 bits, serkit*. The "
            f"network `{PAPERS_NETWORK}` is the paper's; its 211,207 weights take 26 KB even at "
            "one bit each, so files below 25 KB are of smaller networks."
        ),
        *(_column(result, entry) for entry in columns),
        _savee(result),
        _ablation(columns, results.get("byte_search")),
        _byte_search(results.get("byte_search")),
        "## Accuracy against bytes",
        *(f"![{alt}]({name})" for name, (alt, _) in plots.items()),
        _search_log(result["tables"][0]),
        conditions(result),
    )
    return Section(title, slug, text, {name: svg for name, (_, svg) in plots.items()})


def _title(entry: Table, mark: str = "speaker-dependent") -> str:
    suffix = f", {mark}" if entry["speaker_dependent"] else ""
    return f"{corpus_name(entry['corpus'])}, {entry['title']}{suffix}"


def _networks(result: dict[str, Any], entry: Table) -> Networks:
    """Rows by network, of the same corpus and protocol."""
    return {
        other["network"]: other["rows"]
        for other in result["tables"]
        if (other["corpus"], other["protocol"]) == (entry["corpus"], entry["protocol"])
    }


def _column(result: dict[str, Any], entry: Table) -> str:
    networks = _networks(result, entry)
    without_ablation = {
        name: [r for r in rows if "+" not in r["name"] and not r["name"].endswith(_STEPS[0])]
        for name, rows in networks.items()
    }
    published = result["paper"].get(entry["corpus"]) if entry["speaker_dependent"] else None
    return blocks(
        f"## {_title(entry, '**speaker-dependent**')}",
        paragraph(
            f"{entry['seeds']} seeds x {entry['folds']} folds, {entry['tested_per_seed']} test "
            f"clips per seed. {_published(published)}"
        ),
        results_table(without_ablation),
        paragraph(smallest_and_best(networks)),
    )


def _published(paper: dict[str, Any] | None) -> str:
    if paper is None:
        return ""
    (full_kb, full), (adaptive_kb, adaptive) = paper["32"], paper["adaptive"]
    return (
        f"Published, on one split: 32 bits {percent(full)} % in {full_kb} KB, adaptive "
        f"{percent(adaptive)} % in {adaptive_kb} KB at {paper['average_bits']:.2f} bits on average."
    )


def _savee(result: dict[str, Any]) -> str:
    if any(entry["corpus"] == "savee" for entry in result["tables"]):
        return ""
    command = "SERKIT_CORPORA=/folder-with-savee python benchmarks/quantisation.py savee"
    return blocks("## SAVEE", missing(command))


def _ablation(columns: list[Table], byte_search: dict[str, Any] | None) -> str:
    rows = []
    for entry in columns:
        if not entry["speaker_dependent"]:
            continue
        corpus = corpus_name(entry["corpus"])
        by_name = {row["name"]: row for row in entry["rows"]}
        for step in _STEPS:
            steps = [by_name[f"{width}, {step}"] for width in _WIDTHS]
            fixed, adaptive = steps[:-1], steps[-1]
            cells = [*(difference(row) for row in fixed), _with_size(adaptive)]
            rows.append([f"{corpus}: {step}", *cells])
        row = _by_bytes(entry, byte_search)
        if row is not None:
            rows.append([f"{corpus}: + search by bytes", "", "", "", _with_size(row)])
    return blocks(
        "## Ablation",
        paragraph(
            "The paper's network, random split (**speaker-dependent**): difference of the accuracy "
            "to 32 bits in points. Each row includes the steps above it."
        ),
        table(["step", *(plan_name(width) for width in _WIDTHS)], rows),
    )


def _with_size(row: dict[str, Any]) -> str:
    return f"{difference(row)}, {row['bytes'] / 1e3:.1f} KB"


def _by_bytes(entry: Table, byte_search: dict[str, Any] | None) -> dict[str, Any] | None:
    """The search by bytes with every step, on the same splits and network."""
    for other in byte_search["tables"] if byte_search else ():
        if all(other[key] == entry[key] for key in ("corpus", "protocol", "network")):
            return next(row for row in other["rows"] if row["name"] == "by bytes, + fine-tuning")
    return None


def _byte_search(result: dict[str, Any] | None) -> str:
    heading = "## Search by bytes"
    if result is None:
        return blocks(heading, missing("python benchmarks/byte_search.py"))
    rows = [
        [
            _title(entry, "**speaker-dependent**"),
            f"{entry['network']}, {plan_name(row['name'])}",
            percent(row["accuracy"]["mean"]),
            difference(row),
            file_size(row),
            f"{row['average_bits']:.2f}",
        ]
        for entry in result["tables"]
        for row in entry["rows"]
        if row["name"] != "32 bits"
    ]
    header = ["corpus", "network, bits", "accuracy %", "difference to 32 bits", "bytes"]
    return blocks(
        heading,
        paragraph(
            "`--search bytes` starts with all layers at 8 bits and repeatedly narrows the layer "
            "that makes the smallest file (codes, steps, biases, normalisation, header) while the "
            f"validation accuracy stays within the margin of {result['margin']}. Compared with "
            "*adaptive, serkit*, which goes by importance with the same margin, splits and seeds. "
            "*serkit* rows have one step per layer, *+ fine-tuning* one per output."
        ),
        table([*header, "average bits"], rows),
        conditions(result),
    )


def _search_log(entry: Table) -> str:
    rows = [
        [
            str(trial["layer"]),
            str(trial["bits"]),
            percent(trial["score"]),
            f"{100 * trial['margin']:.2f}",
            "yes" if trial["accepted"] else "",
        ]
        for trial in entry["log"]
    ]
    return blocks(
        "## Trials of one search",
        paragraph(f"{_title(entry)}, network {entry['network']}, seed 0, *adaptive, serkit*."),
        table(["layer", "bits", "validation accuracy %", "margin, points", "accepted"], rows),
    )
