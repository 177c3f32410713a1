"""Section: training time of the heads."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, plural, table
from page.section import Results, Section

_SGD, _MLP = "scikit-learn SGDClassifier", "scikit-learn MLPClassifier"


def section(results: Results) -> Section:
    """`Linear` beside scikit-learn and the devices of the paper, and updates of OS-ELM."""
    result = results.get("head_training")
    text = (
        missing("python benchmarks/head_training.py")
        if result is None
        else blocks(_linear(result), _oselm(result), conditions(result))
    )
    return Section("Training of the heads", "heads", text)


def _linear(result: dict[str, Any]) -> str:
    paper = result["paper"]
    rows = []
    for row in result["rows"]:
        ours, sgd, mlp = (row["systems"][name] for name in ("serkit Linear", _SGD, _MLP))
        published = (
            by_features[paper["features"].index(row["features"])]
            for by_features in paper["ms"].values()
        )
        rows.append(
            [
                str(row["features"]),
                str(row["samples"]),
                _ms(ours),
                _ms(sgd),
                f"{sgd['ratio']:.2f}",
                _ms(mlp),
                f"{mlp['ratio']:.2f}",
                *(f"{ms[paper['samples'].index(row['samples'])]:.1f}" for ms in published),
            ]
        )
    ratios = [row["systems"][_SGD]["ratio"] for row in result["rows"]]
    header = ["features", "samples", "serkit `Linear`", "`SGDClassifier`", "ratio"]
    header += ["`MLPClassifier`", "ratio", *paper["ms"]]
    return blocks(
        "## The linear classifier",
        paragraph(
            f"Milliseconds of {result['epochs']} epochs, {result['classes']} classes, learning "
            f"rate {result['learning_rate']}, {plural(result['threads'], 'thread')} on one core: "
            f"medians of {result['draws']} random draws, in brackets the standard deviation; the "
            "systems train on the same draws in turn, and the ratios (serkit to the other) are "
            "medians over the draws. On the right the devices of Pandelea et al. (2021), Tables 10 "
            "and 11, as published. The machine did other work at the same time."
        ),
        table(header, rows),
        paragraph(
            f"`Linear` takes {min(ratios):.2f} to {max(ratios):.2f} times as long as "
            "`SGDClassifier`. The two do not do the same work: `Linear` is one softmax model with "
            f"steps of {result['batch']} samples, as in the paper; `SGDClassifier` trains a binary "
            f"classifier for each class with steps of one sample, {result['batch']} times as many. "
            "scikit-learn's `MLPClassifier` without hidden layers trains the same model in the "
            "same steps as `Linear`. Mean training accuracy over all settings: "
            + ", ".join(f"{_accuracy(result, name):.3f} ({name})" for name in _systems(result))
            + "."
        ),
    )


def _oselm(result: dict[str, Any]) -> str:
    oselm = result["oselm"]
    columns = {
        "learn one sample": "learn",
        "forget one sample": "forget",
        "predict after an update": "predict_after_update",
        "predict": "predict",
    }
    rows = [
        [
            str(row["hidden"]),
            *(
                f"{row[name]['median_us']:.0f} ({row[name]['p90_us']:.0f})"
                for name in columns.values()
            ),
        ]
        for row in oselm["rows"]
    ]
    return blocks(
        "## OS-ELM",
        paragraph(
            f"Microseconds, {oselm['features']} features, {result['classes']} classes, after "
            f"{oselm['learned']} samples: medians of {oselm['updates']} updates of one sample, in "
            "brackets the 90th percentile. The first prediction after an update solves for the "
            "new weights."
        ),
        table(["hidden units", *columns], rows),
    )


def _systems(result: dict[str, Any]) -> list[str]:
    return list(result["rows"][0]["systems"])


def _accuracy(result: dict[str, Any], name: str) -> float:
    """Mean training accuracy of a system over all settings."""
    values = [row["systems"][name]["training_accuracy"] for row in result["rows"]]
    return float(sum(values) / len(values))


def _ms(times: dict[str, float]) -> str:
    return f"{times['median_ms']:.1f} ({times['sd_ms']:.1f})"
