"""Loops in dicts, for fast tests."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import attrs

from adapters.cohort_store.in_memory import InMemoryCohortStore
from adapters.loop_store.samplers import load_sampler, sampler_names
from daydreaming_dagster.domain.errors import CatalogError, LoopBusyError
from daydreaming_dagster.domain.loop.concepts import make_concept
from daydreaming_dagster.domain.loop.decisions import Ruling
from daydreaming_dagster.domain.loop.embeddings import StoredEmbedding
from daydreaming_dagster.domain.loop.journal import (
    Entry,
    EntryName,
    Journal,
    LimitReached,
    entry_document,
    entry_name,
    make_journal,
)
from daydreaming_dagster.domain.loop.sampler import PairSampler
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.ports.ids import check_id
from daydreaming_dagster.ports.language_model import ModelKey


@attrs.define(eq=False)
class InMemoryLoopStore:
    """A `LoopStore` that keeps its documents in memory, beside those of a cohort store.

    `specs` and `verdicts`, by loop_id, stand for the researcher's files. A test may change them.
    """

    cohorts: InMemoryCohortStore
    specs: dict[str, LoopSpec]
    verdicts: dict[str, dict[str, Ruling]] = attrs.field(factory=dict)
    reports: dict[str, bytes] = attrs.field(factory=dict, init=False)
    # As JSON, so that reads share no objects with writes.
    _entries: dict[tuple[str, int], dict[EntryName, str]] = attrs.field(factory=dict, init=False)
    _limits: dict[str, str] = attrs.field(factory=dict, init=False)
    _embeddings: dict[tuple[str, ModelKey, str], StoredEmbedding] = attrs.field(
        factory=dict, init=False
    )
    _held: set[str] = attrs.field(factory=set, init=False)

    def list_loops(self) -> list[str]:
        return sorted(self.specs)

    def list_misnamed(self) -> list[str]:
        return []

    def read_spec(self, loop_id: str) -> LoopSpec:
        if check_id("loop_id", loop_id) not in self.specs:
            problem = "there is no such specification; write it, or name another one"
            raise CatalogError(f"memory:{loop_id}", (problem,))
        return self.specs[loop_id]

    def sampler_names(self) -> Collection[str]:
        return sampler_names()

    def load_sampler(self, name: str) -> PairSampler:
        return load_sampler(name)

    def read_journal(self, loop_id: str) -> Journal:
        check_id("loop_id", loop_id)
        rounds: list[dict[EntryName, object]] = []
        while (texts := self._entries.get((loop_id, len(rounds) + 1))) is not None:
            rounds.append({name: json.loads(text) for name, text in texts.items()})
        reached = json.loads(self._limits.get(loop_id, "null"))
        return make_journal(rounds, f"memory:{loop_id}", reached)

    def record(self, loop_id: str, number: int, entry: Entry) -> None:
        entries = self._entries.setdefault((check_id("loop_id", loop_id), number), {})
        name = entry_name(entry)
        if name in entries:
            raise CatalogError(
                f"memory:{loop_id}/{number}/{name}",
                ("it is recorded already, and is not replaced",),
            )
        entries[name] = json.dumps(entry_document(entry))

    def record_limit(self, loop_id: str, reached: LimitReached) -> None:
        self._limits[check_id("loop_id", loop_id)] = json.dumps(entry_document(reached))

    def read_verdicts(self, loop_id: str) -> Mapping[str, Ruling]:
        return dict(self.verdicts.get(check_id("loop_id", loop_id), {}))

    def read_embedding(
        self, loop_id: str, model: ModelKey, text_digest: str
    ) -> StoredEmbedding | None:
        check_id("text digest", text_digest)
        return self._embeddings.get((check_id("loop_id", loop_id), model, text_digest))

    def write_embedding(self, loop_id: str, embedding: StoredEmbedding) -> None:
        model = embedding.provider, embedding.model
        digest = check_id("text digest", embedding.text_digest)
        self._embeddings[check_id("loop_id", loop_id), model, digest] = embedding

    def write_concept(self, loop_id: str, level: str, concept_id: str, text: str) -> None:
        check_id("loop_id", loop_id)
        check_id("description level", level)
        concept = make_concept(check_id("concept_id", concept_id), level, text)
        catalog = self.cohorts.catalog
        concepts = {**catalog.concepts, concept_id: concept}
        self.cohorts.catalog = attrs.evolve(catalog, concepts=concepts)

    def write_report(self, loop_id: str, page: bytes) -> str:
        self.reports[check_id("loop_id", loop_id)] = page
        return f"memory:{loop_id}/report.html"

    @contextmanager
    def hold(self, loop_id: str) -> Iterator[None]:
        if check_id("loop_id", loop_id) in self._held:
            raise LoopBusyError(loop_id)
        self._held.add(loop_id)
        try:
            yield
        finally:
            self._held.remove(loop_id)
