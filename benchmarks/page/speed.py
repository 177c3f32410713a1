"""Section: speed of a prediction and a timeline, cold start and installed size."""

from __future__ import annotations

from page.markdown import blocks, conditions, missing, paragraph, percent, plural, table
from page.section import Results, Section


def section(results: Results) -> Section:
    """`tiny` beside its peers, a timeline of an hour, a cold command, the size installed."""
    text = blocks(
        _prediction(results), _timeline(results), _cold_start(results), _install_size(results)
    )
    return Section("Speed, cold start and size", "speed", text)


def _prediction(results: Results) -> str:
    heading = "## Prediction"
    result = results.get("predict_speed")
    if result is None:
        return blocks(heading, missing("python benchmarks/predict_speed.py"))
    rows = [
        [
            row["what"],
            f"{row['median_ms']:.2f}",
            f"{row['real_time_factor']:.5f}",
            f"{row['ratio']:.1f}",
        ]
        for row in result["rows"]
    ]
    return blocks(
        heading,
        paragraph(
            f"Features and `tiny` on {result['audio']}, {plural(result['threads'], 'thread')}, "
            f"medians of {result['rounds']} interleaved rounds; the ratio to the first row is the "
            "median over rounds. librosa computes the same features with the same values (checked "
            "in each run): once feature by feature from the samples, as in its documentation, and "
            "once from spectra computed once."
        ),
        table(["system", "ms", "real-time factor", "ratio"], rows),
        conditions(result),
    )


def _timeline(results: Results) -> str:
    heading = "## Timeline"
    result = results.get("timeline_speed")
    if result is None:
        return blocks(heading, missing("python benchmarks/timeline_speed.py"))
    rows = [
        [
            row["what"],
            f"{row['cpu_s']:.2f}",
            f"{row['real_time_factor']:.5f}",
            f"{row['ratio']:.1f}",
            f"{row['peak_mb']:.0f}",
        ]
        for row in result["rows"]
    ]
    latency = [
        [
            row["what"], str(row["n"]), f"{row['median_ms']:.0f}", f"{row['most_ms']:.0f}",
            percent(row["in_time"]),
        ]
        for row in result["latency"]
    ]  # fmt: skip
    within = f"within {result['bar_ms']:.0f} ms, %"
    return blocks(
        heading,
        paragraph(
            f"`tiny` on {result['seconds'] // 60} minutes of speech with pauses, a FLAC file, "
            f"{plural(result['threads'], 'thread')}: processor time, medians of "
            f"{result['rounds']} interleaved rounds; the ratio to the first row is the median over "
            "rounds, the peak memory the largest. The peer computes the same features of windows "
            "of the same length."
        ),
        table(["system", "seconds", "real-time factor", "ratio", "peak MB"], rows),
        paragraph(
            f"Latency of a live stream in chunks of {result['chunk_ms']:.0f} ms, over "
            f"{result['live_s']} s, windows of {result['live_window_s']:g} s: from the last sample "
            "of a window until it is reported, with the processor time to compute it. A pause cuts "
            f"a window short once it has lasted {result['pause_s']:g} s; until then a window that "
            "ends in it waits for the voice after it, and so does one that ends before new voice "
            "is long enough to be certain."
        ),
        table(["what is reported", "n", "median ms", "most ms", within], latency),
        conditions(result),
    )


def _cold_start(results: Results) -> str:
    heading = "## Cold start"
    result = results.get("cold_start")
    if result is None:
        return blocks(heading, missing("python benchmarks/cold_start.py"))
    rows = [
        [f"`{row['what']}`", f"{row['median_s']:.3f}", f"{row['peak_mb']:.1f}"]
        for row in result["rows"]
    ]
    return blocks(
        heading,
        table(["command", "seconds", "peak MB"], rows),
        paragraph(
            f"Medians of {result['runs']} interleaved runs; ratio of the times "
            f"{result['ratio']:.2f}."
        ),
        conditions(result),
    )


def _install_size(results: Results) -> str:
    heading = "## Installed size"
    result = results.get("install_size")
    if result is None:
        return blocks(heading, missing("python benchmarks/install_size.py"))
    heavy = ", ".join(result["heavy"]) or "none"
    installed = ", ".join(f"{name} {version}" for name, version in result["installed"].items())
    return blocks(
        heading,
        paragraph(
            f"The core has {result['direct_dependencies']} direct dependencies and takes "
            f"{result['megabytes']:.1f} MB installed, {result['serkit_megabytes']:.1f} MB of it "
            f"serkit. Heavy packages: {heavy}. Installed: {installed}."
        ),
        conditions(result),
    )
