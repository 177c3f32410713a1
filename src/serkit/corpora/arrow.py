"""Arrow streams from strangers: batches whose every offset has been checked."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serkit.corpora.foreign import optional

_BATCH_ROWS = 256
# Places in the tables of Arrow's messages (format/Message.fbs).
_HEADER_TYPE, _HEADER, _CUSTOM_METADATA = 1, 2, 4
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_COMPRESSION = 3


def require() -> Any:
    """The module pyarrow.

    Raises:
        MissingExtraError: It is not installed.
    """
    return optional("pyarrow", "reading a saved Hugging Face dataset", extra="datasets")


def batches(path: Path) -> Iterator[Any]:
    """The batches of a file in Arrow's stream format, in memory that does not grow with it.

    Args:
        path: A regular file.

    Yields:
        Record batches of at most 256 rows, of columns that are numbers, texts, bytes, or objects
        of these; other columns are left out.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ValueError: A batch is compressed, or a column a dictionary, where a few bytes could stand
            for gigabytes; or it contradicts itself. Arrow's own errors are of this kind too.
    """
    pa = require()
    with pa.memory_map(str(path)) as source:
        for message in pa.ipc.MessageReader.open_stream(source):
            _refuse_bombs(message.metadata.to_pybytes())
        source.seek(0)
        with pa.ipc.open_stream(source) as reader:
            plain = [field.name for field in reader.schema if _is_plain(pa, field.type)]
            for batch in reader:
                # Arrow trusts what it reads until it is told not to.
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
    """Refuse what would grow when read; pyarrow does not show these fields of its FlatBuffers."""
    try:
        root = struct.unpack_from("<I", message)[0]
        kind = _field(message, root, _HEADER_TYPE)
        kind = message[kind] if kind else 0
        batch = _table(message, root, _HEADER)
        # Before version 1.0 the compression was written down in the message's own metadata.
        compressed = kind == _RECORD_BATCH and (
            not batch
            or _field(message, batch, _COMPRESSION)
            or _field(message, root, _CUSTOM_METADATA)
        )
    except (struct.error, IndexError) as error:
        raise ValueError(f"a message is damaged: {error}") from error
    if kind == _DICTIONARY_BATCH:
        # A value that many rows point to would be copied for each of them.
        raise ValueError(
            "a column is stored as a dictionary; cast it to plain values, and save the dataset anew"
        )
    if compressed:
        raise ValueError("its Arrow file is compressed; save the dataset anew with save_to_disk")


def _field(message: bytes, table: int, number: int) -> int:
    """Where a field of a table lies; 0 where the table leaves it out."""
    directory = table - struct.unpack_from("<i", message, table)[0]
    place = 4 + 2 * number
    if directory < 0 or place >= struct.unpack_from("<H", message, directory)[0]:
        return 0
    offset = struct.unpack_from("<H", message, directory + place)[0]
    return table + int(offset) if offset else 0


def _table(message: bytes, table: int, number: int) -> int:
    """Where the table lies to which a field of another points; 0 where it is left out."""
    field = _field(message, table, number)
    return field + int(struct.unpack_from("<I", message, field)[0]) if field else 0
