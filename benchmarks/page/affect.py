"""Section: learned arousal and valence beside the circumplex of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, table
from page.names import corpus_name
from page.section import Results, Section


def section(results: Results) -> Section:
    """Concordance and correlation of each shipped model, by dimension."""
    title, slug = "Arousal and valence", "affect"
    result = results.get("affect")
    if result is None:
        return Section(title, slug, missing("python benchmarks/affect.py"))
    first = result["rows"][0]
    rows = [
        [
            f"`{one['model']}` ({one['width']})",
            row["dimension"],
            *(
                _value(row, f"{of}_{metric}")
                for metric in ("ccc", "pearson")
                for of in ("learned", "circumplex")
            ),
            _value(row, "difference_ccc", "+.2f"),
        ]
        for one in result["rows"]
        for row in one["rows"]
    ]
    text = blocks(
        paragraph(
            f"The concordance correlation coefficient (CCC) and Pearson's r on "
            f"{first['utterances']} clips of {first['speakers']} actors of "
            f"{' and '.join(map(corpus_name, first['corpora']))}, with 95 % intervals over "
            "speakers. *Learned*: a linear layer on the embedding (its width in brackets), fitted "
            "with its penalty in five folds over speakers (seed 0); no actor is in the training "
            "and the test part of a fold, and the network has heard none of them. *Circumplex*: "
            "the mean place of the categories by their calibrated scores. A clip whose scores have "
            "no place counts as the centre."
        ),
        paragraph(
            "The targets are not ratings of arousal and valence. They are derived from the "
            "emotions that most raters heard in the voice: their places in the circumplex, each "
            "times the rated intensity; clips heard as disgust are left out, since Russell gives "
            "it no place. The circumplex of the scores therefore has the axes of the targets but "
            "not their scale; where CCC gains more than r, scale is what the layer has learned."
        ),
        table(
            [
                "model", "dimension", "CCC learned", "CCC circumplex", "r learned",
                "r circumplex", "difference of CCC",
            ],
            rows,
        ),
        *(_elsewhere(one) for one in result["rows"] if one["elsewhere"]),
        conditions(result),
    )  # fmt: skip
    return Section(title, slug, text)


def _elsewhere(one: dict[str, Any]) -> str:
    """Mean answers of a shipped layer on corpora without ratings."""
    dimensions = [row["dimension"] for row in one["rows"]]
    rows = [
        [
            f"{corpus_name(row['corpus'])}, {row['label']}",
            str(row["utterances"]),
            *(f"{row[name]:+.2f}" for name in dimensions),
        ]
        for row in one["elsewhere"]
    ]
    return blocks(
        f"## `{one['model']}` on other corpora",
        paragraph(
            "Mean answers of the shipped layer on the training corpora of the network, which have "
            "no ratings and which the layer has not heard. The order in arousal mostly carries "
            "over; the level does not: it shifts with the corpus, and neutral voices are not at 0. "
            "Compare recordings made alike, and do not read a single value as absolute."
        ),
        table(["corpus and emotion", "clips", *dimensions], rows),
    )


def _value(row: dict[str, Any], name: str, form: str = ".2f") -> str:
    value: float | None = row[name]
    if value is None:
        return ""
    interval: Sequence[float] | None = row[f"{name}_interval"]
    brackets = "" if interval is None else f" ({interval[0]:{form}} to {interval[1]:{form}})"
    return f"{value:{form}}{brackets}"
