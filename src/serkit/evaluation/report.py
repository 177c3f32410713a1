"""One self-contained HTML page about an evaluation."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from string import Template

import serkit
from serkit.evaluation.figures import Figures, tables
from serkit.evaluation.outcome import Outcome, fingerprints
from serkit.evaluation.plots import confusion_plot, reliability_plot, speaker_plot
from serkit.files import write_atomically
from serkit.text import in_html

_PACKAGES = ("numpy", "torch", "soundfile", "soxr")


def write_report(
    path: Path, outcome: Outcome, figures: Sequence[Figures], *, model: str, command: str
) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        outcome: The outcome.
        figures: Its figures.
        model: Name of the model or recipe.
        command: The command line that produced it.

    Raises:
        OSError: The page cannot be written.
    """
    sections = [f"<section>{table.to_html()}</section>" for table in tables(outcome, figures)]
    sections += [_plots(outcome, f) for f in figures]
    page = Template(files("serkit.evaluation").joinpath("report.html").read_text("utf-8"))
    marks = ", ".join(outcome.marks)
    write_atomically(
        path,
        page.substitute(
            model=in_html(model),
            title=in_html(outcome.title),
            citation=in_html(outcome.protocol.citation),
            marks=f'<span class="mark">{in_html(marks)}</span>' if marks else "",
            sections="\n".join(sections),
            made="\n".join(map(in_html, (command, "", *_versions(), "", *_data(outcome)))),
            version=in_html(serkit.__version__),
        ),
    )


def _plots(outcome: Outcome, figures: Figures) -> str:
    marks = f" ({', '.join(outcome.marks)})" if outcome.marks else ""
    plots = (
        ("Confusion: true class by predicted", confusion_plot(figures.matrix, outcome.labels)),
        ("Reliability", reliability_plot(figures.curve)),
        ("UA of each speaker, %", speaker_plot(figures.speakers)),
    )
    divs = "".join(f"<div><h2>{in_html(title)}</h2>{svg}</div>" for title, svg in plots)
    return (
        f'<section><h2>{in_html(figures.name + marks)}</h2><div class="row">{divs}</div></section>'
    )


def _versions() -> list[str]:
    lines = [f"serkit {serkit.__version__}, Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} not installed")
    return lines


def _data(outcome: Outcome) -> list[str]:
    hashes = fingerprints(outcome.utterances, outcome.hashes)
    return [f"data {corpus}: {value}" for corpus, value in hashes.items()]
