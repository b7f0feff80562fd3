"""Decides which texts become concepts of the loop."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.loop.worth import Worth, estimate_worth

Verdict = Literal["accept", "defer", "reject"]

Rule = Literal["person", "probability", "limit", "unknown", "held back"]
"""What a decision rests on.

- `person`: a person said so;
- `probability`: the probability of being above the bar, against the certainty that is required;
- `limit`: it is probable enough, but a round accepts no more;
- `unknown`: there are too few scores to say how probable it is;
- `held back`: it is a near-duplicate, so no judge was asked.
"""


@attrs.frozen
class Ruling:
    """What a person decided about a text, and why."""

    verdict: Verdict
    reason: str = ""


@attrs.frozen
class Selection:
    """When a text is accepted.

    Attributes:
        bar: The true score above which a text is worth keeping, as a share of the scale.
        certainty: The probability that is required to accept, or to reject.
        most: The most texts that a round accepts by itself; None means no limit.
    """

    bar: float = 0.7
    certainty: float = 0.8
    most: int | None = None


@attrs.frozen
class Decision:
    """What was decided about a text, and on which numbers.

    Attributes:
        text_id: The generation.
        digest: The digest of the text that was judged.
        verdict: The decision. A deferred text is decided about again in each round.
        rule: What it rests on.
        worth: What the scores say, if they say anything.
        bar: The bar that the probability is about.
        certainty: The certainty that was required.
        reason: A person's reason, if one was given.
    """

    text_id: str
    digest: str
    verdict: Verdict
    rule: Rule
    worth: Worth | None
    bar: float
    certainty: float
    reason: str = ""


def decide(
    digests: Mapping[str, str],
    scores: Mapping[str, Sequence[float]],
    rulings: Mapping[str, Ruling],
    selection: Selection,
) -> list[Decision]:
    """Return a decision on each text of `digests`, the most probable first.

    `scores` are those of all texts of the loop, which tell how much a score says. `rulings` are a
    person's, who has the last word.
    """
    worths = estimate_worth(scores, selection.bar)
    order = sorted(digests, key=lambda text_id: (-_probability(worths.get(text_id)), text_id))
    decisions: list[Decision] = []
    accepted = 0
    for text_id in order:
        worth = worths.get(text_id)
        ruling = rulings.get(text_id)
        verdict, rule = _judge(worth, ruling, selection, accepted)
        accepted += verdict == "accept" and rule == "probability"
        decisions.append(
            Decision(
                text_id,
                digests[text_id],
                verdict,
                rule,
                worth,
                selection.bar,
                selection.certainty,
                "" if ruling is None else ruling.reason,
            )
        )
    return decisions


def reject_near_duplicate(text_id: str, digest: str, selection: Selection) -> Decision:
    """Return the decision on a text that was held back."""
    return Decision(
        text_id, digest, "reject", "held back", None, selection.bar, selection.certainty
    )


def _judge(
    worth: Worth | None, ruling: Ruling | None, selection: Selection, accepted: int
) -> tuple[Verdict, Rule]:
    if ruling is not None:
        return ruling.verdict, "person"
    if worth is None:
        return "defer", "unknown"
    if worth.probability >= selection.certainty:
        full = selection.most is not None and accepted >= selection.most
        return ("defer", "limit") if full else ("accept", "probability")
    if 1 - worth.probability >= selection.certainty:
        return "reject", "probability"
    return "defer", "probability"


def _probability(worth: Worth | None) -> float:
    return _UNKNOWN if worth is None else worth.probability


_UNKNOWN: Final = -1.0
