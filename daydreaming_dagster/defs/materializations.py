"""Dagster's events for a generation, with the metadata that the UI shows."""

import re
from collections.abc import Collection, Mapping
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
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.generated import STEPS, Generated, Step
from daydreaming_dagster.domain.generation.state import RawAnswer
from daydreaming_dagster.domain.parsing.response import ParsedResponse
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.gens_store import GensStore

_CODE_VERSION: Final = version("daydreaming-dagster")

# Events live in Dagster's database; the whole text is in the store.
_SHOWN_CHARACTERS: Final = 20_000


def materialization(
    key_prefix: str, store: GensStore, generated: Generated, step: Step, last_event: int | None
) -> dg.AssetMaterialization | None:
    """Return the event of a step, None if the step made nothing.

    Its tags say which version of the text was made from which version of the step before. So
    Dagster shows a text as unsynced only if the step before was recorded with another text since,
    and not if it was recorded again. `last_event` is the id of the newest event in the log; the
    step before is in the log already.
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
        source, asset = texts[before], asset_key(key_prefix, f"{generated.stage}_{before}")
        tags[get_input_data_version_tag(asset)] = (
            DEFAULT_DATA_VERSION.value if source is None else sha256(source)
        )
        tags[get_input_event_pointer_tag(asset)] = str(last_event or NULL_EVENT_POINTER)
    return dg.AssetMaterialization(
        asset_key(key_prefix, f"{generated.stage}_{step}"),
        partition=generated.gen_id,
        metadata={**_shown(generated, step), **_about(key_prefix, store, generated)},
        tags=tags,
    )


def _shown(generated: Generated, step: Step) -> dict[str, Any]:
    match step:
        case "prompt" if generated.prompt is not None:
            return {"prompt": _verbatim(generated.prompt)}
        case "raw" if generated.raw is not None:
            return _raw(generated.raw)
        case "parsed" if generated.parsed is not None:
            return _parsed(generated.parsed)
    return {}


def failed_step(generated: Generated, steps: Collection[Step] = STEPS) -> Step:
    """Return the first of the chosen steps that a failed generation did not complete."""
    # A prompt that replaces an older one is written after its answer.
    prompt_made = generated.prompt is not None or generated.asked
    made = (prompt_made, generated.raw is not None, generated.parsed is not None)
    return next(step for step, done in zip(STEPS, made, strict=True) if step in steps and not done)


def failure_observation(
    key_prefix: str, store: GensStore, generated: Generated, steps: Collection[Step] = STEPS
) -> dg.AssetObservation:
    """Return an event of the partition that says why its generation failed."""
    return dg.AssetObservation(
        asset_key(key_prefix, f"{generated.stage}_{failed_step(generated, steps)}"),
        partition=generated.gen_id,
        metadata={
            "error": type(generated.error).__name__,
            "reason": explained(generated.error),
            **_about(key_prefix, store, generated),
        },
    )


def _about(key_prefix: str, store: GensStore, generated: Generated) -> dict[str, Any]:
    """Return how the generation is made, with its folder and links to its parents."""
    folder = store.locate(generated.stage, generated.gen_id)
    shown: dict[str, Any] = {"folder": dg.MetadataValue.path(folder)}
    metadata = generated.metadata
    if metadata is None:  # unreadable; the generation's failure says why
        return shown
    shown |= {"combo_id": metadata.combo_id, "template_id": metadata.template_id}
    if metadata.parents:
        key = "parent_gen_id" if metadata.parent is not None else "parents"
        links = [_link(key_prefix, parent.ref) for parent in metadata.parents]
        shown[key] = dg.MetadataValue.md(", ".join(links))
    return shown


def _link(key_prefix: str, ref: GenerationRef) -> str:
    query = urlencode({"view": "partitions", "partition": ref.gen_id})
    asset = with_prefix(key_prefix, f"{ref.stage}_parsed")
    return f"[{ref.gen_id}](/assets/{asset}?{query})"


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
