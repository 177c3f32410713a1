"""What a section takes and gives."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serkit.runtime import available_models, load_network

Results = dict[str, dict[str, Any]]
"""Results by name: the files of `results/`, and the shipped models under `models`."""


@dataclass(frozen=True)
class Section:
    """A page of results.

    Attributes:
        title: Heading of the page.
        slug: Name of its file, without suffix.
        text: Markdown below the heading.
        pictures: SVG by file name.
    """

    title: str
    slug: str
    text: str
    pictures: dict[str, str] = field(default_factory=dict)


def load_results(folder: Path) -> Results:
    """Read every JSON file of a folder, by its name without suffix."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def shipped_models() -> dict[str, Any]:
    """Size and figures of each shipped model, from its file."""
    models = {}
    for name in available_models():
        model = load_network(name)
        models[name] = {
            "bytes": model.file_bytes,
            "parameters": model.n_parameters,
            "protocols": model.card.figures["protocols"],
        }
    return models
