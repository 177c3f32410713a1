import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before NumPy and torch are imported, here and in the commands that tests run: threads make the
# small matrix products of the tests slower, many times so beside other work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Numba keeps compiled functions of librosa; a test process that reads what another is writing may
# crash, so each has a folder of its own.
_NUMBA_CACHE = tempfile.TemporaryDirectory(prefix="serkit-numba-")
os.environ["NUMBA_CACHE_DIR"] = _NUMBA_CACHE.name


@pytest.fixture(scope="session", autouse=True)
def _kept_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests and the commands they call keep does not land in the user's folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("SERKIT_PROFILES", str(tmp_path_factory.mktemp("profiles")))
        yield


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random BERT, as from a hub."""
    from transformers_toys import make_bert

    return make_bert(tmp_path_factory.mktemp("hub") / "toy-bert")


@pytest.fixture(scope="session")
def encoder_folder(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its encoder folder, in fp32."""
    from serkit.compression.encoder_export import export_encoder

    folder = tmp_path_factory.mktemp("encoders") / "toy"
    export_encoder(str(bert), folder)
    return folder


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder with the real corpora, each under the name `serkit.corpora.load` knows."""
    root = os.environ.get("SERKIT_CORPORA")
    if root:
        return Path(root)
    reason = "set SERKIT_CORPORA=/folder/with/ravdess,emodb,... to test on the real corpora"
    if os.environ.get("CI") == "true":
        pytest.fail(f"SERKIT_CORPORA is not set, which CI must do: {reason}")
    pytest.skip(reason)
