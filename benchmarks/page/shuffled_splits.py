"""Section: one network under a random split and under a speaker-independent one."""

from __future__ import annotations

from page.markdown import blocks, conditions, missing, paragraph, percent, table, with_interval
from page.names import corpus_name
from page.section import Results, Section


def section(results: Results) -> Section:
    """Accuracy and UA per corpus and split."""
    title, slug = "Random and speaker-independent splits", "shuffled-splits"
    result = results.get("shuffle_worth")
    if result is None:
        return Section(title, slug, missing("python benchmarks/shuffle_worth.py"))
    rows = []
    for row in result["rows"]:
        mark = " (**speaker-dependent**)" if row["speaker_dependent"] else ""
        published = row["published_accuracy"]
        rows.append(
            [
                corpus_name(row["corpus"]),
                row["title"] + mark,
                f"{row['seeds']} x {row['folds']}",
                str(row["tested_per_seed"]),
                with_interval(row["wa"]["mean"], row["wa"]["interval"]),
                with_interval(row["ua"]["mean"], row["ua"]["interval"]),
                percent(published) if published else "",
            ]
        )
    header = [
        "corpus", "split", "seeds x folds", "test clips per seed", "accuracy %", "UA %",
        "published accuracy %",
    ]  # fmt: skip
    text = blocks(
        paragraph(
            "The MLP of Shinde et al. (2024) with 32-bit weights on the means of 40 MFCCs, 12 "
            f"chroma and 128 mel bands (recipe `{result['recipe']}`), tested on a random split of "
            "clips as in the paper, and on speakers held out of training. Mean and 95 % interval "
            "(Student's t) over seeds; a seed sets the initial weights and the split. The "
            "published accuracy is from one split."
        ),
        table(header, rows),
        paragraph(
            "TESS has two speakers: with one held out, the network learns from a single voice. "
            "SAVEE is not measured; to add it, run `serkit train "
            "layer-importance-adaptive-quantization/table2-savee --corpus savee=PATH "
            "-o savee.safetensors`, then `serkit models show savee.safetensors`."
        ),
        conditions(result),
    )
    return Section(title, slug, text)
