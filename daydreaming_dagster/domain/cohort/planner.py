"""Plans the generations of a cohort, stage by stage, and gives each its gen_id."""

import functools
import hashlib
import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.catalog import (
    COMBO_SEPARATOR,
    Catalog,
    TemplateEntry,
    combine_concepts,
)
from daydreaming_dagster.domain.cohort.couplings import Axis, Coupling, Row, extensions
from daydreaming_dagster.domain.cohort.given_texts import GivenText
from daydreaming_dagster.domain.cohort.manifest import Input
from daydreaming_dagster.domain.cohort.parents import Origin, PlannedText, origins
from daydreaming_dagster.domain.cohort.sampling import sampling_of
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.digests import as_id
from daydreaming_dagster.domain.generation.metadata import FORMAT_VERSION, Parent
from daydreaming_dagster.domain.generation.records import MainRecord, ParentRecord
from daydreaming_dagster.domain.older.stored import find_older
from daydreaming_dagster.domain.parsing.registry import RESPONSE_FORMATS
from daydreaming_dagster.domain.shipped_stages import PARENT_STAGE
from daydreaming_dagster.domain.stages import COMBO, GenerationRef, StageDefinition
from daydreaming_dagster.ports.language_model import SamplingParameters
from daydreaming_dagster.types import JsonObject, JsonValue, Stage

_RESPONSE_FORMAT: Final = "response_format"
_SIGNATURE_VERSION: Final = "1"
_GEN_ID: Final = attrs.fields(MainRecord).gen_id.name
_COHORT_ID: Final = attrs.fields(MainRecord).cohort_id.name
_COMBO_ID: Final = attrs.fields(MainRecord).combo_id.name
_PARENT_GEN_ID: Final = attrs.fields(MainRecord).parent_gen_id.name
_PARENTS: Final = attrs.fields(MainRecord).parents.name
_PARENT_KEYS: Final = [field.name for field in attrs.fields(ParentRecord)]


@attrs.frozen(eq=False, weakref_slot=False)
class PlannedOrigin:
    """What generations are made from, shared by all that are made from the same.

    `metadata` is what their main metadata say of it. `of_group` says that all texts of a group are
    among the parents: members come and go.
    """

    metadata: JsonObject = attrs.field(factory=dict)
    parents: tuple[GenerationRef, ...] = ()
    of_group: bool = False


@attrs.frozen(weakref_slot=False)
class PlannedGeneration:
    """A generation as its main metadata will describe it.

    A plan has up to millions, so they share all but the gen_id: `way` is the metadata of those
    with the same template, model and replicate.
    """

    stage: Stage
    gen_id: str
    way: JsonObject = attrs.field(eq=False)
    origin: PlannedOrigin = attrs.field(factory=PlannedOrigin, repr=False, eq=False)

    @property
    def parents(self) -> tuple[GenerationRef, ...]:
        """Those of its origin."""
        return self.origin.parents

    @property
    def metadata(self) -> JsonObject:
        """The whole main metadata."""
        document = {**self.way, **self.origin.metadata}
        if _GEN_ID in document:  # what was stored by hand may lack it
            document[_GEN_ID] = self.gen_id
        return document


@attrs.frozen
class _Variant:
    """The common part of generations with the same template, model and replicate.

    `hashed` is the beginning of their signatures; `way` is the metadata that it stands for.
    """

    way: JsonObject
    hashed: Any


def _head_of(cohort_id: str) -> JsonObject:
    """Return the beginning of main metadata, with a place for the gen_id, its second key."""
    head = MainRecord(format_version=FORMAT_VERSION, gen_id="", cohort_id=cohort_id)
    return head.as_document()


@attrs.frozen
class Planner:
    """Plans the generations of a cohort, stage by stage.

    `given` are texts that it takes as they are stored, `older` are imported generations, whose ids
    stay theirs. `used` are the values of each axis that lead to a generation.
    """

    cohort_id: str
    spec: CohortSpec
    catalog: Catalog
    given: Sequence[GivenText] = ()
    older: Mapping[Hashable, tuple[str, JsonObject]] = attrs.field(factory=dict, repr=False)
    used: dict[Axis, set[str]] = attrs.field(factory=dict, init=False)
    _variants: dict[tuple[Stage, str, str], list[_Variant]] = attrs.field(factory=dict, init=False)
    _combo_ids: dict[str, str] = attrs.field(factory=dict, init=False)
    _head: JsonObject = attrs.field(
        init=False, default=attrs.Factory(lambda self: _head_of(self.cohort_id), takes_self=True)
    )

    def generations(self) -> tuple[PlannedGeneration, ...]:
        """Return the generations, stage by stage, of which each leads to one of a last stage."""
        pipeline, stages = self.catalog.pipeline, self.spec.used(self.catalog.pipeline)
        couplings = self.spec.couplings(pipeline)
        with_children = {name for definition in stages for name in definition.parent_stages}
        planned: dict[Stage, list[PlannedGeneration]] = {}
        texts: dict[Stage, list[PlannedText]] = {}
        for one in self.given:
            combo = one.text.origin.ancestors.get(COMBO, "")
            self._combo_ids[combo] = combo  # as the metadata of the text name it
            ref, parents = one.text.ref, [parent.ref for parent in one.text.origin.parents]
            stored = PlannedGeneration(*ref, one.metadata, PlannedOrigin(parents=tuple(parents)))
            planned.setdefault(ref.stage, []).append(stored)
            texts.setdefault(ref.stage, []).append(one.text)
        for definition in stages:
            made = planned.setdefault(definition.name, [])
            as_parents = texts.setdefault(definition.name, [])
            steps = _Steps(self.spec, self.catalog, definition, couplings)
            sources = (
                origins(pipeline, definition, texts)
                if definition.parents
                else self._combinations(couplings)
            )
            for origin in sources:
                described = self._describe(definition, origin)
                for template_id, model_id, rows in steps.of(origin.rows):
                    variants = self._variants_of(definition.name, template_id, model_id)
                    added = [described.generation(variant) for variant in variants]
                    if self.older:
                        added = list(map(self._as_imported, added))
                    made += added
                    if definition.name in with_children:
                        as_parents += [
                            PlannedText(GenerationRef(definition.name, one.gen_id), origin, rows)
                            for one in added
                        ]
                    else:
                        self._note_used(rows)
        for definition in reversed(stages):
            if definition.name in with_children:
                self._keep_parents(definition.name, planned, texts)
        return tuple(chain.from_iterable(planned.values()))

    def inputs(self) -> Iterator[Input]:
        """Yield the templates, models and concepts of the generations."""
        for stage, template_id, model_id in self._variants:
            templates, models = self.catalog.pipeline[stage].axes
            asks = self.catalog.templates[stage, template_id].generator == "llm"
            if asks and template_id in self.used[templates] and model_id in self.used[models]:
                yield "template", f"{stage}/{template_id}"
                yield "model", model_id
        for combo in self.used.get(COMBO, ()):
            for concept_id in combo.split(COMBO_SEPARATOR):
                yield "concept", concept_id

    def _as_imported(self, planned: PlannedGeneration) -> PlannedGeneration:
        """Return the imported generation that is the planned one; itself if there is none."""
        found = find_older(self.older, planned.stage, planned.metadata)
        if found is None:
            return planned
        origin = attrs.evolve(planned.origin, metadata={})
        return PlannedGeneration(planned.stage, *found, origin)

    def _combinations(self, couplings: Sequence[Coupling]) -> Iterator[Origin]:
        for row in extensions({}, COMBO, self.spec.values(COMBO), couplings):
            yield Origin((), {COMBO: row[COMBO]}, (row,))

    def _note_used(self, rows: Iterable[Row]) -> None:
        for row in rows:
            for axis, value in row.items():
                if value not in self.used.setdefault(axis, set()):
                    self.used[axis].add(value)

    def _keep_parents(
        self,
        stage: Stage,
        planned: dict[Stage, list[PlannedGeneration]],
        texts: Mapping[Stage, Sequence[PlannedText]],
    ) -> None:
        """Drop the generations of a stage that the couplings leave without any child."""
        parents = {
            gen_id
            for generations in planned.values()
            for child in generations
            for of_stage, gen_id in child.parents
            if of_stage == stage
        }
        kept = [planned for planned in planned[stage] if planned.gen_id in parents]
        planned[stage] = kept
        for text in texts[stage]:
            if text.ref.gen_id in parents:
                self._note_used(text.rows)

    def _describe(self, definition: StageDefinition, origin: Origin) -> "_Described":
        """Return what the generations of an origin have in common.

        An only parent is hashed as all versions did. Of a group, what it has in common is hashed
        and not its members, so that a generation stays itself when a member is added.
        """
        combo = origin.ancestors.get(COMBO)
        if not definition.parents:
            concepts = self._of_concepts((combo or "").split(COMBO_SEPARATOR))
            return _Described(definition, origin, concepts, concepts)
        # Not by way of a record, which takes ten times as long.
        described: JsonObject = {} if combo is None else {_COMBO_ID: self._combo_id(combo)}
        hashed: JsonObject
        if definition.only_parent is not None:
            parent = origin.parents[0].ref
            hashed = {_PARENT_GEN_ID: parent.gen_id, **described}
            # What a gen_id alone has always said is not said twice.
            if PARENT_STAGE.get(definition.name) == parent.stage:
                return _Described(definition, origin, hashed, hashed)
            described = {**hashed, _PARENTS: _parent_documents(origin.parents)}
            return _Described(definition, origin, described, hashed)
        groups: JsonObject = dict(origin.groups)
        single = [parent for parent in origin.parents if parent.role not in groups]
        hashed = {**described, _PARENTS: _parent_documents(single), "groups": groups}
        if groups:
            hashed[_COHORT_ID] = self.cohort_id
        described = {_PARENTS: _parent_documents(origin.parents), **described}
        return _Described(definition, origin, described, hashed)

    def _combo_id(self, combo: str) -> str:
        if combo not in self._combo_ids:
            concepts = [self.catalog.concepts[name] for name in combo.split(COMBO_SEPARATOR)]
            level = self.spec.description_level
            self._combo_ids[combo] = combine_concepts(concepts, level).combo_id
        return self._combo_ids[combo]

    def _of_concepts(self, concept_ids: list[str]) -> JsonObject:
        return MainRecord(
            combo_id=self._combo_id(COMBO_SEPARATOR.join(concept_ids)),
            concept_ids=concept_ids,
            description_level=self.spec.description_level,
        ).as_document()

    def _variants_of(self, stage: Stage, template_id: str, model_id: str) -> list[_Variant]:
        key = stage, template_id, model_id
        if key not in self._variants:
            entry = self.catalog.templates[stage, template_id]
            self._variants[key] = [
                _Variant(
                    {**self._head, **variant},
                    hashlib.sha256(_SIGNATURE_VERSION.encode() + _signature(variant)),
                )
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
        chosen = self.spec.sampling.get(stage, SamplingParameters())
        extra_body = dict(chosen.extra_body)
        parser = entry.parser or self.catalog.pipeline[stage].default_parser
        if entry.schema is not None:
            extra_body[_RESPONSE_FORMAT] = entry.schema.response_format
        elif parser in RESPONSE_FORMATS:
            extra_body.setdefault(_RESPONSE_FORMAT, RESPONSE_FORMATS[parser])
        chosen = attrs.evolve(chosen, extra_body=extra_body)
        parameters = sampling_of(self.catalog.models[model_id], chosen)
        for replicate in range(1, replicates_of(self.spec, self.catalog, stage) + 1):
            yield attrs.evolve(
                template,
                llm_model_id=model_id,
                parameters=parameters.for_replicate(replicate).as_document(),
                replicate=replicate,
            )


@attrs.frozen
class _Described:
    """What the generations of a stage with the same origin have in common.

    `metadata` is what theirs say of the origin, `hashed` what of it makes up their gen_ids.
    """

    definition: StageDefinition
    origin: Origin
    metadata: JsonObject
    hashed: JsonObject
    _signature: bytes = attrs.field(
        init=False, default=attrs.Factory(lambda self: _signature(self.hashed), takes_self=True)
    )
    _planned: PlannedOrigin = attrs.field(
        init=False, default=attrs.Factory(lambda self: self._planned_origin(), takes_self=True)
    )

    def _planned_origin(self) -> PlannedOrigin:
        parents = tuple(parent.ref for parent in self.origin.parents)
        return PlannedOrigin(self.metadata, parents, bool(self.origin.groups))

    def generation(self, variant: _Variant) -> PlannedGeneration:
        """Return the generation of this origin that is made in this way."""
        hashed = variant.hashed.copy()
        hashed.update(self._signature)
        gen_id = f"{self.definition.id_prefix}_{as_id(hashed.digest())}"
        return PlannedGeneration(self.definition.name, gen_id, variant.way, self._planned)


@attrs.frozen
class _Steps:
    """The templates and models of a stage's generations."""

    spec: CohortSpec
    catalog: Catalog
    definition: StageDefinition
    couplings: Sequence[Coupling]
    _known: dict[object, list[tuple[str, str, tuple[str, str]]]] = attrs.field(
        factory=dict, init=False
    )

    @functools.cached_property
    def _coupled(self) -> list[Axis]:
        """The axes of other stages that couplings tie to those of this one."""
        own = set(self.definition.axes)
        coupled = [set(coupling.axes) for coupling in self.couplings]
        return sorted({axis for axes in coupled if axes & own for axis in axes - own})

    def of(self, rows: Sequence[Row]) -> Iterator[tuple[str, str, tuple[Row, ...]]]:
        """Yield each template and model (`""` for a copy) that go with one of these rows.

        The rows with them are yielded, too: those of a copy have the models that it stands for.
        """
        steps: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            for template_id, model_id, (template, model) in self._choices(row):
                axes = self.definition.axes
                extended = {**row, axes[0]: template, axes[1]: model}
                steps.setdefault((template_id, model_id), []).append(extended)
        for (template_id, model_id), extended_rows in steps.items():
            yield template_id, model_id, tuple(extended_rows)

    def _choices(self, row: Row) -> list[tuple[str, str, tuple[str, str]]]:
        key = tuple(row.get(axis) for axis in self._coupled)
        if key not in self._known:
            templates, models = self.definition.axes
            self._known[key] = [
                (full[templates], self._model(full), (full[templates], full[models]))
                for with_template in extensions(
                    row, templates, self.spec.values(templates), self.couplings
                )
                for full in extensions(
                    with_template, models, self.spec.values(models) or [""], self.couplings
                )
            ]
        return self._known[key]

    def _model(self, row: Row) -> str:
        templates, models = self.definition.axes
        entry = self.catalog.templates[self.definition.name, row[templates]]
        return "" if entry.generator == "copy" else row[models]


def _parent_documents(parents: Iterable[Parent]) -> list[JsonValue]:
    return [dict(zip(_PARENT_KEYS, (parent.role, *parent.ref), strict=True)) for parent in parents]


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


def replicates_of(spec: CohortSpec, catalog: Catalog, stage: Stage) -> int:
    """Return how often a stage asks the same question."""
    return spec.replicates.get(stage, catalog.replicates.get(stage, 1))
