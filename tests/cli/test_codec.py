import json
import os

import numpy as np
import pytest
import soundfile

from serkit.codec import Packet, encode_basis, read_packet, split
from serkit.features import whisper_log_mel

from command import in_process, peak_mb, serkit


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("codec") / "voice.wav"
    time = np.arange(48_000) / 16_000
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20))
    noise = 0.003 * np.random.default_rng(0).standard_normal(48_000)
    soundfile.write(path, 0.1 * tone * np.clip(np.sin(5 * time), 0, 1) + noise, 16_000)
    return path


@pytest.mark.parametrize(
    ("options", "rate", "error"),
    [
        ((), (0.5, 3), 0.13),
        (("--kbps", "1.5"), (0.3, 1.5), 0.2),
        (("--quality", "12"), (1, 6), 0.08),
        (("--mode", "svd"), (18, 22), 0.1),
        (("--mode", "svd", "--rank-ratio", "0.5"), (70, 85), 0.03),
        (("--mode", "svdq", "--rmse", "0.1"), (0.5, 12), 0.11),
    ],
)
def test_a_recording_is_coded_and_decoded(recording, tmp_path, options, rate, error):
    coded, npy, png, wav = (tmp_path / f"x.{s}" for s in ("smel", "npy", "png", "wav"))
    done = in_process("encode", recording, "-o", coded, "--json", *options)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["bytes"] == coded.stat().st_size
    assert values["duration_s"] == pytest.approx(3.0)
    assert values["kbps"] == pytest.approx(8e-3 * values["bytes"] / 3.0)
    assert rate[0] < values["kbps"] <= rate[1]
    done = in_process("decode", coded, "--npy", npy, "--png", png, "--preview", wav)
    assert done.returncode == 0, done.stderr
    log_mel = np.load(npy)
    assert (log_mel.shape, log_mel.dtype) == ((80, 300), np.float32)
    samples, _ = soundfile.read(recording, dtype="float32")
    rmse = np.sqrt(np.mean(np.square(log_mel - whisper_log_mel(samples))))
    assert rmse == pytest.approx(values["rmse"], abs=1e-4)
    assert rmse < error
    assert png.read_bytes().startswith(b"\x89PNG")
    sound, hertz = soundfile.read(wav)
    assert (len(sound), hertz) == (48_000, 16_000)


def test_the_packets_are_listed(recording, tmp_path):
    coded = tmp_path / "x.smel"
    in_process("encode", recording, "-o", coded, "--blocks", "1")
    done = in_process("codec", "info", coded, "--json")
    rows = json.loads(done.stdout)
    assert [row["sequence"] for row in rows] == list(range(10))
    assert sum(row["bytes"] for row in rows) == coded.stat().st_size
    assert (rows[0]["start_s"], rows[0]["mode"], rows[-1]["last"]) == (0.0, "basis", True)
    assert rows[-1]["frames"] == 300 - 9 * 32
    table = in_process("codec", "info", coded).stdout.splitlines()
    assert len(table) == 11


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--kbps", "0"), "expected above 0"),
        (("--kbps", "2", "--quality", "5"), "--kbps and --quality exclude each other"),
        (("--blocks", "0"), "expected 1 to 93"),
        (
            ("--mode", "svd", "--blocks", "2"),
            "apply to --mode svd; expected --rank-ratio",
        ),
        (("--quality", "16"), "whole number, 0 to 15"),
        (("--rank-ratio", "0.5"), "--rank-ratio does not apply to --mode basis"),
        (("--mode", "svd", "--rank-ratio", "2"), "above 0 and at most 1"),
        (("--mode", "svd", "--kbps", "2"), "--kbps does not apply to --mode svd"),
        (("--mode", "svdq", "--rmse", "nan"), "the RMSE is nan; expected 0.001 to 1"),
        (
            ("--mode", "svdq", "--quality", "5"),
            "--quality does not apply to --mode svdq",
        ),
        (
            ("--rmse", "0.1"),
            "expected --quality, --kbps, --blocks",
        ),
        (("--mode", "svd", "--rmse", "0.1"), "--rmse does not apply to --mode svd"),
    ],
)
def test_settings_out_of_range_are_refused(recording, tmp_path, options, message):
    done = in_process("encode", recording, "-o", tmp_path / "x.smel", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_quality_is_an_index(recording, tmp_path):
    done = in_process("encode", recording, "-o", tmp_path / "x.smel", "--quality", "2.5")
    assert done.returncode == 2
    assert "'2.5' is not a valid int" in done.stderr


def test_other_files_than_coded_speech_are_refused(recording, tmp_path):
    coded = tmp_path / "x.smel"
    in_process("encode", recording, "-o", coded)
    content = coded.read_bytes()
    for spoiled, message in (
        (content[:-3], "cut off"),
        (content[:30] + b"?" + content[31:], "checksum"),
        (recording.read_bytes(), "not a packet"),
        (b"", "holds no packet"),
    ):
        coded.write_bytes(spoiled)
        for command in (("decode",), ("codec", "info")):
            done = in_process(*command, coded)
            assert done.returncode == 2
            assert message in done.stderr
            assert "x.smel: " in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
    done = in_process("decode", tmp_path / "nowhere.smel")
    assert done.returncode == 2
    assert "nowhere.smel" in done.stderr


def test_an_input_is_never_overwritten(recording, tmp_path):
    sound, coded, link = tmp_path / "a.wav", tmp_path / "a.smel", tmp_path / "link.wav"
    sound.write_bytes(recording.read_bytes())
    link.symlink_to(sound)
    assert in_process("encode", sound, "-o", coded).returncode == 0
    before = sound.read_bytes(), coded.read_bytes()
    for command in (
        ("encode", sound, "-o", sound),
        ("encode", sound, "-o", link),
        ("encode", link, "-o", sound),
        ("decode", coded, "--npy", coded),
        ("decode", coded, "--preview", coded),
    ):
        done = in_process(*command)
        assert done.returncode == 2
        assert "is an input and would be overwritten" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert (sound.read_bytes(), coded.read_bytes()) == before


def test_pipes_are_neither_read_nor_overwritten(recording, tmp_path):
    """A pipe stands for all devices, as a test can create one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command, message in (
        (("decode", pipe), "is a pipe or a device; expected a file"),
        (("codec", "info", pipe), "is a pipe or a device; expected a file"),
        (("encode", pipe, "-o", tmp_path / "x.smel"), "is a pipe or a device; expected a file"),
        (("encode", recording, "-o", pipe), "is a pipe or a device"),
    ):
        done = serkit(*command, timeout=60)
        assert done.returncode == 2
        assert message in done.stderr
        assert "pipe" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert pipe.is_fifo()


def test_a_rate_out_of_reach_is_reported(recording, tmp_path):
    done = in_process("encode", recording, "-o", tmp_path / "x.smel", "--kbps", "0.01")
    assert done.returncode == 0
    assert "above --kbps 0.01; the lowest possible" in done.stderr


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16_000),
        np.full(16_000, 0.7),
        np.clip(np.random.default_rng(0).normal(0, 5, 16_000), -1, 1),
        np.zeros(160),
    ],
    ids=["silence", "constant", "clipped", "a single frame"],
)
def test_degenerate_recordings_are_coded_and_decoded(tmp_path, samples):
    sound, coded, npy = tmp_path / "a.wav", tmp_path / "a.smel", tmp_path / "a.npy"
    soundfile.write(sound, samples, 16_000)
    assert in_process("encode", sound, "-o", coded).stderr == ""
    assert in_process("decode", coded, "--npy", npy, "--preview", tmp_path / "b.wav").stderr == ""
    assert np.load(npy).shape == (80, len(samples) // 160)


def test_a_recording_shorter_than_a_frame_is_refused(tmp_path):
    sound = tmp_path / "short.wav"
    soundfile.write(sound, np.zeros(80), 16_000)
    done = in_process("encode", sound, "-o", tmp_path / "x.smel")
    assert done.returncode == 2
    assert "short.wav: the recording is shorter than a frame" in done.stderr


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory):
    """Ten minutes: 38 MB of samples, 19 MB of log-mel."""
    path = tmp_path_factory.mktemp("codec") / "long.flac"
    minute = 0.05 * np.random.default_rng(0).standard_normal(60 * 16_000)
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16") as file:
        for i in range(10):
            file.write(minute * (0.2 + 0.05 * i))
    return path


@pytest.mark.parametrize(
    ("options", "growth_mb"),
    # Buffers take 10 to 14 MB, the sample of --kbps another 10; the whole log-mel would add 19.
    [(("--quality", "0"), 20), (("--kbps", "1"), 24), (("--mode", "svd"), 20)],
)
def test_memory_does_not_grow_with_the_recording(
    recording, long_recording, tmp_path, options, growth_mb
):
    coded, npy, png = (tmp_path / f"x.{s}" for s in ("smel", "npy", "png"))
    outputs = ("--npy", npy, "--png", png)
    base = peak_mb("encode", recording, "-o", coded, *options)
    base_decoding = peak_mb("decode", coded, *outputs)
    assert peak_mb("encode", long_recording, "-o", coded, *options) < base + growth_mb
    if options[0] == "--quality":
        assert peak_mb("decode", coded, *outputs) < base_decoding + growth_mb
        assert np.load(npy, mmap_mode="r").shape == (80, 60_000)
        # A PNG gives its width in bytes 16 to 19: frames are pooled to at most 6000 columns.
        assert 3000 <= int.from_bytes(png.read_bytes()[16:20], "big") <= 6000


def test_a_preview_has_a_maximum_length(tmp_path):
    coded, sound = tmp_path / "x.smel", tmp_path / "x.wav"
    silence = np.zeros(160 * 32 * 93, np.float32)
    packet = read_packet(next(split(encode_basis(silence, 0, blocks_per_packet=93))))
    packets = (
        Packet(packet.mode, 93 * i % 8192, packet.payload, 2976 * i, packet.basis, 2976).to_bytes()
        for i in range(31)
    )
    coded.write_bytes(b"".join(packets))
    done = in_process("decode", coded, "--preview", sound)
    assert done.returncode == 2
    assert "lasts longer than 15 minutes, the limit of --preview" in done.stderr
    assert not sound.exists()
    assert in_process("decode", coded).returncode == 0
    assert list(tmp_path.iterdir()) == [coded]
