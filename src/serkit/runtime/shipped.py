"""Finding a model by name or path."""

from __future__ import annotations

import difflib
import os
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from serkit.errors import ModelError
from serkit.runtime.model_file import load_model
from serkit.runtime.recognizer import Recognizer

SUFFIX = ".safetensors"


@cache
def available_models() -> tuple[str, ...]:
    """Names of the models that ship with serkit, sorted."""
    names = (entry.name for entry in files("serkit.models").iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)))


def load(name_or_path: str | os.PathLike[str] = "tiny") -> Recognizer:
    """Load a model.

    Args:
        name_or_path: A shipped model's name (see `available_models`), or the path of a file.

    Returns:
        The model, ready to be called with a recording.

    Raises:
        ModelError: There is no such model, or its file is damaged.
    """
    name = os.fspath(name_or_path)
    if name in available_models():
        with as_file(files("serkit.models") / f"{name}{SUFFIX}") as path:
            return Recognizer(load_model(path))
    if name.endswith(SUFFIX) or os.sep in name or (name and Path(name).exists()):
        return Recognizer(load_model(name))
    close = difflib.get_close_matches(name, available_models(), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ModelError(
        f"no model is called {name!r}; {hint}shipped: {', '.join(available_models())}; "
        f"or give the path of a {SUFFIX} file"
    )
