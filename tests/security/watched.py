"""Read untrusted input and report every other action.

    python watched.py FOLDER

A separate process, since an audit hook (PEP 578) cannot be removed. Each case names a reader, a
path, and the folder that may be read. The hook raises at once; the event is reported even if the
reader continues. Actions of C libraries are observed from outside.
"""

from __future__ import annotations

import io
import json
import os
import signal
import site
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import serkit

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

MAX_SECONDS = 10

# Where installed code lies: it may be read, imported and run.
_CODE = tuple(
    os.path.realpath(path)
    for path in {
        sys.base_prefix,
        sys.prefix,
        *site.getsitepackages(),
        *sysconfig.get_paths().values(),
        Path(serkit.__file__).parent,
        HERE.parent,
    }
)
_FORBIDDEN = (
    "ctypes.dlopen", "ftplib", "http.client", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
    "os.putenv", "os.spawn", "os.startfile", "os.system", "pickle.find_class", "pty.spawn",
    "smtplib", "socket", "subprocess.Popen", "urllib.Request", "webbrowser.open",
)  # fmt: skip
_CHANGING = (
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.mknod", "os.remove", "os.rename", "os.rmdir",
    "os.symlink", "os.truncate", "os.utime", "shutil",
)  # fmt: skip
_LISTING = ("os.listdir", "os.scandir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

ONE_SECOND = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)


class ForbiddenError(BaseException):
    """A forbidden action; not an `Exception`, so that readers do not catch it."""


class Watch:
    """The audit hook.

    Attributes:
        armed: Whether it looks at all.
        readable: What may be read, besides installed code.
        writable: What may be changed.
        events: What was forbidden and tried.
    """

    def __init__(self) -> None:
        self.armed = False
        self.readable: tuple[str, ...] = ()
        self.writable: tuple[str, ...] = ()
        self.events: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        self.armed = False  # for what is done here
        try:
            problem = self._problem(event, arguments)
        finally:
            self.armed = True
        if problem:
            self.events.append(f"{event}: {problem:.200}")
            raise ForbiddenError(self.events[-1])

    def _problem(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "open":
            path, mode, flags = arguments
            writes = bool(flags & _WRITING) or bool(set(mode or "") & set("wax+"))
            return self._outside(path, self.writable if writes else (*self.readable, *_CODE))
        if event in _LISTING:
            return self._outside(arguments[0], (*self.readable, *_CODE))
        if event in _CHANGING or event.partition(".")[0] in _CHANGING:
            folder = _folder_of_descriptor(event, arguments)
            for path in arguments[:2]:
                if folder and isinstance(path, str):
                    path = os.path.join(folder, path)
                if isinstance(path, str | bytes | os.PathLike):
                    problem = self._outside(path, self.writable)
                    if problem:
                        return problem
            return None
        if event == "exec":
            name = arguments[0].co_filename
            return None if _is_installed(name) else f"code of {name}"
        if event == "compile":
            # Names without a file are of code from text. `ast.parse` only takes it apart, and is
            # all that literal values need; to run it would be another event.
            name = os.fsdecode(arguments[1]) if arguments[1] is not None else "a tree"
            return None if name == "<unknown>" or _is_installed(name) else f"a text as {name}"
        if event in _FORBIDDEN or event.partition(".")[0] in _FORBIDDEN:
            return repr(arguments)
        return None

    def _outside(self, path: Any, folders: tuple[str, ...]) -> str | None:
        if isinstance(path, int) or path is None:
            return None
        real = os.path.realpath(os.fsdecode(path))
        if real == os.devnull or any(_lies_in(real, folder) for folder in folders):
            return None
        return real


def _folder_of_descriptor(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The folder of a path that is relative to an open descriptor."""
    place = {"os.remove": 1, "os.rmdir": 1, "os.mkdir": 2}.get(event)
    if place is None or arguments[place] < 0:
        return None
    return os.readlink(f"/proc/self/fd/{arguments[place]}")


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_installed(name: str) -> bool:
    if name.startswith("<frozen "):
        return True
    return os.path.isabs(name) and any(_lies_in(os.path.realpath(name), code) for code in _CODE)


def _audio(path: Path) -> None:
    for _ in serkit.audio.stream(path, on_truncated=str):
        pass


def _audio_in_memory(path: Path) -> None:
    for _ in serkit.audio.stream(path.read_bytes(), on_truncated=str):
        pass


def _audio_by_its_name(path: Path) -> None:
    """As on the command line, in the folder itself."""
    os.chdir(path.parent)
    try:
        _audio(Path(path.name))
    finally:
        os.chdir("/")


def _model(path: Path) -> None:
    from serkit.runtime.card_text import card_as_json, card_as_text

    model = serkit.load(path)
    model((ONE_SECOND, 16_000))
    card_as_text(model.backend)
    card_as_json(model.backend)


def _encoder(path: Path) -> None:
    from serkit.runtime import TextEncoder

    TextEncoder.load(path).encode(["I am so happy!", "\ud800", "a" * 100_000])


def _profile(path: Path) -> None:
    model = serkit.load("tiny").with_profile(path)
    model((ONE_SECOND, 16_000))
    assert model.profile is not None
    model.profile.state.stats()


def _basis(path: Path) -> None:
    from safetensors.numpy import load

    from serkit.codec.basis import Basis

    _ = Basis.of_tensors(load(path.read_bytes())).digest


def _packets(path: Path) -> None:
    serkit.codec.decode(path.read_bytes())


def _recipe(path: Path) -> None:
    from serkit.training import load_recipe

    load_recipe(path)


def _run(path: Path) -> None:
    from serkit.evaluation import load_run

    load_run(path)


def _features(path: Path) -> None:
    from serkit.training import FeatureCache

    (features,) = FeatureCache(path).get("ab12", {"way": 1}, lambda: [np.zeros(3, np.float32)])
    assert features.dtype == np.float32


def _corpus(path: Path, reader: str) -> None:
    from serkit.corpora import inspect, load

    inspect(load(f"{reader}={path}"))


READERS: dict[str, Callable[[Path], None]] = {
    "audio": _audio,
    "audio in memory": _audio_in_memory,
    "audio by its name": _audio_by_its_name,
    "model": _model,
    "encoder": _encoder,
    "profile": _profile,
    "basis": _basis,
    "packets": _packets,
    "recipe": _recipe,
    "run": _run,
    "features": _features,
}


def read(reader: str, path: Path) -> str:
    """Call a reader; a one-line error that it raises on purpose is an outcome."""
    from evil import EVIL

    try:
        if reader in EVIL:
            EVIL[reader](path)
        elif reader in READERS:
            READERS[reader](path)
        else:
            _corpus(path, reader)
    except serkit.SerkitError as error:
        return f"refused: {error}"
    except ForbiddenError as error:
        return f"forbidden: {error}"
    except TooSlowError:
        return "hangs"
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return "read"


def _warm_up(folder: Path) -> None:
    """Import everything that readers need, before the hook is armed."""
    import onnx_toys
    from fuzz import audio, corpora, encoders, models, profiles

    encoders.write(folder / "encoder")
    read("encoder", folder / "encoder")
    for number, content in enumerate(audio.seeds()):
        (folder / str(number)).write_bytes(content)
        read("audio", folder / str(number))
    for kind, made in corpora.MADE.items():
        root = folder / kind
        corpora.write(made(), root)
        reader, _, path = corpora.spec(kind, root).partition("=")
        read(reader, Path(path))
    for number, content in enumerate(models.originals()):
        path = folder / f"{number}.safetensors"
        path.write_bytes(content)
        read("model", path)
    (folder / "m.onnx").write_bytes(onnx_toys.content())
    read("model", folder / "m.onnx")
    (folder / "p.profile").write_bytes(profiles.of_tiny())
    read("profile", folder / "p.profile")
    for name in (*READERS, "manifest"):
        read(name, folder / "missing.csv")
    (folder / "a.yaml").write_text("[")
    read("recipe", folder / "a.yaml")
    np.load(io.BytesIO(_npz()), allow_pickle=False)["a"]


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


class TooSlowError(BaseException):
    """A reader hangs; not an `Exception`, so that readers do not catch it."""


def _too_slow(*_: object) -> None:
    raise TooSlowError


def main() -> None:
    """Read cases from standard input, one JSON line each, and answer each with a line."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in ("cache", "temporary", "warm"):
        (folder / name).mkdir()
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "temporary")
    _warm_up(folder / "warm")
    print("ready", file=answers, flush=True)
    watch = Watch()
    own = tuple(os.path.realpath(folder / name) for name in ("cache", "temporary"))
    signal.signal(signal.SIGALRM, _too_slow)
    for line in sys.stdin:
        case = json.loads(line)
        reader, path = case["reader"], Path(os.fsdecode(bytes.fromhex(case["path"])))
        given = os.path.realpath(case["folder"])
        watch.writable = (*own, given) if reader == "features" else own
        watch.readable = (*own, given)
        watch.events = []
        watch.armed = True
        signal.alarm(MAX_SECONDS)
        start = time.perf_counter()
        try:
            outcome = read(reader, path)
        finally:
            signal.alarm(0)
            watch.armed = False
        seconds = time.perf_counter() - start
        answer = {"outcome": outcome, "events": watch.events, "seconds": seconds}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
