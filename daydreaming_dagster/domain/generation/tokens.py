"""How many tokens a call is expected to take."""

from typing import Final

from daydreaming_dagster.domain.stages import STAGE_DEFINITIONS
from daydreaming_dagster.ports.language_model import ModelRequest

CHARACTERS_PER_TOKEN: Final = 4
"""What English prose comes to with the usual tokenisers; code and other languages take fewer."""


def expected_tokens(request: ModelRequest, longest_answer: int) -> tuple[int, int]:
    """Return how many tokens a request sends, and how many its answer may have at most.

    Where it sets no `max_tokens`, that is the longest answer of the model so far, or before
    the first one (0) what is typical of the stage with the longest.
    """
    typical = max(row.typical_answer_tokens for row in STAGE_DEFINITIONS.values())
    answer = request.parameters.max_tokens or longest_answer or typical
    return len(request.prompt) // CHARACTERS_PER_TOKEN, answer
