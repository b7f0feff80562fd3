"""Estimates the tokens of a call."""

from collections.abc import Mapping
from typing import Final

from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import ModelRequest

CHARACTERS_PER_TOKEN: Final = 4
"""The average for English prose. Code and other languages have fewer characters per token."""

MAX_COMPLETION_TOKENS: Final = "max_completion_tokens"
"""What OpenAI's reasoning models call the limit of an answer. They refuse `max_tokens`."""


def expected_tokens(request: ModelRequest, longest_answer: int) -> tuple[int, int]:
    """Return the tokens that a request sends, and the expected maximum of its answer.

    If its parameters set no limit, the maximum is the model's longest answer so far or, before the
    first answer (0), the typical length at the stage with the longest answers.
    """
    typical = max(row.typical_answer_tokens for row in SHIPPED.stages)
    answer = answer_limit(request.parameters.as_document()) or longest_answer or typical
    return len(request.prompt) // CHARACTERS_PER_TOKEN, answer


def answer_limit(parameters: Mapping[str, object]) -> int | None:
    """Return the limit on an answer's tokens in these sampling parameters, or None."""
    extra_body = parameters.get("extra_body")
    extra = extra_body if isinstance(extra_body, Mapping) else {}
    limits = (parameters.get("max_tokens"), extra.get(MAX_COMPLETION_TOKENS))
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)
