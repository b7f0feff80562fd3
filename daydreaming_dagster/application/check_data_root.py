"""Verifies a data root: cohorts, parents, digests, leftovers."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs

from daydreaming_dagster.application.cohort_status import unusable_templates
from daydreaming_dagster.application.curate import MISNAMED, list_misnamed
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.checks.integrity import Finding, IntegrityCheck, missing_members
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.doubts import answer_key, repeated_answers
from daydreaming_dagster.domain.generation.records import RawRecord
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.ports.cohort_store import CohortStore, StorageInspection
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import ARTIFACTS, GensStoreWithTemplates, read_ahead
from daydreaming_dagster.ports.loop_store import LoopStore
from daydreaming_dagster.types import Stage

Generations = Sequence[tuple[Stage, str]]


@attrs.frozen
class CheckedDataRoot:
    """The result of a check.

    Attributes:
        generations: The number of generations that were checked.
        findings: The problems found.
        removed: The leftovers that were deleted. They are not among the findings.
    """

    generations: int
    findings: Sequence[Finding]
    removed: Sequence[str]


def check_data_root(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    inspection: StorageInspection | None,
    *,
    loops: LoopStore | None = None,
    repair: bool = False,
    progress: Callable[[Generations], Iterable[tuple[Stage, str]]] = iter,
) -> CheckedDataRoot:
    """Return everything that is wrong with a data root.

    Changes nothing. With `repair`, deletes leftovers of interrupted writes, and nothing else.
    `inspection` inspects the storage itself, if that is possible. `progress` receives the
    generations and yields them one by one, so that a caller can show the progress.

    Raises:
        StorageUnavailableError: The storage cannot be used. This says nothing about its contents.
    """
    try:
        pipeline = cohorts.read_pipeline()
    except CatalogError as error:
        return CheckedDataRoot(0, [Finding("stages", error.location, str(error))], [])
    findings: list[Finding] = []
    if inspection is not None:
        findings += inspection.inspect_root(pipeline.names)
    known = {stage: _list_generations(store, stage, findings) for stage in pipeline}
    try:
        catalog = cohorts.read_catalog()
    except CatalogError as error:
        catalog = None
        findings.append(Finding("catalog", error.location, str(error)))
    memberships: dict[str, dict[Stage, list[str]]] = {}
    for cohort_id in cohorts.list_planned_cohorts():
        try:
            memberships[cohort_id] = cohorts.read_membership(cohort_id)
        except CatalogError as error:
            findings.append(Finding("membership", error.location, str(error)))
    findings += [
        Finding("unusable name", place, f"no command finds what is in it; {MISNAMED}")
        for place in list_misnamed(cohorts, loops)
    ]
    findings += missing_members(known, memberships)
    findings += _template_findings(store, cohorts, memberships, catalog)
    verify = IntegrityCheck(pipeline, known, catalog)
    answers: dict[Stage, dict[str, str]] = {}
    generations: list[tuple[Stage, str]] = [
        (stage, gen_id) for stage in pipeline for gen_id in sorted(known[stage])
    ]
    views = (
        view
        for stage in pipeline
        for _, view in read_ahead(store, stage, sorted(known[stage]), ARTIFACTS)
    )
    for (stage, gen_id), view in zip(progress(generations), views, strict=True):
        if inspection is not None:
            findings += inspection.inspect_generation(stage, gen_id)
        stored = read_stored_generation(view, stage, gen_id)
        findings += verify.check(stored)
        record = RawRecord.from_document(stored.raw_metadata or {})
        answers.setdefault(stage, {})[gen_id] = answer_key(record, stored.raw or "")
    findings += [
        Finding("same answer", str(ref), message) for ref, message in repeated_answers(answers)
    ]
    removed = inspection.remove_leftovers(findings) if repair and inspection is not None else []
    wrong = [finding for finding in findings if finding.subject not in removed]
    return CheckedDataRoot(len(generations), wrong, removed)


def _list_generations(
    store: GensStoreWithTemplates, stage: Stage, findings: list[Finding]
) -> frozenset[str]:
    """Return the generations of a stage; none, and a finding, if they cannot be listed."""
    try:
        return frozenset(store.list_generations(stage))
    except ArtifactError as error:
        findings.append(Finding("unreadable", stage, str(error)))
        return frozenset()


def _template_findings(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_ids: Iterable[str],
    catalog: Catalog | None,
) -> Iterator[Finding]:
    """Yield what is wrong with the templates of these cohorts, each problem once."""
    found: dict[str, list[str]] = {}
    if catalog is None:
        return
    for cohort_id in cohort_ids:
        try:
            for problem in unusable_templates(store, cohorts, cohort_id, catalog):
                found.setdefault(problem, []).append(cohort_id)
        except CatalogError as error:
            yield Finding("specification", error.location, str(error))
    for problem, users in found.items():
        yield Finding("unusable template", f"cohort {', '.join(users)}", problem)
