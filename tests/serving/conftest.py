"""A server for all tests, and what they send it."""

import os

import pytest

import serkit

from serving_rig import packets_of, started


@pytest.fixture(scope="session")
def running():
    """The common server, with the default settings."""
    with started() as server:
        yield server


@pytest.fixture(scope="session")
def note():
    """The example note: samples, mono at 16 kHz."""
    return serkit.read("examples/note.ogg")


@pytest.fixture(scope="session")
def coded(note):
    """The packets of the example note."""
    return packets_of(note)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_mine():
    for name in [name for name in os.environ if name.startswith("SERKIT_SERVE_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def coded_file(coded):
    """The same as a file."""
    return b"".join(coded)
