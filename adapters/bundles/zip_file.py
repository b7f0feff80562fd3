"""A cohort with all that its results are made from, in one ZIP file that verifies itself."""

import hashlib
import json
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import attrs

from adapters.atomic_write import sync_folder
from adapters.root_files.names import check_name
from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.errors import UnsafePathError
from daydreaming_dagster.ports.ids import is_id

MANIFEST: Final = "bundle.json"
BUNDLE_VERSION: Final = 1

# Neither a date nor a compressor, whose output differs between versions.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = stat.S_IFREG | 0o644
_UNIX: Final = 3


@attrs.frozen
class ZipBundle:
    """A `CohortBundle` in the ZIP file `path`. Its last entry is the manifest."""

    path: Path

    def exists(self) -> bool:
        return self.path.exists()

    def write(self, cohort_id: str, contents: Iterable[tuple[str, bytes]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.path.parent, prefix=".daydream-bundle-") as partial:
            written = Path(partial, self.path.name)
            _write(written, cohort_id, contents)
            with written.open("rb+") as file:
                os.fsync(file.fileno())
            written.replace(self.path)
            sync_folder(str(self.path.parent))

    def verify(self) -> tuple[str, list[Finding]]:
        bundle = _open(self.path)
        with bundle.archive:
            findings = list(bundle.findings())
            if findings:
                return bundle.cohort_id, findings
            # What no digest covers: dates, modes, bytes between the files.
            with TemporaryDirectory() as folder:
                again = Path(folder, "again.zip")
                _write(again, bundle.cohort_id, bundle.files())
                position = _first_difference(self.path, again)
        if position is not None:
            message = f"byte {position:,} differs, outside the contents of its files"
            findings.append(Finding("altered", str(self.path), message))
        return bundle.cohort_id, findings

    def contents(self) -> Iterator[tuple[str, bytes]]:
        bundle = _open(self.path)
        with bundle.archive:
            yield from bundle.files(backwards=True)


def _write(output: Path, cohort_id: str, contents: Iterable[tuple[str, bytes]]) -> None:
    digests: dict[str, str] = {}
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents:
            digests[name] = hashlib.sha256(data).hexdigest()
            archive.writestr(_entry(name), data)
        document = {"version": BUNDLE_VERSION, "cohort": cohort_id, "sha256": digests}
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True)
        archive.writestr(_entry(MANIFEST), f"{text}\n".encode())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system, entry.external_attr = _UNIX, _MODE << 16
    return entry


@attrs.frozen
class _OpenBundle:
    """A bundle and its manifest. `of_manifest` are the digests of the files by name."""

    archive: zipfile.ZipFile
    cohort_id: str
    of_manifest: Mapping[str, str]

    def findings(self) -> Iterator[Finding]:
        """Yield each file that is missing, added or altered, and each that could lead outside."""
        names = Counter(self.archive.namelist())
        for name in sorted({*names, *self.of_manifest} - {MANIFEST}):
            if name not in names:
                yield Finding("missing", name, "the manifest names it, and it is not there")
            elif name not in self.of_manifest:
                yield Finding("added", name, "the manifest does not name it")
            elif names[name] > 1:
                yield Finding("added", name, f"it is there {names[name]} times")
            else:
                yield from self._altered(name)
        if names[MANIFEST] > 1:
            yield Finding("added", MANIFEST, f"it is there {names[MANIFEST]} times")

    def _altered(self, name: str) -> Iterator[Finding]:
        try:
            digest = hashlib.sha256(self.archive.read(check_name(name))).hexdigest()
        except UnsafePathError as error:
            yield Finding("unsafe", name, error.reason)
            return
        except _BROKEN as error:
            yield Finding("altered", name, f"cannot be read: {error}")
            return
        if digest != self.of_manifest[name]:
            yield Finding("altered", name, f"its SHA-256 is {digest}, not that of the manifest")

    def files(self, *, backwards: bool = False) -> Iterator[tuple[str, bytes]]:
        """Yield the files in the order of their names, or in the opposite one."""
        for name in sorted(self.archive.namelist(), reverse=backwards):
            if name != MANIFEST:
                yield name, self.archive.read(name)


_BROKEN: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,  # as the next ones: an altered header names another compression
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,  # an altered name
    OSError,  # an altered place before the file's first byte; bzip2's error
)


def _open(path: Path) -> _OpenBundle:
    """Return the bundle in a file. Its files may be altered: see its findings.

    Raises:
        CatalogError: It is not a bundle, it cannot be read, or it is of a newer version.
    """
    try:
        archive = zipfile.ZipFile(path)
        document: Any = json.loads(archive.read(MANIFEST))
    except (*_BROKEN, KeyError, ValueError, RecursionError) as error:
        problem = f"it is not a bundle, or its manifest was altered: {error}"
        raise CatalogError(str(path), (problem,)) from None
    wrong = _manifest_problem(document)
    if wrong is not None:
        raise CatalogError(str(path), (f"{MANIFEST}: {wrong}",))
    return _OpenBundle(archive, document["cohort"], document["sha256"])


def _manifest_problem(document: Any) -> str | None:
    if not isinstance(document, dict) or document.get("version") != BUNDLE_VERSION:
        return f"expected version {BUNDLE_VERSION}; update this package, or bundle it again"
    digests = document.get("sha256")
    if not isinstance(digests, dict) or not all(isinstance(one, str) for one in digests.values()):
        return "expected a SHA-256 for each file"
    return None if is_id(document.get("cohort")) else "expected the name of a cohort"


def _first_difference(one: Path, other: Path) -> int | None:
    """Return the position of the first byte in which two files differ; None if none does."""
    position, size = 0, 1 << 20
    with one.open("rb") as left, other.open("rb") as right:
        while True:
            of_left, of_right = left.read(size), right.read(size)
            if of_left != of_right:
                pairs: Sequence[tuple[int, int]] = list(zip(of_left, of_right, strict=False))
                same = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
                return position + same
            if not of_left:
                return None
            position += len(of_left)
