"""Section: the recipes beside support vector machines, speaker-independent."""

from __future__ import annotations

from typing import Any

from page.markdown import (
    blocks,
    conditions,
    missing,
    paragraph,
    percent,
    plural,
    points,
    table,
    with_interval,
)
from page.section import Results, Section


def section(results: Results) -> Section:
    """WA and UA per task and system."""
    title, slug = "Comparison with baselines", "baselines"
    result = results.get("protocol_table")
    if result is None:
        return Section(title, slug, missing("python benchmarks/protocol_table.py"))
    rows = result["rows"]
    tasks = dict.fromkeys(row["task"] for row in rows)
    text = blocks(
        paragraph(
            f"Mean over {plural(result['seeds'], 'seed')}, 95 % intervals over speakers. Recipes "
            "of serkit are tested with 32-bit weights. Support vector machines choose kernel and C "
            "on held-out speakers of the training part. The column *best recipe minus system* "
            "compares the recipe in the row without a value with the other rows (interval over "
            "speakers, sign-flip test). "
            "Figures from a random split are **speaker-dependent** and show how much such a split "
            "overstates."
        ),
        *(_task(task, [row for row in rows if row["task"] == task]) for task in tasks),
        paragraph(
            "From the literature: HuBERT-base (95 M parameters, frozen, with a small head) reaches "
            "UA 65.4 % on the same folds of RAVDESS, WavLM-large 72.0 % (Ma et al., EmoBox, 2024); "
            "support vector machines on openSMILE features reach 73 to 77 % accuracy on EmoDB, "
            "leave one speaker out."
        ),
        conditions(result),
    )
    return Section(title, slug, text)


def _task(name: str, rows: list[dict[str, Any]]) -> str:
    shuffled = {row["system"]: row["ua"] for row in rows if row["speaker_dependent"]}
    independent = [row for row in rows if not row["speaker_dependent"]]
    folds = list(independent[0]["ua_by_fold"])
    lines = []
    for row in independent:
        wa, ua, random_split = row["wa"], row["ua"], shuffled[row["system"]]
        lines.append(
            [
                row["system"],
                with_interval(wa["mean"], wa["interval"]),
                with_interval(ua["mean"], ua["interval"]),
                with_interval(random_split["mean"], random_split["interval"]),
                _comparison(row.get("best_against_this")),
            ]
        )
    header = [
        "system", "WA %", "UA %", "UA %, random split (**speaker-dependent**)",
        "best recipe minus system",
    ]  # fmt: skip
    by_fold = [
        [row["system"], *(percent(row["ua_by_fold"][fold]) for fold in folds)]
        for row in independent
    ]
    return blocks(
        f"## {name}: {independent[0]['title']}",
        table(header, lines),
        "UA % by fold:",
        table(["system", *folds], by_fold),
    )


def _comparison(comparison: dict[str, Any] | None) -> str:
    if comparison is None:
        return ""
    return (
        f"{points(comparison['difference'], comparison['interval'])}, p {comparison['p_value']:.4f}"
    )
