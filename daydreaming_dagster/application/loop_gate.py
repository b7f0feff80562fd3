"""Holds back near-duplicates: first by their words, which is free, then by their embeddings."""

from collections.abc import Callable, Sequence

import attrs

from daydreaming_dagster.application.embed_texts import TextEmbedder
from daydreaming_dagster.application.loop_memory import LoopMemory
from daydreaming_dagster.application.loop_runs import RoundInterruptedError, RoundRuns
from daydreaming_dagster.application.model_checks import check_models, check_prices
from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.cohort.spending import known_sum
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.domain.loop.embeddings import (
    EmbeddedText,
    EmbeddingGate,
    StoredEmbedding,
    calibrate_embeddings,
    hold_back_by_embedding,
)
from daydreaming_dagster.domain.loop.gate import (
    HeldBack,
    KnownText,
    Threshold,
    calibrate,
    hold_back,
)
from daydreaming_dagster.domain.loop.journal import Round
from daydreaming_dagster.domain.loop.spec import GateRules
from daydreaming_dagster.ports.embedding_model import Embedding, EmbeddingModel
from daydreaming_dagster.ports.language_model import LanguageModelError
from daydreaming_dagster.ports.loop_store import LoopStore


@attrs.frozen
class Held:
    """What a gate held back, and how it decided."""

    texts: tuple[HeldBack, ...]
    threshold: Threshold
    embeddings: EmbeddingGate | None


@attrs.frozen
class RoundGate:
    """Decides which texts of a round no judge is asked about.

    Attributes:
        loops: Keeps the vectors.
        loop_id: The loop.
        rules: How it decides.
        entry: The model that embeds, None if texts are compared by their words alone.
        model: Calls it.
        memory: What new texts are compared with.
        runs: The limits of the round.
        spend: Is told what embeddings cost, in USD.
    """

    loops: LoopStore
    loop_id: str
    rules: GateRules
    entry: ModelEntry | None
    model: EmbeddingModel | None
    memory: LoopMemory
    runs: RoundRuns
    spend: Callable[[float], None]

    def check(self) -> None:
        """Check that texts can be embedded. Sends nothing.

        Raises:
            CatalogError: The model cannot be called as it is set up, or has no price and the cost
                is limited.
        """
        if self.entry is None:
            return
        if self.model is None:
            raise CatalogError(f"loop {self.loop_id}", ("gate.embedding: nothing embeds here",))
        if self.entry.cost(0, 0) is None and self.runs.limits_cost:
            check_prices([self.entry.id])
        check_models(self.model, [self.entry.key])

    def hold_back(self, begun: Round, new: Sequence[KnownText]) -> Held:
        """Return the texts of a round that are held back, and why.

        Raises:
            RoundInterruptedError: A vector is missing. Those that arrived are stored.
        """
        earlier = list(self.memory.earlier_texts(begun))
        threshold = calibrate([*earlier, *new], self.rules.false_positives)
        held = hold_back(new, [*self.memory.descriptions(), *earlier], threshold)
        if self.entry is None or self.model is None:
            return Held(tuple(held), threshold, None)
        alike = {each.text_id for each in held}
        passed = [text for text in new if text.text_id not in alike]
        stored = self._embed(begun, self.entry, self.model, [*earlier, *passed])
        known, compared = self._with_vectors(earlier, stored), self._with_vectors(passed, stored)
        thresholds = calibrate_embeddings([*known, *compared], self.rules.false_positives)
        embedded = {each.text_id for each in compared}
        costs = [each.cost_at(self.entry) for each in stored.values() if each.round == begun.number]
        gate = EmbeddingGate(
            self.entry.id,
            thresholds,
            tuple(text.text_id for text in passed if text.text_id not in embedded),
            known_sum(costs),
        )
        return Held((*held, *hold_back_by_embedding(compared, known, thresholds)), threshold, gate)

    def _embed(
        self, begun: Round, entry: ModelEntry, model: EmbeddingModel, texts: Sequence[KnownText]
    ) -> dict[str, StoredEmbedding]:
        """Return the vectors of texts by digest, after asking for those that are not stored."""
        stored: dict[str, StoredEmbedding] = {}
        missing: dict[str, str] = {}
        for text in texts:
            digest = sha256(text.text)
            found = self.loops.read_embedding(self.loop_id, entry.key, digest)
            if found is None:
                missing[digest] = text.text
            else:
                stored[digest] = found

        def keep(digest: str, embedding: Embedding) -> None:
            stored[digest] = StoredEmbedding.of(embedding, digest, entry, begun.number)
            self.loops.write_embedding(self.loop_id, stored[digest])

        of_round = [each.cost_at(entry) for each in stored.values() if each.round == begun.number]
        of_round.append(self.runs.spent_on(begun))
        left = self.runs.left_to_spend(of_round)
        budget = Budget.of([entry], None, left)
        try:
            TextEmbedder(model, entry, keep, budget, self.runs.token, self.runs.listener).embed(
                missing
            )
        except StoppedError as error:
            raise self.runs.interrupted(error.reason, budget, of_round) from error
        except LanguageModelError as error:
            message = f"{error}; or remove gate.embedding from the specification"
            raise RoundInterruptedError(message) from error
        finally:
            self.spend(budget.cost)
        return stored

    @staticmethod
    def _with_vectors(
        texts: Sequence[KnownText], stored: dict[str, StoredEmbedding]
    ) -> list[EmbeddedText]:
        found = ((text, sha256(text.text)) for text in texts)
        return [
            EmbeddedText(text.text_id, digest, text.concept_ids, stored[digest].vector)
            for text, digest in found
            if digest in stored
        ]
