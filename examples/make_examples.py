"""Synthesise the example recordings: one sentence at several pitches, speeds and volumes.

They are not acted emotions; they show the effect of pitch, speed and volume on predictions.
`note.ogg` is some of them with pauses, as a longer recording.
Needs espeak-ng: python examples/make_examples.py
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import soundfile

from serkit.audio import SAMPLE_RATE, read

SENTENCE = "I did not expect to see you here today."

# Name -> voice, pitch (0-99), speed (words per minute) and amplitude (0-200) of espeak-ng.
VOICES = {
    "calm-low": ("en-gb+m3", 30, 140, 90),
    "fast-high-loud": ("en-us+f2", 85, 220, 200),
    "fast-low-loud": ("en-us+m1", 45, 230, 200),
    "plain": ("en-us+klatt4", 50, 150, 100),
    "slow-low-quiet": ("en-us+klatt2", 15, 110, 25),
    "whispered": ("en-us+whisper", 50, 130, 60),
}

# Clips of the note, each with the pause after it in seconds.
NOTE = (
    ("plain", 1.5),
    ("slow-low-quiet", 2.0),
    ("fast-high-loud", 0.4),
    ("fast-low-loud", 0.4),
    ("fast-high-loud", 2.5),
    ("calm-low", 1.0),
)
HERE = Path(__file__).parent


def note() -> None:
    """Write the longer recording, in faint noise."""
    parts = [np.zeros(SAMPLE_RATE, np.float32)]
    for name, pause_s in NOTE:
        parts += [read(HERE / f"{name}.flac"), np.zeros(round(pause_s * SAMPLE_RATE), np.float32)]
    samples = np.concatenate(parts)
    samples += 1e-3 * np.random.default_rng(0).standard_normal(len(samples), np.float32)
    soundfile.write(HERE / "note.ogg", samples, SAMPLE_RATE, format="OGG", subtype="OPUS")


def main() -> None:
    """Write one FLAC file per voice beside this script, and the note."""
    for name, (voice, pitch, speed, amplitude) in VOICES.items():
        options = ["-v", voice, "-p", str(pitch), "-s", str(speed), "-a", str(amplitude)]
        wave = subprocess.run(  # noqa: S603
            ["espeak-ng", *options, "--stdout", SENTENCE],  # noqa: S607
            check=True,
            capture_output=True,
        ).stdout
        path = HERE / f"{name}.flac"
        # espeak-ng writes the header before it knows the length; decode what follows.
        samples, rate = soundfile.read(io.BytesIO(wave), dtype="float32")
        soundfile.write(path, read((samples, rate)), SAMPLE_RATE, subtype="PCM_16")
        print(f"{path.name}: {path.stat().st_size} bytes")
    note()


if __name__ == "__main__":
    main()
