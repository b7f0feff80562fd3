"""Opens the part of a run that asks by batch."""

from collections.abc import Mapping, Sequence

import attrs

from daydreaming_dagster.domain.batch.lane import BatchLane
from daydreaming_dagster.domain.batch.open_batches import ARRIVES_WITHIN_SECONDS, OpenBatches
from daydreaming_dagster.domain.batch.record import BatchRecords, waiting_in
from daydreaming_dagster.domain.batch.submission import Submission, is_stored
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.batch_model import BatchModel
from daydreaming_dagster.ports.batch_store import BatchStore
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.language_model import ModelKey
from daydreaming_dagster.types import Stage


@attrs.frozen
class Batches:
    """What asking by batch needs.

    Attributes:
        store: The records of batches.
        model: The models that answer later.
        arrives_within_seconds: How long a submission is looked for whose answer was lost.
    """

    store: BatchStore
    model: BatchModel
    arrives_within_seconds: float = ARRIVES_WITHIN_SECONDS

    def models(self, catalog: Catalog, *, wanted: bool) -> set[ModelKey]:
        """Return the models that are asked by batch if that is `wanted`, and those that always are.

        Models whose endpoint has no batches are never among them, nor those whose row says no.
        """
        return {
            model.key
            for model in catalog.models.values()
            if (wanted if model.batch is None else model.batch)
            and self.model.terms(model.key) is not None
        }

    def all_models(self, catalog: Catalog) -> set[ModelKey]:
        """Return the models whose endpoint has batches."""
        keys = {model.key for model in catalog.models.values()}
        return {key for key in keys if self.model.terms(key) is not None}

    def lane(
        self,
        gens: GensStore,
        cohort_id: str,
        models: set[ModelKey],
        *,
        budget: Budget,
        stop: CancellationToken,
        cancelling: bool = False,
    ) -> BatchLane:
        """Return the lane of a run that asks these models by batch."""
        records = BatchRecords(self.store)
        batches = OpenBatches(
            records,
            self.model,
            cohort_id,
            cancelling=cancelling,
            arrives_within_seconds=self.arrives_within_seconds,
        )
        submission = Submission(records, self.model, gens, cohort_id)
        return BatchLane(submission, batches, models, budget, stop)

    def only_waiting(
        self, gens: GensStore, cohort_id: str, generations: Mapping[Stage, Sequence[str]]
    ) -> dict[Stage, list[str]]:
        """Return those of a cohort's generations whose answer comes in a batch of its own runs.

        Raises:
            DaydreamingError: The record of a batch, or that of an answer, is malformed.
        """
        waiting = {
            ref
            for ref, record in waiting_in(self.store.read_batches()).items()
            if record.cohort_id == cohort_id and not is_stored(gens, ref, record.batch_id)
        }
        return {
            stage: [gen_id for gen_id in gen_ids if GenerationRef(stage, gen_id) in waiting]
            for stage, gen_ids in generations.items()
        }

    def unused_cost(self, cohort_id: str) -> float:
        """Return what answers of a cohort's batches cost, in USD, that no generation has.

        Raises:
            DaydreamingError: The record of a batch is malformed.
        """
        return sum(
            answer.cost or 0.0
            for record in BatchRecords(self.store).read().values()
            if record.cohort_id == cohort_id
            for answer in record.unused
        )
