"""Records the inputs of a plan, so that the next plan can say what changed."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Literal

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.renaming import with_planned_ids
from daydreaming_dagster.domain.cohort.spec import Axes, CohortSpec
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.documents import structure
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.ports.ids import check_stage
from daydreaming_dagster.types import JsonObject, Stage

MANIFEST_VERSION: Final = 1

Kind = Literal["template", "concept", "model"]
Input = tuple[Kind, str]
"""An input of generations. The name of a template is `stage/template_id`."""


@attrs.frozen
class Manifest:
    """The SHA-256 of each input that a plan uses, in hexadecimal.

    Attributes:
        version: The version of this format.
        spec: Digest of the specification with its CSV files, without comments.
        template: Digest of each template's file, by `stage/template_id`.
        concept: Digest of each concept's name and the description in use, by concept_id.
        model: Digest of each model's name and provider, by the model's id.
        more_scores: The stages of which a stop rule has asked more scores than the specification
            plans. The next plan keeps them.
    """

    version: int = MANIFEST_VERSION
    spec: str = ""
    template: dict[str, str] = attrs.field(factory=dict)
    concept: dict[str, str] = attrs.field(factory=dict)
    model: dict[str, str] = attrs.field(factory=dict)
    more_scores: list[Stage] = attrs.field(factory=list)

    def as_document(self) -> JsonObject:
        """Return the manifest as JSON."""
        document = attrs.asdict(self)
        if not self.more_scores:  # an earlier version does not know it
            del document[attrs.fields(Manifest).more_scores.name]
        return document

    @classmethod
    def from_document(cls, document: object, location: str) -> "Manifest":
        """Return the manifest that JSON describes; `location` names it in errors.

        Raises:
            CatalogError: It is not a manifest, or a newer version of this package wrote it.
        """
        version = document.get("version") if isinstance(document, dict) else None
        if isinstance(version, int) and version > MANIFEST_VERSION:
            problem = f"version {version} is newer than {MANIFEST_VERSION}; update this package"
            raise CatalogError(location, (problem,))
        return structure(document, cls, location)

    def is_of(self, spec: CohortSpec, catalog: Catalog) -> bool:
        """Return whether a plan of this specification would have the same digest of it."""
        return self.spec == digest_of_spec(with_planned_ids(spec, catalog.planned_ids()))

    def unchanged_templates(self, store: Templates) -> set[str]:
        """Return the templates whose files are as they were, by `stage/template_id`."""
        unchanged: set[str] = set()
        for name, digest in self.template.items():
            with suppress(ArtifactError):
                if sha256(_read_template(store, name)) == digest:
                    unchanged.add(name)
        return unchanged

    def changed_since(self, previous: "Manifest") -> list[Input]:
        """Return the inputs that both manifests name and that differ, sorted."""
        kinds: tuple[Kind, ...] = ("template", "concept", "model")
        return [
            (kind, name)
            for kind in kinds
            for name, digest in sorted(getattr(self, kind).items())
            if getattr(previous, kind).get(name, digest) != digest
        ]


def make_manifest(
    store: Templates, spec: CohortSpec, catalog: Catalog, used: Iterable[Input]
) -> Manifest:
    """Return the manifest of a plan that uses these inputs.

    Raises:
        MissingTemplateError: A template is missing.
    """
    manifest = Manifest(spec=digest_of_spec(spec))
    for kind, name in set(used):
        if kind == "template":
            manifest.template[name] = sha256(_read_template(store, name))
        elif kind == "concept":
            concept = catalog.concepts[name].at(spec.description_level)
            manifest.concept[name] = _digest([concept.name, concept.content])
        else:
            model = catalog.models[name]
            manifest.model[name] = _digest([model.model, model.provider])
    return manifest


def _read_template(store: Templates, name: str) -> str:
    stage, _, template_id = name.partition("/")
    return store.read_template(check_stage(stage), template_id)


def digest_of_spec(spec: CohortSpec) -> str:
    """Return the digest of a specification.

    What later versions added, or another stage of the data root, and it does not use is no
    difference.
    """
    axes: Any = type(spec.axes)  # each class that `axes_class` makes is one of attrs
    of_stages = attrs.fields_dict(axes).keys() - attrs.fields_dict(Axes).keys()
    added = {"duels", "scores", "contrasts", *of_stages}
    return _digest(
        attrs.asdict(spec, filter=lambda field, value: field.name not in added or bool(value))
    )


def _digest(document: object) -> str:
    return sha256(json.dumps(document, ensure_ascii=False, sort_keys=True, default=dict))
