"""Section: Figure 2 of Shinde et al. (2024), four families of networks."""

from __future__ import annotations

from typing import Any

from page.frontier import frontier
from page.markdown import blocks, conditions, missing, paragraph, plural
from page.names import corpus_name
from page.quantisation_rows import results_table, serkit_rows, smallest_and_best
from page.section import Results, Section

_FAMILIES = {
    "cnn": "1D-CNN",
    "lstm": "LSTM",
    "attention-gru": "GRU with attention",
    "128-64": "MLP 128-64",
    "256-512-64": "MLP of the paper",
}


def section(results: Results) -> Section:
    """Accuracy against bytes per family."""
    title, slug = "Figure 2 of Shinde et al.: four network families", "families"
    result, mlps = results.get("families"), results.get("quantisation")
    if result is None or mlps is None:
        script = "families" if result is None else "quantisation"
        return Section(title, slug, missing(f"python benchmarks/{script}.py"))
    pictures, parts = {}, []
    splits = dict.fromkeys((entry["corpus"], entry["protocol"]) for entry in result["tables"])
    for corpus, protocol in splits:
        tables = [
            entry
            for entry in (*mlps["tables"], *result["tables"])
            if (entry["corpus"], entry["protocol"]) == (corpus, protocol)
            and entry["network"] in _FAMILIES
        ]
        networks = {_FAMILIES[entry["network"]]: serkit_rows(entry["rows"]) for entry in tables}
        dependent = tables[0]["speaker_dependent"]
        name = f"{corpus_name(corpus)}, {tables[0]['title']}"
        alt = name + (", speaker-dependent" if dependent else "")
        picture = f"families-{corpus}-{protocol}.svg"
        pictures[picture] = frontier(alt, networks)
        parts += [
            f"## {name}" + (", **speaker-dependent**" if dependent else ""),
            paragraph(_seeds(tables)),
            f"![{alt}]({picture})",
            results_table({n: rows for n, rows in networks.items() if not n.startswith("MLP")}),
            paragraph(smallest_and_best(networks)),
        ]
    text = blocks(
        paragraph(
            "The MLPs take 180 means and train as in the paper (Adam, patience 5, dropout 0.1). "
            "The other families take 40 MFCCs per frame and train by recipes of serkit (AdamW, one "
            "cycle of 40 epochs, dropout 0.3), so the family alone does not explain a difference. "
            "Splits and quantiser are the same. Each family is shown at 32 bits, with the "
            "search *adaptive, serkit*, and at 8, 4, 2 and 1 bits; the MLPs' figures are in "
            "[quantisation.md](quantisation.md). In speaker-independent splits, validation is on "
            "held-out speakers. Intervals are over seeds, not speakers."
        ),
        *parts,
        conditions(result),
    )
    return Section(title, slug, text, pictures)


def _seeds(tables: list[dict[str, Any]]) -> str:
    counts: dict[int, list[str]] = {entry["seeds"]: [] for entry in tables}
    for entry in tables:
        counts[entry["seeds"]].append(_FAMILIES[entry["network"]])
    listed = (f"{', '.join(names)}: {plural(seeds, 'seed')}" for seeds, names in counts.items())
    return "; ".join(listed) + "."
