"""A recogniser in a process of its own: whatever happens to it, the server goes on."""

import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest

from asr_toys import (
    BREAK,
    DIE,
    FAIL,
    HANG,
    STOP,
    TEXT,
    Liar,
    ToyAsr,
    damaged,
    dead,
    dies_later,
    frames,
    missing,
    slow_to_load_again,
)
from serkit.errors import AudioError, MissingExtraError, ModelError, TranscriptionError
from serkit.serving.asr import AsrProcess, open_asr


@pytest.fixture(scope="module")
def toy():
    with AsrProcess(ToyAsr, timeout_s=20.0) as asr:
        yield asr


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_same_as_in_this_process(toy):
    here = ToyAsr()
    assert (toy.name, toy.n_mels, toy.languages) == (here.name, here.n_mels, here.languages)
    for n_frames in (0, 1, 360_000):
        log_mel = frames(TEXT, n_frames)
        assert toy.transcribe(log_mel, language="de") == here.transcribe(log_mel, language="de")
    assert toy.ready


def test_errors_of_a_recogniser_cost_no_process(toy):
    pid = toy.pid
    with pytest.raises(TranscriptionError, match="toy failed"):
        toy.transcribe(frames(FAIL))
    with pytest.raises(TranscriptionError, match="language is 'xx'"):
        toy.transcribe(frames(TEXT), language="xx")
    with pytest.raises(AudioError, match="at most 3600 s"):
        toy.transcribe(np.broadcast_to(np.float32(0), (80, 10**9)))
    assert toy.transcribe(frames(TEXT)).text == "100 frames"
    assert toy.pid == pid


def test_a_probe_sees_the_restart(toy):
    assert toy.ready
    with pytest.raises(TranscriptionError, match="died"):
        toy.transcribe(frames(DIE))
    latest = time.monotonic() + 60.0
    while not toy.ready:
        assert time.monotonic() < latest
        time.sleep(0.01)
    toy.transcribe(frames(TEXT))


def test_what_a_crash_says_does_not_hold_what_was_said(capfd):
    with AsrProcess(ToyAsr) as asr, pytest.raises(TranscriptionError, match="died"):
        asr.transcribe(frames(BREAK))
    told = capfd.readouterr().err
    assert "ZeroDivisionError" in told and "secret" not in told


@pytest.mark.parametrize("order", [DIE, BREAK])
def test_a_crash_fails_its_own_request_only(toy, order):
    pid = toy.pid
    with pytest.raises(TranscriptionError, match="died; it is restarted"):
        toy.transcribe(frames(order))
    assert toy.transcribe(frames(TEXT)).text == "100 frames"
    assert toy.pid != pid and gone(pid)


def test_a_kill_between_two_requests_costs_none(toy):
    pid = toy.pid
    os.kill(pid, signal.SIGKILL)
    while toy.ready:
        time.sleep(0.01)
    assert toy.transcribe(frames(TEXT)).text == "100 frames"
    assert toy.ready and gone(pid)


def test_a_kill_during_a_request(toy):
    pid = toy.pid
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(TranscriptionError, match="died; it is restarted"):
        toy.transcribe(frames(HANG))
    assert toy.transcribe(frames(TEXT)).text == "100 frames"


@pytest.mark.parametrize("order", [HANG, STOP])
def test_a_deadline(order):
    with AsrProcess(ToyAsr, timeout_s=1.0) as asr:
        pid = asr.pid
        with pytest.raises(TranscriptionError, match=r"took more than 1 s; it is restarted"):
            asr.transcribe(frames(order))
        assert gone(pid)


def test_a_process_that_does_not_read():
    """More than a pipe holds is written to a process that was stopped."""
    with AsrProcess(ToyAsr, timeout_s=1.0) as asr:
        os.kill(asr.pid, signal.SIGSTOP)
        with pytest.raises(TranscriptionError, match="took more than 1 s"):
            asr.transcribe(frames(TEXT, 100_000))


def test_a_busy_recogniser_and_a_closed_one():
    failed = []

    def ask_first():
        with pytest.raises(TranscriptionError, match="died"):
            asr.transcribe(frames(HANG))
        failed.append(True)

    with AsrProcess(ToyAsr, timeout_s=600.0) as asr:
        first = threading.Thread(target=ask_first)
        first.start()
        while not asr._lock.locked():
            time.sleep(0.01)
        asr._timeout_s = 0.5
        with pytest.raises(TranscriptionError, match=r"was busy for 0\.5 s; send fewer"):
            asr.transcribe(frames(TEXT))
        asr.close()
        first.join()
        assert failed
        with pytest.raises(TranscriptionError, match="is closed"):
            asr.transcribe(frames(TEXT))


def test_a_model_that_dies_time_after_time_is_not_started_in_a_loop(tmp_path):
    with AsrProcess(partial(dies_later, tmp_path / "flag"), timeout_s=20.0) as asr:
        for _ in range(3):
            with pytest.raises(TranscriptionError, match="died; it is restarted"):
                asr.transcribe(frames(DIE))
        assert not asr.ready
        with pytest.raises(TranscriptionError, match=r"died [34] times in a row; .* again in \d s"):
            asr.transcribe(frames(TEXT))
        (tmp_path / "flag").unlink()
        asr._retry_at = 0.0
        assert asr.transcribe(frames(TEXT)).text == "100 frames"


def test_a_slow_restart_is_not_interrupted(tmp_path):
    with AsrProcess(partial(slow_to_load_again, tmp_path / "flag"), timeout_s=1.0) as asr:
        with pytest.raises(TranscriptionError, match="died"):
            asr.transcribe(frames(DIE))
        pid = asr.pid
        with pytest.raises(TranscriptionError, match="not restarted after 1 s; try again later"):
            asr.transcribe(frames(TEXT))
        asr._timeout_s = 20.0
        assert asr.transcribe(frames(TEXT)).text == "100 frames"
        assert asr.pid == pid


def test_a_recogniser_that_lies():
    with AsrProcess(Liar) as asr, pytest.raises(TranscriptionError, match="died"):
        asr.transcribe(frames(TEXT))


@pytest.mark.parametrize(
    ("load", "start_timeout_s", "kind", "message"),
    [
        (missing, 20.0, MissingExtraError, r"pip install 'serkit\[asr\]'"),
        (damaged, 20.0, ModelError, "toy: is damaged"),
        (dead, 20.0, ModelError, "died while it loaded"),
        (partial(time.sleep, 600), 0.5, ModelError, r"took more than 0\.5 s while it loaded"),
    ],
)
def test_a_recogniser_that_cannot_be_loaded(load, start_timeout_s, kind, message):
    with pytest.raises(kind, match=message):
        AsrProcess(load, start_timeout_s=start_timeout_s)


def test_backends_in_a_process(converted, speech):
    from serkit.features import whisper_log_mel
    from serkit.serving.asr import load_asr

    assert open_asr("none") is None
    spec = f"faster-whisper={converted}"
    log_mel = whisper_log_mel(speech)
    with open_asr(spec) as asr:
        assert asr.transcribe(log_mel) == load_asr(spec).transcribe(log_mel)
        assert asr.name == "faster-whisper faster-whisper-toy"
