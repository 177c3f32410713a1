import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder with the real corpora, each under the name `serkit.corpora.load` knows."""
    root = os.environ.get("SERKIT_CORPORA")
    if root:
        return Path(root)
    reason = "set SERKIT_CORPORA=/folder/with/ravdess,emodb_2s,... to test on the real corpora"
    if os.environ.get("CI") == "true":
        pytest.fail(f"SERKIT_CORPORA is not set, which CI must do: {reason}")
    pytest.skip(reason)
