"""Scores as they come from another tool, and texts with their scores as they go there."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.types import JsonObject

EVALUATIONS: Final = "evaluations"
"""The key of a text's metadata in our exports with the gen_ids of its scores' evaluations."""

Scales = Mapping[str, tuple[float, float]]
"""The worst and the best score of scorers, by name."""


def as_number(value: object) -> float | None:
    """Return a value of a file as a number; None if it is not one, or too large for one."""
    if not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def as_text(value: object) -> str:
    """Return a value of a file if it is a text; else the empty text."""
    return value if isinstance(value, str) else ""


@attrs.frozen
class ForeignScore:
    """A score that another tool gave to a text.

    Attributes:
        place: Where it stands in the file, for messages.
        text_id: What the tool calls the text: a gen_id if it got the text from here.
        text: The text that was judged.
        scorer: Who judged, such as the name of a scorer or an assertion.
        model: The model that judged; the name of the tool if it names none.
        replicate: Which of several judgments of the text by this scorer.
        value: The score as the tool has it; None if it has none that is a number.
        explanation: Why.
        scale: The worst and the best score, 0 and 1 if the file does not say them.
        source: All that the tool says of the score and of the text, besides the text itself.
        evaluation_id: The evaluation that the score is, if it comes from an export of ours.
    """

    place: str
    text_id: str
    text: str
    scorer: str
    model: str
    replicate: int
    value: float | None
    explanation: str
    source: JsonObject = attrs.field(hash=False)
    scale: tuple[float, float] = (0.0, 1.0)
    evaluation_id: str = ""

    def score(self, scales: Scales) -> Score:
        """Return the score on its scale.

        Raises:
            LookupError: It is not a number, or outside its scale.
        """
        least, best = scales.get(self.scorer, self.scale)
        if self.value is None or not isfinite(self.value):
            raise LookupError("its score is not a number")
        if not least <= self.value <= best:
            raise LookupError(
                f"its score {self.value:g} is outside the scale {least:g} to {best:g};"
                f" --scale SCORER=WORST:BEST names another"
            )
        return Score(self.value, best, least or None)


@attrs.frozen
class SentScore:
    """A score of a text as it goes to another tool.

    `scorer` is the judge's template, or what another tool calls the judge. `document` is what the
    tool that gave it said of it; None of our own judges' scores.
    """

    judge: str
    scorer: str
    gen_id: str
    replicate: int
    score: Score
    explanation: str
    document: JsonObject | None = attrs.field(default=None, hash=False)

    def said_by(self, tool: str) -> Any:
        """Return the `document` if this tool gave the score, else None."""
        theirs = self.document is not None and self.document.get("tool") == tool
        return self.document if theirs else None


@attrs.frozen
class SentText:
    """A text with its prompt, what is known of it, and its scores."""

    ref: GenerationRef
    prompt: str
    text: str
    model: str
    known: Mapping[str, str | float]
    scores: Sequence[SentScore]
