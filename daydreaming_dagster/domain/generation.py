"""The use cases of a stage's second and third step: the raw answer and the parsed text."""

import hashlib

import attrs

from daydreaming_dagster.data_layer.errors import (
    InvalidMetadataError,
    MissingArtifactError,
    MissingTemplateError,
)
from daydreaming_dagster.data_layer.generation_metadata import (
    GenerationMetadata,
    Mode,
    text_field,
)
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.language_model import Completion, SamplingParameters
from daydreaming_dagster.domain.parsers import ParsedResponse, ResponseReader, Score
from daydreaming_dagster.domain.structuring import structure
from daydreaming_dagster.types import PARENT_STAGE, JsonObject, JsonValue, Stage


@attrs.frozen
class Recipe:
    """How a generation's prompt becomes its raw and its parsed text.

    `template` is the text of the template. It is None for a copy, and where it is not there: a
    prompt that is can be asked without it.
    """

    stage: Stage
    template_id: str
    mode: Mode
    reader: ResponseReader
    template: str | None = None
    model: str = ""
    provider: str = ""
    parameters: SamplingParameters = attrs.field(factory=SamplingParameters)

    @property
    def template_sha256(self) -> str:
        """Return the digest of the template, `""` where there is none."""
        return "" if self.template is None else sha256(self.template)

    def question(self, prompt: str) -> JsonObject:
        """Return what an answer depends on; two equal questions need only one answer."""
        return {
            "mode": self.mode,
            "model": self.model,
            "provider": self.provider,
            "parameters": self.parameters.as_document(),
            "prompt_sha256": sha256(prompt),
        }


@attrs.frozen
class RawAnswer:
    """A raw text and its metadata. `reused` says that it was there and nothing was asked."""

    text: str
    metadata: JsonObject
    reused: bool


def make_recipe(
    store: GensStore, catalog: Catalog, stage: Stage, gen_id: str, metadata: GenerationMetadata
) -> Recipe:
    """Return the recipe that the generation's metadata and the catalog give.

    Raises:
        InvalidMetadataError: The metadata names a template or a model that the catalog lacks, or
            its model is no string.
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
        return Recipe(stage, metadata.template_id, "copy", reader)
    model_id = text_field(metadata.document, "llm_model_id", stage, gen_id)
    model = catalog.models.get(model_id)
    if model is None:
        raise InvalidMetadataError(stage, gen_id, f"the model catalog lacks {model_id!r}")
    parameters = structure(
        metadata.document.get("parameters", {}),
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
    )


def find_answer(store: GensStore, stage: Stage, gen_id: str) -> RawAnswer | None:
    """Return the stored answer, None where there is none that its metadata vouches for.

    After a crash between the two writes it does not.
    """
    try:
        metadata = store.read_raw_metadata(stage, gen_id)
        text = store.read_raw(stage, gen_id)
    except MissingArtifactError:
        return None
    if metadata.get("raw_sha256") != sha256(text):
        return None
    return RawAnswer(text, metadata, reused=True)


def why_stale(metadata: JsonObject, recipe: Recipe, prompt: str) -> str | None:
    """Return why the answer that this raw metadata describes does not answer the prompt today.

    None says that it does: it was given by the same model, asked the same way.
    """
    question = recipe.question(prompt)
    changed = {key for key, value in question.items() if metadata.get(key) != value}
    if not changed:
        return None
    for key in ("mode", "model", "provider", "parameters"):
        if key in changed:
            return f"its {key} was {metadata.get(key)!r} and is {question[key]!r} now"
    template_sha256 = metadata.get("template_sha256")
    if template_sha256 and template_sha256 != recipe.template_sha256:
        return f"{recipe.stage} template {recipe.template_id!r} was edited"
    if recipe.stage == "draft":
        return "its concepts were edited"
    return f"the text of its {PARENT_STAGE[recipe.stage]} changed"


def read_answer(store: GensStore, stage: Stage, gen_id: str) -> RawAnswer:
    """Return the stored answer, whatever it answers.

    Raises:
        MissingArtifactError: There is none.
    """
    text = store.read_raw(stage, gen_id)
    try:
        metadata = store.read_raw_metadata(stage, gen_id)
    except MissingArtifactError:  # a text from elsewhere
        metadata = {}
    return RawAnswer(text, metadata, reused=True)


def store_answer(
    store: GensStore, gen_id: str, recipe: Recipe, prompt: str, completion: Completion
) -> RawAnswer:
    """Store an answer, its metadata first, and return it.

    An answer to another question that it replaces was paid for too and is kept in the
    metadata, under `replaced`.
    """
    text = _storable(completion.text)
    metadata: JsonObject = {
        **recipe.question(prompt),
        "template_sha256": recipe.template_sha256,
        "answered_by": _storable(completion.model),
        "finish_reason": _storable(completion.finish_reason),
        "truncated": completion.finish_reason == "length",
        "usage": {
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
        },
        "duration_seconds": completion.duration_seconds,
        "failed_attempts": [_storable(error) for error in completion.failed_attempts],
        "raw_sha256": sha256(text),
    }
    replaced = _replaced(store, recipe.stage, gen_id)
    if replaced:
        metadata["replaced"] = replaced
    store.write_raw_metadata(recipe.stage, gen_id, metadata)
    store.write_raw(recipe.stage, gen_id, text)
    return RawAnswer(text, metadata, reused=False)


def store_parsed(
    store: GensStore,
    stage: Stage,
    gen_id: str,
    reader: ResponseReader,
    answer: RawAnswer,
) -> ParsedResponse:
    """Parse an answer, store the result, its metadata first, and return it.

    Raises:
        ResponseParseError: The answer was cut off or is not what the template's parser reads.
            Nothing was written.
    """
    truncated = answer.metadata.get("truncated") is True
    parsed = reader(answer.text, truncated=truncated)
    metadata: JsonObject = {
        "parser": reader.parser,
        "raw_sha256": sha256(answer.text),
        "parsed_sha256": sha256(parsed.text),
    }
    if parsed.score is not None:
        metadata["score"] = parsed.score.value
        metadata["score_maximum"] = parsed.score.maximum
    store.write_parsed_metadata(stage, gen_id, metadata)
    store.write_parsed(stage, gen_id, parsed.text)
    return parsed


def read_parsed(store: GensStore, stage: Stage, gen_id: str) -> ParsedResponse:
    """Return what was read in the stored answer.

    Raises:
        MissingArtifactError: It was not parsed yet.
    """
    text = store.read_parsed(stage, gen_id)
    try:
        metadata = store.read_parsed_metadata(stage, gen_id)
    except MissingArtifactError:  # a text from elsewhere
        metadata = {}
    return ParsedResponse(text, read_score(metadata))


def read_score(parsed_metadata: JsonObject) -> Score | None:
    """Return the score that the metadata of a parsed text holds, None where it holds none."""
    value, maximum = parsed_metadata.get("score"), parsed_metadata.get("score_maximum")
    if not isinstance(value, int | float):
        return None
    return Score(float(value), float(maximum) if isinstance(maximum, int | float) else None)


def sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 form, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _storable(text: str) -> str:
    """Return an endpoint's text as it can be stored.

    Models do emit lone surrogates; as they have no UTF-8 form, U+FFFD stands for them.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _replaced(store: GensStore, stage: Stage, gen_id: str) -> list[JsonValue]:
    """Return the answers that a new one replaces, the latest last, each with its text."""
    try:
        present = read_answer(store, stage, gen_id)
    except MissingArtifactError:
        return []
    digest = sha256(present.text)
    metadata = dict(present.metadata)
    earlier = metadata.pop("replaced", [])
    answers: list[JsonValue] = earlier if isinstance(earlier, list) else [earlier]
    if any(isinstance(answer, dict) and answer.get("raw_sha256") == digest for answer in answers):
        return answers  # a crash came between metadata and text: the text is kept already
    vouched: JsonObject = metadata if metadata.get("raw_sha256") == digest else {}
    latest: JsonObject = {**vouched, "raw_sha256": digest, "text": present.text}
    return [*answers, latest]
