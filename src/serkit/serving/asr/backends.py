"""Backends of speech recognition by their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from serkit.errors import ModelError
from serkit.serving.asr.process import AsrProcess
from serkit.serving.asr.transcript import Asr
from serkit.text import shown

BACKENDS = ("none", "pocketsphinx", "faster-whisper", "transformers")
"""Names of the backends; `none` is the default of the server."""

_EXPECTED = (
    "none, pocketsphinx, faster-whisper=MODEL or transformers=MODEL, where MODEL is a folder or an "
    "id on the Hugging Face hub"
)


def require_spec(spec: str) -> None:
    """Refuse what names no backend; nothing is loaded.

    Args:
        spec: As for `load_asr`.

    Raises:
        ModelError: The spec is malformed.
    """
    name, given, model = spec.partition("=")
    if (
        name not in BACKENDS
        or (name in ("none", "pocketsphinx")) == bool(given)
        or (given and not model)
    ):
        raise ModelError(f"speech recognition is {shown(spec)}; expected {_EXPECTED}")


def load_asr(spec: str, *, threads: int = 1, download: bool = False) -> Asr | None:
    """Load a recogniser into this process.

    Args:
        spec: `none`, `pocketsphinx`, `faster-whisper=MODEL` or `transformers=MODEL`, where MODEL is
            a folder or an id on the Hugging Face hub.
        threads: Threads of faster-whisper on a CPU.
        download: Whether the model of an id may be downloaded; if not, it must be in the cache.

    Returns:
        The recogniser; None for `none`.

    Raises:
        ModelError: The spec is malformed, or the model cannot be loaded.
        MissingExtraError: The package of the backend is not installed.
    """
    require_spec(spec)
    name, _, model = spec.partition("=")
    if name == "pocketsphinx":
        from serkit.serving.asr.pocketsphinx import Pocketsphinx

        return Pocketsphinx()
    if name == "faster-whisper":
        from serkit.serving.asr.faster_whisper import FasterWhisper

        return FasterWhisper(model, threads=threads, download=download)
    if name == "transformers":
        from serkit.serving.asr.transformers_whisper import TransformersWhisper

        return TransformersWhisper(model, download=download)
    return None


def open_asr(
    spec: str,
    *,
    threads: int = 1,
    download: bool = False,
    timeout_s: float = 60.0,
    on_death: Callable[[], object] = lambda: None,
) -> AsrProcess | None:
    """Load a recogniser into a process of its own, which may die alone.

    Args:
        spec: As for `load_asr`.
        threads: As for `load_asr`.
        download: As for `load_asr`.
        timeout_s: Longest time for a transcript, in seconds.
        on_death: As for `AsrProcess`.

    Returns:
        The recogniser, ready; None for `none`. Close it at the end.

    Raises:
        ModelError: As `load_asr`, or the process died.
        MissingExtraError: As `load_asr`.
    """
    if spec == "none":
        return None
    return AsrProcess(
        partial(load_asr, spec, threads=threads, download=download),
        timeout_s=timeout_s,
        on_death=on_death,
    )
