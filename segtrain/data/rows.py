"""Tables as rows of text: CSV, TSV and Parquet."""

import csv
from pathlib import Path

import pyarrow.parquet

from segtrain.data.faults import Faults
from segtrain.errors import DataError

__all__ = ["read_rows"]

_SEPARATORS = ",;\t"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a table; every cell is text, so that the id 007 stays 007, and an empty cell is "".

    The separator of a CSV file is whichever of comma, semicolon and tab its first line has most of.

    Raises:
        DataError: it cannot be read, is empty, or its lines differ in length.
    """
    try:
        rows = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    except (OSError, UnicodeDecodeError, csv.Error, pyarrow.ArrowException) as error:
        raise DataError(f"the table {path} cannot be read: {error}") from error
    if not rows:
        raise DataError(f"the table {path} has no rows")
    return rows


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        separator = max(_SEPARATORS, key=first.count)
        names, *lines = [line for line in csv.reader(file, delimiter=separator, strict=True) if line] or [[]]
    names = [name.strip() for name in names]
    faults = Faults()
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add("repeated columns", f"the column '{name}' is there more than once")
    for number, line in enumerate(lines, start=1):
        if len(line) != len(names):
            faults.add("uneven rows", f"row {number} has {len(line)} cells, the header {len(names)}")
    faults.stop(f"the table {path} cannot be used:")
    return [dict(zip(names, map(str.strip, line), strict=True)) for line in lines]


def _parquet(path: Path) -> list[dict[str, str]]:
    table = pyarrow.parquet.read_table(path)
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _text(value: object) -> str:
    if value is None or value != value:  # not a number
        return ""
    if isinstance(value, float) and value.is_integer():  # whole numbers beside empty cells are stored as floats
        return str(int(value))
    return str(value)
