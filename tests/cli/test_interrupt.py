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
    for i in range(600):
        name = f"clip{i}.wav"
        soundfile.write(root / name, 0.1 * rng.standard_normal(48_000), 16_000)
        rows.append(f"{name},{('angry', 'happy', 'neutral', 'sad')[i % 4]},s{i // 60}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    (root / "long.csv").write_text(
        "audio,label,speaker\n" + "".join(f"long{i}.flac,sad,a\n" for i in range(20))
    )
    for i in range(20):
        (root / f"long{i}.flac").symlink_to(root / "long.flac")
    return root


COMMANDS = [
    (("predict", *["long.flac"] * 20, "--format", "json"), 1.5),
    (("predict", *["long.flac"] * 20, "--report", "out/report.html"), 1.5),
    (("corpus", "stats", "manifest=long.csv"), 1.5),
    (("encode", "long.flac", "-o", "out/long.smel"), 1.0),
    (("train", "models/tiny", "--corpus", "manifest=clips.csv", "--no-figures", "--no-cache",
      "-o", "out/model.safetensors"), 1.0),
    (("train", "models/tiny", "--corpus", "manifest=clips.csv",
      "-o", "out/model.safetensors"), 6.0),
    (("evaluate", "models/tiny", "--corpus", "manifest=clips.csv", "--protocol", "speaker-folds",
      "--seeds", "30", "--run", "out/run"), 7.0),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _heard():
    """What a shell starts in the background ignores Ctrl-C, and hands that on to its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("arguments", "after_s"), COMMANDS)
def test_an_interrupted_command(recordings, tmp_path, arguments, after_s):
    (tmp_path / "out").mkdir()
    for file in recordings.iterdir():
        (tmp_path / file.name).symlink_to(file)
    command = [sys.executable, "-m", "serkit", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(after_s)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
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
