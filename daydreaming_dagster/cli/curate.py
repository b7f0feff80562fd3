"""`daydream delete`, `daydream archive`, `daydream restore` and `daydream prune`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from daydreaming_dagster.application.bundle_cohort import archive_cohort, restore_cohort
from daydreaming_dagster.application.curate import (
    CohortDeletion,
    delete_cohort,
    find_orphans,
    preview_deletion,
    prune_orphans,
)
from daydreaming_dagster.bootstrap import (
    DataRoot,
    SetupError,
    dagster_home,
    key_prefix,
    open_bundle,
    open_data_root,
)
from daydreaming_dagster.cli.bundle import bundle_option, complain_of_bundle
from daydreaming_dagster.cli.console import (
    cohort_argument,
    data_root_option,
    file_argument,
    note,
    say,
)
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.locations import lies_in

yes_option = click.option("--yes", is_flag=True, help="Do it; without this, it is only listed.")


@click.command()
@cohort_argument
@data_root_option
@yes_option
def delete(cohort_id: str, data_root: str, *, yes: bool) -> None:
    """Delete a cohort with the generations that only it has. Lists them first.

    What another cohort, a loop or a generation of no cohort needs stays. Without --yes, nothing is
    deleted. If it is interrupted, the same command finishes.
    """
    root = open_data_root(data_root)
    if not yes:
        _preview(root, cohort_id)
        note(f"nothing was deleted; `daydream delete {cohort_id} --yes` deletes this for good")
        return
    deletion = delete_cohort(root.store, root.cohorts, root.loops, cohort_id, root.batches)
    _print_deletion(deletion, done=True)
    _forget(root, deletion.deleted)


@click.command()
@cohort_argument
@data_root_option
@bundle_option
@yes_option
def archive(cohort_id: str, data_root: str, *, output: Path | None, yes: bool) -> None:
    """Move a cohort out of the data root into one file, which `daydream restore` brings back.

    The file is that of `daydream bundle`. It is verified before anything is deleted, and one that
    exists is never replaced. Without --yes, nothing is written.
    """
    root, file = open_data_root(data_root), output or Path(f"{cohort_id}.zip")
    files = root.written_files()
    if any(lies_in(file, f"{root.location}/{folder}") for folder in ("cohorts", "gens")):
        raise SetupError(f"{file} lies among what is deleted; name a place outside {root.location}")
    if not yes:
        _preview(root, cohort_id)
        note(f"nothing was written; with --yes, this moves to {file}")
        return
    deletion = archive_cohort(
        root.store,
        root.cohorts,
        root.loops,
        files,
        cohort_id=cohort_id,
        bundle=open_bundle(file),
        batches=root.batches,
    )
    say(f"{file}")
    _print_deletion(deletion, done=True)
    _forget(root, deletion.deleted)


@click.command()
@file_argument("What `daydream archive` wrote.")
@data_root_option
def restore(file: Path, data_root: str) -> None:
    """Bring an archived cohort back into a data root.

    Nothing that the data root has is replaced: it keeps its catalogs where they differ.
    """
    root = open_data_root(data_root)
    restored = restore_cohort(open_bundle(file), root.written_files())
    complain_of_bundle(file, restored.findings)
    say(f"restored the cohort {restored.cohort_id}")
    for name in restored.kept:
        note(f"kept as the data root has it, not as in {file}: {name}")


@click.command()
@data_root_option
@yes_option
def prune(data_root: str, *, yes: bool) -> None:
    """List the generations that no cohort and no loop needs, and delete them with --yes.

    Such are left when a cohort is planned anew without them.
    """
    root = open_data_root(data_root)
    if not yes:
        orphans = find_orphans(root.store, root.cohorts, root.loops, root.batches)
        for ref in orphans:
            say(str(ref))
        say(_counts(orphans))
        if orphans:
            note("nothing was deleted; `daydream prune --yes` deletes these for good")
        return
    orphans = prune_orphans(root.store, root.cohorts, root.loops, root.batches)
    say(f"deleted: {_counts(orphans)}")
    _forget(root, orphans)


def _preview(root: DataRoot, cohort_id: str) -> None:
    """Print the files and generations that would be deleted with a cohort."""
    deletion = preview_deletion(root.store, root.cohorts, root.loops, cohort_id, root.batches)
    for name in () if root.files is None else root.files.cohort_files(cohort_id):
        say(name)
    _print_deletion(deletion, done=False)


def _print_deletion(deletion: CohortDeletion, *, done: bool) -> None:
    if not done:
        for ref in deletion.deleted:
            say(str(ref))
    verb = "deleted" if done else "would be deleted"
    say(f"{verb}: the cohort {deletion.cohort_id} and {_counts(deletion.deleted)}")
    if deletion.kept:
        verb = "kept" if done else "would be kept"
        say(f"{verb}, since they are needed elsewhere: {_counts(deletion.kept)}")


def _counts(refs: Sequence[GenerationRef]) -> str:
    stages = Counter(ref.stage for ref in reversed(refs))
    return ", ".join(counted(n, stage) for stage, n in stages.items()) or "no generation"


def _forget(root: DataRoot, refs: Sequence[GenerationRef]) -> None:
    """Remove the partitions of generations in Dagster, if it has records of the data root."""
    home = dagster_home(root)
    if not refs or not home.exists():
        return
    # Importing Dagster takes a second.
    from daydreaming_dagster.defs.launch import open_instance
    from daydreaming_dagster.defs.partitions import forget_partitions

    with open_instance(home) as instance:
        forget_partitions(instance, refs, key_prefix())
