"""Untrusted Arrow streams, read in validated batches."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serkit.corpora.foreign import optional

_BATCH_ROWS = 256
# Numbers of fields and of types in Arrow's messages (format/Message.fbs).
_HEADER_TYPE, _HEADER, _CUSTOM_METADATA = 1, 2, 4
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_COMPRESSION = 3


def require() -> Any:
    """The module pyarrow.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    return optional("pyarrow", "reading a saved Hugging Face dataset", extra="datasets")


def batches(path: Path) -> Iterator[Any]:
    """Read a file in Arrow's stream format, in constant memory.

    Args:
        path: A regular file.

    Yields:
        Record batches of at most 256 rows, with the columns of numbers, text, bytes, or structs of
        these; other columns are left out.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ValueError: A batch is compressed or a column is a dictionary, which may expand to
            gigabytes; or the file is damaged.
    """
    pa = require()
    with pa.memory_map(str(path)) as source:
        for message in pa.ipc.MessageReader.open_stream(source):
            _refuse_bombs(message.metadata.to_pybytes())
        source.seek(0)
        with pa.ipc.open_stream(source) as reader:
            plain = [field.name for field in reader.schema if _is_plain(pa, field.type)]
            for batch in reader:
                # Arrow does not validate offsets unless asked to.
                chosen = batch.select(plain)
                chosen.validate(full=True)
                for start in range(0, chosen.num_rows, _BATCH_ROWS):
                    yield chosen.slice(start, _BATCH_ROWS)


def _is_plain(pa: Any, kind: Any) -> bool:
    types = pa.types
    if types.is_struct(kind):
        return all(_is_plain(pa, kind.field(i).type) for i in range(kind.num_fields))
    return bool(
        types.is_primitive(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _refuse_bombs(message: bytes) -> None:
    """Refuse messages that expand when read; pyarrow does not expose these FlatBuffers fields."""
    try:
        root = struct.unpack_from("<I", message)[0]
        kind = _field(message, root, _HEADER_TYPE)
        kind = message[kind] if kind else 0
        batch = _table(message, root, _HEADER)
        # Before version 1.0 the compression was in the message's custom metadata.
        compressed = kind == _RECORD_BATCH and (
            not batch
            or _field(message, batch, _COMPRESSION)
            or _field(message, root, _CUSTOM_METADATA)
        )
    except (struct.error, IndexError) as error:
        raise ValueError(f"a message is damaged: {error}") from error
    if kind == _DICTIONARY_BATCH:
        # A value shared by many rows would be copied for each of them.
        raise ValueError(
            "a column is stored as a dictionary; cast it to plain values, and save the dataset "
            "again"
        )
    if compressed:
        raise ValueError("its Arrow file is compressed; save the dataset again with save_to_disk")


def _field(message: bytes, table: int, number: int) -> int:
    """Position of a field of a table; 0 if absent."""
    directory = table - struct.unpack_from("<i", message, table)[0]
    place = 4 + 2 * number
    if directory < 0 or place >= struct.unpack_from("<H", message, directory)[0]:
        return 0
    offset = struct.unpack_from("<H", message, directory + place)[0]
    return table + int(offset) if offset else 0


def _table(message: bytes, table: int, number: int) -> int:
    """Position of the table that a field refers to; 0 if absent."""
    field = _field(message, table, number)
    return field + int(struct.unpack_from("<I", message, field)[0]) if field else 0
