"""What the terminal says of what a loop records."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from daydreaming_dagster.domain.loop.decisions import Decision
from daydreaming_dagster.domain.loop.embeddings import EmbeddingGate
from daydreaming_dagster.domain.loop.gate import HeldBack
from daydreaming_dagster.domain.loop.journal import Chosen, Decided, Entry, Written
from daydreaming_dagster.domain.loop.measures import CanaryScores, RoundMeasures
from daydreaming_dagster.formatting import counted, money

_SHOWN_DIGITS: Final = 12
_MORE_TEXTS: Final = 100


def entry_lines(entry: Entry) -> Iterator[str]:
    """Yield what the terminal says of an entry of a loop's journal."""
    match entry:
        case Chosen():
            reasons = Counter(choice.reason for choice in entry.choices)
            shares = ", ".join(f"{count} by {reason}" for reason, count in reasons.items())
            yield f"{counted(len(entry.choices), 'pair')} of {entry.concepts:,} concepts ({shares})"
        case Written():
            yield from map(held_back_line, entry.held_back)
            yield (
                f"{counted(len(entry.texts), 'text')}, {len(entry.held_back)} held back before a "
                f"judge was asked"
            )
            if entry.embeddings is not None:
                yield _embedded(entry.embeddings)
        case Decided():
            yield from map(_decision, entry.decisions)
            yield _measures(entry.measures)


def _embedded(gate: EmbeddingGate) -> str:
    """Return how texts were compared by their embeddings."""
    shown = ", ".join(
        "-" if each.similarity is None else f"{each.similarity:.2f}" for each in gate.thresholds
    )
    refused = f"; not embedded: {', '.join(gate.refused)}" if gate.refused else ""
    cost = "cost unknown" if gate.cost is None else f"{money(gate.cost)} USD"
    return (
        f"embedded by {gate.model}, {cost}; held back above {shown or '-'} "
        f"(texts with 0, 1, 2 concepts in common){refused}"
    )


def held_back_line(held: HeldBack) -> str:
    """Return why no judge is asked about a text."""
    by = "" if held.by == "words" else " by its embedding"
    near = f"{held.neighbour.similarity:.2f} like {held.neighbour.text_id}{by}"
    return f"held back {held.text_id}: {near}, more than {held.threshold:.2f}"


def _decision(decision: Decision) -> str:
    """Return a decision as a line: verdict, rule, numbers, and the digest of the text."""
    worth = decision.worth
    if worth is None:
        numbers = "no scores" if decision.rule == "held back" else "too few scores to say how sure"
    else:
        numbers = (
            f"{worth.mean:.2f} ± {worth.deviation:.2f} of {counted(worth.judgements, 'score')}, "
            f"P(>{decision.bar:g}) = {worth.probability:.2f}"
        )
    reason = " ".join(decision.reason.split())  # a cell of a table may have several lines
    rule = f"{decision.rule} ({reason})" if reason else decision.rule
    return (
        f"{decision.verdict} {decision.text_id}: {rule}; {numbers}; certainty "
        f"{decision.certainty:g}; sha256 {decision.digest[:_SHOWN_DIGITS]}"
    )


def _measures(measures: RoundMeasures) -> str:
    richness = measures.richness
    parts = [f"{measures.accepted} accepted"]
    if measures.cost is not None:
        parts.append(f"{money(measures.cost)} USD")
    if measures.accepted_per_dollar is not None:
        parts.append(f"{measures.accepted_per_dollar:.1f} accepted per USD")
    if measures.novelty is not None:
        parts.append(f"novelty {measures.novelty:.2f}")
    parts.append(f"worth {measures.diversity:.1f} different texts")
    parts.append(f"{counted(richness.seen, 'idea')} so far")
    if richness.chance_of_new is not None:
        more = richness.expected_new(_MORE_TEXTS)
        parts.append(f"of {_MORE_TEXTS} more texts at least {more:.0f} would be new ideas")
    if measures.drift is not None:
        parts.append(f"drift {measures.drift:.2f}")
    if measures.canaries is not None:
        parts.append(_canaries(measures.canaries))
    return ", ".join(parts)


def _canaries(canaries: CanaryScores) -> str:
    shown = [
        f"{name} {'-' if score is None else f'{score:.2f}'}"
        for name, score in (("good", canaries.good), ("bad", canaries.bad))
    ]
    moved = "" if canaries.moved is None else f", moved by {canaries.moved:.2f}"
    return f"canaries: {', '.join(shown)}{moved}"
