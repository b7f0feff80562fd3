"""What several cohorts have, each text and evaluation once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.differences import (
    Difference,
    input_differences,
    spec_differences,
)
from daydreaming_dagster.domain.cohort.sharing import refs_of
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.results.evaluations import (
    Evaluation,
    read_evaluations,
    with_shown_ids,
)
from daydreaming_dagster.domain.results.ranking import TextRank
from daydreaming_dagster.domain.results.verdicts import Duel, read_verdicts
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage

_NO_SPEC: Final = "none"
_LONGEST_NAME: Final = 200
"""File systems allow 255 bytes."""


@attrs.frozen
class GatheredCohorts:
    """What cohorts have.

    Attributes:
        members: Their generations by stage, each once, in planned order.
        evaluations: Their evaluations, each once.
        duels: Their duels, each once.
        cohorts_of: The cohorts of each generation, with spaces between them.
        differences: In what the cohorts differ, in sentences.
        doubts: Why their answers are probably not what they count as, by gen_id.
    """

    members: Mapping[Stage, Sequence[str]]
    evaluations: Sequence[Evaluation]
    duels: Sequence[Duel]
    cohorts_of: Mapping[GenerationRef, str]
    differences: Sequence[str]
    doubts: Mapping[Stage, Mapping[str, str]]

    def notes(self, ranks: Sequence[TextRank]) -> Iterator[str]:
        """Yield how many texts each cohort has, and what differs between them."""
        counts = Counter(self.cohorts_of.get(rank.ref, "") for rank in ranks)
        for cohort_ids, count in counts.items():
            both = cohort_ids.replace(" ", " and ")
            yield f"{counted(count, 'text')} of {both}{' alone' if ' ' not in cohort_ids else ''}"
        yield from self.differences


def gather_cohorts(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    catalog: Catalog,
) -> GatheredCohorts:
    """Return what these cohorts have. Writes nothing.

    Raises:
        CohortNotPlannedError: A cohort was not planned yet.
        CatalogError: A membership is wrong.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    pipeline = catalog.pipeline
    listed, cohorts_of = merge_memberships(cohorts, cohort_ids, pipeline)
    stale: dict[Stage, dict[str, str]] = {stage: {} for stage in pipeline}
    doubts: dict[Stage, dict[str, str]] = {stage: {} for stage in pipeline}
    for cohort_id in cohort_ids:
        state = look(store, cohorts, cohort_id, catalog)
        for stage, reasons in state.not_of_today.items():
            stale[stage] |= reasons
            doubts[stage] |= state.doubts[stage]
    read = read_evaluations(store, pipeline, listed, catalog.models, stale)
    return GatheredCohorts(
        listed,
        with_shown_ids(read, catalog),
        list(read_verdicts(store, pipeline, listed, catalog, stale)),
        cohorts_of,
        [str(one) for one in find_differences(cohorts, cohort_ids, pipeline)]
        if cohort_ids[1:]
        else [],
        doubts,
    )


def folder_of(cohort_ids: Sequence[str]) -> str:
    """Return where the first cohort's folder has what is about several, `""` if it is alone."""
    (_, *more) = dict.fromkeys(cohort_ids)
    return f"with-{'-'.join(more)}"[:_LONGEST_NAME] + "/" if more else ""


def merge_memberships(
    cohorts: CohortStore, cohort_ids: Sequence[str], pipeline: Pipeline
) -> tuple[dict[Stage, list[str]], dict[GenerationRef, str]]:
    """Return the generations of cohorts, each once, and the cohorts of each.

    Raises:
        CohortNotPlannedError: A cohort was not planned yet.
        CatalogError: A membership is wrong.
    """
    members: dict[Stage, dict[str, None]] = {stage: {} for stage in pipeline}
    owners: dict[GenerationRef, list[str]] = {}
    for cohort_id in cohort_ids:
        for ref in refs_of(cohorts.read_membership(cohort_id)):
            members[ref.stage][ref.gen_id] = None
            owners.setdefault(ref, []).append(cohort_id)
    return (
        {stage: list(gen_ids) for stage, gen_ids in members.items()},
        {ref: " ".join(of_ref) for ref, of_ref in owners.items()},
    )


def find_differences(
    cohorts: CohortStore, cohort_ids: Sequence[str], pipeline: Pipeline
) -> Iterator[Difference]:
    """Yield in what cohorts differ: specifications, and inputs that were edited in between.

    Raises:
        CatalogError: The manifest of a cohort is malformed.
    """
    specs, missing = {}, {}
    written = cohorts.list_cohorts()
    for cohort_id in cohort_ids:
        try:
            specs[cohort_id] = cohorts.read_spec(cohort_id)
        except CatalogError:
            missing[cohort_id] = "cannot be read" if cohort_id in written else _NO_SPEC
    # Imported cohorts do not differ in that none of them has a specification.
    if missing and (specs or {*missing.values()} != {_NO_SPEC}):
        yield Difference("specification", missing)
    if specs:
        yield from spec_differences(specs, pipeline)
    manifests = {cohort_id: cohorts.read_manifest(cohort_id) for cohort_id in cohort_ids}
    yield from input_differences({name: one for name, one in manifests.items() if one is not None})
