from pathlib import Path

import numpy as np
import soundfile

from serkit.codec import log_mel_of
from serkit.corpora import Utterance, load
from serkit.training.codec_blocks import corpus_blocks, utterance_blocks


def recording(folder, name, seconds):
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    soundfile.write(folder / name, samples, 16_000)
    return folder / name


def test_blocks_hold_the_frames_in_order_and_repeat_the_last(tmp_path: Path):
    path = recording(tmp_path, "a.wav", 0.75)
    samples, _ = soundfile.read(path, dtype="float32")
    frames = log_mel_of(samples)  # noise: nothing is 8 below the peak, so nothing is clamped
    blocks = utterance_blocks(Utterance(path, "sad", "s", "c"))
    assert [block.shape for block in blocks] == [(80, 32)] * -(-frames.shape[1] // 32)
    joined = np.concatenate(blocks, axis=1)
    np.testing.assert_array_equal(joined[:, : frames.shape[1]], frames)
    assert (joined[:, frames.shape[1] :] == frames[:, -1:]).all()


def test_a_large_corpus_is_subsampled_evenly(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("serkit.training.codec_blocks.MAX_RECORDINGS", 2)
    rows = ["audio,label,speaker"]
    for i in range(4):
        recording(tmp_path, f"{i}.wav", 0.32 + 0.32 * i)
        rows.append(f"{i}.wav,sad,s")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    spec = f"manifest={tmp_path / 'list.csv'}"
    utterances = load(spec).utterances
    expected = [block for i in (0, 2) for block in utterance_blocks(utterances[i])]
    found = corpus_blocks([spec])
    assert len(found) == len(expected)
    for block, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(block, wanted)
