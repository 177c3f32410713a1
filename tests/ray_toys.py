"""Recognisers for tests on Ray, importable by its processes."""

import os
import signal

from serkit.errors import AudioError, ModelError


class Mortal:
    """Answers to each path with an error that names it, and is killed by one of them."""

    def __init__(self, deadly):
        self._deadly = deadly

    def predict_many(self, paths, **_):
        if self._deadly in paths:
            os.kill(os.getpid(), signal.SIGKILL)
        return [AudioError(f"fine {path}") for path in paths]


def dies_at(path):
    if path is None:
        raise ModelError("no such model")
    return Mortal(path)
