"""Parses chat completions of OpenAI-compatible endpoints, in all their variants."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from daydreaming_dagster.domain.generation.records import Usage
from daydreaming_dagster.ports.language_model import Completion, ModelRequest

_LONGEST_NUMBER: Final = 300
_MOST_TOKENS: Final = 2**31 - 1
_LITERALS: Final = re.compile(r"(t(r(u)?)?|f(a(l(s)?)?)?|n(u(l)?)?|-|[.eE][+-]?)?")
"""What may be left of a cut-off literal or number, or nothing."""

_Texts = tuple[str, str]
"""A text, and the reasoning before it."""


class CutOffError(ValueError):
    """A body begins as JSON and ends before its end."""


def read_body(text: str) -> object:
    """Return the parsed JSON body of an answer.

    Raises:
        CutOffError: It is the beginning of an object in JSON.
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_number, strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        rest = text[error.pos :].strip()
        unfinished = error.msg.startswith(("Unterminated string", "Invalid \\uXXXX escape"))
        if text.lstrip().startswith("{") and (unfinished or _LITERALS.fullmatch(rest)):
            raise CutOffError("it ends early") from None
        raise


def read_completion(
    body: Mapping[str, object], text: str, request: ModelRequest, quoted: Callable[[str], str]
) -> Completion | None:
    """Return the completion in a body, without its duration; None if there is none.

    Everything that a model may have been paid for counts as a completion. If it has no usable text,
    `unreadable` says why. An error with an empty choice is not a completion.

    Args:
        body: The parsed body.
        text: The body as text.
        request: The request that it answers.
        quoted: Returns words of the endpoint in a form that is safe to show.
    """
    choice = _first_choice(body)
    if choice is None:
        return None
    message = choice.get("message")
    message = message if isinstance(message, Mapping) else {}
    texts = _texts(message.get("content"))
    answer, thought = texts or ("", "")
    reasoning = thought or first_text(message, ("reasoning_content", "reasoning", "thinking"))
    usage = body.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    prompt_tokens, completion_tokens = _tokens(usage, answer)
    error = reported_error(body)
    if error and not (answer.strip() or reasoning or completion_tokens):
        return None
    if error:
        unreadable = f"the endpoint reports an error: {quoted(error_words(error))}"
    elif texts is None:
        unreadable = "its content is not a text"
    elif answer.strip():
        unreadable = ""
    elif refusal := first_text(message, ("refusal",)):
        unreadable = f"the model refused: {quoted(refusal)}"
    else:
        unreadable = "it holds reasoning and no text" if reasoning else "it holds no text"
    return Completion(
        text=answer,
        finish_reason=_finish_reason(choice.get("finish_reason")),
        model=first_text(body, ("model",)) or request.model,
        duration_seconds=0.0,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        reasoning=reasoning,
        unreadable=unreadable,
        response=_compact(body, text),
        cached_tokens=_cached_tokens(usage),
        reasoning_tokens=_reasoning_tokens(usage),
        cost=_billed(usage),
        response_id=first_text(body, ("id",)),
        system_fingerprint=first_text(body, ("system_fingerprint",)),
    )


def _compact(body: Mapping[str, object], text: str) -> str:
    """Return a body as it came; if it is laid out in lines, as compact JSON."""
    if "\n" not in text.strip():
        return text.strip()
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # a number that no float holds
        return text


def reported_error(body: Mapping[str, object]) -> object:
    """Return the error in a body or in its first choice, or None.

    OpenRouter reports errors in both places, with status 200.
    """
    return body.get("error") or (_first_choice(body) or {}).get("error")


def error_words(error: object) -> str:
    """Return the message of an error object."""
    message = error.get("message") if isinstance(error, Mapping) else error
    return message if isinstance(message, str) else ""


def _first_choice(body: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the first choice, or an empty one if it is not an object; None without choices."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        return None
    return choices[0] if isinstance(choices[0], Mapping) else {}


def _texts(content: object) -> _Texts | None:
    """Return the text and the reasoning of a message, or None if a part is neither."""
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
            return "", "".join(first_text(inner, ("text",)) for inner in parts)
        case _:
            return None


def read_usage(body: Mapping[str, object]) -> Usage:
    """Return the tokens of a prompt and what was billed, as far as a body says it."""
    usage = body.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    prompt = _prompt_tokens(usage) or _most(usage.get("total_tokens"))
    return Usage(prompt or None, cost=_billed(usage))


def first_text(document: object, keys: Sequence[str]) -> str:
    """Return the first of these values that is a non-empty text, or `""`."""
    values = [document.get(key) for key in keys] if isinstance(document, Mapping) else []
    return next((value for value in values if isinstance(value, str) and value), "")


def _finish_reason(value: object) -> str:
    """Return a finish reason as it came. SGLang sends an object with a `type`."""
    if isinstance(value, Mapping):
        value = value.get("type")
    return "" if value is None else str(value)


def _tokens(usage: Mapping[str, object], answer: str) -> tuple[int | None, int | None]:
    """Return the tokens of prompt and answer: the largest numbers that the usage implies.

    Some endpoints omit reasoning, which is paid for like the answer, from `completion_tokens`. Then
    it is part of the total, or of a separate count that is larger.
    """
    prompt = _prompt_tokens(usage)
    counted = _most(usage.get("completion_tokens"), usage.get("output_tokens"))
    reasoning = _reasoning_tokens(usage)
    total = _most(usage.get("total_tokens"))
    apart = reasoning is not None and reasoning > (counted or 0)
    completion = _most(
        counted,
        (counted or 0) + reasoning if apart and reasoning is not None else None,
        total - prompt if total is not None and prompt is not None else None,
    )
    if prompt is None and total is not None and completion is not None:
        prompt = _most(total - completion)
    # Endpoints that do not count report 0.
    return prompt or None, completion or (None if answer else completion)


def _prompt_tokens(usage: Mapping[str, object]) -> int | None:
    """Return the tokens of the prompt, with those from a cache.

    Anthropic's `input_tokens` leaves out what was read from a cache or written to one.
    """
    prompt = _most(usage.get("prompt_tokens"), usage.get("input_tokens"))
    apart = [
        _most(usage.get(key)) or 0
        for key in ("cache_read_input_tokens", "cache_creation_input_tokens")
    ]
    cached = _cached_tokens(usage) or 0
    if prompt is not None and any(apart) and usage.get("prompt_tokens") is None:
        return prompt + sum(apart)
    return prompt + cached if prompt is not None and cached > prompt else prompt


def _cached_tokens(usage: Mapping[str, object]) -> int | None:
    """Return the tokens of the prompt that came from a cache, in any endpoint's spelling."""
    return _most(
        *_details(usage, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
        usage.get("cached_tokens"),  # Moonshot
        usage.get("prompt_cache_hit_tokens"),  # DeepSeek
        usage.get("cache_read_input_tokens"),  # Anthropic
        usage.get("cached_content_token_count"),  # Google
    )


def _reasoning_tokens(usage: Mapping[str, object]) -> int | None:
    return _most(
        *_details(
            usage, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"
        ),
        usage.get("reasoning_tokens"),
        usage.get("thoughts_token_count"),  # Google
    )


def _details(usage: Mapping[str, object], keys: Sequence[str], name: str) -> list[object]:
    groups = (usage.get(key) for key in keys)
    return [group.get(name) for group in groups if isinstance(group, Mapping)]


def _billed(usage: Mapping[str, object]) -> float | None:
    """Return what the provider says that it billed, in USD.

    Perplexity sends an object with a total. If the user's own key of another provider paid
    (`is_byok`), OpenRouter's `cost` is its fee alone, and the provider's cost is a detail.
    """
    cost = usage.get("cost")
    if isinstance(cost, Mapping):
        cost = cost.get("total_cost")
    fee = _amount(cost)
    if fee is None or usage.get("is_byok") is not True:
        return fee
    upstream = _amount(
        next(iter(_details(usage, ["cost_details"], "upstream_inference_cost")), None)
    )
    return None if upstream is None else fee + upstream


def _amount(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < math.inf else None


def _most(*counts: object) -> int | None:
    """Return the largest of these values that is a possible token count."""
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
    """Return a whole number. Python refuses numbers with thousands of digits; they become inf."""
    return int(digits) if len(digits) < _LONGEST_NUMBER else math.inf
