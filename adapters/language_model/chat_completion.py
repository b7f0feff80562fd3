"""The answers of endpoints that speak OpenAI's chat completions, in all forms that they send."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from daydreaming_dagster.ports.language_model import Completion, ModelRequest

_LONGEST_NUMBER: Final = 300
_MOST_TOKENS: Final = 2**31 - 1
_KEPT_CHARACTERS: Final = 10_000_000

_Texts = tuple[str, str]
"""A text, and the reasoning before it."""


def read_body(text: str) -> object:
    """Return the JSON that is the body of an answer.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_number, strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_completion(
    body: Mapping[str, object], text: str, request: ModelRequest, quoted: Callable[[str], str]
) -> Completion | None:
    """Return the completion in a body, without its duration; None if it holds none.

    Whatever a model may have been paid for is one: `unreadable` says why it gives no text, and
    `response` is the whole body then. An error beside an empty choice is none.

    Args:
        body: What was sent.
        text: The same before it was read as JSON.
        request: What it answers.
        quoted: Returns words of the endpoint as a message may show them.
    """
    choice = _first_choice(body)
    if choice is None:
        return None
    message = choice.get("message")
    message = message if isinstance(message, Mapping) else {}
    texts = _texts(message.get("content"))
    answer, thought = texts or ("", "")
    reasoning = thought or _first_text(message, ("reasoning_content", "reasoning", "thinking"))
    prompt_tokens, completion_tokens = _tokens(body.get("usage"), answer)
    error = reported_error(body)
    if error and not (answer.strip() or reasoning or completion_tokens):
        return None
    if error:
        unreadable = f"the endpoint reports an error: {quoted(error_words(error))}"
    elif texts is None:
        unreadable = "its content is not a text"
    elif answer.strip():
        unreadable = ""
    elif refusal := _first_text(message, ("refusal",)):
        unreadable = f"the model refused: {quoted(refusal)}"
    else:
        unreadable = "it holds reasoning and no text" if reasoning else "it holds no text"
    return Completion(
        text=answer,
        finish_reason=_finish_reason(choice.get("finish_reason")),
        model=_first_text(body, ("model",)) or request.model,
        duration_seconds=0.0,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        reasoning=reasoning,
        unreadable=unreadable,
        response=text[:_KEPT_CHARACTERS] if unreadable else "",
    )


def reported_error(body: Mapping[str, object]) -> object:
    """Return the error that a body reports beside its choices or in the first, None without one.

    OpenRouter does both, with status 200.
    """
    return body.get("error") or (_first_choice(body) or {}).get("error")


def error_words(error: object) -> str:
    """Return what an error object says."""
    message = error.get("message") if isinstance(error, Mapping) else error
    return message if isinstance(message, str) else ""


def _first_choice(body: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the first choice; an empty one in the place of what is not an object."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        return None
    return choices[0] if isinstance(choices[0], Mapping) else {}


def _texts(content: object) -> _Texts | None:
    """Return the text and the reasoning of a message, None if a part of it is neither."""
    parts = content if isinstance(content, list) else [content]
    texts = [pair for pair in map(_part, parts) if pair is not None]
    if len(texts) < len(parts):
        return None
    return "".join(text for text, _ in texts), "".join(thought for _, thought in texts)


def _part(part: object) -> _Texts | None:
    match part:
        case None:
            return "", ""
        case str(text) | {"type": "text" | "output_text", "text": str(text)}:
            return text, ""
        case {"type": "thinking", "thinking": str(text)} | {"type": "reasoning", "text": str(text)}:
            return "", text
        case {"type": "thinking", "thinking": list(parts)}:  # Mistral's
            return "", "".join(_first_text(inner, ("text",)) for inner in parts)
        case _:
            return None


def _first_text(document: object, keys: Sequence[str]) -> str:
    """Return the first of these values that is a text with something in it, or `""`."""
    values = [document.get(key) for key in keys] if isinstance(document, Mapping) else []
    return next((value for value in values if isinstance(value, str) and value), "")


def _finish_reason(value: object) -> str:
    """Return a finish reason as it came; SGLang's own form is an object with its `type`."""
    if isinstance(value, Mapping):
        value = value.get("type")
    return "" if value is None else str(value)


def _tokens(usage: object, answer: str) -> tuple[int | None, int | None]:
    """Return the tokens of prompt and answer: the largest numbers that a usage implies.

    Some endpoints leave the reasoning, which is paid for like the answer, out of
    `completion_tokens`. It is in the total, or in a count of its own that is larger.
    """
    if not isinstance(usage, Mapping):
        return None, None
    prompt = _most(usage.get("prompt_tokens"), usage.get("input_tokens"))
    counted = _most(usage.get("completion_tokens"), usage.get("output_tokens"))
    reasoning = _most(
        usage.get("reasoning_tokens"),
        *(
            details.get("reasoning_tokens")
            for key in ("completion_tokens_details", "output_tokens_details")
            if isinstance(details := usage.get(key), Mapping)
        ),
    )
    total = _most(usage.get("total_tokens"))
    apart = reasoning is not None and reasoning > (counted or 0)
    completion = _most(
        counted,
        (counted or 0) + reasoning if apart and reasoning is not None else None,
        total - prompt if total is not None and prompt is not None else None,
    )
    if prompt is None and total is not None and completion is not None:
        prompt = _most(total - completion)
    # An endpoint that counts nothing says 0.
    return prompt or None, completion or (None if answer else completion)


def _most(*counts: object) -> int | None:
    """Return the largest of these that can be counts of tokens."""
    return max(
        (
            math.ceil(count)
            for count in counts
            if isinstance(count, int | float)
            and not isinstance(count, bool)
            and 0 <= count <= _MOST_TOKENS
        ),
        default=None,
    )


def _number(digits: str) -> float:
    """Return a whole number; Python refuses to read some thousand digits, which nothing counts."""
    return int(digits) if len(digits) < _LONGEST_NUMBER else math.inf
