"""Learn the network of our detector of voice activity.

SERKIT_CORPORA=/folder python tools/learn_voice.py

Speakers: CREMA-D 1001 to 1060 and five of EmoDB, noises as below. benchmarks/voice_activity.py has
other speakers, other seeds and ranges, and rain and traffic besides. One speaker of six chooses the
epoch and the threshold of segments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from serkit.audio import SAMPLE_RATE
from serkit.audio.voice import VoiceOptions
from serkit.audio.voice.bands import HOP, N_FEATURES, OFFSETS, PIECE, BandFeatures
from serkit.audio.voice.bands_file import BandNetwork, network_bytes
from serkit.audio.voice.segments import Segmenter
from serkit.corpora import Utterance, load
from serkit.files import write_atomically

import noisy_rooms as rooms

Array = NDArray[np.float32]

SHIPPED = ROOT / "src" / "serkit" / "audio" / "voice" / "bands.safetensors"
EMODB = ("03", "08", "09", "10", "11")
SECONDS = 40.0
CUT_S = (2.0, 20.0)
"""Length of the recordings that a scene is cut into, in seconds."""
N_PLAIN = 48
"""Recordings without speech."""
SNR_DB = (-8.0, 40.0)
GAIN_DB = (-35.0, 6.0)

NOISES: dict[str, rooms.Noise] = {
    "coloured": rooms.alone(lambda n, rng: rooms.coloured(n, rng, rng.uniform(-0.2, 1.1))),
    "swelling": rooms.alone(rooms.swelling),
    "babble": rooms.babble,
    "hum": rooms.alone(lambda n, rng: rooms.hum(n, rng, 50.0)),
    "fan": rooms.alone(partial(rooms.fan, blades=(10.0, 60.0))),
    "keys": rooms.alone(partial(rooms.bursts, per_s=5.0, ring_s=0.08)),
    "dishes": rooms.alone(partial(rooms.bursts, per_s=1.5, ring_s=0.3)),
    "chords": rooms.alone(rooms.chords),
}


def is_ours(utterance: Utterance) -> bool:
    """Whether a speaker is one to learn from."""
    if utterance.corpus == "crema_d":
        return int(utterance.speaker) <= 1060
    return utterance.speaker in EMODB


def features_of(samples: Array) -> Array:
    """Features of all whole frames of a recording."""
    features = BandFeatures()
    pieces = np.split(samples, range(PIECE, len(samples), PIECE))
    rows = np.concatenate([*map(features.push, pieces), features.finish()])
    return rows[: len(samples) // HOP]


def scene_samples(
    clips: Sequence[Path], others: Sequence[Path], noise: str, seed: int
) -> tuple[Array, rooms.Stretches]:
    """A noisy scene, and where speech is."""
    rng = np.random.default_rng([20_260, seed])
    clean = rooms.scene(clips, rng, seconds=SECONDS)
    sound = NOISES[noise](len(clean.samples), rng, others)
    if rng.random() < 0.8:
        sound = rooms.in_room(sound, rng)
    samples = rooms.with_noise(clean, sound, rng.uniform(*SNR_DB))
    if rng.random() < 0.15:  # as over a telephone
        spectrum = np.fft.rfft(samples)
        hz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
        spectrum[(hz > 3800.0) | (hz < 200.0)] *= 1e-3
        samples = np.fft.irfft(spectrum, len(samples))
    samples = samples * 10.0 ** (rng.uniform(*GAIN_DB) / 20.0)
    return samples.astype(np.float32), clean.speech


def cut(
    samples: Array, speech: rooms.Stretches, seed: int
) -> Iterator[tuple[Array, NDArray[np.bool_]]]:
    """Features of recordings cut from a scene, and which of their frames are speech.

    A cut may be anywhere, so that many recordings begin amid speech.
    """
    rng = np.random.default_rng([20_262, seed])
    first = 0
    while first < len(samples):
        end = first + round(rng.uniform(*CUT_S) * SAMPLE_RATE)
        rows = features_of(samples[first:end])
        centres = first + np.arange(len(rows)) * HOP + HOP // 2
        inside = np.searchsorted(speech.ravel(), centres, side="right") % 2 == 1
        yield rows, inside
        first = end


def plain_example(seed: int) -> tuple[Array, NDArray[np.bool_]]:
    """Features of 20 s of a plain sound without speech: noise, a tone, or harmonics alone."""
    rng = np.random.default_rng([20_261, seed])
    n = 20 * SAMPLE_RATE
    if seed % 2:
        samples = rooms.coloured(n, rng, rng.choice([0.0, 0.0, 0.5, 1.0]))
    else:
        phase = 2 * np.pi * rng.uniform(40.0, 60.0) * 2.0 ** rng.integers(6) / SAMPLE_RATE
        top = rng.integers(1, 16)
        samples = sum(
            np.sin(k * phase * np.arange(n) + rng.uniform(0, 6)) / k for k in range(1, top + 1)
        )
        samples /= samples.std()
        samples += rng.choice([0.0, 1e-4, 1e-2]) * rng.standard_normal(n)
    samples *= 0.3 * 10.0 ** (rng.uniform(*GAIN_DB) / 20.0) / np.abs(samples).max()
    if rng.random() < 0.5:
        samples[: 3 * SAMPLE_RATE] *= rng.choice([0.0, 1e-3, 0.1])
    rows = features_of(samples.astype(np.float32))
    return rows, np.zeros(len(rows), bool)


Examples = dict[bool, list[tuple[Array, NDArray[np.bool_]]]]
"""Features and targets of scenes; True: of the speakers that choose the epoch."""


def examples(scenes: int) -> Examples:
    """Noisy scenes of all speakers to learn from."""
    speakers: dict[str, list[Path]] = {}
    for u in (u for name in ("crema_d", "emodb") for u in load(name).utterances):
        if is_ours(u) and u.audio is not None:
            speakers.setdefault(u.speaker_key, []).append(u.audio)
    kinds = list(NOISES)
    data: Examples = {True: [], False: []}
    for i, clips in enumerate(speakers.values()):
        others = [path for paths in speakers.values() if paths is not clips for path in paths[:6]]
        for j in range(scenes):
            seed = i * scenes + j
            samples, speech = scene_samples(clips, others, kinds[seed % len(kinds)], seed)
            data[i % 6 == 0] += cut(samples, speech, seed)
    data[False] += [plain_example(seed) for seed in range(N_PLAIN)]
    return data


def joined(
    part: Sequence[tuple[Array, NDArray[np.bool_]]],
) -> tuple[Array, NDArray[np.int64], NDArray[np.float32]]:
    """Rows of all examples, apart by zeros, the places of their frames, and targets."""
    gap = np.zeros((max(map(abs, OFFSETS)), N_FEATURES), np.float32)
    pieces, at, targets, n = [gap], [], [], len(gap)
    for rows, inside in part:
        pieces += [rows, gap]
        at.append(np.arange(n, n + len(rows)))
        targets.append(inside)
        n += len(rows) + len(gap)
    return np.concatenate(pieces), np.concatenate(at), np.concatenate(targets).astype(np.float32)


def inputs_of(rows: Array, at: NDArray[np.int64]) -> Array:
    """Inputs of the network for frames, shape `[n, N_INPUTS]`."""
    return rows[at[:, None] + np.array(OFFSETS)].reshape(len(at), -1)


def learn(data: Examples, *, n_hidden: int, epochs: int) -> BandNetwork:
    """The network of the epoch with the smallest error on the validation speakers."""
    rows, at, targets = joined(data[False])
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    sample = torch.from_numpy(inputs_of(rows, rng.choice(at, 20_000, replace=False)))
    mean, scale = sample.mean(0), sample.std(0) + 0.1
    hidden = torch.nn.Linear(sample.shape[1], n_hidden)
    output = torch.nn.Linear(n_hidden, 1)
    optimiser = torch.optim.AdamW(
        [*hidden.parameters(), *output.parameters()], lr=2e-3, weight_decay=0.01
    )
    batch = 1024
    steps = epochs * (len(at) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    # Speech and pauses weigh the same: the measure is miss rate plus false alarm rate.
    share = float(targets.mean())
    best, kept = np.inf, None
    for epoch in range(epochs):
        order = rng.permutation(len(at))
        for first in range(0, len(order) - batch + 1, batch):
            chosen = order[first : first + batch]
            y = torch.from_numpy(targets[chosen])
            x = (torch.from_numpy(inputs_of(rows, at[chosen])) - mean) / scale
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                output(torch.tanh(hidden(x)))[:, 0],
                y,
                torch.where(y > 0.5, 0.5 / share, 0.5 / (1.0 - share)),
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        inner = (hidden.weight / scale).detach()
        network = BandNetwork(
            inner.T.numpy().copy(),
            (hidden.bias - inner @ mean).detach().numpy().copy(),
            output.weight.detach().T.numpy().copy(),
            output.bias.detach().numpy().copy(),
        )
        miss, alarm = frame_errors(network, data[True])
        print(f"epoch {epoch}: miss {miss:.4f}, false alarm {alarm:.4f}")
        if miss + alarm < best:
            best, kept = miss + alarm, network
    assert kept is not None  # noqa: S101
    return kept


def probabilities(network: BandNetwork, rows: Array) -> Array:
    """Probability of speech of each frame of a scene."""
    padded = np.pad(rows, ((-OFFSETS[0], OFFSETS[-1]), (0, 0)))
    answer: Array = network(inputs_of(padded, np.arange(len(rows)) - OFFSETS[0])[None])[0]
    return answer


def frame_errors(
    network: BandNetwork, part: Sequence[tuple[Array, NDArray[np.bool_]]]
) -> tuple[float, float]:
    """Miss rate and false alarm rate of frames."""
    found = np.concatenate([probabilities(network, rows) >= 0.5 for rows, _ in part])
    speech = np.concatenate([inside for _, inside in part])
    return float(1.0 - found[speech].mean()), float(found[~speech].mean())


def segment_errors(
    network: BandNetwork,
    part: Sequence[tuple[Array, NDArray[np.bool_]]],
    options: Sequence[VoiceOptions],
) -> list[tuple[float, float]]:
    """Miss rate and false alarm rate of segments, for each of several options."""
    total = np.zeros((len(options), 4))
    for rows, inside in part:
        scores = probabilities(network, rows)
        edges = (np.arange(len(rows)) + 0.5) * HOP / SAMPLE_RATE
        for row, option in zip(total, options, strict=True):
            segmenter = Segmenter(option, HOP)
            segments = segmenter.push(scores) + segmenter.finish(len(rows) * HOP)
            times = np.array([(s.start_s, s.end_s) for s in segments]).ravel()
            found = np.searchsorted(times, edges, side="right") % 2 == 1
            row += (inside & ~found).sum(), inside.sum(), (~inside & found).sum(), (~inside).sum()
    return [(row[0] / row[1], row[2] / row[3]) for row in total]


GRID = [
    VoiceOptions(threshold=p, min_speech_ms=speech, min_silence_ms=silence, pad_ms=pad)
    for p in np.arange(0.3, 0.91, 0.05).round(2).tolist()
    for speech in (100, 150, 250)
    for silence in (100, 200, 300)
    for pad in (0, 30)
]


def shifted(network: BandNetwork, threshold: float) -> BandNetwork:
    """The network with 0.5 in place of a threshold."""
    shift = np.float32(np.log(threshold / (1.0 - threshold)))
    return replace(network, output_bias=network.output_bias - shift)


def main() -> None:
    """Learn the network, choose the threshold of segments, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--out", type=Path, default=SHIPPED, help="file to write")
    parser.add_argument("--hidden", type=int, default=48, help="units")
    parser.add_argument("--scenes", type=int, default=8, help="scenes of each speaker")
    parser.add_argument("--epochs", type=int, default=10, help="epochs")
    arguments = parser.parse_args()
    data = examples(arguments.scenes)
    network = learn(data, n_hidden=arguments.hidden, epochs=arguments.epochs)
    errors = segment_errors(network, data[True], GRID)
    order = sorted(range(len(GRID)), key=lambda i: sum(errors[i]))
    for i in order[:8]:
        miss, alarm = errors[i]
        print(f"error {miss + alarm:.4f}, miss {miss:.4f}, false alarm {alarm:.4f}: {GRID[i]}")
    defaults = [i for i in order if replace(GRID[i], threshold=0.5) == VoiceOptions()]
    chosen = GRID[defaults[0]].threshold
    print(f"threshold with the other defaults: {chosen:.2f}, which becomes 0.5")
    description = {
        "corpora": [
            {"name": "crema_d", "speakers": "1001-1060", "license": "ODbL-1.0"},
            {"name": "emodb", "speakers": " ".join(EMODB), "license": "CC BY 4.0"},
        ]
    }
    content = network_bytes(shifted(network, chosen), description)
    write_atomically(arguments.out, content)
    print(f"{arguments.out}: {len(content)} bytes")


if __name__ == "__main__":
    main()
