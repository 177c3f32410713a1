"""The file of a head: serkit's container, with everything that training on needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from serkit.adaptation.checks import MAX_FEATURES, MAX_HIDDEN
from serkit.adaptation.elm import ELM, OSELM
from serkit.adaptation.gradient import Hidden, Linear
from serkit.adaptation.head import MAX_CLASSES, Head
from serkit.container import Format, TensorSpec, container_bytes, open_container
from serkit.errors import ProfileError
from serkit.files import write_atomically
from serkit.plain import is_int

FORMAT = Format("serkit-head", 1, "head", max_bytes=256 << 20, error=ProfileError)

MAX_NUMBERS = 5_000_000
"""Numbers of a head's largest tensor: 40 MB."""

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a type of head is described.

    Attributes:
        cls: The class.
        settings: Names of the arguments of its constructor, which are attributes too.
    """

    cls: Callable[..., Head]
    settings: tuple[str, ...]


_GRADIENT = ("penalty", "optimiser", "learning_rate", "epochs", "seed")
_KINDS = {
    "elm": _Kind(ELM, ("n_hidden", "penalty", "scale", "seed")),
    "oselm": _Kind(OSELM, ("n_hidden", "penalty", "scale", "forgetting", "seed")),
    "linear": _Kind(Linear, _GRADIENT),
    "hidden": _Kind(Hidden, ("n_hidden", *_GRADIENT)),
}
_TYPES = {ELM: "elm", OSELM: "oselm", Linear: "linear", Hidden: "hidden"}


def save_head(head: Head, path: Path) -> int:
    """Write the file of a head atomically; `load_head` gives the same head back.

    Returns:
        Size of the file in bytes.

    Raises:
        OSError: The file cannot be written.
    """
    content = head_bytes(head)
    write_atomically(path, content)
    return len(content)


def head_bytes(head: Head) -> bytes:
    """The content of the file of a head."""
    kind = _TYPES[type(head)]
    description = {
        "kind": kind,
        "n_features": head.n_features,
        "classes": list(head.classes),
        "given": head.n_given,
        "fixed": head.fixed,
        "temperature": head.temperature,
        "settings": {name: getattr(head, name) for name in _KINDS[kind].settings},
        "steps": head.n_steps,
    }
    return container_bytes(FORMAT, description, head.state())


def load_head(path: str | os.PathLike[str]) -> Head:
    """Read the file of a head.

    Raises:
        ProfileError: The file is missing, damaged, of another version, or contradicts itself.
    """
    with open_container(path, FORMAT) as contents:
        try:
            head = _described(contents.description)
            specs = {
                name: TensorSpec(values.shape, ("F64",)) for name, values in head.state().items()
            }
        except ProfileError as error:
            raise ProfileError(f"{contents.path}: {error}") from error
        head.restore(contents.tensors(specs), n_steps=contents.description["steps"])
    return head


def _described(values: Mapping[str, Any]) -> Head:
    def require(condition: bool, key: str, expected: str) -> None:
        if not condition:
            raise ProfileError(f"{key} is {values.get(key)!r:.200}; expected {expected}")

    kind = values.get("kind")
    require(isinstance(kind, str) and kind in _KINDS, "kind", f"one of {', '.join(_KINDS)}")
    n_features, classes = values.get("n_features"), values.get("classes")
    require(is_int(n_features, 1, MAX_FEATURES), "n_features", f"1 to {MAX_FEATURES}")
    require(
        isinstance(classes, list)
        and len(classes) <= MAX_CLASSES
        and all(isinstance(one, str) and one for one in classes)
        and len(set(classes)) == len(classes),
        "classes",
        f"at most {MAX_CLASSES} different names",
    )
    require(type(values.get("fixed")) is bool, "fixed", "true or false")
    n_classes = len(values["classes"])
    fewest = n_classes if values["fixed"] else 0
    require(is_int(values.get("given"), fewest, n_classes), "given", f"{fewest} to {n_classes}")
    temperature = values.get("temperature")
    require(_is_number(temperature, 1e-6, 1e6), "temperature", "1e-06 to 1e+06")
    require(is_int(values.get("steps"), 0, 1 << 53), "steps", "a number of steps")
    settings = values.get("settings")
    described = _KINDS[values["kind"]]
    require(
        isinstance(settings, dict) and set(settings) == set(described.settings),
        "settings",
        ", ".join(described.settings),
    )
    for name, value in values["settings"].items():
        allowed = (
            is_int(value, 0, 1 << 24)
            if name in ("n_hidden", "seed", "epochs")
            else isinstance(value, str) or _is_number(value, 0.0, 1e9)
        )
        if not allowed or (name == "n_hidden" and value > MAX_HIDDEN):
            raise ProfileError(f"{name} is {value!r:.40}; expected a number within its range")
    n_hidden = values["settings"].get("n_hidden", len(values["classes"]))
    largest = max(values["n_features"], n_hidden) * max(1, n_hidden)
    if largest > MAX_NUMBERS:
        raise ProfileError(
            f"the head has a tensor of {largest} numbers; expected at most {MAX_NUMBERS}"
        )
    try:
        head = described.cls(
            values["n_features"],
            classes=values["classes"],
            fixed=values["fixed"],
            **values["settings"],
        )
    except TypeError as error:
        raise ProfileError(f"the settings are malformed: {error}") from error
    head.temperature, head.n_given = float(values["temperature"]), values["given"]
    return head


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
