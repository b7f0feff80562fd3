"""What a call costs at most if the catalog has no price for its model."""

import attrs

from daydreaming_dagster.domain.generation.records import Usage


@attrs.define
class PriceBounds:
    """What a model's provider billed for its answers, and what this tells of other calls.

    At fixed prices of the tokens of prompt and answer, a call with twice as many tokens of each
    kind as all answers together costs twice as much. One that has at most twice as many of each
    costs at most that. If the provider's prices vary, it is a bound at their mean. Tokens from a
    cache are left out, because they cost less.
    """

    _billed: float = attrs.field(default=0.0, init=False)
    _prompt_tokens: int = attrs.field(default=0, init=False)
    _completion_tokens: int = attrs.field(default=0, init=False)

    def note(self, usage: Usage) -> None:
        """Take an answer into account if its provider says what it billed for which tokens."""
        if usage.cost is not None and usage.prompt_tokens and usage.completion_tokens:
            self._billed += usage.cost
            self._prompt_tokens += usage.prompt_tokens - (usage.cached_tokens or 0)
            self._completion_tokens += usage.completion_tokens

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return what these tokens cost at most in USD, None if no answer tells it."""
        if self._prompt_tokens <= 0 or self._completion_tokens <= 0:
            return None
        times = max(
            prompt_tokens / self._prompt_tokens, completion_tokens / self._completion_tokens
        )
        return self._billed * times
