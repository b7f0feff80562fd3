"""How many tokens a call is expected to take."""

from collections.abc import Mapping
from typing import Final

from daydreaming_dagster.domain.stages import STAGE_DEFINITIONS
from daydreaming_dagster.ports.language_model import ModelRequest

CHARACTERS_PER_TOKEN: Final = 4
"""What English prose comes to with the usual tokenisers; code and other languages take fewer."""


def expected_tokens(request: ModelRequest, longest_answer: int) -> tuple[int, int]:
    """Return how many tokens a request sends, and how many its answer may have at most.

    Where its parameters do not say it, that is the longest answer of the model so far, or before
    the first one (0) what is typical of the stage with the longest.
    """
    typical = max(row.typical_answer_tokens for row in STAGE_DEFINITIONS.values())
    answer = answer_limit(request.parameters.as_document()) or longest_answer or typical
    return len(request.prompt) // CHARACTERS_PER_TOKEN, answer


def answer_limit(parameters: Mapping[str, object]) -> int | None:
    """Return how many tokens an answer may have with these sampling parameters, None if any number.

    OpenAI's reasoning models take `max_completion_tokens` in the place of `max_tokens`.
    """
    extra_body = parameters.get("extra_body")
    extra = extra_body if isinstance(extra_body, Mapping) else {}
    limits = (parameters.get("max_tokens"), extra.get("max_completion_tokens"))
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)
