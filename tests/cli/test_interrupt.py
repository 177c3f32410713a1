"""Ctrl-C ends any command: no trace, exit code 130, nothing half-written, nobody left working."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

# A liveness limit, not a claim of speed; benchmarks/interrupt.py measures.
PATIENCE_S = 20
STARTS_WITHIN_S = 90


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """An hour of noise, and a corpus of short clips of ten speakers."""
    root = tmp_path_factory.mktemp("interrupt")
    rng = np.random.default_rng(0)
    minute = 0.1 * rng.standard_normal(60 * 16_000)
    with soundfile.SoundFile(root / "long.flac", "w", 16_000, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(minute)
    rows = ["audio,label,speaker"]
    for i in range(200):
        name = f"clip{i}.wav"
        soundfile.write(root / name, 0.1 * rng.standard_normal(48_000), 16_000)
        rows.append(f"{name},{('angry', 'happy', 'neutral', 'sad')[i % 4]},s{i // 20}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    (root / "long.csv").write_text(
        "audio,label,speaker\n" + "".join(f"long{i}.flac,sad,a\n" for i in range(20))
    )
    for i in range(20):
        (root / f"long{i}.flac").symlink_to(root / "long.flac")
    return root


def after(seconds):
    """A command is in the middle of its work some time after its start."""
    begun = time.monotonic()
    return lambda folder: time.monotonic() - begun > seconds


def holds(pattern):
    """A command is in the middle of its work once it has written such a file."""
    return lambda folder: any(folder.glob(pattern))


COMMANDS = [
    (("predict", *["long.flac"] * 20, "--format", "json"), after, 3.0),
    (("predict", *["long.flac"] * 20, "--report", "out/report.html"), after, 3.0),
    (("corpus", "stats", "manifest=long.csv"), after, 3.0),
    (("encode", "long.flac", "-o", "out/long.smel"), holds, "out/.*"),
    (("train", "models/tiny", "--corpus", "manifest=clips.csv",
      "-o", "out/model.safetensors"), holds, "cache/**/*.npy"),
    (("evaluate", "models/tiny", "--corpus", "manifest=clips.csv", "--protocol", "speaker-folds",
      "--seeds", "30", "--run", "out/run"), holds, "out/run/folds/*.npz"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _heard():
    """What a shell starts in the background ignores Ctrl-C, and hands that on to its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("arguments", "when", "value"), COMMANDS)
def test_an_interrupted_command(recordings, tmp_path, arguments, when, value):
    (tmp_path / "out").mkdir()
    for file in recordings.iterdir():
        (tmp_path / file.name).symlink_to(file)
    command = [sys.executable, "-m", "serkit", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    is_ready = when(value)
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not is_ready(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()
    begun = is_ready(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    assert begun, process.communicate()
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, "")
    *notes, last = err.splitlines()
    assert last == "serkit: interrupted"
    # What `train` says of its protocols before it begins; nothing else may stand there.
    assert all(n.startswith("serkit: ") and "does not fit this data" in n for n in notes), err
    unfinished = [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    assert unfinished == []
    for _ in range(PATIENCE_S * 10):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a worker is still there")
