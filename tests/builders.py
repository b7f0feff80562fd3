"""What many tests begin with: a data root, a catalog, planned generations, a model that answers."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.domain.stages_document import make_pipeline
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.language_model import ModelRequest
from daydreaming_dagster.types import Stage

FILES = {
    "1_raw/concepts_metadata.csv": "concept_id,name\nant,Ant\nbee,Bee\ncod,Cod\n",
    "1_raw/concepts/descriptions-sentence/ant.txt": "Ants build.\n",
    "1_raw/concepts/descriptions-sentence/bee.txt": "Bees dance.\n",
    "1_raw/concepts/descriptions-sentence/cod.txt": "Cod swim.\n",
    "1_raw/draft_templates.csv": (
        "template_id,template_name,description,parser,generator\nlinks,Links,,,llm\n"
    ),
    "1_raw/essay_templates.csv": (
        "template_id,template_name,description,parser,generator\n"
        "story,Story,,,llm\ncopied,Copied,,,copy\n"
    ),
    "1_raw/evaluation_templates.csv": (
        "template_id,template_name,description,parser,generator\njudge,Judge,,in_last_line,llm\n"
    ),
    "1_raw/templates/draft/links.txt": (
        "Link {% for c in concepts %}{{ c.name }} ({{ c.content }}) {% endfor %}"
    ),
    "1_raw/templates/essay/story.txt": "Tell a story of: {{ draft_block }}",
    "1_raw/templates/evaluation/judge.txt": "Judge: {{ response }}",
    "1_raw/llm_models.csv": "id,model,provider,display_name,specialization\nbig,big-1,acme,Big,\n",
    "cohorts/c1/spec/config.yaml": """\
axes:
  concepts: [ant, bee, cod]
  k: 2
  draft_template: [links]
  draft_llm: [big]
  essay_template: [story, copied]
  essay_llm: [big]
  evaluation_template: [judge]
  evaluation_llm: [big]
description_level: sentence
replicates: {evaluation: 2}
""",
}


def write_data_root(root: Path) -> Path:
    """Write `FILES` below `root`, and return it."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


_CONTESTS = """
stages:
  draft: {}
  essay: {}
  evaluation: {}
  contest: {from: {one: essay, other: essay}, judges: pairs}
"""

SOURCES = {
    ("draft", "links"): "{% for c in concepts %}{{ c.name }}={{ c.content }} {% endfor %}",
    ("essay", "story"): "Tell: {{ draft_block }}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}
"""The templates that `make_catalog` lists; the essay's other one copies and has no source."""


def make_concepts(names: Iterable[str], level: str = "sentence") -> dict[str, ConceptEntry]:
    """Return a concept for each name, described at one level."""
    return {name: ConceptEntry(name, name.upper(), {level: f"{name}."}) for name in names}


def make_catalog(*models: ModelEntry, concepts: Iterable[str] = "ab") -> Catalog:
    """Return a catalog of four templates and the models, by default `big` alone."""
    return Catalog(
        concepts=make_concepts(concepts),
        templates={
            ("draft", "links"): TemplateEntry("links"),
            ("essay", "story"): TemplateEntry("story"),
            ("essay", "copied"): TemplateEntry("copied", generator="copy"),
            ("evaluation", "judge"): TemplateEntry("judge"),
        },
        models={model.id: model for model in models or [ModelEntry("big", "big-1", "acme")]},
    )


def catalog_of(
    names: Iterable[str], pipeline: Pipeline = SHIPPED, models: Iterable[str] = "mn"
) -> Catalog:
    """Return a catalog with these concepts and models, and a template `t` for each stage."""
    return Catalog(
        concepts={name: ConceptEntry(name, name, {"paragraph": name}) for name in names},
        templates={(stage, "t"): TemplateEntry("t") for stage in pipeline},
        models={name: ModelEntry(name, name) for name in models},
        pipeline=pipeline,
    )


def axes_of(pipeline: Pipeline = SHIPPED) -> dict[str, list[str]]:
    """Return the axes of a cohort that uses the template `t` and the model `m` for each stage."""
    axes = {f"{stage}_template": ["t"] for stage in pipeline}
    return axes | {f"{stage}_llm": ["m"] for stage in pipeline}


def contest_pipeline() -> Pipeline:
    """Return the shipped stages, and contests of two essays."""
    return make_pipeline(yaml.safe_load(_CONTESTS), "stages.yaml", SHIPPED)


def plan_draft(store: GensStore, gen_id: str, concept_ids: Sequence[str], **metadata: Any) -> None:
    """Plan a draft about concepts."""
    document = {
        "template_id": "links",
        "llm_model_id": "big",
        "combo_id": f"{'+'.join(concept_ids)}@sentence",
        "concept_ids": [*concept_ids],
        "description_level": "sentence",
    }
    store.write_main_metadata("draft", gen_id, {**document, **metadata})


def plan_essay(store: GensStore, gen_id: str, draft: str, **metadata: Any) -> None:
    """Plan an essay that a model writes."""
    document = {"template_id": "story", "llm_model_id": "big", "parent_gen_id": draft}
    store.write_main_metadata("essay", gen_id, {**document, **metadata})


def plan_copy(store: GensStore, gen_id: str, draft: str, **metadata: Any) -> None:
    """Plan an essay that is its draft."""
    document = {"template_id": "copied", "mode": "copy", "parent_gen_id": draft}
    store.write_main_metadata("essay", gen_id, {**document, **metadata})


def plan_evaluation(store: GensStore, gen_id: str, essay: str, **metadata: Any) -> None:
    """Plan an evaluation of an essay."""
    document = {"template_id": "judge", "llm_model_id": "big", "parent_gen_id": essay}
    store.write_main_metadata("evaluation", gen_id, {**document, **metadata})


def judge_or_echo(request: ModelRequest) -> str:
    """Answer a judge's prompt with 6 of 9, and any other with itself."""
    return "Fair.\nSCORE: 6" if request.prompt.startswith("Judge") else f"Re: {request.prompt}"


def generate(
    runner: GenerationRunner, members: Mapping[Stage, Sequence[str]], **settings: Any
) -> list[Generated]:
    """Return what became of all generations, for tests that are not async."""

    async def collect() -> list[Generated]:
        return [item async for item in runner.generate_many(members, **settings)]

    return asyncio.run(collect())


class Killed(BaseException):
    """The end of the process: nothing is written after it."""


@attrs.frozen(eq=False)
class MortalStore(InMemoryGensStore):
    """A store whose process is killed at a write: `left` counts those that are still made."""

    left: list[float] = attrs.field(factory=lambda: [float("inf")])

    def _store(self, stage, gen_id, artifact, data):
        if self.left[0] <= 0:
            raise Killed
        self.left[0] -= 1
        super()._store(stage, gen_id, artifact, data)


def catalog_with(lab, stage, template_id, **changes):
    """Change columns of a template in the catalog of a lab."""
    entry = attrs.evolve(lab.cohorts.catalog.templates[stage, template_id], **changes)
    templates = {**lab.cohorts.catalog.templates, (stage, template_id): entry}
    lab.cohorts.catalog = attrs.evolve(lab.cohorts.catalog, templates=templates)
