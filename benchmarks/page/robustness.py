"""Section: accuracy on degraded speech, and the warnings that report it."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, percent, table, with_interval
from page.names import corpus_name
from page.section import Results, Section

FAR = "far-from-training"
_HEADER = ["sound", "UA %", "confidence %", "warned, % of clips", "most frequent answer, %"]


def section(results: Results) -> Section:
    """Accuracy and warning rates per model and condition."""
    title, slug = "Robustness and warnings", "robustness"
    result = results.get("trust")
    if result is None:
        return Section(title, slug, missing("python benchmarks/trust.py"))
    text = blocks(
        paragraph(
            "Accuracy on degraded speech, and how often a prediction carries a warning. "
            "*Confidence* is the mean probability of the predicted label: where it stays high "
            "while UA falls, it is not reliable."
        ),
        *(_model(model, result) for model in result["models"]),
        _sound_warnings(result),
        _distances(result),
        conditions(result),
    )
    return Section(title, slug, text)


def _model(model: dict[str, Any], result: dict[str, Any]) -> str:
    held_out, unseen, read = model["left_out"][0], model["unseen"][0], model["read"]
    labels = sorted(read["labels"].items(), key=lambda item: -item[1])
    shares = ", ".join(f"{label} {percent(share)} %" for label, share in labels if share > 0)
    return blocks(
        f"## `{model['model']}`",
        paragraph(
            f"The recipe trained on clean speech without augmentation, tested on "
            f"{held_out['clips']} clips of {held_out['speakers']} held-out speakers "
            f"({result['folds']} folds over speakers). Chance level is {_chance(held_out)} %."
        ),
        table(_HEADER, [_condition(row, result) for row in model["left_out"]]),
        paragraph(
            f"The shipped model on {unseen['clips']} clips of CREMA-D, an unseen corpus, with the "
            f"emotions both have in common. Chance level is {_chance(unseen)} %."
        ),
        table(_HEADER, [_condition(row, result) for row in model["unseen"]]),
        paragraph(
            f"Predictions for {read['clips']} clips of neutral read English (LJSpeech, LibriVox, "
            f"LibriSpeech): {shares}; mean confidence {percent(read['confidence'])} %, warning "
            f"`{FAR}` on {percent(read['warned'][FAR])} %."
        ),
    )


def _chance(row: dict[str, Any]) -> str:
    return percent(1 / len(row["share"]))


def _condition(row: dict[str, Any], result: dict[str, Any]) -> list[str]:
    warned = [f"{code} {percent(s)}" for code, s in row["warned"].items() if s >= 0.005]
    label = max(row["share"], key=row["share"].__getitem__)
    return [
        _described(row["condition"], result),
        with_interval(row["ua"], row["interval"]),
        percent(row["confidence"]),
        ", ".join(warned),
        f"{label} {percent(row['share'][label])}",
    ]


def _described(condition: str, result: dict[str, Any]) -> str:
    if condition in result["levels"]:
        return f"speech level {condition}, 16 bits"
    if condition in result["seconds"]:
        return f"the middle {condition}"
    return condition


def _sound_warnings(result: dict[str, Any]) -> str:
    sound, truncated = result["sound"], result["truncated"]
    rows = [
        [f"`{code}`, false alarms", *(percent(row["false_alarms"][code]) for row in sound)]
        for code in sound[0]["false_alarms"]
    ]
    rows += [
        [f"`{code}`, detected: {name}", *(percent(row["found"][name]) for row in sound)]
        for name, code in result["spoilt"].items()
    ]
    rows.append(["clips", *(str(row["clips"]) for row in sound)])
    rows.append(["lowest speech level, dBFS", *(f"{r['lowest_level_dbfs']:.0f}" for r in sound)])
    halves = ", ".join(
        f"{kind} {percent(share)} %"
        for kind, share in truncated.items()
        if not kind.endswith("whole")
    )
    whole = max(share for kind, share in truncated.items() if kind.endswith("whole"))
    return blocks(
        "## Warnings about the recording",
        paragraph(
            "False alarms on the original recordings, in % of clips, and detection rates on "
            f"{result['spoilt_clips']} degraded clips of each corpus, in %. A clip shorter than "
            "the limit is `short` as recorded, which is no false alarm."
        ),
        table(["warning", *(corpus_name(row["corpus"]) for row in sound)], rows),
        paragraph(
            "Files cut to half of their bytes that are reported as `truncated` or refused: "
            f"{halves}; complete files so reported: {percent(whole)} %."
        ),
    )


def _distances(result: dict[str, Any]) -> str:
    models = result["models"]
    rows = []
    for model in models:
        name = model["model"]
        rows += [
            [f"`{name}`: new speakers of {corpus_name(corpus)}", percent(alarms["rate"])]
            for corpus, alarms in model["new_speakers"].items()
        ]
        clean = next(row for row in model["unseen"] if row["condition"] == "clean")
        rows.append([f"`{name}`: CREMA-D", percent(clean["warned"][FAR])])
        sounds = ", ".join(f"{sound} {percent(rate)}" for sound, rate in model["synthetic"].items())
        rows.append([f"`{name}`: no speech", sounds])
    return blocks(
        f"## Warning `{FAR}`",
        paragraph(
            "The distance to the training data is a Mahalanobis distance of a recording's features "
            "in random directions. Its limit is the distance below which "
            f"{100 * models[0]['share']:.3g} % of the recordings of held-out speakers lie. Below, "
            f"speakers are held out of everything, the limit included ({result['folds']} folds): "
            "these are the false alarms on new speakers under known recording conditions. The "
            "rate on CREMA-D is that of another studio. Non-speech sounds: "
            f"{result['synthetic_sounds']} of each kind, 1.5 to 6 s."
        ),
        table(["recordings", f"`{FAR}`, %"], rows),
    )
