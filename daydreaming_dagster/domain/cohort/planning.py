"""Computes a cohort's generations from its specification."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Final

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.given_texts import read_given_texts, unused_texts
from daydreaming_dagster.domain.cohort.judgment_choice import DuelChoice
from daydreaming_dagster.domain.cohort.manifest import Manifest, make_manifest
from daydreaming_dagster.domain.cohort.plan_checks import (
    catalog_problems,
    missing_content,
    plan_notices,
    template_problems,
)
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration, Planner
from daydreaming_dagster.domain.cohort.renaming import with_planned_ids
from daydreaming_dagster.domain.cohort.spec import CohortSpec, spec_problems
from daydreaming_dagster.domain.documents import Problem, without_consequences
from daydreaming_dagster.domain.errors import CatalogError, PlanConflictError
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.older.stored import read_older_generations
from daydreaming_dagster.domain.stages import COMBO, GenerationRef
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.gens_store import (
    GensStore,
    GensStoreWithTemplates,
    read_ahead,
    threads_for,
)
from daydreaming_dagster.types import JsonObject, Stage

_COHORT_ID: Final = attrs.fields(MainRecord).cohort_id.name
_FORMAT_VERSION: Final = attrs.fields(MainRecord).format_version.name
_PARENTS: Final = attrs.fields(MainRecord).parents.name


@attrs.frozen
class CohortPlan:
    """The generations of a cohort, each parent before its children.

    `notices` say what may surprise a researcher: missing descriptions that were replaced, and
    values that the couplings exclude. `manifest` describes the inputs of the plan. `duels` says of
    which stages only some generations become members, and how those are chosen.
    """

    cohort_id: str
    generations: tuple[PlannedGeneration, ...] = attrs.field(repr=False)
    notices: tuple[str, ...] = ()
    manifest: Manifest = attrs.field(factory=Manifest, repr=False)
    duels: Mapping[Stage, DuelChoice] = attrs.field(factory=dict)

    def of_stage(self, stage: Stage) -> list[PlannedGeneration]:
        """Return the generations of a stage in planned order."""
        return [planned for planned in self.generations if planned.stage == stage]

    def gen_ids(self, stage: Stage) -> list[str]:
        """Return the gen_ids of a stage in planned order."""
        return [planned.gen_id for planned in self.of_stage(stage)]

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield each generation that nothing is made from, with its values on the axes and lineage.

        A value that does not apply is `""`: the model of a copy, or a stage of which the generation
        has no ancestor, or several.
        """
        records = {
            GenerationRef(planned.stage, planned.gen_id): MainRecord.from_document(planned.metadata)
            for planned in self.generations
        }
        parents = dict(zip(records, (planned.parents for planned in self.generations), strict=True))
        stages = list(dict.fromkeys(ref.stage for ref in records))
        lineages: dict[GenerationRef, dict[Stage, MainRecord | None]] = {}
        childless = dict.fromkeys(records)
        for ref, record in records.items():
            lineage = lineages[ref] = {ref.stage: record}
            for parent in parents[ref]:
                childless.pop(parent, None)
                for stage, ancestor in lineages[parent].items():
                    if lineage.setdefault(stage, ancestor) is not ancestor:
                        lineage[stage] = None
        for ref in childless:
            row = {COMBO: records[ref].combo_id or ""}
            for stage in stages:
                record = lineages[ref].get(stage) or MainRecord()
                row[stage] = record.gen_id or ""
                row[f"{stage}_template"] = record.template_id or ""
                row[f"{stage}_llm"] = record.llm_model_id or ""
                row[f"{stage}_replicate"] = str(record.replicate or "")
            yield row


@attrs.frozen
class PlanRecord:
    """The numbers of new and existing generations of a recorded plan, by stage.

    Attributes:
        created_by_stage: New generations.
        found_by_stage: Existing generations.
        shared_by_stage: Existing generations that another cohort planned first.
    """

    created_by_stage: Mapping[Stage, int]
    found_by_stage: Mapping[Stage, int]
    shared_by_stage: Mapping[Stage, int]

    @property
    def created(self) -> int:
        """How many generations are new in all stages."""
        return sum(self.created_by_stage.values())

    @property
    def found(self) -> int:
        """How many generations were there already in all stages."""
        return sum(self.found_by_stage.values())


def make_plan(
    store: GensStoreWithTemplates,
    cohort_id: str,
    spec: CohortSpec,
    catalog: Catalog,
    *,
    allow_missing: bool = False,
) -> CohortPlan:
    """Return the generations that the specification's axes and couplings define. Writes nothing.

    A gen_id is a function of everything that was chosen for the text: parent, combination,
    template, model, parameters and replicate. So the same generation has the same id in every plan
    and cohort, and the order of a specification's lists does not change an id. An imported
    generation that is what is planned keeps the id that it has.

    With `allow_missing`, what a concept or a template lacks is a notice: a description at
    another level, or the name, stands in for a missing one.

    Raises:
        CatalogError: The specification is inconsistent, or names something that the catalog lacks,
            or a template that does not compile or render. Without `allow_missing`: a concept has
            no description at the level, or a template uses none of its variables. Lists all
            problems.
    """
    spec = with_planned_ids(spec, catalog.planned_ids())
    pipeline, unusable = catalog.pipeline, list[Problem]()
    given = read_given_texts(store, pipeline, spec.texts, unusable)
    found = [
        *spec_problems(spec, pipeline),
        *unusable,
        *unused_texts(given, spec.used(pipeline)),
        *catalog_problems(spec, catalog, {one.text.ref.stage for one in given}),
    ]
    problems = [*spec.problems, *without_consequences(found, spec.problems)]
    reasons = [*map(str, problems), *template_problems(store, spec, catalog)]
    lacking = [] if reasons else [*missing_content(store, spec, catalog, allowed=allow_missing)]
    if lacking and not allow_missing:
        reasons = lacking
    if reasons:
        raise CatalogError(f"cohort {cohort_id}", tuple(reasons))
    older = read_older_generations(store, pipeline)
    planner = Planner(cohort_id, spec, catalog, given, older)
    generations = planner.generations()
    if not generations:
        problem = "the couplings leave no combination: none satisfies all of them"
        raise CatalogError(f"cohort {cohort_id}", (problem,))
    return CohortPlan(
        cohort_id,
        generations,
        (*lacking, *plan_notices(spec, catalog, planner.used)),
        make_manifest(store, spec, catalog, planner.inputs()),
        spec.duels,
    )


def record_plan(store: GensStore, plan: CohortPlan) -> PlanRecord:
    """Write the main metadata of the plan's new generations.

    Raises:
        PlanConflictError: A generation exists with different metadata. The generations before it in
            the plan were recorded.
    """
    created, found, shared = Counter[Stage](), Counter[Stage](), Counter[Stage]()
    for stage, of_stage in groupby(plan.generations, lambda planned: planned.stage):
        # In most cases, one listing replaces a failing read for each generation.
        new = set(plan.gen_ids(stage))
        new.difference_update(store.list_generations(stage))
        there_already = [gen_id for gen_id in plan.gen_ids(stage) if gen_id not in new]
        views = read_ahead(store, stage, there_already, ["main_metadata"])
        with _writer(store) as write:
            for planned in of_stage:
                metadata, there = planned.metadata, None
                if planned.gen_id not in new:
                    with suppress(MissingArtifactError):
                        _, view = next(views)
                        there = view.read_main_metadata(stage, planned.gen_id)
                if there is None:
                    write(stage, planned.gen_id, metadata)
                    created[stage] += 1
                    continue
                of_group = planned.origin.of_group
                if differing := _differing_keys(metadata, there, of_group=of_group):
                    raise PlanConflictError(stage, planned.gen_id, tuple(sorted(differing)))
                if of_group and there.get(_PARENTS) != metadata.get(_PARENTS):
                    write(stage, planned.gen_id, metadata)
                found[stage] += 1
                shared[stage] += there.get(_COHORT_ID) != plan.cohort_id
    return PlanRecord(created, found, shared)


@contextmanager
def _writer(store: GensStore) -> Iterator[Callable[[Stage, str, JsonObject], None]]:
    """Yield a function that writes main metadata; over a network, it makes many requests at once.

    All of it is written when the block ends, whether or not that raises. An error of a write is
    raised at a later write or at the end.
    """
    at_once = threads_for(store, 1)
    if at_once == 1:
        yield store.write_main_metadata
        return
    pending = deque[Future[None]]()

    def write(stage: Stage, gen_id: str, metadata: JsonObject) -> None:
        if len(pending) > at_once:  # bounds what waits in memory
            pending.popleft().result()
        pending.append(pool.submit(store.write_main_metadata, stage, gen_id, metadata))

    with ThreadPoolExecutor(at_once) as pool:
        yield write
        for written in pending:
            written.result()


def _differing_keys(planned: JsonObject, there: JsonObject, *, of_group: bool) -> set[str]:
    """Return the keys in which the stored metadata contradicts the plan.

    Cohorts share equal generations; the metadata names the cohort that planned them first. What an
    older version wrote stays, and may name an only parent by its gen_id alone. Of a group, members
    come and go.
    """
    ignored = {_COHORT_ID, _FORMAT_VERSION}
    if of_group or _PARENTS not in there:
        ignored.add(_PARENTS)
    return {
        key
        for key in planned.keys() | there.keys()
        if key not in ignored and planned.get(key) != there.get(key)
    }
