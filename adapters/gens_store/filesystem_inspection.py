"""Finds leftovers and unknown files in a data root's folder of generations."""

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from adapters.atomic_write import TEMPORARY_PREFIX
from adapters.folder_removal import DELETED_PREFIX
from adapters.gens_store.file_claim import claim_file, is_abandoned
from adapters.gens_store.filesystem import CLAIMED_PREFIX
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES, Paths
from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.ports.ids import is_id, is_stage
from daydreaming_dagster.types import Stage

LEFTOVER: Final = "leftover"
"""The kind of finding that `remove_leftovers` acts on."""

# A write or deletion takes less than a second. Anything older than this was interrupted.
_IN_PROGRESS_SECONDS: Final = 600.0

_FILENAMES: Final = frozenset(ARTIFACT_FILENAMES.values())


@attrs.frozen
class FilesystemInspection:
    """A `StorageInspection` of the folder of generations in a data root."""

    paths: Paths

    def inspect_root(self, stages: Collection[Stage] | None = None) -> Iterator[Finding]:
        """Yield leftovers and unknown files beside generations, and ids that differ only in case.

        The folders of other stages than these are unknown. `inspect_generation` looks into the
        folder of a generation.
        """
        paths = self.paths
        for folder in (paths.cohorts_dir, paths.loops_dir, paths.batches_dir, paths.raw_dir):
            yield from _leftovers_below(folder)
        for entry in _scan(self.paths.gens_root):
            known = is_stage(entry.name) and (stages is None or entry.name in stages)
            if not known or not entry.is_dir(follow_symlinks=False):
                yield _unknown(entry)
                continue
            stage = entry.name
            folded: dict[str, list[str]] = defaultdict(list)
            for inner in _scan(self.paths.gens_root / stage):
                if inner.name.startswith(DELETED_PREFIX):
                    yield from _leftover(inner, "a deletion")
                elif inner.name.startswith(CLAIMED_PREFIX):
                    yield from _claimed(inner)
                elif not is_id(inner.name) or not inner.is_dir(follow_symlinks=False):
                    yield _unknown(inner)
                else:
                    folded[inner.name.lower()].append(inner.name)
            for gen_ids in folded.values():
                if len(gen_ids) > 1:
                    message = "these would share a folder on a file system that ignores case"
                    yield Finding("case", f"{stage}/{{{','.join(sorted(gen_ids))}}}", message)

    def inspect_generation(self, stage: Stage, gen_id: str) -> Iterator[Finding]:
        """Yield leftovers of interrupted writes and unknown files in the folder of a generation."""
        for entry in _scan(self.paths.generation_dir(stage, gen_id)):
            if entry.name.startswith(TEMPORARY_PREFIX):
                yield from _leftover(entry, "a write")
            elif entry.name not in _FILENAMES or not entry.is_file(follow_symlinks=False):
                yield _unknown(entry)

    def remove_leftovers(self, findings: Sequence[Finding]) -> list[str]:
        """Delete the leftovers among the findings, nothing else, and return their paths."""
        removed = []
        for finding in findings:
            if finding.kind == LEFTOVER:
                path = Path(finding.subject)
                if path.name.startswith(CLAIMED_PREFIX):
                    claim = claim_file(finding.subject)
                    if claim is None:  # meanwhile a run claimed the generation
                        continue
                    claim.release()
                elif path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
                removed.append(finding.subject)
        return removed


def _leftovers_below(folder: Path) -> Iterator[Finding]:
    for entry in _scan(folder):
        if entry.name.startswith(DELETED_PREFIX):
            yield from _leftover(entry, "a deletion")
        elif entry.name.startswith(TEMPORARY_PREFIX):
            yield from _leftover(entry, "a write")
        elif entry.is_dir(follow_symlinks=False):
            yield from _leftovers_below(Path(entry.path))


def _leftover(entry: os.DirEntry[str], of_what: str) -> Iterator[Finding]:
    try:
        age = time.time() - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:  # it was in progress and has finished
        return
    if age > _IN_PROGRESS_SECONDS:
        yield Finding(LEFTOVER, entry.path, f"left by {of_what} that was interrupted")


def _claimed(entry: os.DirEntry[str]) -> Iterator[Finding]:
    if not entry.is_file(follow_symlinks=False):
        yield _unknown(entry)
    elif is_abandoned(entry.path):
        yield Finding(LEFTOVER, entry.path, "left by a run that was killed")


def _unknown(entry: os.DirEntry[str]) -> Finding:
    return Finding("unknown", entry.path, "no file or folder of this name belongs here")


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, nothing where it is not one or cannot be listed.

    Whoever reads what should be there finds out and says so.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
