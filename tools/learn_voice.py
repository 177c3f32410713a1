"""Learn the network of our detector of voice activity.

SERKIT_CORPORA=/folder python tools/learn_voice.py

Speakers: CREMA-D 1001 to 1060 and five of EmoDB, noises as below. benchmarks/voice_activity.py has
other speakers, other seeds and ranges, and rain and traffic besides. One speaker of six chooses the
epoch and the options of segments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from serkit.audio.voice.bands import HOP, N_FEATURES, OFFSETS, PIECE, BandFeatures
from serkit.audio.voice.bands_file import BandNetwork, network_bytes
from serkit.corpora import Utterance, load
from serkit.files import write_atomically

import noisy_rooms as rooms

Array = NDArray[np.float32]

SHIPPED = ROOT / "src" / "serkit" / "audio" / "voice" / "bands.safetensors"
EMODB = ("03", "08", "09", "10", "11")
SECONDS = 40.0
SNR_DB = (-8.0, 40.0)
GAIN_DB = (-35.0, 6.0)

NOISES: dict[str, rooms.Noise] = {
    "coloured": rooms.alone(lambda n, rng: rooms.coloured(n, rng, rng.uniform(-0.2, 1.1))),
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


def example(
    clips: Sequence[Path], others: Sequence[Path], noise: str, seed: int
) -> tuple[Array, NDArray[np.bool_]]:
    """Features of a noisy scene, and which of its frames are speech."""
    rng = np.random.default_rng([20_260, seed])
    clean = rooms.scene(clips, rng, seconds=SECONDS)
    sound = rooms.in_room(NOISES[noise](len(clean.samples), rng, others), rng)
    samples = rooms.with_noise(clean, sound, rng.uniform(*SNR_DB))
    if rng.random() < 0.15:  # as over a telephone
        spectrum = np.fft.rfft(samples)
        hz = np.fft.rfftfreq(len(samples), 1.0 / 16_000)
        spectrum[(hz > 3800.0) | (hz < 200.0)] *= 1e-3
        samples = np.fft.irfft(spectrum, len(samples))
    if rng.random() < 0.5:  # speech from the first sample on
        first = int(clean.speech[0, 0])
        samples, speech = samples[first:], clean.speech - first
    else:
        speech = clean.speech
    samples = samples * 10.0 ** (rng.uniform(*GAIN_DB) / 20.0)
    features = BandFeatures()
    pieces = np.split(samples.astype(np.float32), range(PIECE, len(samples), PIECE))
    rows = np.concatenate([*map(features.push, pieces), features.finish()])
    centres = np.arange(len(rows)) * HOP + HOP // 2
    inside = np.searchsorted(speech.ravel(), centres, side="right") % 2 == 1
    n = len(samples) // HOP
    return rows[:n], inside[:n]


def inputs_of(rows: Array, at: NDArray[np.int64]) -> torch.Tensor:
    """Inputs of the network for frames of padded rows."""
    return torch.from_numpy(rows[at[:, None] + np.array(OFFSETS)].reshape(len(at), -1))


def main() -> None:
    """Learn the network and write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--out", type=Path, default=SHIPPED, help="file to write")
    parser.add_argument("--hidden", type=int, default=24, help="units")
    parser.add_argument("--scenes", type=int, default=6, help="scenes of each speaker")
    parser.add_argument("--epochs", type=int, default=12, help="epochs")
    arguments = parser.parse_args()
    speakers: dict[str, list[Path]] = {}
    for u in (u for name in ("crema_d", "emodb") for u in load(name).utterances):
        if is_ours(u) and u.audio is not None:
            speakers.setdefault(u.speaker_key, []).append(u.audio)
    kinds = list(NOISES)
    data: dict[bool, list[tuple[Array, NDArray[np.bool_]]]] = {True: [], False: []}
    for i, clips in enumerate(speakers.values()):
        others = [path for paths in speakers.values() if paths is not clips for path in paths[:6]]
        for j in range(arguments.scenes):
            seed = i * arguments.scenes + j
            data[i % 6 == 0].append(example(clips, others, kinds[seed % len(kinds)], seed))
    print({part: sum(len(rows) for rows, _ in of) * HOP / 16_000 for part, of in data.items()})

    def joined(part: bool) -> tuple[Array, NDArray[np.int64], NDArray[np.float32]]:
        """Rows of all examples, apart by zeros, their frames and targets."""
        gap = np.zeros((max(map(abs, OFFSETS)), N_FEATURES), np.float32)
        pieces, at, targets, n = [gap], [], [], len(gap)
        for rows, inside in data[part]:
            pieces += [rows, gap]
            at.append(np.arange(n, n + len(rows)))
            targets.append(inside)
            n += len(rows) + len(gap)
        return np.concatenate(pieces), np.concatenate(at), np.concatenate(targets).astype("f4")

    rows, at, targets = joined(False)
    v_rows, v_at, v_targets = joined(True)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    sample = inputs_of(rows, rng.choice(at, 20_000, replace=False))
    mean, scale = sample.mean(0), sample.std(0) + 0.1
    hidden = torch.nn.Linear(sample.shape[1], arguments.hidden)
    output = torch.nn.Linear(arguments.hidden, 1)
    parameters = [*hidden.parameters(), *output.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    batch = 1024
    steps = arguments.epochs * (len(at) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)

    def logits(x: torch.Tensor) -> torch.Tensor:
        return output(torch.tanh(hidden((x - mean) / scale)))[:, 0]

    # Speech and pauses weigh the same: the measure is miss rate plus false alarm rate.
    share = float(targets.mean())
    best, kept = np.inf, None
    for epoch in range(arguments.epochs):
        order = rng.permutation(len(at))
        for first in range(0, len(order) - batch + 1, batch):
            rows_of = order[first : first + batch]
            y = torch.from_numpy(targets[rows_of])
            weight = torch.where(y > 0.5, 0.5 / share, 0.5 / (1.0 - share))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                logits(inputs_of(rows, at[rows_of])), y, weight
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            parts = [logits(inputs_of(v_rows, part)) for part in np.array_split(v_at, 40)]
            found_speech = torch.cat(parts).numpy() > 0.0
        speech = v_targets > 0.5
        miss, alarm = (~found_speech[speech]).mean(), found_speech[~speech].mean()
        print(f"epoch {epoch}: loss {loss.item():.4f}, miss {miss:.4f}, false alarm {alarm:.4f}")
        if miss + alarm < best:
            best = miss + alarm
            inner = (hidden.weight / scale).detach()
            kept = BandNetwork(
                inner.T.numpy().copy(),
                (hidden.bias - inner @ mean).detach().numpy(),
                output.weight.detach().T.numpy().copy(),
                output.bias.detach().numpy().copy(),
            )
    assert kept is not None  # noqa: S101
    description = {
        "corpora": [
            {"name": "crema_d", "speakers": "1001-1060", "license": "ODbL-1.0"},
            {"name": "emodb", "speakers": " ".join(EMODB), "license": "CC BY 4.0"},
        ]
    }
    content = network_bytes(kept, description)
    write_atomically(arguments.out, content)
    print(f"{arguments.out}: {len(content)} bytes, error of frames {best:.4f}")


if __name__ == "__main__":
    main()
