"""Section: emotion diarization on ZED, beside published figures."""

from __future__ import annotations

from page.markdown import blocks, conditions, missing, paragraph, percent, table, with_interval
from page.section import Results, Section

_PUBLISHED = {
    "wav2vec 2.0 large": (0.362, 0.0114),
    "HuBERT large": (0.345, 0.0081),
    "WavLM large": (0.302, 0.0160),
}
"""EDER and its standard deviation over five seeds, from the first README of SpeechBrain's recipe
`ZaionEmotionDataset`; its current README keeps that of WavLM."""


def section(results: Results) -> Section:
    """EDER with each detector and without one, and of published encoders."""
    result = results.get("zed")
    rows = []
    if result is not None:
        rows = [
            [
                f"`{result['model']}`, " + (f"`{row['detector']}`" if row["detector"] else "no")
                + " detection",
                with_interval(row["eder"], row["interval"]),
                *(percent(row[part]) for part in ("missed", "false_alarm", "confused")),
            ]
            for row in result["rows"]
        ]  # fmt: skip
    rows += [
        [f"{name}, fine-tuned, published", f"{percent(mean)} ± {percent(sd)}", "", "", ""]
        for name, (mean, sd) in _PUBLISHED.items()
    ]
    text = blocks(
        paragraph(
            "The Zaion Emotion Dataset: recordings from real life, each with one emotion and the "
            "times at which it begins and ends; the rest of it is neutral. EDER: the share of the "
            "time whose emotion is wrong (Wang et al., *Speech Emotion Diarization*, 2023), mean "
            "over recordings; pauses without a label count as neutral. The published encoders have "
            "more than 300 million parameters and were fine-tuned on five corpora; ± is the "
            "standard deviation of five seeds. Figures of the base-size encoders of the paper "
            "could not be verified and are left out."
        ),
        missing("python benchmarks/zed.py") + ", which needs the data in a folder `zed`."
        if result is None
        else paragraph(
            f"{result['recordings']} recordings of {result['speakers']} speakers, none of which "
            "anything was learned from or chosen on. Intervals are bootstraps over speakers."
        ),
        table(["system", "EDER %", "missed %", "false alarm %", "confused %"], rows),
        "" if result is None else conditions(result),
    )
    return Section("Emotion diarization: ZED", "zed", text)
