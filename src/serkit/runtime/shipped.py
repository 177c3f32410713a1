"""Load a model by name or path; the backend is chosen by the content of the file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import overload

from serkit.audio import Source
from serkit.errors import ModelError
from serkit.runtime.backend import Backend
from serkit.runtime.fusion import FusionModel
from serkit.runtime.model import Model
from serkit.runtime.model_file import load_model
from serkit.runtime.numpy_backend import NumpyBackend
from serkit.runtime.onnx_backend import OnnxBackend
from serkit.runtime.recognizer import Recognizer
from serkit.runtime.sources import is_packets
from serkit.runtime.text_encoder import TextEncoder
from serkit.runtime.text_recognizer import TextRecognizer
from serkit.text import shown

SUFFIX = ".safetensors"

SUFFIXES = (SUFFIX, ".onnx")
"""Suffixes of model files; the format is recognised by the content."""

BACKENDS: tuple[type[Backend], ...] = (NumpyBackend, OnnxBackend)
"""All backends; a file is loaded by the first that reads its format."""


@cache
def available_models() -> tuple[str, ...]:
    """Names of the models that ship with serkit, sorted."""
    names = (entry.name for entry in files("serkit.models").iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)))


@overload
def load(
    name_or_path: str | os.PathLike[str] = ...,
    *,
    threads: int = ...,
    providers: Sequence[str] = ...,
) -> Recognizer: ...


@overload
def load(
    name_or_path: str | os.PathLike[str], *, encoder: str | os.PathLike[str]
) -> TextRecognizer: ...


def load(
    name_or_path: str | os.PathLike[str] = "tiny",
    *,
    encoder: str | os.PathLike[str] | None = None,
    threads: int = 0,
    providers: Sequence[str] = (),
) -> Recognizer | TextRecognizer:
    """Load a model.

    Args:
        name_or_path: Name of a shipped model (see `available_models`) or path of a model file; the
            format is recognised by its content.
        encoder: For a model of text, the folder of its encoder.
        threads: For an ONNX model, threads of one computation; 0 for one per core.
        providers: For an ONNX model, accelerators such as `cuda`, `tensorrt`, `coreml` or `nnapi`,
            the preferred one first; the CPU computes the rest.

    Returns:
        The model, ready to be called with a recording; or, with an encoder, with a text.

    Raises:
        ModelError: The model does not exist, its file is damaged, or it has another input or
            encoder; or a provider is unknown or not available.
        MissingExtraError: A package that the encoder or an ONNX model needs is not installed.
    """
    if encoder is not None:
        return TextRecognizer(load_network(name_or_path), TextEncoder.load(encoder))
    return Recognizer(load_backend(name_or_path, threads=threads, providers=providers))


def default_model(sources: Sequence[Source]) -> str:
    """Name of the shipped model to use if none is given.

    Args:
        sources: The recordings.

    Returns:
        `tiny-mel` if any recording holds packets of the codec, else `tiny`.
    """
    return "tiny-mel" if any(map(is_packets, sources)) else "tiny"


def load_network(name_or_path: str | os.PathLike[str]) -> Model:
    """Load a model as a network of layers, for quantisation, export or inspection.

    Args:
        name_or_path: As for `load`.

    Raises:
        ModelError: As `load`, or the model belongs to another backend.
    """
    with _located(name_or_path) as path:
        if _backend_of(path) is OnnxBackend:
            raise ModelError(f"{path}: is an ONNX model; expected a network of layers ({SUFFIX})")
        return load_model(path)


def load_backend(
    name_or_path: str | os.PathLike[str], *, threads: int = 0, providers: Sequence[str] = ()
) -> Backend:
    """Load a model without a `Recognizer` around it.

    Args:
        name_or_path: As for `load`.
        threads: As for `load`.
        providers: As for `load`.

    Raises:
        ModelError: As `load`.
    """
    with _located(name_or_path) as path:
        backend = _backend_of(path) or NumpyBackend
        return backend.load(path, threads=threads, providers=providers)


def load_described(name_or_path: str | os.PathLike[str]) -> Backend | Model | FusionModel:
    """Load a model of any kind to show its card; a model of text needs no encoder for that.

    Args:
        name_or_path: As for `load`.

    Raises:
        ModelError: As `load`.
    """
    with _located(name_or_path) as path:
        if FusionModel.reads(path):
            return FusionModel.load(path)
        backend = _backend_of(path) or NumpyBackend
        return load_model(path) if backend is NumpyBackend else backend.load(path)


def is_model(name_or_path: str) -> bool:
    """Whether a text is the name of a shipped model, or the path of a file of a backend."""
    named = name_or_path in available_models() or name_or_path.endswith(SUFFIXES)
    return named or _backend_of(Path(name_or_path)) is not None


def _backend_of(path: Path) -> type[Backend] | None:
    return next((backend for backend in BACKENDS if backend.reads(path)), None)


@contextmanager
def _located(name_or_path: str | os.PathLike[str]) -> Iterator[Path]:
    """The file of a model."""
    name = os.fsdecode(name_or_path)
    if name in available_models():
        with as_file(files("serkit.models") / f"{name}{SUFFIX}") as path:
            yield path
    elif name.endswith(SUFFIXES) or os.sep in name or (name and _exists(name)):
        yield Path(name)
    else:
        close = difflib.get_close_matches(name, available_models(), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ModelError(
            f"unknown model {shown(name)}; {hint}expected {', '.join(available_models())} or the "
            f"path of a {' or '.join(SUFFIXES)} file"
        )


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # no possible name of a file
        return False
