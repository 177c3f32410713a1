"""The section of the results page on when not to trust an answer."""

from __future__ import annotations

from typing import Any

from page import MISSING, conditions, load, percent, table

FAR = "far-from-training"


def trust() -> str:
    """What spoils an answer, and how often a warning says so."""
    title = "## When not to trust an answer\n\n"
    result = load("trust")
    if result is None:
        return title + MISSING.format(command="python benchmarks/trust.py") + "\n"
    return (
        title
        + "".join(of_model(found, result) + "\n" for found in result["models"])
        + checks(result)
        + "\n"
        + distances(result)
        + "\n"
        + conditions(result)
    )


def of_model(found: dict[str, Any], result: dict[str, Any]) -> str:
    """Accuracy on speakers left out and on a corpus never heard, as recorded and spoilt."""
    name, clean = found["model"], found["left_out"][0]
    chance = percent(1 / len(clean["share"]))
    text = (
        f"### `{name}`\n\n"
        f"Its recipe, trained on clean speech and tested on {clean['clips']} clips of "
        f"{clean['speakers']} speakers left out ({result['folds']} folds over speakers; without "
        f"altered copies in training), as they are and spoilt. Chance is {chance} %. *Confidence* "
        "is the mean probability of the answer given: where it stays while UA falls, it cannot be "
        "trusted. Then the share of clips with a warning, and the commonest answer.\n\n"
    )
    text += table(_HEADER, [_line(row, result) for row in found["left_out"]])
    clean = found["unseen"][0]
    text += (
        f"\nThe model that ships on {clean['clips']} clips of CREMA-D, which it has never heard, "
        "with the emotions that both share; chance is "
        f"{percent(1 / len(clean['share']))} %:\n\n"
    )
    text += table(_HEADER, [_line(row, result) for row in found["unseen"]])
    read = found["read"]
    said = sorted(read["labels"].items(), key=lambda item: -item[1])
    return text + (
        f"\n{read['clips']} clips of neutral read English (LJSpeech, LibriVox, LibriSpeech) it "
        "calls "
        + ", ".join(f"{label} {percent(share)} %" for label, share in said if share > 0)
        + f"; mean confidence {percent(read['confidence'])} %, warned `{FAR}` "
        f"{percent(read['warned'][FAR])} %.\n"
    )


_HEADER = ["sound", "UA %", "confidence %", "warned, % of clips", "commonest answer, %"]


def _line(row: dict[str, Any], result: dict[str, Any]) -> list[str]:
    interval = row["interval"]
    sure = f" ({percent(interval[0])} to {percent(interval[1])})" if interval else ""
    warned = [f"{code} {percent(s)}" for code, s in row["warned"].items() if s >= 0.005]
    commonest = max(row["share"], key=row["share"].__getitem__)
    return [
        described(row["condition"], result),
        percent(row["ua"]) + sure,
        percent(row["confidence"]),
        ", ".join(warned),
        f"{commonest} {percent(row['share'][commonest])}",
    ]


def described(name: str, result: dict[str, Any]) -> str:
    """A condition in words."""
    if name in result["levels"]:
        return f"speech at {name}, in 16 bits"
    if name in result["seconds"]:
        return f"the middle {name}"
    return name


def checks(result: dict[str, Any]) -> str:
    """Warnings about the sound itself."""
    sound = result["sound"]
    text = (
        "### Warnings about the sound\n\n"
        "False alarms on recordings as the corpora have them, in % of clips; then the share found "
        f"of {result['spoilt_clips']} clips each, spoilt.\n\n"
    )
    corpora = [row["corpus"] for row in sound]
    lines = [
        [f"`{code}`, as recorded", *(percent(row["false_alarms"][code]) for row in sound)]
        for code in sound[0]["false_alarms"]
    ]
    lines += [
        [f"`{code}`: {name}", *(percent(row["found"][name]) for row in sound)]
        for name, code in result["spoilt"].items()
    ]
    lines.append(["clips", *(str(row["clips"]) for row in sound)])
    lines.append(
        ["quietest speech, dBFS", *(f"{row['lowest_level_dbfs']:.0f}" for row in sound)],
    )
    cut = result["truncated"]
    halves = ", ".join(
        f"{kind} {percent(share)} %" for kind, share in cut.items() if not kind.endswith("whole")
    )
    whole = max(share for kind, share in cut.items() if kind.endswith("whole"))
    return (
        text
        + table(["warning", *corpora], lines)
        + f"\nFiles cut to half of their bytes, judged as `truncated` or refused: {halves}; of "
        f"whole files {percent(whole)} %. Clips called `short` are.\n"
    )


def distances(result: dict[str, Any]) -> str:
    """The distance to the training data."""
    models = result["models"]
    text = (
        f"### `{FAR}`\n\n"
        "The distance to the training data is a Mahalanobis distance of a recording's features in "
        "random directions; its limit is the one that "
        f"{100 * models[0]['share']:.3g} % of recordings of held-out speakers stay within. Below, "
        f"speakers are left out of everything, limit included ({result['folds']} folds): the false "
        "alarms a new speaker meets in recordings of a known kind. Those on CREMA-D are what "
        "another studio adds. Sounds that are no speech: "
        f"{result['synthetic_sounds']} of each kind, 1.5 to 6 s.\n\n"
    )
    lines = []
    for found in models:
        lines += [
            [f"`{found['model']}`: new speakers of {corpus}", percent(one["rate"])]
            for corpus, one in found["new_speakers"].items()
        ]
        clean = next(row for row in found["unseen"] if row["condition"] == "clean")
        lines.append([f"`{found['model']}`: CREMA-D", percent(clean["warned"][FAR])])
        far = ", ".join(f"{name} {percent(rate)}" for name, rate in found["synthetic"].items())
        lines.append([f"`{found['model']}`: no speech", far])
    return text + table(["recordings", "called far, %"], lines)
