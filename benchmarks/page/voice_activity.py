"""Section: voice activity detection in noise, beside Silero and WebRTC."""

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
    """Errors, boundaries and cost of each system; errors by noise level and by noise."""
    title, slug = "Voice activity", "voice-activity"
    result = results.get("voice_activity")
    if result is None:
        return Section(title, slug, missing("python benchmarks/voice_activity.py"))
    options, against = result["options"], result["against"]
    text = blocks(
        paragraph(
            f"Speech at known places in {result['scenes']} recordings of "
            f"{plural(result['speakers'], 'speaker')} from RAVDESS, nEMO, TESS, CREMA-D, EmoDB and "
            "read English, none of whom our detector has learned from, mixed with "
            f"{', '.join(result['noises'])} noise through synthetic rooms at "
            f"{', '.join(map(str, result['snr_db']))} dB: {result['minutes']:.0f} minutes in all, "
            f"seed {result['seed']}. Our detector has learned from the same makers of noise with "
            "other seeds, rooms and settings, rain and traffic excepted; the others have not. "
            "Swelling noise was added to what it learns from after a trial of 14 recordings, in "
            "which traffic and speakers of this test occurred. Where speech is, is found by level "
            "in the clean clips, pauses of up to 200 ms included, here and in what our detector "
            "has learned from: it knows this convention, the others do not. *Miss*: share of the "
            "speech that is not found. *False alarm*: share of the pauses that is called speech. "
            "*Error*: their sum, with its 95 % interval (bootstrap "
            "over speakers). *Boundary*: median distance of a true boundary to the "
            f"nearest detected one, of the share that has one within {result['near_ms']:.0f} ms. "
            "*Real-time factor*: processor time of one thread per second of sound, "
            f"{result['timed_s']:.0f} s of noisy speech, medians of {result['rounds']} "
            "interleaved rounds."
        ),
        table(
            [
                "system", "miss %", "false alarm %", "error %", "boundary ms", "with one %",
                "real-time factor",
            ],
            [_row(row) for row in result["rows"]],
        ),
        paragraph(
            "serkit's options: threshold "
            f"{options['threshold']:g}, min_speech_ms {options['min_speech_ms']:g}, min_silence_ms "
            f"{options['min_silence_ms']:g}, pad_ms {options['pad_ms']:g}. Error of our detector "
            f"minus that of WebRTC's best row ({against['system']}): "
            f"{points(against['difference'], against['interval'])} percentage points."
        ),
        "## Error by level of the noise, %",
        table(
            ["system", *(f"{snr} dB" for snr in result["snr_db"])],
            [_errors(row, "by_snr") for row in result["rows"]],
        ),
        "## Error by kind of noise, %",
        table(["system", *result["noises"]], [_errors(row, "by_noise") for row in result["rows"]]),
        "## Recordings that begin amid speech",
        paragraph(
            f"Miss and false alarm in % of the first {result['beginning_s']:g} s of the same "
            "recordings cut at most 0.5 s after the start of their longest speech, where no noise "
            "floor is known yet."
        ),
        table(
            ["system", *(f"{snr} dB" for snr in result["snr_db"])],
            [_beginnings(row) for row in result["rows"]],
        ),
        conditions(result),
    )  # fmt: skip
    return Section(title, slug, text)


def _row(row: dict[str, Any]) -> list[str]:
    return [
        row["system"],
        percent(row["miss"]),
        percent(row["false_alarm"]),
        with_interval(row["error"], row["interval"]),
        f"{row['boundary_ms']:.0f}",
        percent(row["boundaries_found"]),
        f"{row['real_time_factor']:.5f}",
    ]


def _errors(row: dict[str, Any], by: str) -> list[str]:
    return [row["system"], *(percent(rates["error"]) for rates in row[by].values())]


def _beginnings(row: dict[str, Any]) -> list[str]:
    found = row["beginning"].values()
    return [row["system"], *(f"{percent(r['miss'])}, {percent(r['false_alarm'])}" for r in found)]
