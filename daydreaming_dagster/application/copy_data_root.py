"""Copies a data root file by file, as from a folder into a bucket."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import groupby
from typing import Final

import attrs

from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.ports.root_files import RootFiles

_FOLDERS: Final = ("gens", "batches", "cohorts", "loops", "1_raw")
"""What a data root consists of, in the order of copying: a cohort after its generations."""

_LEFT: Final = frozenset({"run.lock", "parts.lock", "batches.lock", "index.jsonl"})
"""Locks, and a cache of what was seen in the storage of the source."""

_AT_ONCE: Final = 32


@attrs.frozen
class CopiedDataRoot:
    """The result of a copy: how many files were copied, how many were there, and what differs."""

    copied: int
    there: int
    findings: Sequence[Finding]


def copy_data_root(source: RootFiles, target: RootFiles) -> CopiedDataRoot:
    """Copy what `target` lacks of a data root. Each file is read back and compared by its SHA-256.

    Nothing is overwritten: files that differ are findings. So a repetition completes an interrupted
    copy, and verifies what is there.

    Raises:
        DaydreamingError: The storage of one of the two cannot be used.
        OSError: See `DaydreamingError`.
    """
    copied, there, findings = 0, 0, list[Finding]()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for folder in _FOLDERS:
            groups = _together(source.list_files(folder))
            for was_new, wrong in pool.map(lambda names: _copy_all(source, target, names), groups):
                copied += was_new.count(True)
                there += was_new.count(False)
                findings += wrong
    return CopiedDataRoot(copied, there, findings)


def _together(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the files of each folder, documents first: they vouch for the texts beside them."""
    kept = (
        name
        for name in names
        if not any(part.startswith(".") or part in _LEFT for part in name.split("/"))
    )
    for _folder, of_folder in groupby(kept, lambda name: name.rpartition("/")[0]):
        yield sorted(of_folder, key=lambda name: (not name.endswith(".json"), name))


def _copy_all(
    source: RootFiles, target: RootFiles, names: Sequence[str]
) -> tuple[list[bool], list[Finding]]:
    """Return of each file that is as it should be whether it was new, and what is wrong."""
    was_new: list[bool] = []
    wrong: list[Finding] = []
    for name in names:
        data = source.read(name)
        new = not target.exists(name)
        if new:
            target.create(name, data)
        if sha256(target.read(name)).digest() == sha256(data).digest():
            was_new.append(new)
        else:
            message = f"{target.locate(name)} differs from {source.locate(name)}; it was left"
            wrong.append(Finding("differs", name, message))
    return was_new, wrong
