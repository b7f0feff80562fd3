"""Finds mistakes and surprises in a plan before anything is written."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain

from daydreaming_dagster.domain.catalog import (
    COMBO_SEPARATOR,
    Catalog,
    Concept,
    TemplateEntry,
)
from daydreaming_dagster.domain.cohort.couplings import Axis
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.documents import Problem, suggestion
from daydreaming_dagster.domain.errors import CatalogError, TemplateError
from daydreaming_dagster.domain.stages import StageDefinition
from daydreaming_dagster.formatting import one
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.types import Stage


def catalog_problems(
    spec: CohortSpec, catalog: Catalog, given: Collection[Stage] = ()
) -> Iterator[Problem]:
    """Yield what the specification names but the catalogs lack.

    `given` are the stages of the texts that it takes as they are.
    """
    used = spec.used(catalog.pipeline)
    if not used:
        yield Problem(("axes",), "missing or empty; name templates of a stage", of_whole=True)
    if any(not definition.parents for definition in used):
        yield from _concept_problems(spec, catalog)
    names = {*given, *(definition.name for definition in used)}
    for definition in used:
        stage = definition.name
        templates, models = definition.axes
        yield from _parent_problems(definition, names)
        known = [name for of_stage, name in catalog.templates if of_stage == stage]
        if not spec.values(templates):
            yield Problem(("axes", templates), "missing or empty", of_whole=True)
        for template_id in spec.values(templates):
            if template_id not in known:
                yield _lacking(templates, f"{stage} template", template_id, known)
        for model_id in spec.values(models):
            if model_id not in catalog.models:
                yield _lacking(models, "model", model_id, catalog.models)
        asking = [
            entry for _, entry in _templates(spec, catalog, stage) if entry.generator == "llm"
        ]
        if asking and not spec.values(models):
            reason = f"missing or empty, and template {asking[0].template_id!r} asks a model"
            yield Problem(("axes", models), reason, of_whole=True)


def _parent_problems(definition: StageDefinition, used: Collection[Stage]) -> Iterator[Problem]:
    for role in definition.parents:
        if not set(role.stages) & set(used):
            made, source = one(definition.name), one(str(role))
            reason = f"{made} is made from {source}, and the cohort has none"
            yield Problem(("axes", definition.axes[0]), reason, of_whole=True)


def _concept_problems(spec: CohortSpec, catalog: Catalog) -> Iterator[Problem]:
    axes = spec.axes
    if not (spec.values("combo") or axes.concepts or axes.k):
        yield Problem(("axes", "combo"), "missing; list combo, or concepts and k", of_whole=True)
    combos = (
        [] if axes.concepts else [value.split(COMBO_SEPARATOR) for value in spec.values("combo")]
    )
    named = dict.fromkeys(chain(axes.concepts, *combos))
    for concept_id in named:
        if concept_id not in catalog.concepts:
            yield _lacking(
                "concepts" if axes.concepts else "combo", "concept", concept_id, catalog.concepts
            )


def _lacking(key: str, kind: str, value: str, known: Iterable[str]) -> Problem:
    reason = f"the {kind} catalog lacks {value!r}{suggestion(value, known)}"
    return Problem(("axes", key), reason)


def _templates(
    spec: CohortSpec, catalog: Catalog, stage: Stage
) -> Iterator[tuple[str, TemplateEntry]]:
    for template_id in dict.fromkeys(spec.values(catalog.pipeline[stage].axes[0])):
        entry = catalog.templates.get((stage, template_id))
        if entry is not None:
            yield template_id, entry


def template_problems(
    store: Templates, spec: CohortSpec, catalog: Catalog, rendered: Collection[str] = ()
) -> Iterator[str]:
    """Yield the problems of templates that would fail all of their generations.

    Those in `rendered`, as `stage/template_id`, are known to render, and are not tried again.
    """
    sizes = [len(value.split(COMBO_SEPARATOR)) for value in spec.values("combo")]
    concepts = [Concept("a name", "a description")] * min(sizes, default=1)
    for definition in spec.used(catalog.pipeline):
        stage = definition.name
        trial = definition.prompt_values(_trial_texts(definition) or {"": concepts})
        for template_id, entry in _templates(spec, catalog, stage):
            if entry.generator == "copy" and definition.only_parent is None:
                lacks = "has no parent" if not definition.parents else "has several parents"
                yield f"{stage} template {template_id!r} copies, and {one(stage)} {lacks}"
            try:
                catalog.reader(stage, template_id)
            except CatalogError as error:
                yield f"{stage} template {'; '.join(error.problems)}"
            if entry.generator == "llm" and f"{stage}/{template_id}" not in rendered:
                from daydreaming_dagster.domain.generation.template_rendering import render_template

                try:
                    render_template(store, stage, template_id, trial)
                except (ArtifactError, TemplateError) as error:
                    yield str(error)


def _trial_texts(definition: StageDefinition) -> dict[str, object]:
    texts = {role.name: f"the text of {one(str(role))}" for role in definition.parents}
    return {
        role.name: texts[role.name] if role.all_of is None else [texts[role.name]] * 2
        for role in definition.parents
    }


def missing_content(
    store: Templates, spec: CohortSpec, catalog: Catalog, *, allowed: bool
) -> Iterator[str]:
    """Yield what is missing, so that prompts would not say what they are about.

    Needs a valid specification. Each message says what to do, unless that is `allowed`.
    """
    from daydreaming_dagster.domain.generation.template_rendering import used_variables

    otherwise = "" if allowed else "write it, or plan with --allow-missing: then "
    level = spec.description_level
    combos = [value.split(COMBO_SEPARATOR) for value in spec.values("combo")]
    used = sorted(set(chain.from_iterable(combos)))
    without = [name for name in used if catalog.concepts[name].level_for(level) != level]
    if without and len(without) == len(used):
        levels = {known for name in used for known in catalog.concepts[name].descriptions}
        yield (
            f"description_level: no concept has a description at level {level!r}"
            f"{suggestion(level, levels)}"
        )
    for name in without:
        stand_in = f"{otherwise}its {catalog.concepts[name].level_for(level) or 'name'} stands in"
        yield f"concept {name!r} has no description at level {level!r}; {stand_in}"
    for definition in spec.used(catalog.pipeline):
        stage = definition.name
        for template_id, entry in _templates(spec, catalog, stage):
            if entry.generator == "llm" and not used_variables(
                store, stage, template_id
            ).intersection(definition.variables):
                names = ", ".join(definition.variables)
                advice = "" if allowed else "; use one, or plan with --allow-missing"
                yield (
                    f"{stage} template {template_id!r} uses none of its variables ({names}){advice}"
                )


def plan_notices(
    spec: CohortSpec, catalog: Catalog, used: Mapping[Axis, Collection[str]]
) -> Iterator[str]:
    """Yield what may surprise a researcher in a valid plan, in which these values are used."""
    for axis in catalog.pipeline.axes:
        for value in spec.values(axis):
            if value not in used.get(axis, ()):
                yield f"axes.{axis}: {value!r} is in no combination that the couplings allow"
    for definition in catalog.pipeline.stages:
        stage = definition.name
        if not spec.uses(definition) and not spec.texts:
            yield f"the stage {stage} is left out: axes.{definition.axes[0]} is not listed"
        elif spec.uses(definition) and stage in catalog.replicates.keys() - spec.replicates:
            yield f"replicates.{stage}: {catalog.replicates[stage]}, as the data root says"
