"""Offline speech recognisers for English."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.codec import N_MELS

Array = NDArray[np.float32]

WHISPER_FRAMES = 3000
"""Frames of Whisper's 30 s window."""


def pocketsphinx_text(samples: Array) -> str:
    """Transcribe with pocketsphinx, its bundled English model and default settings.

    Args:
        samples: Mono at 16 kHz, shape `[n]`; converted to 16-bit integers.
    """
    import pocketsphinx

    # A decoder adapts to what it has decoded; a new one per recording makes the result independent
    # of the order.
    decoder = pocketsphinx.Decoder(loglevel="FATAL")
    decoder.start_utt()
    rounded = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
    decoder.process_raw(rounded.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis else ""


def whisper_text(log_mel: Array, folder: Path) -> str:
    """Transcribe log-mel frames with Whisper and greedy decoding.

    Args:
        log_mel: Whisper's normalised log-mel, shape `[80, n_frames]`, at most 30 s.
        folder: Weights as Hugging Face transformers saves them, e.g. of openai/whisper-base.

    Raises:
        SystemExit: The folder holds no Whisper model with 80 mels, transformers or torch is
            missing, or there are too many frames.
    """
    tokenizer, model = _whisper(folder)
    import torch

    options: dict[str, Any] = {}
    if getattr(model.generation_config, "is_multilingual", False):
        options = {"language": "en", "task": "transcribe"}
    with torch.inference_mode():
        features = torch.from_numpy(padded(log_mel))[None]
        tokens = model.generate(features, do_sample=False, num_beams=1, **options)
    return str(tokenizer.decode(tokens[0], skip_special_tokens=True))


def padded(log_mel: Array) -> Array:
    """Pad to 30 s with the value of digital silence in Whisper's log-mel.

    Raises:
        SystemExit: There are more frames than 30 s.
    """
    missing = WHISPER_FRAMES - log_mel.shape[1]
    if missing < 0:
        raise SystemExit(f"{log_mel.shape[1]} frames; Whisper takes at most {WHISPER_FRAMES}")
    # Whisper clamps to 8 below the maximum and divides by 4.
    return np.pad(log_mel, ((0, 0), (0, missing)), constant_values=log_mel.max() - 2.0)


@cache
def _whisper(folder: Path) -> tuple[Any, Any]:
    try:
        from transformers import AutoTokenizer, WhisperForConditionalGeneration
    except ImportError as error:
        raise SystemExit("Whisper needs transformers: pip install 'serkit[bench,train]'") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = WhisperForConditionalGeneration.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{folder} does not hold a Whisper model: {error}") from error
    if model.config.num_mel_bins != N_MELS:
        raise SystemExit(f"{folder} takes {model.config.num_mel_bins} mels; {N_MELS} are sent")
    return tokenizer, model.eval()
