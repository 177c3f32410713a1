"""All pages and pictures, by their path below `docs/`."""

from __future__ import annotations

from collections.abc import Callable

from page import (
    affect,
    baselines,
    codec,
    coded_speech,
    families,
    fusion,
    heads,
    limits,
    long_notes,
    models,
    offload,
    personalisation,
    quantisation,
    quantised_models,
    robustness,
    scale,
    serving,
    shuffled_splits,
    speech,
    speech_latency,
    speed,
    text,
    transmission,
    voice_activity,
    wire,
    zed,
)
from page.headlines import headlines
from page.markdown import blocks, paragraph
from page.section import Results, Section

SECTIONS: tuple[Callable[[Results], Section], ...] = (
    models.section,
    baselines.section,
    shuffled_splits.section,
    robustness.section,
    affect.section,
    personalisation.section,
    quantisation.section,
    families.section,
    quantised_models.section,
    codec.section,
    coded_speech.section,
    fusion.section,
    transmission.section,
    serving.section,
    wire.section,
    offload.section,
    scale.section,
    voice_activity.section,
    long_notes.section,
    zed.section,
    speed.section,
    speech_latency.section,
    text.section,
    heads.section,
    speech.section,
    limits.section,
)


def site(results: Results) -> dict[str, str]:
    """The first page, a page per section, and their pictures, as text by path."""
    sections = [section(results) for section in SECTIONS]
    files = {"results.md": _first_page(results, sections)}
    for section in sections:
        files[f"results/{section.slug}.md"] = (
            blocks(f"# {section.title}", "[All results](../results.md)", section.text) + "\n"
        )
        files |= {f"results/{name}": svg for name, svg in section.pictures.items()}
    return files


def _first_page(results: Results, sections: list[Section]) -> str:
    return (
        blocks(
            "# Results",
            paragraph(
                "`make results` writes these pages from `benchmarks/results/*.json` and the model "
                "files. UA is the unweighted average recall; intervals, in brackets, are 95 % "
                "intervals. *Speaker-dependent* marks figures whose test speakers are also in the "
                "training data."
            ),
            headlines(results),
            "## Sections",
            "\n".join(f"- [{section.title}](results/{section.slug}.md)" for section in sections),
            paragraph(
                "Each section is measured by scripts in `benchmarks/`, whose docstrings state the "
                "claim, the method and how to run them."
            ),
        )
        + "\n"
    )
