"""What a plan was made from, so that the next one can say what has changed since."""

import hashlib
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.documents import structure
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.types import STAGES, JsonObject, Stage

MANIFEST_VERSION: Final = 1

Kind = Literal["template", "concept", "model"]
Input = tuple[Kind, str]
"""What a generation is made from: a template is named `stage/template_id`."""


@attrs.frozen
class Manifest:
    """The SHA-256 of each input that a plan uses, in hexadecimal.

    Attributes:
        version: The version of this format.
        spec: Of what the specification says, its files included; comments do not count.
        template: Of each template's file, by `stage/template_id`.
        concept: Of each concept's name and the description that is used, by concept_id.
        model: Of what which endpoint is asked for, by the model's id.
    """

    version: int = MANIFEST_VERSION
    spec: str = ""
    template: dict[str, str] = attrs.field(factory=dict)
    concept: dict[str, str] = attrs.field(factory=dict)
    model: dict[str, str] = attrs.field(factory=dict)

    def as_document(self) -> JsonObject:
        """Return the manifest as JSON."""
        return attrs.asdict(self)

    @classmethod
    def from_document(cls, document: object, location: str) -> "Manifest":
        """Return the manifest that JSON describes; `location` names it in errors.

        Raises:
            CatalogError: It describes none, or a newer version of this package wrote it.
        """
        version = document.get("version") if isinstance(document, dict) else None
        if isinstance(version, int) and version > MANIFEST_VERSION:
            problem = f"version {version} is newer than {MANIFEST_VERSION}; update this package"
            raise CatalogError(location, (problem,))
        return structure(document, cls, location)

    def changed_since(self, previous: "Manifest") -> list[Input]:
        """Return what both name and what is not as it was, sorted."""
        kinds: tuple[Kind, ...] = ("template", "concept", "model")
        return [
            (kind, name)
            for kind in kinds
            for name, digest in sorted(getattr(self, kind).items())
            if getattr(previous, kind).get(name, digest) != digest
        ]


@attrs.frozen
class Staleness:
    """What changed since the last plan, and how many generations depend on it, by stage.

    Attributes:
        inputs: What changed, sorted.
        direct: Generations that use one of the inputs.
        inherited: Generations that use none, but whose parent is stale.
    """

    inputs: tuple[Input, ...]
    direct: Counter[Stage]
    inherited: Counter[Stage]


def make_manifest(
    store: Templates, spec: CohortSpec, catalog: Catalog, generations: Iterable[JsonObject]
) -> Manifest:
    """Return what generations are made from, given their main metadata.

    Raises:
        MissingTemplateError: A template that one of them needs is not there.
    """
    manifest = Manifest(spec=_digest(attrs.asdict(spec)))
    for kind, name in {used for metadata in generations for used in _inputs(metadata)}:
        if kind == "template":
            stage, template_id = _STAGE_OF[name.split("/")[0]], name.split("/")[1]
            source = store.read_template(stage, template_id)
            manifest.template[name] = hashlib.sha256(source.encode()).hexdigest()
        elif kind == "concept":
            concept = catalog.concepts[name].at(spec.description_level)
            manifest.concept[name] = _digest([concept.name, concept.content])
        else:
            model = catalog.models[name]
            manifest.model[name] = _digest([model.model, model.provider])
    return manifest


def staleness(
    previous: Manifest,
    current: Manifest,
    generations: Iterable[JsonObject],
    planned_before: Container[str],
) -> Staleness:
    """Return what became stale among generations, given their main metadata, parents first.

    Those that the previous plan did not have cannot be stale: only gen_ids in `planned_before`
    count. Whether a generation was run before or after the change, their prompts tell.
    """
    changed = set(current.changed_since(previous))
    stale: set[str] = set()
    direct, inherited = Counter[Stage](), Counter[Stage]()
    for metadata in generations if changed else ():
        gen_id, stage = str(metadata["gen_id"]), _STAGE_OF[str(metadata["stage"])]
        uses = not changed.isdisjoint(_inputs(metadata))
        if gen_id in planned_before and (uses or metadata.get("parent_gen_id") in stale):
            stale.add(gen_id)
            (direct if uses else inherited)[stage] += 1
    return Staleness(tuple(sorted(changed)), direct, inherited)


_STAGE_OF: Final[Mapping[str, Stage]] = {stage: stage for stage in STAGES}


def _inputs(metadata: JsonObject) -> Iterator[Input]:
    if metadata["mode"] == "llm":
        yield "template", f"{metadata['stage']}/{metadata['template_id']}"
        yield "model", str(metadata["llm_model_id"])
    concept_ids = metadata.get("concept_ids", [])
    if isinstance(concept_ids, list):
        for concept_id in concept_ids:
            yield "concept", str(concept_id)


def _digest(document: object) -> str:
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()
