"""Results of promptfoo, as `promptfoo eval --output FILE.json` writes them.

https://www.promptfoo.dev/docs/configuration/reference/
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from daydreaming_dagster.domain.exchange.scores import (
    EVALUATIONS,
    ForeignScore,
    SentScore,
    SentText,
    as_number,
    as_text,
)
from daydreaming_dagster.types import JsonObject

TOOL: Final = "promptfoo"
_VERSION: Final = 3
_PASSED: Final = 0.5
_TEXT_ID: Final = "gen_id"
# The output is the text; the grading is taken apart into its scores.
_NOT_KEPT: Final = {
    "response": frozenset(("output", "raw")),
    "gradingResult": frozenset(("componentResults",)),
}


def read_promptfoo_results(document: Any) -> Iterator[ForeignScore]:
    """Yield the scores of results: one for each assertion, or one where there are none.

    The variable or the metadata `gen_id` of a test names the text.

    Raises:
        KeyError: They are no results.
        TypeError: They are no results.
        AttributeError: They are no results.
    """
    of_file = {"evalId": document.get("evalId"), "timestamp": document["results"].get("timestamp")}
    for number, result in enumerate(document["results"]["results"]):
        about = {key: _kept(key, value) for key, value in result.items()}
        grading = result.get("gradingResult") or {"score": result.get("score")}
        named = {**(result.get("metadata") or {}), **(result.get("vars") or {})}
        output = (result.get("response") or {}).get("output")
        names: dict[str, int] = {}
        parts = grading.get("componentResults") or [grading]
        ours = (result.get("metadata") or {}).get(EVALUATIONS)
        if not isinstance(ours, list) or len(ours) != len(parts):
            ours = [""] * len(parts)
        for part, evaluation_id in zip(parts, ours, strict=True):
            assertion = part.get("assertion") or {}
            scorer = str(assertion.get("metric") or assertion.get("type") or "score")
            names[scorer] = names.get(scorer, 0) + 1
            yield ForeignScore(
                f"result {number}, {scorer}",
                str(named.get(_TEXT_ID, "")),
                as_text(output),
                scorer,
                _provider(assertion.get("provider")),
                names[scorer],
                as_number(part.get("score")),
                as_text(part.get("reason")),
                {"tool": TOOL, "file": of_file, "result": about, "grading": part},
                evaluation_id=as_text(evaluation_id),
            )


def _kept(key: str, value: Any) -> Any:
    if key not in _NOT_KEPT or not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if name not in _NOT_KEPT[key]}


def _provider(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else TOOL


def make_promptfoo_results(name: str, texts: Sequence[SentText], made_at: datetime) -> JsonObject:
    """Return results with one result per text, whose output is the text."""
    results: list[Any] = [_result(number, text) for number, text in enumerate(texts)]
    passed = sum(bool(result["success"]) for result in results)
    return {
        "evalId": f"eval-{name}-{made_at:%Y-%m-%dT%H:%M:%S}",
        "results": {
            "version": _VERSION,
            "timestamp": f"{made_at:%Y-%m-%dT%H:%M:%S}.000Z",
            "prompts": [{"raw": "{{prompt}}", "label": name, "provider": "daydreaming_dagster"}],
            "results": results,
            "stats": {"successes": passed, "failures": len(results) - passed, "errors": 0},
        },
        "config": {"description": name},
        "shareableUrl": None,
    }


def _result(number: int, text: SentText) -> dict[str, Any]:
    about: Any = next(
        (given["result"] for score in text.scores if (given := score.said_by(TOOL))),
        {
            "id": text.ref.gen_id,
            "promptIdx": 0,
            "testIdx": number,
            "prompt": {"raw": text.prompt, "label": text.ref.gen_id},
            "provider": {"id": text.model, "label": text.model},
            "vars": {_TEXT_ID: text.ref.gen_id},
            "testCase": {"vars": {_TEXT_ID: text.ref.gen_id}},  # `promptfoo import` reads it
        },
    )
    parts = [_part(score) for score in text.scores]
    mean = sum(part["score"] for part in parts) / len(parts) if parts else 0.0
    own: dict[str, Any] = {"score": mean, "success": mean >= _PASSED, "namedScores": {}}
    return {
        **own,
        **about,
        "metadata": {
            **text.known,
            **(about.get("metadata") or {}),
            EVALUATIONS: [score.gen_id for score in text.scores],
        },
        "response": {**(about.get("response") or {}), "output": text.text},
        "gradingResult": {
            "pass": own["success"],
            "score": mean,
            "reason": "",
            **(about.get("gradingResult") or {}),
            "componentResults": parts,
        },
    }


def _part(score: SentScore) -> Any:
    if (given := score.said_by(TOOL)) is not None:
        return given["grading"]
    share = score.score.normalised
    return {
        "pass": share >= _PASSED,
        "score": share,
        "reason": score.explanation,
        "assertion": {"type": "llm-rubric", "value": score.judge, "metric": score.judge},
    }
