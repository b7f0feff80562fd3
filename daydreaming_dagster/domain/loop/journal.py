"""What a loop did, round by round, and what it does next."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import comb
from typing import Any, Final, Literal, TypeVar

import attrs
import cattrs

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.decisions import Decision
from daydreaming_dagster.domain.loop.embeddings import EmbeddingGate
from daydreaming_dagster.domain.loop.gate import HeldBack, Threshold
from daydreaming_dagster.domain.loop.measures import RoundMeasures, StopRules, reason_to_stop
from daydreaming_dagster.domain.loop.pairs import PAIR, Pair
from daydreaming_dagster.domain.loop.sampler import Choice, Trial
from daydreaming_dagster.types import JsonObject, Stage

JOURNAL_VERSION: Final = 1


@attrs.frozen
class Chosen:
    """A round begins: the pairs that it tries, and what the choice depended on."""

    cohort_id: str
    seed: str
    concepts: int
    choices: tuple[Choice, ...]
    version: int = JOURNAL_VERSION


@attrs.frozen
class WrittenText:
    """A text of a round: its generation, and the pair that it was made of."""

    stage: Stage
    text_id: str
    pair: Pair
    digest: str


@attrs.frozen
class Written:
    """The texts of a round are there, and near-duplicates are held back.

    `embeddings` says how texts were compared by their embeddings; None if they were not.
    """

    texts: tuple[WrittenText, ...]
    threshold: Threshold
    held_back: tuple[HeldBack, ...]
    embeddings: EmbeddingGate | None = None
    version: int = JOURNAL_VERSION

    @property
    def embedding_cost(self) -> float | None:
        """What the round's embeddings cost, in USD; None if that is not known."""
        return 0.0 if self.embeddings is None else self.embeddings.cost


@attrs.frozen
class Decided:
    """A round ends: its scores as shares of their scale, what was decided, and its measures."""

    scores: Mapping[str, tuple[float, ...]]
    decisions: tuple[Decision, ...]
    measures: RoundMeasures
    version: int = JOURNAL_VERSION


Entry = Chosen | Written | Decided
EntryName = Literal["chosen", "written", "decided"]

ENTRIES: Final[Mapping[EntryName, type[Entry]]] = {
    "chosen": Chosen,
    "written": Written,
    "decided": Decided,
}
"""The entries of a round in the order in which they are recorded, by name."""


@attrs.frozen
class Round:
    """A round as far as it went. `number` counts from 1."""

    number: int
    chosen: Chosen
    written: Written | None = None
    decided: Decided | None = None


@attrs.frozen
class LimitReached:
    """The loop's own limit of cost ended a round before it was decided.

    Attributes:
        round: The number of the round.
        max_cost: The limit, in USD. A higher one lets the round go on.
        reason: What was spent, and what to do.
    """

    round: int
    max_cost: float
    reason: str
    version: int = JOURNAL_VERSION


@attrs.frozen
class Journal:
    """The rounds of a loop. All except the last are decided.

    `reached` says whether the loop's limit of cost ended a round early.

    Everything that a loop knows is here: the same journal and specification give the same next
    step, whatever process asks.
    """

    rounds: tuple[Round, ...] = ()
    reached: LimitReached | None = None

    @property
    def decided(self) -> list[Decided]:
        """The ends of the rounds that ended."""
        return [each.decided for each in self.rounds if each.decided is not None]

    def texts(self) -> Iterator[WrittenText]:
        """Yield the texts of all rounds, those that were held back too."""
        for each in self.rounds:
            if each.written is not None:
                yield from each.written.texts

    def scores(self) -> dict[str, tuple[float, ...]]:
        """Return the scores of each text of the rounds that ended."""
        return {text: scores for end in self.decided for text, scores in end.scores.items()}

    def decisions(self) -> dict[str, Decision]:
        """Return the last decision on each text, in the order of the first ones."""
        return {one.text_id: one for end in self.decided for one in end.decisions}

    def accepted(self) -> list[str]:
        """Return the texts that are concepts of the loop, in the order of their decisions."""
        return [text for text, last in self.decisions().items() if last.verdict == "accept"]

    def trials(self) -> list[Trial]:
        """Return the pairs that were tried, in order, with the scores of all texts made of them."""
        scores = self.scores()
        given: dict[Pair, list[float]] = {}
        for each in self.rounds:
            for choice in each.chosen.choices:
                given.setdefault(choice.pair, [])
        for text in self.texts():
            given[text.pair] += scores.get(text.text_id, ())
        return [Trial(pair, tuple(of_pair)) for pair, of_pair in given.items()]

    def ideas(self) -> dict[str, str]:
        """Return the text that first expressed the idea of each text.

        A near-duplicate expresses the idea of the text that it was held back for.
        """
        same = {
            held.text_id: held.neighbour.text_id
            for each in self.rounds
            if each.written is not None
            for held in each.written.held_back
        }
        first: dict[str, str] = {}
        for text in self.texts():
            other = same.get(text.text_id, text.text_id)
            # What a text was held back for came before it, or is the description of a concept.
            first[text.text_id] = first.get(other, other)
        return first


@attrs.frozen
class ChoosePairs:
    """Begin a round: choose its pairs, and record `Chosen`."""

    number: int


@attrs.frozen
class WriteTexts:
    """Make the round's texts, hold near-duplicates back, and record `Written`."""

    round: Round


@attrs.frozen
class JudgeTexts:
    """Judge the texts that were not held back, decide about them, and record `Decided`."""

    round: Round
    written: Written


@attrs.frozen
class Stop:
    """Begin no further round."""

    reason: str


Step = ChoosePairs | WriteTexts | JudgeTexts | Stop


def next_step(rules: StopRules, journal: Journal, seeds: Collection[str]) -> Step:
    """Return what a loop does next that began with these concepts.

    A round that began is finished before the loop stops, unless the limit of cost ended it.
    """
    last = journal.rounds[-1] if journal.rounds else None
    reached = journal.reached
    if (
        last is not None
        and last.decided is None
        and reached is not None
        and reached.round == last.number
        and rules.max_cost is not None
        and rules.max_cost <= reached.max_cost
    ):
        return Stop(reached.reason)
    if last is not None and last.written is None:
        return WriteTexts(last)
    if last is not None and last.written is not None and last.decided is None:
        return JudgeTexts(last, last.written)
    reason = reason_to_stop(rules, [end.measures for end in journal.decided])
    if reason is not None:
        return Stop(reason)
    concepts = {*seeds, *journal.accepted()}
    tried = sum(concepts.issuperset(trial.pair) for trial in journal.trials())
    if tried == comb(len(concepts), PAIR):
        return Stop("every pair of its concepts was tried")
    return ChoosePairs(len(journal.rounds) + 1)


def make_journal(
    rounds: Sequence[Mapping[EntryName, object]], location: str, reached: object = None
) -> Journal:
    """Return the journal that JSON documents describe: those of each round, by name of entry.

    `reached` is the document of a `LimitReached`, or None.

    Raises:
        CatalogError: A document is malformed, an entry is missing that a later one needs, or a
            newer version of this package wrote it. Lists every problem.
    """
    problems: list[str] = []
    made: list[Round] = []
    for number, documents in enumerate(rounds, start=1):
        entries: dict[str, Any] = {}
        for name, kind in ENTRIES.items():
            place = f"round {number}, {name}"
            if name in documents:
                try:
                    entries[name] = _structure(documents[name], kind)
                except (cattrs.BaseValidationError, ValueError, TypeError) as error:
                    problems += [f"{place}: {reason}" for reason in _reasons(error)]
            elif number < len(rounds) or documents.keys() - entries.keys():
                problems.append(f"{place}: missing, but a later entry is there")
        if not problems and entries:
            made.append(Round(number, **entries))
    limit: LimitReached | None = None
    if reached is not None:
        try:
            limit = _structure(reached, LimitReached)
        except (cattrs.BaseValidationError, ValueError, TypeError) as error:
            problems += [f"limit: {reason}" for reason in _reasons(error)]
    if problems:
        raise CatalogError(location, tuple(problems))
    return Journal(tuple(made), limit)


def entry_name(entry: Entry) -> EntryName:
    """Return the name of an entry."""
    return next(name for name, kind in ENTRIES.items() if isinstance(entry, kind))


def entry_document(entry: Entry | LimitReached) -> JsonObject:
    """Return an entry, or a limit that was reached, as JSON."""
    document: JsonObject = _CONVERTER.unstructure(entry)
    return document


_Kind = TypeVar("_Kind")
_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)


def _structure(document: object, kind: type[_Kind]) -> _Kind:
    version = document.get("version") if isinstance(document, dict) else None
    if version != JOURNAL_VERSION:
        raise ValueError(f"expected version {JOURNAL_VERSION}, found {version}")
    return _CONVERTER.structure(document, kind)


def _reasons(error: BaseException) -> list[str]:
    if isinstance(error, cattrs.BaseValidationError):
        return cattrs.transform_error(error)
    return [str(error)]
