"""The settings of a timeline, as requests name them."""

from __future__ import annotations

from typing import Any

from serkit.runtime import TimelineSettings


def options_of(settings: TimelineSettings | None, separator: str | None = None) -> dict[str, Any]:
    """The settings of a timeline that are not the default, by their names in requests.

    Args:
        settings: The settings.
        separator: Of labels and for text, as in a query; None for JSON values.
    """
    default = TimelineSettings()
    settings = default if settings is None else settings
    values = {
        name.removesuffix("_s"): getattr(settings, name)
        for name in TimelineSettings.__dataclass_fields__
        if getattr(settings, name) != getattr(default, name)
    }
    if "labels" in values:
        labels = values["labels"]
        values["labels"] = list(labels) if separator is None else separator.join(labels)
    return values if separator is None else {name: str(value) for name, value in values.items()}
