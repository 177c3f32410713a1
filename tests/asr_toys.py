"""Recognisers that do on request what real ones do by accident; other processes import them."""

import os
import signal
import threading
import time

import numpy as np

from serkit.errors import MissingExtraError, ModelError, TranscriptionError
from serkit.serving.asr import Transcript, TranscriptSegment

# The first value of the frames is the order.
TEXT, DIE, HANG, FAIL, BREAK, STOP = range(6)


def frames(order, n_frames=100):
    log_mel = np.zeros((80, n_frames), np.float32)
    log_mel[0, :1] = order
    return log_mel


class ToyAsr:
    """Says how many frames it got."""

    name = "toy"
    n_mels = 80
    languages = ("en", "de")

    def transcribe(self, log_mel, *, language=None):
        order = int(log_mel[0, 0]) if log_mel.size else TEXT
        if order == DIE:
            os._exit(3)
        if order == HANG:
            time.sleep(600)
        if order == FAIL:
            raise TranscriptionError("toy failed")
        if order == BREAK:
            raise ZeroDivisionError("secret")
        if order == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        segment = TranscriptSegment(0.0, log_mel.shape[1] / 100, f" {log_mel.shape[1]} frames")
        return Transcript.of([segment], language=language or "en", duration_s=3600.0)


class Heard:
    """In this process; remembers what it was given, and waits for its `gate`."""

    name = "heard"
    languages = ("en",)

    def __init__(self, n_mels=80):
        self.n_mels = n_mels
        self.gate = threading.Event()
        self.new()

    def new(self):
        """Forget everything."""
        self.gate.set()
        self.fails = False
        self.log_mels = []

    def transcribe(self, log_mel, *, language=None):
        self.log_mels.append(log_mel)
        assert self.gate.wait(60)
        if self.fails:
            raise RuntimeError("secret")
        seconds = log_mel.shape[1] / 100
        said = TranscriptSegment(0.0, seconds, f"{log_mel.shape[1]} frames")
        return Transcript.of([said], language="en", duration_s=seconds, warnings=["unlikely"])


class Liar(ToyAsr):
    def transcribe(self, log_mel, *, language=None):
        return Transcript("x", "en", (TranscriptSegment(float("nan"), 1e300, "x"),))


def missing():
    raise MissingExtraError("toys", "asr", "playing")


def damaged():
    raise ModelError("toy: is damaged")


def dead():
    os._exit(1)


def dies_later(flag):
    """Loads once; after that, dies while it loads."""
    if flag.exists():
        os._exit(1)
    flag.touch()
    return ToyAsr()


def slow_to_load_again(flag):
    """Loads once at once; after that, takes two seconds."""
    if flag.exists():
        time.sleep(2.0)
    flag.touch()
    return ToyAsr()
