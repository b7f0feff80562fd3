"""Logs of inspect_ai: https://inspect.aisi.org.uk/eval-logs.html."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.exchange.scores import (
    EVALUATIONS,
    ForeignScore,
    SentScore,
    SentText,
    as_number,
    as_text,
)
from daydreaming_dagster.types import JsonObject

TOOL: Final = "inspect_ai"
_VERSION: Final = 2
_SCALE: Final = ("score_minimum", "score_maximum")
# https://inspect.aisi.org.uk/scorers.html: what these values of a score mean as numbers.
_LETTERS: Final = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
# Not about the text or its score: the conversation in detail. The output's choice is the text.
_NOT_KEPT: Final = frozenset(
    ("messages", "output", "scores", "store", "events", "events_data", "attachments", "timelines")
)
_NOT_OF_OUTPUT: Final = frozenset(("choices", "completion"))
_OF_LOG: Final = ("eval_id", "run_id", "created", "task", "task_id", "model")


def read_inspect_log(header: Any, samples: Sequence[Any]) -> Iterator[ForeignScore]:
    """Yield the scores of a log: those of each sample, of a dictionary one for each key.

    Raises:
        KeyError: It is not a log.
        TypeError: It is not a log.
        AttributeError: It is not a log.
    """
    of_log = {key: header["eval"].get(key) for key in _OF_LOG}
    for sample in samples:
        text = as_text((sample.get("output") or {}).get("completion"))
        metadata = sample.get("metadata") or {}
        text_id = str(metadata.get("gen_id", sample["id"]))
        ours = metadata.get(EVALUATIONS)
        about = {key: value for key, value in sample.items() if key not in _NOT_KEPT}
        about["output"] = {
            key: value
            for key, value in (sample.get("output") or {}).items()
            if key not in _NOT_OF_OUTPUT
        }
        for scorer, given in (sample.get("scores") or {}).items():
            values = given.get("value")
            named = values if isinstance(values, dict) else {"": values}
            for key, value in named.items():
                name = f"{scorer}/{key}" if key else scorer
                yield ForeignScore(
                    f"sample {sample['id']}, score {name}",
                    text_id,
                    text,
                    name,
                    TOOL,
                    int(sample.get("epoch", 1)),
                    _number(value),
                    as_text(given.get("explanation")) or as_text(given.get("answer")),
                    {"tool": TOOL, "log": of_log, "sample": about, "name": scorer, "score": given},
                    _scale(given.get("metadata")),
                    as_text(ours.get(name)) if isinstance(ours, dict) else "",
                )


def _number(value: object) -> float | None:
    if isinstance(value, str) and value in _LETTERS:
        return _LETTERS[value]
    return as_number(value)


def _scale(metadata: Any) -> tuple[float, float]:
    """Return the scale that our own logs name; else the one of inspect's scorers."""
    worst, best = (as_number((metadata or {}).get(key)) for key in _SCALE)
    return (worst, best) if worst is not None and best is not None and worst < best else (0.0, 1.0)


def make_inspect_log(name: str, texts: Sequence[SentText], made_at: datetime) -> JsonObject:
    """Return a log with a sample per text, whose output is the text."""
    created = made_at.isoformat(timespec="seconds")
    ids = [text.ref.gen_id for text in texts]
    digest = sha256("\n".join([name, created, *ids]))
    return {
        "version": _VERSION,
        "status": "success",
        "eval": {
            "eval_id": digest[:22],
            "run_id": digest[22:44],
            "created": created,
            "task": name,
            "task_id": digest[-22:],
            "task_version": 0,
            "dataset": {"name": name, "samples": len(texts), "sample_ids": [*ids]},
            "model": "daydreaming_dagster",
            "config": {},
        },
        "samples": [_sample(text) for text in texts],
    }


def _sample(text: SentText) -> JsonObject:
    about: Any = next(
        (given["sample"] for score in text.scores if (given := score.said_by(TOOL))),
        {"id": text.ref.gen_id, "epoch": 1, "input": text.prompt, "target": ""},
    )
    message: JsonObject = {"role": "assistant", "content": text.text, "source": "generate"}
    output: Any = {
        "model": text.model,
        **(about.get("output") or {}),
        "choices": [{"message": message, "stop_reason": "stop"}],
        "completion": text.text,
    }
    ours: JsonObject = {"".join(_name(score)): score.gen_id for score in text.scores}
    return {
        **about,
        "metadata": {**text.known, **(about.get("metadata") or {}), EVALUATIONS: ours},
        "messages": [],
        "output": output,
        "scores": dict(map(_score, text.scores)),
    }


def _name(score: SentScore) -> tuple[str, str]:
    """Return the name of a score in a sample, and what names its value if it has several."""
    times = f" #{score.replicate}" if score.replicate > 1 else ""
    given = score.said_by(TOOL)
    if given is None:
        return f"{score.judge}{times}", ""
    return f"{given['name']}{times}", score.scorer.removeprefix(given["name"])


def _score(score: SentScore) -> tuple[str, JsonObject]:
    name, _ = _name(score)
    if (given := score.said_by(TOOL)) is not None:
        return name, given["score"]
    document: JsonObject = {
        "value": score.score.value,
        "explanation": score.explanation,
        "metadata": {
            "gen_id": score.gen_id,
            **dict(zip(_SCALE, (score.score.minimum or 0.0, score.score.maximum), strict=True)),
        },
    }
    return name, document
