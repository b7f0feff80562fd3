"""Changes the id of a concept in the researcher's catalog, and nothing else."""

import codecs
import csv
import io
from typing import Final

FORMERLY: Final = "formerly"
"""The column with the id that a renamed concept had when its generations were planned."""


def with_other_id(data: bytes, concept_id: str, new_id: str) -> bytes:
    """Return a valid concept catalog in which the concept that is or was `concept_id` has `new_id`.

    Byte order mark and newlines stay as they are.
    """
    text = data.removeprefix(codecs.BOM_UTF8).decode()
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    header = [name.strip() for name in rows[0]]
    if FORMERLY not in header:
        rows = [[*row, FORMERLY if i == 0 else ""] for i, row in enumerate(rows)]
        header.append(FORMERLY)
    shown, formerly = header.index("concept_id"), header.index(FORMERLY)
    for row in rows[1:]:
        if concept_id == (row[formerly].strip() or row[shown].strip()):
            row[shown], row[formerly] = new_id, "" if new_id == concept_id else concept_id
    written = io.StringIO()
    newline = "\r\n" if "\r\n" in text else "\n"
    csv.writer(written, lineterminator=newline).writerows(rows)
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    return mark + written.getvalue().encode()
