import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.codec import BLOCK_FRAMES, LogMelStream, log_mel_of, normalised
from serkit.errors import AudioError
from serkit.features import whisper_log_mel

rng = np.random.default_rng(0)
NOISE = (0.1 * rng.standard_normal(16_000) * np.sin(np.arange(16_000) / 3000)).astype(np.float32)


@pytest.mark.parametrize("n", [160, 200, 201, 319, 320, 5119, 5120, 5121, 5320, 10_240, 16_000])
def test_frames_in_blocks_are_whispers(n):
    log_mel = normalised(log_mel_of(NOISE[:n]))
    expected = whisper_log_mel(NOISE[:n])
    assert log_mel.shape == expected.shape == (80, n // 160)
    np.testing.assert_allclose(log_mel, expected, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 16_000), st.lists(st.integers(0, 6000), max_size=12))
def test_blocks_do_not_depend_on_the_chunks(n, cuts):
    whole = LogMelStream()
    expected = whole.push(NOISE[:n]) + whole.flush()
    stream, blocks = LogMelStream(), []
    for part in np.split(NOISE[:n], sorted(min(cut, n) for cut in cuts)):
        blocks += stream.push(part)
    blocks += stream.flush()
    assert len(blocks) == len(expected)
    for block, of_whole in zip(blocks, expected, strict=True):
        np.testing.assert_array_equal(block, of_whole)
    assert all(block.shape[1] == BLOCK_FRAMES for block in blocks[:-1])


def test_a_buffer_may_be_reused_for_the_next_chunk():
    stream, buffer, blocks = LogMelStream(), np.empty(320, np.float32), []
    for start in range(0, 16_000, 320):
        buffer[:] = NOISE[start : start + 320]
        blocks += stream.push(buffer)
    blocks += stream.flush()
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), log_mel_of(NOISE))


def test_a_recording_shorter_than_a_frame_is_refused():
    with pytest.raises(AudioError, match="shorter than a frame"):
        log_mel_of(NOISE[:159])


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_refused_samples_leave_no_trace(value):
    stream, damaged = LogMelStream(), NOISE[:500].copy()
    damaged[7] = value
    with pytest.raises(AudioError, match="not finite or beyond"):
        stream.push(damaged)
    blocks = stream.push(NOISE) + stream.flush()
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), log_mel_of(NOISE))
