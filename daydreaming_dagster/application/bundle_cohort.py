"""A cohort as one file: to send it, to archive it, and to bring it back."""

from collections.abc import Collection, Iterator, Sequence

import attrs

from daydreaming_dagster.application.curate import CohortDeletion, preview_deletion, remove_cohort
from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.domain.cohort.sharing import list_stored, refs_of, with_ancestors
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.batch_store import BatchStore
from daydreaming_dagster.ports.cohort_bundle import CohortBundle
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.loop_store import LoopStore
from daydreaming_dagster.ports.root_files import RootFiles


@attrs.frozen
class RestoredCohort:
    """What came of a bundle.

    Attributes:
        cohort_id: Its cohort.
        findings: What in it is not as it was written. Then nothing was restored.
        kept: The files of which the data root has another version, which was kept.
    """

    cohort_id: str
    findings: Sequence[Finding]
    kept: Sequence[str] = ()


def bundle_cohort(
    store: GensStore,
    cohorts: CohortStore,
    files: RootFiles,
    *,
    cohort_id: str,
    bundle: CohortBundle,
) -> None:
    """Write a planned cohort with all that its results are made from.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet.
        CohortBusyError: A run holds the cohort.
        OSError: The file system refused.
    """
    cohorts.read_membership(cohort_id)  # holding a cohort that is not there makes it
    with cohorts.hold(cohort_id):
        _write(files, list(_own_files(store, cohorts, files, cohort_id)), cohort_id, bundle)


def archive_cohort(
    store: GensStore,
    cohorts: CohortStore,
    loops: LoopStore | None,
    files: RootFiles,
    *,
    cohort_id: str,
    bundle: CohortBundle,
    batches: BatchStore | None = None,
) -> CohortDeletion:
    """Bundle a cohort, verify the bundle, and delete the cohort with what only it has.

    A bundle that is there is never replaced. If it has all that is left of the cohort, the deletion
    goes on: an earlier call was interrupted.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet. Nothing was deleted.
        CatalogError: The place of the bundle has something else, the store lacks a member, or the
            bundle does not read back as it was written. Nothing was deleted.
        DaydreamingError: See `delete_cohort`.
        OSError: The storage refused.
    """
    preview_deletion(store, cohorts, loops, cohort_id, batches)
    members = list(refs_of(cohorts.read_membership(cohort_id)))
    with cohorts.hold(cohort_id):
        own = list(_own_files(store, cohorts, files, cohort_id))
        if not bundle.exists():
            lost = set(members) - list_stored(store, cohorts.read_pipeline())
            if lost:
                problem = f"there is no {min(lost)}; plan the cohort again, or delete it"
                raise CatalogError(f"cohort {cohort_id}", (problem,))
            _write(files, own, cohort_id, bundle)
        if not _is_whole(files, own, cohort_id, bundle):
            problem = f"it is not a whole bundle of {cohort_id!r} as it is now; name another file"
            raise CatalogError("the archive", (problem,))
        return remove_cohort(store, cohorts, loops, cohort_id, batches)


def restore_cohort(bundle: CohortBundle, files: RootFiles) -> RestoredCohort:
    """Write what a data root lacks of a bundle, if every byte of it is as it was written.

    Nothing that the data root has is replaced, so the same call finishes after an interruption.

    Raises:
        CatalogError: It is not a bundle, or the data root has another cohort of that name. Nothing
            was written.
        UnsafePathError: A name leads out of the data root.
        OSError: The file system refused.
    """
    cohort_id, findings = bundle.verify()
    if findings:
        return RestoredCohort(cohort_id, findings)
    own = set(files.cohort_files(cohort_id))
    differing = [
        name for name, data in bundle.contents() if name in own and files.read(name) != data
    ]
    if differing:
        problem = f"it has another cohort {cohort_id!r} already: {differing[0]} differs"
        raise CatalogError("the data root", (problem,))
    # The members come after their texts, so that no run takes them for planned before.
    kept = [name for name, data in bundle.contents() if not files.create(name, data)]
    return RestoredCohort(cohort_id, [], sorted(kept))


def _is_whole(files: RootFiles, own: Collection[str], cohort_id: str, bundle: CohortBundle) -> bool:
    """Return whether a bundle has all of these files of a cohort as they are."""
    of_bundle, findings = bundle.verify()
    left = set(own)
    for name, data in bundle.contents():
        if name in left and files.read(name) == data:
            left.remove(name)
    return of_bundle == cohort_id and not findings and not left


def _write(files: RootFiles, own: Collection[str], cohort_id: str, bundle: CohortBundle) -> None:
    names = {*files.catalog_files(), *own}
    bundle.write(cohort_id, ((name, files.read(name)) for name in sorted(names)))


def _own_files(
    store: GensStore, cohorts: CohortStore, files: RootFiles, cohort_id: str
) -> Iterator[str]:
    """Yield the files of a cohort, of its members, and of what they go back to."""
    yield from files.cohort_files(cohort_id)
    members = refs_of(cohorts.read_membership(cohort_id))
    for ref in sorted(with_ancestors(store, members)):
        yield from files.generation_files(*ref)
