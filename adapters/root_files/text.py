"""The text of files: what people write, and documents that people may read."""

import json
from pathlib import PurePath

from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import JsonObject


def read_text(files: RootFiles, path: PurePath) -> str:
    """Return the contents of a text file, with all newlines as line feeds and without a BOM.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
        OSError: See `RootFiles.read`.
        UnsafePathError: See `RootFiles`.
    """
    text = files.read(path.as_posix()).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def json_text(document: JsonObject) -> bytes:
    """Return the contents of a file with this document."""
    return f"{json.dumps(document, indent=1, ensure_ascii=False)}\n".encode()
