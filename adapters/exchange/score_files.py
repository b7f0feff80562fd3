"""Scores in the files of other tools: logs of inspect_ai, and results of promptfoo."""

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.exchange.inspect_log import read_inspect_log
from daydreaming_dagster.domain.exchange.promptfoo_results import read_promptfoo_results
from daydreaming_dagster.domain.exchange.scores import ForeignScore

_ZSTANDARD: Final = 93  # APPNOTE 4.4.5; the standard library reads it from Python 3.14 on
_LOCAL_HEADER: Final = struct.Struct("<26xHH")
_ZIP_BEGINS: Final = b"PK"


def read_score_file(path: Path) -> list[ForeignScore]:
    """Return the scores in a log of inspect_ai (`.eval`, `.json`) or in results of promptfoo.

    Raises:
        CatalogError: It is neither, or a package is missing that reads it.
        OSError: The file system refused.
    """
    data = path.read_bytes()
    try:
        return list(_read_log(data) if data.startswith(_ZIP_BEGINS) else _read_json(data))
    except CatalogError:
        raise
    except (*_BROKEN, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        problem = f"it is neither a log of inspect_ai nor a result of promptfoo: {error!r}"
        raise CatalogError(str(path), (problem,)) from None


_BROKEN: Final = (zipfile.BadZipFile, EOFError, NotImplementedError, struct.error)


def _read_json(data: bytes) -> Iterator[ForeignScore]:
    document: Any = json.loads(data)
    if "evalId" in document:
        return read_promptfoo_results(document)
    return read_inspect_log(document, document["samples"])


def _read_log(data: bytes) -> Iterator[ForeignScore]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        header = _read_entry(archive, data, entries["header.json"])
        samples = [
            _read_entry(archive, data, entry)
            for name, entry in sorted(entries.items())
            if name.startswith("samples/")
        ]
    return read_inspect_log(header, samples)


def _read_entry(archive: zipfile.ZipFile, data: bytes, entry: zipfile.ZipInfo) -> Any:
    if entry.compress_type != _ZSTANDARD:
        return json.loads(archive.read(entry))
    try:
        import zstandard  # an extra
    except ModuleNotFoundError as error:
        problem = (
            'its compression needs the package zstandard: pip install "daydreaming-dagster'
            '[inspect]", or convert the log: inspect log convert --to json'
        )
        raise CatalogError(entry.filename, (problem,)) from error
    names = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
    begin = entry.header_offset + _LOCAL_HEADER.size + sum(names)
    packed = data[begin : begin + entry.compress_size]
    try:
        return json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(packed))
    except zstandard.ZstdError as error:
        raise zipfile.BadZipFile(str(error)) from None
