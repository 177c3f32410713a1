"""Reading untrusted files, writing files atomically, and locks among processes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class NotAFileError(OSError):
    """A pipe, a socket or a device instead of a regular file."""


def open_file(path: Path, *, buffered: bool = True) -> BinaryIO:
    """Open a regular file for reading; pipes and devices, which may block, are refused.

    Args:
        path: The file, or a link to it.
        buffered: Whether to buffer; without a buffer the descriptor's position is the file's.

    Raises:
        NotAFileError: The path is a pipe, a socket or a device.
        OSError: The file is missing, a folder, or not readable.
        ValueError: The path is not a valid file name.
    """
    # Before opening: opening a device can have side effects.
    _require_regular(path.stat().st_mode, path)
    # The path may have been replaced since. O_NONBLOCK, which regular files ignore, keeps a pipe
    # without a writer from blocking.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        _require_regular(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb", -1 if buffered else 0)
    except BaseException:
        os.close(handle)
        raise


def read_bounded(path: Path, most: int) -> bytes:
    """Read an untrusted file of limited size.

    Args:
        path: As for `open_file`.
        most: Maximum size in bytes.

    Raises:
        OSError: As `open_file`, or the file is larger, or the path is not a valid file name;
            `strerror` holds the reason.
    """
    try:
        with open_file(path) as file:
            content = file.read(most + 1)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"is not a valid file name ({error})", repr(path)) from error
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return content


def _require_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder; expected a file", str(path))
    if not stat.S_ISREG(mode):
        raise NotAFileError(errno.EINVAL, "is a pipe or a device; expected a file", str(path))


def lies_within(path: Path, folder: Path) -> bool:
    """Whether a file is inside a folder once all links are resolved.

    Args:
        path: A file, not necessarily existing.
        folder: A folder.
    """
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a cycle of links, or an invalid name
        return False


def write_atomically(path: Path, content: bytes | str, *, mode: int = 0o666) -> None:
    """Replace a file in one step: after a crash it holds the old content or the new.

    Args:
        path: The file, or a link to it; missing parent folders are created.
        content: Bytes, or text written as UTF-8.
        mode: Permissions of a new file, which the umask may reduce.

    Raises:
        OSError: The path is a folder, a device or a pipe, or its folder is not writable.
    """
    with open_atomically(path, mode=mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_atomically(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """`write_atomically` for content written in parts.

    Args:
        path: As for `write_atomically`.
        mode: As for `write_atomically`.

    Yields:
        A file open for reading and writing; it replaces `path` if the block ends without an error.

    Raises:
        OSError: As `write_atomically`.
    """
    path = _target(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else mode & ~_umask())
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        # The system's error of a write, as to a full disk, names no file.
        if isinstance(error, OSError) and error.strerror and error.filename in (None, temporary):
            error.filename = str(path)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Create a folder in one step: after a crash it is complete, or not there.

    Args:
        path: The folder, which must not exist, or be empty; missing parents are created.

    Yields:
        A folder to fill; it becomes `path` if the block ends without an error.

    Raises:
        OSError: The path exists and is not an empty folder, or its parent is not writable.
    """
    path = path.resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(errno.EEXIST, "exists; choose another folder", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_unfinished(path: Path) -> None:
    """Remove what processes that were killed while they wrote a file have left beside it.

    Nobody else may be writing the file: hold a lock.

    Args:
        path: A file that is written by `open_atomically`.
    """
    path = path.resolve()
    prefix = f".{path.name}."
    for left in path.parent.iterdir():
        # `mkstemp` adds eight characters, none of them a dot.
        if left.name.startswith(prefix) and "." not in left.name[len(prefix) :]:
            left.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold an exclusive lock among processes and threads; it ends with its process too.

    Args:
        path: A file that exists for the lock alone; it is created and never removed, since
            another process may wait for it.
        timeout_s: Longest wait.

    Raises:
        TimeoutError: Another process holds the lock.
        OSError: The file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        latest = time.monotonic() + timeout_s
        while not _try_lock(handle):
            if time.monotonic() > latest:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"is locked by another process since {timeout_s:g} s",
                    str(path),
                )
            time.sleep(0.002)
        yield
    finally:
        os.close(handle)  # releases the lock


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def refuse_unwritable(*paths: Path | None, sources: Iterable[str | Path] = ()) -> None:
    """Check before a long computation that its output files can be written.

    Args:
        paths: Output files; None is skipped. Missing parent folders are created.
        sources: Inputs, which no output may replace; names that are not files are ignored.

    Raises:
        OSError: An output is a folder, a device, a pipe or a source, is named twice, or its folder
            is not writable.
    """
    targets: list[Path] = []
    inputs = {Path(source).expanduser().resolve() for source in sources if "\0" not in str(source)}
    for path in paths:
        if path is None:
            continue
        target = _target(path)
        if target in targets:
            raise OSError(errno.EINVAL, "is named for two outputs", str(path))
        if target in inputs:
            raise OSError(errno.EINVAL, "is an input and would be overwritten", str(path))
        targets.append(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        # The name that `open_atomically` would use, so that a name that is too long fails here.
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}."):
            pass


def _target(path: Path) -> Path:
    """The regular file to replace, links resolved; devices must not be replaced."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; expected a file", str(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "is a pipe or a device; expected a file", str(path))
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
