import io
import os
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from serkit.audio import SAMPLE_RATE, read, stream
from serkit.errors import AudioError


def tone(rate, seconds=0.5, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(
        np.float32
    )


def as_bytes(samples, rate, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **{"format": "WAV", "subtype": "FLOAT", **options})
    return buffer.getvalue()


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 24414, 44100, 48000, 96000, 384000])
def test_any_rate_becomes_16_khz_and_keeps_the_tone(rate):
    samples = read((tone(rate, 1.0), rate))
    assert samples.dtype == np.float32
    assert abs(len(samples) - SAMPLE_RATE) <= 1
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(samples) == pytest.approx(440, abs=1)


def test_resampling_agrees_with_soxr_vhq():
    samples = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    theirs = soxr.resample(samples, 44_100, SAMPLE_RATE, quality="VHQ")
    ours = read((samples, 44_100))
    np.testing.assert_allclose(ours, theirs[: len(ours)], atol=1e-5)
    assert abs(len(ours) - len(theirs)) <= 1


@pytest.mark.parametrize("rate", [3999, 384_001, 0, -16_000])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(AudioError, match=f"{rate} Hz; expected 4000 to 384000"):
        read((np.zeros(100, np.float32), rate))


def test_path_bytes_file_object_and_array_agree(tmp_path):
    samples = tone(SAMPLE_RATE)
    content = as_bytes(samples, SAMPLE_RATE)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with path.open("rb") as file:
        from_file = read(file)
    for found in (read(path), read(str(path)), read(content), from_file):
        np.testing.assert_array_equal(found, samples)
    np.testing.assert_array_equal(read((samples, SAMPLE_RATE)), samples)


@pytest.mark.parametrize("n_channels", [1, 2, 6, 8])
def test_channels_are_averaged(n_channels):
    rng = np.random.default_rng(1)
    samples = rng.uniform(-1, 1, (1000, n_channels)).astype(np.float32)
    expected = samples.astype(np.float64).mean(axis=1)
    np.testing.assert_allclose(read((samples, SAMPLE_RATE)), expected, atol=1e-6)
    np.testing.assert_allclose(read(as_bytes(samples, SAMPLE_RATE)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("int16", [-32768, 0, 16384], [-1.0, 0.0, 0.5]),
        ("int32", [-(2**31), 0, 2**30], [-1.0, 0.0, 0.5]),
        ("int8", [-128, 0, 64], [-1.0, 0.0, 0.5]),
        ("uint8", [0, 128, 192], [-1.0, 0.0, 0.5]),
        ("float64", [-1.0, 0.0, 0.5], [-1.0, 0.0, 0.5]),
        ("float16", [-1.0, 0.0, 0.5], [-1.0, 0.0, 0.5]),
    ],
)
def test_integers_are_scaled_by_their_full_scale(dtype, values, expected):
    np.testing.assert_array_equal(read((np.array(values, dtype), SAMPLE_RATE)), expected)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 2)), r"shape \[2, 2, 2\]"),
        (np.zeros((2, 48_000)), "transpose"),
        (np.zeros(5, np.int64), "full scale is unknown"),
        (np.array(["a"]), "dtype"),
        (np.zeros(5, complex), "dtype"),
        (np.zeros(5, bool), "dtype"),
        (np.zeros(0), "holds no samples"),
    ],
)
def test_invalid_arrays(array, message):
    with pytest.raises(AudioError, match=message):
        read((array, SAMPLE_RATE))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_not_finite_are_located(bad):
    samples = np.zeros(100_000)
    samples[80_000] = bad
    with pytest.raises(AudioError, match=r"the sample at 5\.000 s is not finite"):
        read((samples, SAMPLE_RATE))


def test_aiff_inside_wav_works(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(as_bytes(tone(SAMPLE_RATE), SAMPLE_RATE, format="AIFF", subtype="PCM_24"))
    np.testing.assert_allclose(read(path), tone(SAMPLE_RATE), atol=1e-6)


def test_text_renamed_wav_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("These are words, and no recording at all. " * 50)
    with pytest.raises(AudioError, match="not recognised as audio"):
        read(path)


def test_a_playlist_is_not_followed(tmp_path):
    soundfile.write(tmp_path / "secret.wav", tone(SAMPLE_RATE), SAMPLE_RATE)
    for text in ("#EXTM3U\n#EXTINF:1,\nsecret.wav\n", "ffconcat version 1.0\nfile secret.wav\n"):
        path = tmp_path / "list.m4a"
        path.write_text(text)
        with pytest.raises(AudioError, match="not recognised as audio"):
            read(path)


def test_a_truncated_flac_is_refused_with_what_could_be_read():
    noise = np.random.default_rng(0).uniform(-1, 1, 5 * SAMPLE_RATE)
    content = as_bytes(noise, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    with pytest.raises(AudioError, match=r"truncated or damaged: \d\.\d\d s of the 5\.00 s"):
        read(content[: len(content) // 2])


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(AudioError, match="no such file"):
        read(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="is a directory"):
        read(tmp_path)
    empty = tmp_path / "empty.wav"
    empty.touch()
    with pytest.raises(AudioError, match=r"empty \(0 bytes\)"):
        read(empty)
    with pytest.raises(AudioError, match="cannot be opened"):
        read("a\0b.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match="is a pipe or a device"):
        read(tmp_path / "pipe.wav")
    samples = tmp_path / "samples.raw"
    samples.write_bytes(bytes(1000))
    with pytest.raises(AudioError, match="not recognised as audio"):
        read(samples)
    with pytest.raises(AudioError, match="cannot read audio from a int"):
        read(3)


def test_unreadable_file(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError

    (tmp_path / "a.wav").touch()
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(AudioError, match="permission denied"):
        read(tmp_path / "a.wav")


def test_no_samples_in_a_file():
    with pytest.raises(AudioError, match="holds no samples"):
        read(as_bytes(np.zeros(0, np.float32), SAMPLE_RATE))


@pytest.mark.parametrize("container", ["mp4", "matroska", "adts"])
def test_ffmpeg_containers(container):
    import av

    samples, buffer = tone(SAMPLE_RATE, 1.0), io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        track = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*track.encode(frame), *track.encode(None)]:
            out.mux(packet)
    decoded = read(buffer.getvalue())
    assert len(decoded) == pytest.approx(SAMPLE_RATE, abs=3000)  # AAC pads by its delay
    spectrum = np.abs(np.fft.rfft(decoded))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(decoded) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"\0\0\0\x20ftypM4A \0\0\0\0", "MP4/M4A"), (b"\x1a\x45\xdf\xa3" + bytes(20), "WebM")],
)
def test_without_pyav_the_error_names_the_extra(head, name, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=rf"{name}.*pip install 'serkit\[av\]'"):
        read(head)


@given(st.integers(10, 200_000), st.sampled_from([8000, 16_000, 44_100]))
def test_the_stream_is_the_recording_in_blocks(n_samples, rate):
    samples = np.random.default_rng(n_samples).standard_normal(n_samples).astype(np.float32)
    blocks = list(stream((samples, rate)))
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    assert sum(map(len, blocks)) == pytest.approx(n_samples * SAMPLE_RATE / rate, abs=1)
    np.testing.assert_array_equal(np.concatenate(blocks), read((samples, rate)))


def test_streaming_memory_does_not_grow(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(60 * 48_000, np.int16), 48_000, subtype="PCM_16")
    tracemalloc.start()
    assert sum(map(len, stream(path))) == pytest.approx(60 * SAMPLE_RATE, abs=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000  # the whole would be 11.5 MB as float32
