"""Truncated, damaged and misnamed files."""

import io
import os
import socket

import numpy as np
import pytest
import soundfile

from serkit.audio import SAMPLE_RATE, read
from serkit.audio.formats import AAC, FLAC, MP3, MP4, OGG, WAV, container_of, tag_length
from serkit.errors import AudioError

SECONDS = 3.0


@pytest.fixture(scope="module")
def noise():
    return 0.1 * np.random.default_rng(0).standard_normal(round(SECONDS * SAMPLE_RATE))


def by_libsndfile(samples, container, subtype):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format=container, subtype=subtype)
    return buffer.getvalue()


def by_ffmpeg(samples, container, codec, rate=SAMPLE_RATE):
    buffer = io.BytesIO()
    write_by_ffmpeg(buffer, samples, container, codec, rate)
    return buffer.getvalue()


def write_by_ffmpeg(file, samples, container, codec, rate=SAMPLE_RATE, **options):
    import av

    with av.open(file, "w", format=container, **options) as out:
        track = out.add_stream(codec, rate=rate, layout="mono")
        coded = track.codec_context
        converter = av.AudioResampler(coded.format, "mono", rate, coded.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = SAMPLE_RATE
        for converted in [*converter.resample(frame), *converter.resample(None)]:
            for packet in track.encode(converted):
                out.mux(packet)
        for packet in track.encode(None):
            out.mux(packet)


LIBSNDFILE = [
    ("WAV", "PCM_16"), ("WAV", "IMA_ADPCM"), ("RF64", "PCM_16"), ("AIFF", "PCM_24"),
    ("CAF", "PCM_16"), ("AU", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]  # fmt: skip
FFMPEG = [("matroska", "aac", SAMPLE_RATE), ("webm", "libopus", 48_000)]


def check_halves(content):
    """The whole file is read; half of it is refused, or read to its end with a warning."""
    said = []
    whole = read(content, on_truncated=said.append)
    assert said == []
    assert len(whole) == pytest.approx(SECONDS * SAMPLE_RATE, rel=0.05)
    half = content[: len(content) // 2]
    with pytest.raises(AudioError, match=r"truncated or damaged: \d\.\d\d s"):
        read(half)
    found = read(half, on_truncated=said.append)
    (line,) = said
    assert "truncated or damaged" in line
    assert 0.2 * len(whole) < len(found) < 0.6 * len(whole)
    np.testing.assert_allclose(found[:1000], whole[:1000], atol=1e-6)


@pytest.mark.parametrize(("container", "subtype"), LIBSNDFILE)
def test_half_a_file(noise, container, subtype):
    check_halves(by_libsndfile(noise, container, subtype))


@pytest.mark.parametrize(("container", "codec", "rate"), FFMPEG)
def test_half_a_file_written_by_ffmpeg(noise, container, codec, rate):
    check_halves(by_ffmpeg(noise, container, codec, rate))


def test_half_an_m4a_whose_index_comes_first(noise, tmp_path):
    path = tmp_path / "a.m4a"
    write_by_ffmpeg(str(path), noise, "mp4", "aac", options={"movflags": "faststart"})
    content, said = path.read_bytes(), []
    found = read(content[: len(content) * 2 // 3], on_truncated=said.append)
    assert len(said) == 1
    assert 0.3 * SECONDS * SAMPLE_RATE < len(found) < 0.8 * SECONDS * SAMPLE_RATE


def test_half_an_m4a_whose_index_comes_last(noise):
    content = by_ffmpeg(noise, "mp4", "aac")
    with pytest.raises(AudioError, match=r"not readable as MP4/M4A, perhaps truncated"):
        read(content[: len(content) // 2])


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_F000])
def test_a_wav_written_to_a_pipe_announces_no_length(noise, size):
    content = bytearray(by_libsndfile(noise, "WAV", "PCM_16"))
    place = content.index(b"data")
    content[place + 4 : place + 8] = size.to_bytes(4, "little")
    said = []
    found = read(bytes(content), on_truncated=said.append)
    assert said == []
    assert len(found) == len(noise)


def test_unknown_codec(noise):
    content = bytearray(by_libsndfile(noise, "WAV", "PCM_16"))
    content[20:22] = (0x1234).to_bytes(2, "little")
    with pytest.raises(AudioError, match=r"the codec of this WAV audio is unknown"):
        read(bytes(content))


def test_more_channels_than_ffmpeg_supports(noise):
    """A WAV of 19 channels whose other fields are those of one channel; libsndfile refuses it."""
    samples = noise[:1900].astype(np.float32)
    content = bytearray(by_libsndfile(samples, "WAV", "FLOAT"))
    content[22:24] = (19).to_bytes(2, "little")
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.SoundFile(io.BytesIO(content))
    expected = samples.reshape(-1, 19).mean(axis=1)
    np.testing.assert_allclose(read(bytes(content)), expected, atol=1e-6)


def test_announced_chunk_size_is_not_allocated(noise):
    content = by_libsndfile(noise[:4000], "WAV", "PCM_16")
    huge = b"LIST" + (1 << 31).to_bytes(4, "little") + b"INFOIART" + (1 << 30).to_bytes(4, "little")
    for name in (b"fmt ", b"data"):
        place = content.index(name)
        with pytest.raises(AudioError, match="not recognised as audio"):
            read(content[:place] + huge + content[place:])


def test_a_title_in_latin_1(noise):
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        out.metadata["title"] = "Grüße"
        track = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*track.encode(frame), *track.encode(None)]:
            out.mux(packet)
    latin = buffer.getvalue().replace("Grüße".encode(), b"Gr\xfc\xdfe\xe9\xe8")
    assert latin != buffer.getvalue()
    assert len(read(latin)) == pytest.approx(len(noise), abs=2048)


def test_a_name_that_is_not_utf_8(noise, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.write_bytes(by_libsndfile(noise, "WAV", "PCM_16"))
    assert len(read(path)) == len(read(str(path))) == len(noise)


@pytest.mark.parametrize("container", ["adts", "mp4"])
def test_url_as_a_file_name(noise, tmp_path, monkeypatch, container):
    with socket.socket() as listener, socket.socket(type=socket.SOCK_DGRAM) as mailbox:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.1)
        mailbox.bind(("127.0.0.1", 0))
        mailbox.settimeout(0.1)
        content = by_ffmpeg(noise, container, "aac")
        monkeypatch.chdir(tmp_path)
        for name in (f"http:127.0.0.1:{listener.getsockname()[1]}", "udp:127.0.0.1:9", "pipe:0"):
            (tmp_path / name).write_bytes(content)
            assert len(read(name)) == pytest.approx(len(noise), abs=3000)
        with pytest.raises(TimeoutError):
            listener.accept()
        with pytest.raises(TimeoutError):
            mailbox.recv(1)


def test_session_description_is_refused():
    text = "RIFF\r\nv=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 9876 RTP/AVP 0\r\n"
    with pytest.raises(AudioError, match="not recognised as audio"):
        read(text.encode() * 4)


def test_only_audio_is_decoded(noise):
    """The video of a film is never decoded; its audio is read."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        pictures = out.add_stream("mpeg4", rate=10, width=64, height=64)
        track = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        frame = av.AudioFrame.from_ndarray(noise[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*pictures.encode(picture), *pictures.encode(None)]:
            out.mux(packet)
        for packet in [*track.encode(frame), *track.encode(None)]:
            out.mux(packet)
    assert len(read(buffer.getvalue())) == pytest.approx(len(noise), abs=2048)


def test_id3_tag_before_the_audio(noise):
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    assert tag_length(tag) == 138
    assert len(read(tag + by_ffmpeg(noise, "adts", "aac"))) == pytest.approx(len(noise), abs=3000)


def test_a_thousand_channels_in_little_memory():
    import tracemalloc

    content = by_libsndfile(np.zeros((16_000, 1000)), "WAV", "PCM_U8")
    tracemalloc.start()
    assert len(read(content)) == 16_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The file itself takes 16 MB, a block of as many frames as of one channel would take 262 MB.
    assert peak < 40e6


def test_unseekable_file():
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, pytest.raises(AudioError, match="cannot be read"):
        read(pipe)


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"RIFF\x24\0\0\0WAVEfmt ", WAV),
        (b"RIFF\x24\0\0\0AVI LIST", None),
        (b"fLaC\0\0\0\x22", FLAC),
        (b"OggS\0\x02", OGG),
        (b"\xff\xfb\x90\x64", MP3),
        (b"\xff\xf1\x50\x80", AAC),
        (b"\0\0\0\x20ftypM4A ", MP4),
        (b"#EXTM3U\n", None),
        (b"", None),
    ],
)
def test_format_by_magic_bytes(head, container):
    assert container_of(head) is container
