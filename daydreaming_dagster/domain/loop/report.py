"""What the report of a loop shows: its best ideas, and how its rounds went."""

from collections.abc import Mapping
from textwrap import shorten
from typing import Final

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.loop.decisions import Decision
from daydreaming_dagster.domain.loop.journal import Journal, Round, WrittenText
from daydreaming_dagster.domain.loop.pairs import Pair
from daydreaming_dagster.domain.loop.worth import Worth, estimate_worth
from daydreaming_dagster.ports.gens_store import GensStore

_SHORT_NAME: Final = 40


@attrs.frozen
class Ancestor:
    """A concept of a family tree: a seed, or an accepted text with what it was made of.

    Attributes:
        concept_id: The concept.
        name: Its name.
        round: The round that made the text; None for a seed.
        parents: The concepts that the text was made of; none for a seed.
        repeated: Whether its parents are shown elsewhere in the tree.
    """

    concept_id: str
    name: str
    round: int | None = None
    parents: tuple["Ancestor", ...] = ()
    repeated: bool = False


@attrs.frozen
class Idea:
    """An accepted text.

    Attributes:
        text: Its generation, and the pair that it was made of.
        content: The text; None if it is missing.
        replaced: Whether another text was judged than the one that is there now.
        round: The round that made it.
        accepted_in: The round that accepted it.
        decision: Why it was accepted.
        scores: Its scores as shares of their scale.
        worth: What all scores of the loop say of it now.
        family: What it grew from.
    """

    text: WrittenText
    content: str | None
    replaced: bool
    round: int
    accepted_in: int
    decision: Decision
    scores: tuple[float, ...]
    worth: Worth | None
    family: Ancestor


@attrs.frozen
class LoopReport:
    """A loop, as its report shows it.

    Attributes:
        loop_id: The loop.
        journal: Its rounds.
        ideas: The accepted texts, the best first.
        names: The names of concepts by id.
    """

    loop_id: str
    journal: Journal
    ideas: tuple[Idea, ...]
    names: Mapping[str, str]

    def pair_names(self, pair: Pair) -> str:
        """Return the names of a pair, shortened, since that of a text is its beginning."""
        names = (self.names.get(concept_id, concept_id) for concept_id in pair)
        return " + ".join(shorten(name, _SHORT_NAME, placeholder=" …") for name in names)


def gather_loop_report(
    store: GensStore, catalog: Catalog, loop_id: str, journal: Journal, bar: float
) -> LoopReport:
    """Return what the report of a loop shows. The best idea is most probably above the bar."""
    written = {
        text.text_id: (each, text)
        for each in journal.rounds
        if each.written is not None
        for text in each.written.texts
    }
    accepted_in = {
        one.text_id: each.number
        for each in reversed(journal.rounds)
        if each.decided is not None
        for one in each.decided.decisions
        if one.verdict == "accept"
    }
    last, scores = journal.decisions(), journal.scores()
    worths = estimate_worth(scores, bar)
    ideas: list[Idea] = []
    for text_id in journal.accepted():
        begun, text = written[text_id]
        content = if_there(store.read_parsed, text.stage, text_id)
        ideas.append(
            Idea(
                text,
                content,
                content is not None and sha256(content) != last[text_id].digest,
                begun.number,
                accepted_in[text_id],
                last[text_id],
                scores.get(text_id, ()),
                worths.get(text_id),
                _family(text_id, written, catalog, set()),
            )
        )
    ideas.sort(key=_merit, reverse=True)
    names = {concept_id: entry.name for concept_id, entry in catalog.concepts.items()}
    return LoopReport(loop_id, journal, tuple(ideas), names)


def _merit(idea: Idea) -> tuple[float, float, str]:
    """Return what ideas are ordered by; those that no score speaks for come last."""
    if idea.worth is None:
        return (-1.0, 0.0, idea.text.text_id)
    return (idea.worth.probability, idea.worth.mean, idea.text.text_id)


def _family(
    concept_id: str,
    written: Mapping[str, tuple[Round, WrittenText]],
    catalog: Catalog,
    shown: set[str],
) -> Ancestor:
    """Return what a concept grew from. What occurs twice is shown with its parents once."""
    entry = catalog.concepts.get(concept_id)
    name = concept_id if entry is None else entry.name
    if concept_id not in written:
        return Ancestor(concept_id, name)
    begun, text = written[concept_id]
    if concept_id in shown:
        return Ancestor(concept_id, name, begun.number, repeated=True)
    shown.add(concept_id)
    parents = tuple(_family(each, written, catalog, shown) for each in text.pair)
    return Ancestor(concept_id, name, begun.number, parents)
