"""Copies of untrusted Parquet tables, with limits, as a few bytes may expand to gigabytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serkit.corpora.foreign import optional
from serkit.corpora.tables import MAX_BYTES
from serkit.text import shortened, shown

MAX_ROWS = 1_000_000
MAX_COLUMNS = 256

_BATCH_ROWS = 1 << 14
# Other codecs can compress a thousandfold; audformat and pandas write Snappy.
_COMPRESSIONS = ("UNCOMPRESSED", "SNAPPY")
_AUDFORMAT_VERSION = b"audformat-version"


def copied(content: bytes, to: Path) -> None:
    """Copy a table, with plain columns and without metadata that pandas would act on.

    Args:
        content: A Parquet file.
        to: Path of the copy.

    Raises:
        ValueError: The table has too many rows, columns or bytes, a compression other than Snappy,
            or a column of neither numbers nor text; or the file is damaged.
    """
    pa = optional("pyarrow", "reading Parquet", extra="audformat")
    parquet = optional("pyarrow.parquet", "reading Parquet", extra="audformat")
    file = parquet.ParquetFile(pa.BufferReader(content))
    _check_extent(file.metadata)
    schema = file.schema_arrow
    for field in schema:
        if not _is_plain(pa, field.type):
            raise ValueError(
                f"the column {shown(field.name, 80)} holds {shortened(str(field.type), 80)}; "
                "expected numbers, times or texts"
            )
    version = (schema.metadata or {}).get(_AUDFORMAT_VERSION)
    schema = schema.remove_metadata()
    if version is not None:
        schema = schema.with_metadata({_AUDFORMAT_VERSION: version[:20]})
    # Read as dictionaries, which hold a repeated text once.
    texts = [field.name for field in schema if _is_text(pa, field.type)]
    file = parquet.ParquetFile(pa.BufferReader(content), read_dictionary=texts)
    rows = size = 0
    with parquet.ParquetWriter(to, schema) as writer:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            batch.validate(full=True)
            rows += batch.num_rows
            size += sum(_size(pa, column) for column in batch.columns)
            if rows > MAX_ROWS or size > MAX_BYTES:
                raise ValueError(
                    f"more than {MAX_ROWS:,} rows or {MAX_BYTES:,} bytes of values; expected less"
                )
            columns = [
                column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _check_extent(metadata: Any) -> None:
    if metadata.num_rows > MAX_ROWS or metadata.num_columns > MAX_COLUMNS:
        raise ValueError(
            f"{metadata.num_rows:,} rows and {metadata.num_columns:,} columns; expected at most "
            f"{MAX_ROWS:,} and {MAX_COLUMNS:,}"
        )
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            compression = metadata.row_group(group).column(column).compression
            if compression not in _COMPRESSIONS:
                raise ValueError(
                    f"a column is compressed by {compression}; expected "
                    f"{' or '.join(_COMPRESSIONS)}: save it as these or as .csv"
                )


def _is_text(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_plain(pa: Any, kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # Extension types are neither primitive nor text.
    return bool(pa.types.is_primitive(kind)) or _is_text(pa, kind)


def _size(pa: Any, column: Any) -> int:
    """Size of the values in bytes, with repetitions."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    if not _is_text(pa, column.type.value_type):
        return 8 * len(column)
    compute = optional("pyarrow.compute", "reading Parquet", extra="audformat")
    lengths = compute.binary_length(column.dictionary).cast("int64").take(column.indices)
    return int(compute.sum(lengths).as_py() or 0) + 8 * len(column)
