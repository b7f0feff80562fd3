"""Dagster's events for a generation, with the metadata that the UI shows."""

import re
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlencode

import attrs
import dagster as dg

# The tags of events from which Dagster tells what is unsynced; no public module names them all.
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from daydreaming_dagster.defs.failures import explained
from daydreaming_dagster.defs.naming import asset_key, with_prefix
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.cost import answer_cost
from daydreaming_dagster.domain.generation.generated import STEPS, Generated, Step
from daydreaming_dagster.domain.generation.records import RawRecord, Usage
from daydreaming_dagster.domain.generation.state import RawAnswer
from daydreaming_dagster.domain.parsing.response import ParsedResponse
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.language_model import ModelKey

_CODE_VERSION: Final = version("daydreaming-dagster")

# Events live in Dagster's database; the whole text is in the store.
_SHOWN_CHARACTERS: Final = 20_000


@attrs.frozen
class GenerationEvents:
    """Makes Dagster's events for the generations of a data root.

    Attributes:
        key_prefix: The prefix of the assets.
        store: Where the generations are.
        models: The models by provider and name, whose prices say what answers cost.
        cohort_id: The cohort whose run records them, if there is one.
    """

    key_prefix: str
    store: GensStore
    models: Mapping[ModelKey, ModelEntry] = attrs.field(factory=dict)
    cohort_id: str | None = None

    def materialization(
        self, generated: Generated, step: Step, last_event: int | None
    ) -> dg.AssetMaterialization | None:
        """Return the event of a step, None if the step made nothing.

        Its tags say which version of the text was made from which version of the step before. So
        Dagster shows a text as unsynced only if the step before was recorded with another text
        since, and not if it was recorded again. `last_event` is the id of the newest event in the
        log; the step before is in the log already.
        """
        texts: Mapping[Step, str | None] = {
            "prompt": generated.prompt,
            "raw": None if generated.raw is None else generated.raw.text,
            "parsed": None if generated.parsed is None else generated.parsed.text,
        }
        text = texts[step]
        if text is None:
            return None
        tags = {
            CODE_VERSION_TAG: _CODE_VERSION,
            DATA_VERSION_TAG: sha256(text),
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        }
        if step != STEPS[0]:
            before = STEPS[STEPS.index(step) - 1]
            source, asset = texts[before], self._asset(generated, before)
            tags[get_input_data_version_tag(asset)] = (
                DEFAULT_DATA_VERSION.value if source is None else sha256(source)
            )
            tags[get_input_event_pointer_tag(asset)] = str(last_event or NULL_EVENT_POINTER)
        return dg.AssetMaterialization(
            self._asset(generated, step),
            partition=generated.gen_id,
            metadata={**self._result(generated, step), **self._origin(generated)},
            tags=tags,
        )

    def failure_observation(
        self, generated: Generated, steps: Collection[Step] = STEPS
    ) -> dg.AssetObservation:
        """Return an event of the partition that says why its generation failed."""
        return dg.AssetObservation(
            self._asset(generated, failed_step(generated, steps)),
            partition=generated.gen_id,
            metadata={
                "error": type(generated.error).__name__,
                "reason": explained(generated.error),
                **self._origin(generated),
            },
        )

    def _asset(self, generated: Generated, step: Step) -> dg.AssetKey:
        return asset_key(self.key_prefix, f"{generated.stage}_{step}")

    def _result(self, generated: Generated, step: Step) -> dict[str, Any]:
        match step:
            case "prompt" if generated.prompt is not None:
                return {"prompt": _verbatim(generated.prompt)}
            case "raw" if generated.raw is not None:
                return {**_raw(generated.raw), **self._cost(generated.raw.record)}
            case "parsed" if generated.parsed is not None:
                return _parsed(generated.parsed)
        return {}

    def _cost(self, record: RawRecord) -> dict[str, float]:
        model = self.models.get((record.provider or "", record.model or ""))
        usage, by_batch = record.usage or Usage(), record.batch_id is not None
        cost = answer_cost(usage, model, by_batch=by_batch)
        return {} if cost is None else {"cost_usd": cost}

    def _origin(self, generated: Generated) -> dict[str, Any]:
        """Return how the generation is made, with its folder and links to cohorts and parents."""
        folder = self.store.locate(generated.stage, generated.gen_id)
        shown: dict[str, Any] = {"folder": dg.MetadataValue.path(folder)}
        metadata = generated.metadata
        if metadata is None:  # unreadable; the generation's failure says why
            return shown
        cohorts = dict.fromkeys(filter(None, (metadata.cohort_id, self.cohort_id)))
        if cohorts:
            shown["cohorts"] = self._links(("cohort_run", cohort_id) for cohort_id in cohorts)
        shown |= {"combo_id": metadata.combo_id, "template_id": metadata.template_id}
        if metadata.record.llm_model_id:
            shown["llm_model_id"] = metadata.record.llm_model_id
        if metadata.parents:
            key = "parent_gen_id" if metadata.parent is not None else "parents"
            refs = [parent.ref for parent in metadata.parents]
            shown[key] = self._links((f"{ref.stage}_parsed", ref.gen_id) for ref in refs)
        return shown

    def _links(self, places: Iterable[tuple[str, str]]) -> dg.MetadataValue:
        links = [partition_link(self.key_prefix, asset, partition) for asset, partition in places]
        return dg.MetadataValue.md(", ".join(links))


def partition_link(key_prefix: str, asset: str, partition: str) -> str:
    """Return a link, in Markdown, to the page of an asset's partition."""
    query = urlencode({"view": "partitions", "partition": partition})
    return f"[{partition}](/assets/{with_prefix(key_prefix, asset)}?{query})"


def failed_step(generated: Generated, steps: Collection[Step] = STEPS) -> Step:
    """Return the first of the chosen steps that a failed generation did not complete."""
    # A prompt that replaces an older one is written after its answer.
    prompt_made = generated.prompt is not None or generated.asked
    made = (prompt_made, generated.raw is not None, generated.parsed is not None)
    return next(step for step, done in zip(STEPS, made, strict=True) if step in steps and not done)


def _raw(answer: RawAnswer) -> dict[str, Any]:
    record = answer.record
    shown = {
        "model": record.answered_by,
        "finish_reason": record.finish_reason,
        "seconds": record.duration_seconds,
        **({} if record.usage is None else attrs.asdict(record.usage)),
    }
    return {
        "answer": _verbatim(answer.text),
        "reused": answer.reused,
        **{name: value for name, value in shown.items() if value is not None},
    }


def _parsed(parsed: ParsedResponse) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": _verbatim(parsed.text)}
    if parsed.score is not None:
        shown["score"] = parsed.score.value
        shown["score_normalised"] = parsed.score.normalised
    return shown


def _verbatim(text: str) -> dg.MetadataValue:
    """Return a text as it is: as Markdown, an answer could load a picture from elsewhere."""
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}\n\n… (the whole text is in the folder)"
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return dg.MetadataValue.md(f"{fence}text\n{text}\n{fence}")
