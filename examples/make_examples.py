"""Synthesise the example recordings: one sentence at several pitches, speeds and volumes.

They are not acted emotions; they show the effect of pitch, speed and volume on predictions.
Needs espeak-ng: python examples/make_examples.py
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

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


def main() -> None:
    """Write one FLAC file per voice beside this script."""
    for name, (voice, pitch, speed, amplitude) in VOICES.items():
        options = ["-v", voice, "-p", str(pitch), "-s", str(speed), "-a", str(amplitude)]
        wave = subprocess.run(  # noqa: S603
            ["espeak-ng", *options, "--stdout", SENTENCE],  # noqa: S607
            check=True,
            capture_output=True,
        ).stdout
        path = Path(__file__).parent / f"{name}.flac"
        # espeak-ng writes the header before it knows the length; decode what follows.
        samples, rate = soundfile.read(io.BytesIO(wave), dtype="float32")
        soundfile.write(path, read((samples, rate)), SAMPLE_RATE, subtype="PCM_16")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
