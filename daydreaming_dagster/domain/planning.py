"""From a cohort's specification to its generations."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations, product
from typing import Final

import attrs

from daydreaming_dagster.data_layer.errors import MissingArtifactError
from daydreaming_dagster.data_layer.generation_metadata import FORMAT_VERSION, Mode
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.catalog import Catalog, combine_concepts
from daydreaming_dagster.domain.cohort_spec import CohortSpec
from daydreaming_dagster.domain.errors import CatalogError, PlanConflictError
from daydreaming_dagster.domain.language_model import SamplingParameters
from daydreaming_dagster.domain.parsers import PARSERS, parser_name
from daydreaming_dagster.domain.template_rendering import compile_template
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import STAGES, JsonObject, JsonValue, Stage

_GEN_ID_PREFIX: Final[Mapping[Stage, str]] = {"draft": "d", "essay": "e", "evaluation": "v"}
_SIGNATURE_VERSION: Final = "1"


@attrs.frozen
class PlannedGeneration:
    """A generation as its main metadata will describe it."""

    stage: Stage
    gen_id: str
    metadata: JsonObject = attrs.field(hash=False)


@attrs.frozen
class CohortPlan:
    """The generations of a cohort, each parent before its children."""

    cohort_id: str
    generations: tuple[PlannedGeneration, ...]

    def gen_ids(self, stage: Stage) -> list[str]:
        """Return the gen_ids of a stage in planned order."""
        return [planned.gen_id for planned in self.generations if planned.stage == stage]


@attrs.frozen
class PlanRecord:
    """What recording a plan did: how many generations it created, and how many it found."""

    created: int
    found: int


def plan_cohort(store: GensStore, cohort_id: str, spec: CohortSpec, catalog: Catalog) -> CohortPlan:
    """Return the full factorial of the specification's axes. Writes nothing.

    A gen_id is a function of everything that changes the text (parent, combination, template,
    model, parameters, replicate), so that the same generation has the same id in every plan
    and in every cohort.

    Raises:
        CatalogError: The specification is inconsistent, or names what the catalog lacks or a
            template that does not compile. Lists all problems.
    """
    problems = list(_problems(store, spec, catalog))
    if problems:
        raise CatalogError(f"cohort {cohort_id}", tuple(problems))
    drafts = list(_draft_generations(cohort_id, spec, catalog))
    essays = list(_child_generations(cohort_id, spec, catalog, "essay", drafts))
    evaluations = list(_child_generations(cohort_id, spec, catalog, "evaluation", essays))
    return CohortPlan(cohort_id, (*drafts, *essays, *evaluations))


def record_plan(store: GensStore, plan: CohortPlan) -> PlanRecord:
    """Write the main metadata of the plan's generations where it is not there yet.

    Raises:
        PlanConflictError: A generation is there with metadata that says something else. The
            generations before it in the plan were recorded.
    """
    created = 0
    for planned in plan.generations:
        try:
            found = store.read_main_metadata(planned.stage, planned.gen_id)
        except MissingArtifactError:
            store.write_main_metadata(planned.stage, planned.gen_id, planned.metadata)
            created += 1
            continue
        # Cohorts share generations that are the same; the one that came first stays named.
        differing = {
            key
            for key in planned.metadata.keys() | found.keys()
            if key != "cohort_id" and planned.metadata.get(key) != found.get(key)
        }
        if differing:
            raise PlanConflictError(planned.stage, planned.gen_id, tuple(sorted(differing)))
    return PlanRecord(created=created, found=len(plan.generations) - created)


def _draft_generations(
    cohort_id: str, spec: CohortSpec, catalog: Catalog
) -> Iterator[PlannedGeneration]:
    for concept_ids in _concept_combinations(spec):
        concepts = [catalog.concepts[concept_id] for concept_id in concept_ids]
        combo = combine_concepts(concepts, spec.description_level)
        yield from _generations(
            cohort_id,
            spec,
            catalog,
            "draft",
            {
                "combo_id": combo.combo_id,
                "concept_ids": list(concept_ids),
                "description_level": spec.description_level,
            },
        )


def _child_generations(
    cohort_id: str,
    spec: CohortSpec,
    catalog: Catalog,
    stage: Stage,
    parents: Sequence[PlannedGeneration],
) -> Iterator[PlannedGeneration]:
    for parent in parents:
        origin: dict[str, JsonValue] = {
            "parent_gen_id": parent.gen_id,
            "combo_id": parent.metadata["combo_id"],
        }
        yield from _generations(cohort_id, spec, catalog, stage, origin)


def _generations(
    cohort_id: str,
    spec: CohortSpec,
    catalog: Catalog,
    stage: Stage,
    origin: Mapping[str, JsonValue],
) -> Iterator[PlannedGeneration]:
    """Yield a generation for each template, model and replicate of the stage."""
    for template_id in spec.axes.templates(stage):
        mode = catalog.templates[stage, template_id].generator
        for variant in _variants(spec, stage, mode):
            described: JsonObject = {
                "stage": stage,
                "mode": mode,
                "template_id": template_id,
                **origin,
                **variant,
            }
            gen_id = _gen_id(stage, described)
            yield PlannedGeneration(
                stage,
                gen_id,
                {
                    "format_version": FORMAT_VERSION,
                    "gen_id": gen_id,
                    "cohort_id": cohort_id,
                    **described,
                },
            )


def _variants(spec: CohortSpec, stage: Stage, mode: Mode) -> Iterator[JsonObject]:
    if mode == "copy":  # nothing is asked, so neither models nor replicates could differ
        yield {}
        return
    parameters = spec.sampling.get(stage, SamplingParameters())
    for model_id, replicate in product(
        spec.axes.models(stage), range(1, spec.replicates.get(stage, 1) + 1)
    ):
        yield {
            "llm_model_id": model_id,
            "parameters": parameters.for_replicate(replicate).as_document(),
            "replicate": replicate,
        }


def _concept_combinations(spec: CohortSpec) -> Iterator[tuple[str, ...]]:
    if spec.axes.combo:
        return iter([tuple(concept_ids) for concept_ids in spec.axes.combo])
    return combinations(spec.axes.concepts, spec.axes.k or 0)


def _problems(store: GensStore, spec: CohortSpec, catalog: Catalog) -> Iterator[str]:
    axes = spec.axes
    yield from _concept_problems(spec, catalog)
    for stage in STAGES:
        yield from _duplicates(f"axes.{stage}_template", axes.templates(stage))
        yield from _duplicates(f"axes.{stage}_llm", axes.models(stage))
        if not axes.templates(stage):
            yield f"axes.{stage}_template is empty"
        for template_id in axes.templates(stage):
            yield from _template_problems(store, spec, catalog, stage, template_id)
        for model_id in axes.models(stage):
            if model_id not in catalog.models:
                yield f"axes.{stage}_llm names {model_id!r}, which the model catalog lacks"
        if spec.replicates.get(stage, 1) < 1:
            yield f"replicates.{stage} must be at least 1"


def _concept_problems(spec: CohortSpec, catalog: Catalog) -> Iterator[str]:
    axes = spec.axes
    if axes.combo and (axes.concepts or axes.k is not None):
        yield "axes.combo excludes axes.concepts and axes.k"
    elif not axes.combo and not 1 <= (axes.k or 0) <= len(axes.concepts):
        yield f"axes.k must be 1 to {len(axes.concepts)}, the number of axes.concepts"
    yield from _duplicates("axes.combo", ["+".join(combo) for combo in axes.combo])
    for name, concept_ids in chain(
        [("axes.concepts", axes.concepts)],
        ((f"axes.combo[{i}]", combo) for i, combo in enumerate(axes.combo)),
    ):
        yield from _duplicates(name, concept_ids)
        for concept_id in concept_ids:
            if concept_id not in catalog.concepts:
                yield f"{name} names {concept_id!r}, which the concept catalog lacks"
        if axes.combo and name != "axes.concepts" and not concept_ids:
            yield f"{name} is empty"


def _template_problems(
    store: GensStore, spec: CohortSpec, catalog: Catalog, stage: Stage, template_id: str
) -> Iterator[str]:
    entry = catalog.templates.get((stage, template_id))
    if entry is None:
        yield f"axes.{stage}_template names {template_id!r}, which the catalog lacks"
        return
    if parser_name(stage, entry.parser) not in PARSERS:
        yield f"{stage} template {template_id!r} names the unknown parser {entry.parser!r}"
    if entry.generator == "copy":
        if stage == "draft":
            yield f"draft template {template_id!r} copies, and a draft has no parent to copy"
        return
    if not spec.axes.models(stage):
        yield f"axes.{stage}_llm is empty, and template {template_id!r} asks a model"
    try:
        compile_template(store, stage, template_id)
    except DaydreamingError as error:
        yield str(error)


def _duplicates(name: str, values: Sequence[str]) -> Iterator[str]:
    for value, count in Counter(values).items():
        if count > 1:
            yield f"{name} lists {value!r} {count} times"


def _gen_id(stage: Stage, described: Mapping[str, JsonValue]) -> str:
    """Return the stage's letter and 128 bits of a hash over all that `described` says.

    In base 32 and lower case, ids stay distinct where a file system ignores case. Among 10
    million generations two share an id with a probability of 10^-25.
    """
    hashed = hashlib.sha256(_SIGNATURE_VERSION.encode())
    for key in sorted(described):
        for part in (key, json.dumps(described[key], sort_keys=True)):
            hashed.update(f"{len(part.encode())}:{part}".encode())
    digest = base64.b32encode(hashed.digest()[:16]).decode().rstrip("=").lower()
    return f"{_GEN_ID_PREFIX[stage]}_{digest}"
