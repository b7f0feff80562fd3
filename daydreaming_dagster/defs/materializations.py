"""What Dagster's UI shows of a generation."""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.generation import RawAnswer
from daydreaming_dagster.domain.generation_run import Generated, Step
from daydreaming_dagster.domain.parsers import ParsedResponse

# Events live in Dagster's database; the whole text is in the store.
_SHOWN_CHARACTERS: Final = 20_000

_SHOWN: Final = {
    "model": "answered_by",
    "finish_reason": "finish_reason",
    "seconds": "duration_seconds",
}


def materializations(store: GensStore, generated: Generated) -> Iterator[dg.AssetMaterialization]:
    """Yield one event for each step that was made."""
    folder = store.reserve_generation(generated.stage, generated.gen_id, create=False)
    made: dict[Step, dict[str, Any]] = {}
    if generated.prompt is not None:
        made["prompt"] = {"prompt": _markdown(generated.prompt)}
    if generated.raw is not None:
        made["raw"] = _raw(generated.raw)
    if generated.parsed is not None:
        made["parsed"] = _parsed(generated.parsed)
    for step, metadata in made.items():
        yield dg.AssetMaterialization(
            f"{generated.stage}_{step}",
            partition=generated.gen_id,
            metadata={**metadata, "folder": dg.MetadataValue.path(str(folder))},
        )


def _raw(answer: RawAnswer) -> dict[str, Any]:
    metadata = answer.metadata
    shown: dict[str, Any] = {
        "answer": _markdown(answer.text),
        "reused": answer.reused,
    }
    for name, key in _SHOWN.items():
        if key in metadata:
            shown[name] = metadata[key]
    usage = metadata.get("usage")
    if isinstance(usage, dict):
        shown |= {name: count for name, count in usage.items() if count is not None}
    return shown


def _parsed(parsed: ParsedResponse) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": _markdown(parsed.text)}
    if parsed.score is not None:
        shown["score"] = parsed.score.value
        shown["score_normalised"] = parsed.score.normalised
    return shown


def _markdown(text: str) -> dg.MetadataValue:
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}\n\n… (the whole text is in the folder)"
    return dg.MetadataValue.md(text)
