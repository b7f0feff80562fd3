"""What is known of a generation before its model is asked."""

import attrs

from daydreaming_dagster.domain.generation.recipe import Recipe


@attrs.frozen
class Prepared:
    """How a generation is made, and the question to ask; None if there is nothing to ask.

    `late_prompt` is written after the answer. `replaces` is the digest of the present answer.
    """

    recipe: Recipe
    question: str | None
    late_prompt: str | None
    replaces: str | None = None
