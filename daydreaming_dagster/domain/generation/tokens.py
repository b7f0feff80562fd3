"""How many tokens a call is expected to take."""

from collections.abc import Mapping
from typing import Final

from daydreaming_dagster.ports.language_model import ModelRequest
from daydreaming_dagster.types import Stage

CHARACTERS_PER_TOKEN: Final = 4
"""What English prose comes to with the usual tokenisers; code and other languages take fewer."""

TYPICAL_ANSWER_TOKENS: Final[Mapping[Stage, int]] = {
    "draft": 1500,
    "essay": 1500,
    "evaluation": 800,
}
"""How long an answer is taken to be where the sampling sets no `max_tokens`."""


def expected_tokens(request: ModelRequest, longest_answer: int) -> tuple[int, int]:
    """Return how many tokens a request sends, and how many its answer may have at most.

    Where it sets no `max_tokens`, that is the longest answer of the model so far, or before
    the first one (0) what is typical of the stage with the longest.
    """
    typical = max(TYPICAL_ANSWER_TOKENS.values())
    answer = request.parameters.max_tokens or longest_answer or typical
    return len(request.prompt) // CHARACTERS_PER_TOKEN, answer
