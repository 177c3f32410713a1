"""Speech recognition from log-mel frames: the server has no waveform of what a device has coded.

Backends: faster-whisper (extra `asr`), Whisper of transformers (extra `import`), pocketsphinx
(extra `pocketsphinx`). `docs/asr.md` describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.serving.asr.backends import BACKENDS, load_asr, open_asr
    from serkit.serving.asr.process import AsrProcess
    from serkit.serving.asr.transcript import MAX_S, Asr, Transcript, TranscriptSegment

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.serving.asr.backends": ("BACKENDS", "load_asr", "open_asr"),
    "serkit.serving.asr.process": ("AsrProcess",),
    "serkit.serving.asr.transcript": ("MAX_S", "Asr", "Transcript", "TranscriptSegment"),
}

__all__ = [
    "BACKENDS",
    "MAX_S",
    "Asr",
    "AsrProcess",
    "Transcript",
    "TranscriptSegment",
    "load_asr",
    "open_asr",
]

__getattr__ = lazily(__name__, _EXPORTS)
