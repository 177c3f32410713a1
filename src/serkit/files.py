"""Reading files that strangers name, and writing so that nothing of the user's is ever lost."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class NotAFileError(OSError):
    """A pipe or a device stands where a file is expected."""


def open_file(path: Path, *, buffered: bool = True) -> BinaryIO:
    """Open a file for reading, and nothing that could block for ever or never end.

    Args:
        path: The file, or a link to it.
        buffered: Without a buffer the descriptor is always where the file is.

    Raises:
        NotAFileError: It is a pipe, a socket or a device.
        OSError: It is missing, a folder, or may not be read.
        ValueError: It is not a valid file name.
    """
    # First by its name: to open a device can already do something.
    _require_regular(path.stat().st_mode, path)
    # By now the name may stand for something else: a pipe that nobody writes to would block
    # without O_NONBLOCK, which files ignore.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        _require_regular(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb", -1 if buffered else 0)
    except BaseException:
        os.close(handle)
        raise


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a file that a stranger may have put there.

    Args:
        path: As for `open_file`.
        most: Largest size in bytes.

    Raises:
        OSError: As `open_file`, or it is larger, or not a valid file name; `strerror` says so.
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
        raise IsADirectoryError(errno.EISDIR, "is a folder, expected a file", str(path))
    if not stat.S_ISREG(mode):
        raise NotAFileError(errno.EINVAL, "is a pipe or a device; expected a file", str(path))


def lies_within(path: Path, folder: Path) -> bool:
    """Whether a file, with all links followed, is inside a folder.

    Args:
        path: A file, which need not exist.
        folder: A folder.
    """
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle; not a valid name
        return False


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace a file in one step: a crash leaves the old content or the new, never half.

    Args:
        path: The file, or a link to it; its folder is made if it is missing.
        content: Bytes, or text written as UTF-8.

    Raises:
        OSError: It is a folder, a device or a pipe, or its folder cannot be written.
    """
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """`write_atomically` for content that is made bit by bit.

    Args:
        path: As for `write_atomically`.

    Yields:
        A file to write and read, which takes the name when the block ends without an error.

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
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def refuse_unwritable(*paths: Path | None, sources: Iterable[str | Path] = ()) -> None:
    """Find out now, and not after hours of work, that a file could not be written.

    Args:
        paths: The files; None for one that is not wanted. Their folders are made if missing.
        sources: What is read, which no output may replace; names that are no files do not matter.

    Raises:
        OSError: One of them is a folder, a device or a pipe, named twice or a source, or its
            folder cannot be written.
    """
    targets: list[Path] = []
    read = {Path(source).expanduser().resolve() for source in sources if "\0" not in str(source)}
    for path in paths:
        if path is None:
            continue
        target = _target(path)
        if target in targets:
            raise OSError(errno.EINVAL, "is named for two outputs", str(path))
        if target in read:
            raise OSError(errno.EINVAL, "is the input, which would be lost", str(path))
        targets.append(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Named as it will be while it is written.
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}."):
            pass


def _target(path: Path) -> Path:
    """The file that would be replaced: never a link, and no device, which would be gone for all."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, expected a file's name", str(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "is a device or a pipe, expected a file's name", str(path))
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
