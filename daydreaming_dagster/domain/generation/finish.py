"""Interprets finish reasons. This is the only place that knows endpoints' names for them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

Finish = Literal["complete", "cut off", "filtered", "failed", "unknown"]
"""Whether the model finished, reached a limit, was stopped by a filter, or failed."""

_REASONS: Final[Mapping[Finish, str]] = {
    "complete": "stop stopsequence eos eostoken endturn end complete completed finished normal",
    "cut off": (
        "length maxlength maxtokens maxoutputtokens maxcompletiontokens maxnewtokens tokenlimit"
        " limit modellength contextlength contextlengthexceeded contextwindowexceeded"
        " modelcontextwindowexceeded errorlimit timelimit timeout incomplete notfinished pauseturn"
        " abort aborted cancelled canceled usercancel interrupted"
    ),
    "filtered": (
        "contentfilter contentfiltered filtered safety imagesafety recitation language blocklist"
        " blocked prohibitedcontent spii guardrail guardrailintervened moderation sensitive"
        " errortoxic refusal"
    ),
    "failed": (
        "error failed failure modelerror internalerror servererror networkerror"
        " insufficientsystemresource malformedfunctioncall"
    ),
}
"""The names that OpenAI, Anthropic, AWS Bedrock, Cohere, DeepSeek, Google, Mistral, OpenRouter,
SGLang, Text Generation Inference, vLLM, watsonx and Zhipu document, as `_plain` writes them."""

_MEANING: Final[Mapping[str, Finish]] = {
    name: finish for finish, names in _REASONS.items() for name in names.split()
}


@lru_cache(maxsize=256)
def meaning_of(finish_reason: str) -> Finish:
    """Return the meaning of a finish reason. An answer without one counts as finished."""
    return _MEANING.get(_plain(finish_reason), "unknown") if finish_reason else "complete"


def _plain(finish_reason: str) -> str:
    """Return `MAX_TOKENS`, `max-tokens`, `maxTokens` and `FinishReason.MAX_TOKENS` as one."""
    plain = "".join(filter(str.isalnum, finish_reason)).lower()
    return plain.removeprefix("finishreason")


def was_cut_off(finish_reason: str | None, *, truncated: bool | None = None) -> bool:
    """Return whether an answer was cut off; `truncated` is the flag in its record."""
    return truncated is True or meaning_of(finish_reason or "") == "cut off"


def why_unreadable(finish_reason: str | None, unreadable: str | None) -> str | None:
    """Return why no text may be read from an answer that was not cut off, or None.

    `unreadable` is the reason that the endpoint's adapter gave.
    """
    if unreadable:
        return unreadable
    match meaning_of(finish_reason or ""):
        case "filtered":
            return f"a filter of the endpoint ended it (finish_reason {finish_reason!r:.60})"
        case "failed":
            return f"an error ended it (finish_reason {finish_reason!r:.60})"
        case _:
            return None
