"""Computes a cohort's generations from its specification."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.catalog import (
    Catalog,
    TemplateEntry,
    combine_concepts,
)
from daydreaming_dagster.domain.cohort.couplings import (
    AXES,
    COMBO,
    Axis,
    assignments,
)
from daydreaming_dagster.domain.cohort.manifest import Input, Manifest, make_manifest
from daydreaming_dagster.domain.cohort.plan_checks import (
    catalog_problems,
    missing_content,
    plan_notices,
    template_problems,
)
from daydreaming_dagster.domain.cohort.spec import COMBO_SEPARATOR, CohortSpec, spec_problems
from daydreaming_dagster.domain.documents import without_consequences
from daydreaming_dagster.domain.errors import CatalogError, PlanConflictError
from daydreaming_dagster.domain.generation.metadata import FORMAT_VERSION
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.parsing.registry import RESPONSE_FORMATS, parser_name
from daydreaming_dagster.domain.stages import FIRST_STAGE, PARENT_STAGE, STAGE_DEFINITIONS
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.gens_store import GensStore, Templates
from daydreaming_dagster.ports.language_model import SamplingParameters
from daydreaming_dagster.types import STAGES, JsonObject, Stage

_SIGNATURE_VERSION: Final = "1"
_GEN_ID: Final = attrs.fields(MainRecord).gen_id.name
_COHORT_ID: Final = attrs.fields(MainRecord).cohort_id.name


@attrs.frozen
class PlannedGeneration:
    """A generation as its main metadata will describe it."""

    stage: Stage
    gen_id: str
    metadata: JsonObject = attrs.field(hash=False)


@attrs.frozen
class CohortPlan:
    """The generations of a cohort, each parent before its children.

    `notices` say what may surprise a researcher: missing descriptions that were replaced, and
    values that the couplings exclude. `manifest` describes the inputs of the plan.
    """

    cohort_id: str
    generations: tuple[PlannedGeneration, ...] = attrs.field(repr=False)
    notices: tuple[str, ...] = ()
    manifest: Manifest = attrs.field(factory=Manifest, repr=False)

    def gen_ids(self, stage: Stage) -> list[str]:
        """Return the gen_ids of a stage in planned order."""
        return [planned.gen_id for planned in self.generations if planned.stage == stage]

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield each generation of the last stage, with its value on every axis and its lineage.

        A value that does not apply, such as the model of a copy, is `""`.
        """
        by_id = {planned.gen_id: planned for planned in self.generations}
        for planned in self.generations:
            if planned.stage != STAGES[-1]:
                continue
            lineage = [MainRecord.from_document(planned.metadata)]
            while parent := lineage[0].parent_gen_id:
                lineage.insert(0, MainRecord.from_document(by_id[parent].metadata))
            row = {COMBO: lineage[0].combo_id or ""}
            for stage, record in zip(STAGES, lineage, strict=True):
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
    store: Templates,
    cohort_id: str,
    spec: CohortSpec,
    catalog: Catalog,
    *,
    allow_missing: bool = False,
) -> CohortPlan:
    """Return the generations that the specification's axes and couplings define. Writes nothing.

    A gen_id is a function of everything that was chosen for the text: parent, combination,
    template, model, parameters and replicate. So the same generation has the same id in every plan
    and cohort, and the order of a specification's lists does not change an id.

    With `allow_missing`, what a concept or a template lacks is a notice: a description at
    another level, or the name, stands in for a missing one.

    Raises:
        CatalogError: The specification is inconsistent, or names something that the catalog lacks,
            or a template that does not compile or render. Without `allow_missing`: a concept has
            no description at the level, or a template uses none of its variables. Lists all
            problems.
    """
    found = [*spec_problems(spec), *catalog_problems(spec, catalog)]
    problems = [*spec.problems, *without_consequences(found, spec.problems)]
    reasons = [*map(str, problems), *template_problems(store, spec, catalog)]
    lacking = [] if reasons else [*missing_content(store, spec, catalog)]
    if lacking and not allow_missing:
        reasons = lacking
    values: dict[Axis, Sequence[str]] = {axis: spec.values(axis) or [""] for axis in AXES}
    rows = [] if reasons else assignments(values, spec.couplings())
    if not rows and not reasons:
        reasons = ["the couplings leave no combination: none satisfies all of them"]
    if reasons:
        raise CatalogError(f"cohort {cohort_id}", tuple(reasons))
    planner = _Planner(cohort_id, spec, catalog)
    generations = planner.generations(rows)
    return CohortPlan(
        cohort_id,
        generations,
        (*lacking, *plan_notices(spec, catalog, values, rows)),
        make_manifest(store, spec, catalog, planner.inputs(rows)),
    )


def record_plan(store: GensStore, plan: CohortPlan) -> PlanRecord:
    """Write the main metadata of the plan's new generations.

    Raises:
        PlanConflictError: A generation exists with different metadata. The generations before it in
            the plan were recorded.
    """
    created, found, shared = Counter[Stage](), Counter[Stage](), Counter[Stage]()
    # In most cases, one listing replaces a failing read for each generation.
    listed = {stage: set(store.list_generations(stage)) for stage in STAGES}
    for planned in plan.generations:
        stage = planned.stage
        there = None
        if planned.gen_id in listed[stage]:
            with suppress(MissingArtifactError):
                there = store.read_main_metadata(stage, planned.gen_id)
        if there is None:
            store.write_main_metadata(stage, planned.gen_id, planned.metadata)
            created[stage] += 1
            continue
        # Cohorts share equal generations. The metadata names the cohort that planned them first.
        differing = {
            key
            for key in planned.metadata.keys() | there.keys()
            if key != _COHORT_ID and planned.metadata.get(key) != there.get(key)
        }
        if differing:
            raise PlanConflictError(stage, planned.gen_id, tuple(sorted(differing)))
        found[stage] += 1
        shared[stage] += there.get(_COHORT_ID) != plan.cohort_id
    return PlanRecord(created, found, shared)


@attrs.frozen
class _Variant:
    """The common part of generations with the same template, model and replicate.

    `hashed` is the beginning of their signatures; `described` is the metadata that it stands for.
    """

    described: JsonObject
    hashed: Any


def _head_of(cohort_id: str) -> JsonObject:
    """Return the beginning of main metadata, with a place for the gen_id, its second key."""
    head = MainRecord(format_version=FORMAT_VERSION, gen_id="", cohort_id=cohort_id)
    return head.as_document()


@attrs.frozen
class _Planner:
    cohort_id: str
    spec: CohortSpec
    catalog: Catalog
    _variants: dict[tuple[Stage, str, str], list[_Variant]] = attrs.field(factory=dict)
    _head: JsonObject = attrs.field(
        init=False, default=attrs.Factory(lambda self: _head_of(self.cohort_id), takes_self=True)
    )

    def generations(self, rows: Iterable[tuple[str, ...]]) -> tuple[PlannedGeneration, ...]:
        """Return the generations of these assignments of `AXES`, stage by stage."""
        # Rows that differ only in values that do not affect a copy give the same generations.
        tree: dict[Any, Any] = {}
        for row in rows:
            branch = tree
            for step in (row[0], *self._steps(row)):
                branch = branch.setdefault(step, {})
        planned: dict[Stage, list[PlannedGeneration]] = {stage: [] for stage in STAGES}
        for combo, drafts in tree.items():
            origin = self._first_origin(combo.split(COMBO_SEPARATOR))
            self._grow(planned, FIRST_STAGE, drafts, origin)
        return tuple(chain.from_iterable(planned.values()))

    def inputs(self, rows: Iterable[tuple[str, ...]]) -> Iterator[Input]:
        """Yield the parents or combinations of the generations that these assignments define."""
        for stage, template_id, model_id in self._variants:
            if self.catalog.templates[stage, template_id].generator == "llm":
                yield "template", f"{stage}/{template_id}"
                yield "model", model_id
        for combo in {row[0] for row in rows}:
            for concept_id in combo.split(COMBO_SEPARATOR):
                yield "concept", concept_id

    def _grow(
        self,
        planned: Mapping[Stage, list[PlannedGeneration]],
        stage: Stage,
        branches: Mapping[tuple[str, str], Any],
        origin: MainRecord,
    ) -> None:
        """Add the generations of a stage with this origin, and all their descendants."""
        prefix, of_origin = STAGE_DEFINITIONS[stage].id_prefix, origin.as_document()
        signature = _signature(of_origin)
        for (template_id, model_id), children in branches.items():
            for variant in self._variants_of(stage, template_id, model_id):
                hashed = variant.hashed.copy()
                hashed.update(signature)
                digest = base64.b32encode(hashed.digest()[:16]).decode().rstrip("=").lower()
                gen_id = f"{prefix}_{digest}"
                metadata = {**self._head, _GEN_ID: gen_id, **variant.described, **of_origin}
                planned[stage].append(PlannedGeneration(stage, gen_id, metadata))
                if children:
                    child_origin = MainRecord(parent_gen_id=gen_id, combo_id=origin.combo_id)
                    self._grow(planned, _CHILD_STAGE[stage], children, child_origin)

    def _steps(self, row: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for stage, definition in STAGE_DEFINITIONS.items():
            template_id, model_id = (row[AXES.index(axis)] for axis in definition.axes)
            copied = self.catalog.templates[stage, template_id].generator == "copy"
            yield template_id, "" if copied else model_id

    def _first_origin(self, concept_ids: list[str]) -> MainRecord:
        level = self.spec.description_level
        concepts = [self.catalog.concepts[concept_id] for concept_id in concept_ids]
        return MainRecord(
            combo_id=combine_concepts(concepts, level).combo_id,
            concept_ids=concept_ids,
            description_level=level,
        )

    def _variants_of(self, stage: Stage, template_id: str, model_id: str) -> list[_Variant]:
        key = stage, template_id, model_id
        if key not in self._variants:
            entry = self.catalog.templates[stage, template_id]
            self._variants[key] = [
                _Variant(variant, hashlib.sha256(_SIGNATURE_VERSION.encode() + _signature(variant)))
                for record in self._questions(stage, entry, model_id)
                for variant in [record.as_document()]
            ]
        return self._variants[key]

    def _questions(self, stage: Stage, entry: TemplateEntry, model_id: str) -> Iterator[MainRecord]:
        """Yield the parameters of each replicate."""
        template = MainRecord(stage=stage, mode=entry.generator, template_id=entry.template_id)
        if entry.generator == "copy":  # nothing is asked, so replicates could not differ
            yield template
            return
        parameters = self.spec.sampling.get(stage, SamplingParameters())
        response_format = RESPONSE_FORMATS.get(parser_name(stage, entry.parser))
        if response_format is not None:
            extra_body = {"response_format": response_format, **parameters.extra_body}
            parameters = attrs.evolve(parameters, extra_body=extra_body)
        for replicate in range(1, _replicates(self.spec, self.catalog, stage) + 1):
            yield attrs.evolve(
                template,
                llm_model_id=model_id,
                parameters=parameters.for_replicate(replicate).as_document(),
                replicate=replicate,
            )


_CHILD_STAGE: Final[Mapping[Stage, Stage]] = {
    parent: child for child, parent in PARENT_STAGE.items()
}


def _signature(described: JsonObject) -> bytes:
    """Return bytes that differ for any two documents: each part is preceded by its length.

    A gen_id is 128 bits of their hash. Among 10 million generations, two share an id with a
    probability of 10^-25. In lower-case base 32, ids stay distinct on a file system that ignores
    case.
    """
    parts = (
        part
        for key in sorted(described)
        for part in (key.encode(), json.dumps(described[key], sort_keys=True).encode())
    )
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _replicates(spec: CohortSpec, catalog: Catalog, stage: Stage) -> int:
    return spec.replicates.get(stage, catalog.replicates.get(stage, 1))
