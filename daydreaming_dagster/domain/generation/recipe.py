"""How a generation's prompt becomes its texts, and whether a stored answer is still current."""

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.documents import structure
from daydreaming_dagster.domain.generation.metadata import GenerationMetadata, Mode, Parent
from daydreaming_dagster.domain.generation.records import RawRecord
from daydreaming_dagster.domain.parsing.response import ResponseReader
from daydreaming_dagster.ports.errors import InvalidMetadataError, MissingTemplateError
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.ports.language_model import SamplingParameters
from daydreaming_dagster.types import Stage


@attrs.frozen
class Recipe:
    """How a generation's prompt becomes its raw and its parsed text.

    `template` is the text of the template. It is None for a copy, or if the template is missing: a
    stored prompt can be used without it. `parents` are those that the prompt is made from.
    """

    stage: Stage
    template_id: str
    mode: Mode
    reader: ResponseReader
    template: str | None = None
    model: str = ""
    provider: str = ""
    parameters: SamplingParameters = attrs.field(factory=SamplingParameters)
    parents: tuple[Parent, ...] = attrs.field(default=(), eq=False)

    @property
    def template_sha256(self) -> str:
        """Return the digest of the template, or `""` if there is none."""
        return "" if self.template is None else sha256(self.template)

    def question(self, prompt: str) -> RawRecord:
        """Return everything that an answer depends on. Equal questions need only one answer."""
        return RawRecord(
            mode=self.mode,
            model=self.model,
            provider=self.provider,
            parameters=self.parameters.as_document(),
            prompt_sha256=sha256(prompt),
        )


def make_recipe(
    store: Templates, catalog: Catalog, stage: Stage, gen_id: str, metadata: GenerationMetadata
) -> Recipe:
    """Return the recipe of a generation from its metadata and the catalog.

    Raises:
        InvalidMetadataError: The metadata names a template or a model that the catalog lacks.
        CatalogError: The parameters in the metadata are malformed, or the template names an
            unknown parser.
        MalformedArtifactError: The template is not UTF-8.
        UnsafePathError: The template cannot be read safely.
    """
    if (stage, metadata.template_id) not in catalog.templates:
        reason = f"the {stage} template catalog lacks {metadata.template_id!r}"
        raise InvalidMetadataError(stage, gen_id, reason)
    reader = catalog.reader(stage, metadata.template_id)
    if metadata.mode == "copy":
        return Recipe(stage, metadata.template_id, "copy", reader, parents=metadata.parents)
    model_id = metadata.record.llm_model_id or ""
    model = catalog.models.get(model_id)
    if model is None:
        raise InvalidMetadataError(stage, gen_id, f"the model catalog lacks {model_id!r}")
    parameters = structure(
        {} if metadata.record.parameters is None else metadata.record.parameters,
        SamplingParameters,
        f"parameters in the metadata of {stage}/{gen_id}",
    )
    try:
        template = store.read_template(stage, metadata.template_id)
    except MissingTemplateError:
        template = None
    return Recipe(
        stage,
        metadata.template_id,
        "llm",
        reader,
        template,
        model.model,
        model.provider,
        parameters,
        metadata.parents,
    )


def why_stale(asked: RawRecord, recipe: Recipe, prompt: str) -> str | None:
    """Return why the answer to the question `asked` does not answer today's prompt.

    None means that it does: nothing that is recorded about the question differs.
    """
    question = recipe.question(prompt)
    for key in ("mode", "model", "provider", "parameters"):
        before, now = getattr(asked, key), getattr(question, key)
        if before is not None and before != now:
            return f"its {key} was {before!r} and is {now!r} now"
    if asked.prompt_sha256 in (None, question.prompt_sha256):
        return None
    if asked.template_sha256 and asked.template_sha256 != recipe.template_sha256:
        return f"{recipe.stage} template {recipe.template_id!r} was edited"
    if not recipe.parents:
        return "its concepts were edited"
    if len(recipe.parents) == 1:
        return f"the text of its {recipe.parents[0].ref.stage} changed"
    roles = " or ".join(dict.fromkeys(parent.role for parent in recipe.parents))
    return f"its parents or their texts changed ({roles})"
