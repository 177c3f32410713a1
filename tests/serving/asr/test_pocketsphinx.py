import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.audio import read
from serkit.codec import decode, encode_basis, log_mel_of, normalised
from serkit.errors import TranscriptionError
from serkit.serving.asr import load_asr
from serkit.serving.asr.pocketsphinx import stretches

from peers.wer import word_errors

OTHER = "1089-134686-0001.flac"


@pytest.fixture(scope="module")
def sphinx():
    return load_asr("pocketsphinx")


@pytest.fixture(scope="module")
def clip(corpora_root):
    return read(corpora_root / "transcribed" / "librispeech_test_clean" / "1089-134691-0000.flac")


@pytest.mark.corpora
def test_real_words_from_packets(sphinx, clip):
    """Speech -> packets of about 2 kbit/s -> frames -> words."""
    log_mel = decode(encode_basis(clip, quality=7)).log_mel
    transcript = sphinx.transcribe(log_mel, language="en")
    said = "he could wait no longer"
    assert word_errors(said, transcript.text).errors <= 1
    assert transcript.language == "en"
    assert " ".join(part.text for part in transcript.segments) == transcript.text
    times = [t for part in transcript.segments for t in (part.start_s, part.end_s)]
    assert times == sorted(times) and times[0] >= 0.0 and times[-1] <= len(clip) / 16_000


@pytest.mark.corpora
def test_a_text_does_not_depend_on_earlier_recordings(sphinx, clip, corpora_root):
    log_mel = normalised(log_mel_of(clip))
    other = read(corpora_root / "transcribed" / "librispeech_test_clean" / OTHER)
    before = sphinx.transcribe(log_mel)
    sphinx.transcribe(normalised(log_mel_of(other)))
    assert sphinx.transcribe(log_mel) == before
    assert load_asr("pocketsphinx").transcribe(log_mel) == before


def test_silence_and_nothing(sphinx):
    assert sphinx.transcribe(np.zeros((80, 0), np.float32)).text == ""
    silence = sphinx.transcribe(np.full((80, 30), -1.5, np.float32))
    assert silence.language == "en"
    with pytest.raises(TranscriptionError, match="language is 'de'; pocketsphinx knows en"):
        sphinx.transcribe(np.zeros((80, 10), np.float32), language="de")


@given(st.integers(0, 12_000), st.integers(0, 2**32 - 1))
def test_stretches_cover_a_recording(n_frames, seed):
    log_mel = np.random.default_rng(seed).random((2, n_frames), np.float32)
    found = list(stretches(log_mel))
    ends = [0, *(end for _, end in found)]
    assert [start for start, _ in found] == ends[:-1] and ends[-1] == n_frames
    assert all(0 < end - start <= 3000 for start, end in found)
    assert all(end - start >= 2000 for start, end in found[:-1])


def test_a_stretch_ends_where_it_is_quietest():
    log_mel = np.ones((80, 4000), np.float32)
    log_mel[:, 2500:2520] = -1.0
    log_mel[:, 1000:1200] = -1.0  # too early
    assert next(stretches(log_mel)) == (0, 2510)
