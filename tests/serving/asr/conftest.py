from pathlib import Path

import pytest

import serkit.compression
from serkit.audio import read


@pytest.fixture(scope="session")
def whisper(tmp_path_factory):
    from whisper_toys import make_whisper

    return make_whisper(tmp_path_factory.mktemp("hub") / "whisper-toy")


@pytest.fixture(scope="session")
def converted(whisper, tmp_path_factory):
    from whisper_toys import convert_whisper

    return convert_whisper(whisper, tmp_path_factory.mktemp("hub") / "faster-whisper-toy")


@pytest.fixture(scope="session")
def speech():
    """2.9 s of speech that ships with serkit."""
    return read(Path(serkit.compression.__file__).parent / "speech.flac")
