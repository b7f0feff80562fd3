"""Loops in Dagster: their rounds as an asset. Each loop is a partition."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import dagster as dg

from daydreaming_dagster.application.dream_loop import (
    Dream,
    DreamListener,
    DreamOptions,
    dream_loop,
)
from daydreaming_dagster.application.run_listener import RunPlan
from daydreaming_dagster.defs.event_log import databases_open
from daydreaming_dagster.defs.failures import as_failure, check_pipeline, forbid_retries
from daydreaming_dagster.defs.naming import asset_key, key_prefix_of, with_prefix
from daydreaming_dagster.defs.partitions import (
    OWNER,
    add_partitions,
    cohorts_name,
    loop_partitions,
)
from daydreaming_dagster.defs.recording import RecordingListener, mark_failed
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.defs.termination import ending_when_terminated
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.loop.journal import Chosen, Decided, Entry, Written
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.language_model import Wait

DREAM_ROUND: Final = "dream_round"


class DreamConfig(dg.Config):
    """What a run of a loop does at most.

    Attributes:
        rounds: The number of rounds that it finishes; None means until the loop stops.
        max_cost: What it may spend, in USD; None means no limit beyond the loop's own.
        allow_missing: Whether a name stands in for a missing description.
    """

    rounds: int | None = 1
    max_cost: float | None = None
    allow_missing: bool = False


def build_loop_assets(
    pipeline: Pipeline, key_prefix: str = "", pool: str | None = None
) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """Return the assets of loops of these stages."""
    spec = dg.AssetSpec(
        asset_key(key_prefix, "loop_spec"),
        partitions_def=loop_partitions(key_prefix),
        group_name=with_prefix(key_prefix, "loop"),
        owners=[OWNER],
        kinds={"yaml"},
        description="What a loop combines, keeps and spends: `loops/<loop_id>/spec.yaml`.",
    )

    @dg.asset(
        key=asset_key(key_prefix, DREAM_ROUND),
        partitions_def=loop_partitions(key_prefix),
        deps=[spec],
        group_name=with_prefix(key_prefix, "loop"),
        required_resource_keys={resource_key(key_prefix)},
        pool=pool,
        owners=[OWNER],
        kinds={"llm", "text"},
        # Each round is a materialization of its own, and there is none if the loop has stopped.
        output_required=False,
        description=(
            "The rounds of a loop. Materialize it to make the next one: pairs of concepts are "
            "chosen, written about and judged, and what is accepted is combined again. Each round "
            "is a materialization with its measures. After a failure, materialize it again."
        ),
    )
    def dream_round(
        context: dg.AssetExecutionContext, config: DreamConfig
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Make rounds of the loop of the run's partition."""
        used = resources_of(context, key_prefix)
        root, stop = used.root, used.stop
        with as_failure(context, DaydreamingError):
            catalog = used.catalog
            check_pipeline(pipeline, catalog)
        if config.max_cost is not None:
            forbid_retries(context)
        recording = _DreamRecorder(context, root.store, stop, catalog, used.listener)
        with (
            as_failure(context, DaydreamingError),
            databases_open(context.instance, context.run.run_id),
            ending_when_terminated(context, stop),
        ):
            dream = dream_loop(
                root.store,
                root.cohorts,
                root.kept_loops(),
                used.language_model,
                context.partition_key,
                options=DreamOptions(**config.model_dump()),
                token=stop,
                listener=recording,
                batches=used.batches,
                embeddings=used.embedding_model,
            )
            recording.check()
            mark_failed(context, recording.failed)
            if dream.interrupted:
                forbid_retries(context)
                raise dg.Failure(
                    f"{dream.reason}; what is stored is kept, and the next run goes on with the "
                    "round",
                    allow_retries=False,
                )
        context.log.info("%s finished; %s", counted(dream.finished, "round"), dream.reason)
        yield from ()

    return [spec, dream_round]


@attrs.define
class _DreamRecorder:
    """Records the runs of rounds as those of cohorts, and each round that is decided.

    Passes everything on to `then`.
    """

    context: dg.AssetExecutionContext
    store: GensStore
    stop: CancellationToken
    catalog: Catalog
    then: DreamListener
    failed: list[Generated] = attrs.field(factory=list, init=False)
    _run: RecordingListener = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._run = self._listener()

    def begin(self, plan: RunPlan) -> None:
        self.check()
        name = cohorts_name(key_prefix_of(self.context))
        add_partitions(self.context.instance, name, [plan.cohort_id])
        self._run = self._listener()
        self._run.begin(plan)

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        self.failed += [generated for generated in finished if generated.error is not None]
        self._run.note(finished, budget)

    def waiting(self, waits: Sequence[Wait]) -> None:
        self._run.waiting(waits)

    def set_aside(self, reason: str) -> None:
        self._run.set_aside(reason)

    def remark(self, notice: str) -> None:
        self._run.remark(notice)

    def record(self, number: int, entry: Entry) -> None:
        self.then.record(number, entry)
        match entry:
            case Chosen():
                pairs = counted(len(entry.choices), "pair")
                self.context.log.info("round %d: %s, cohort %s", number, pairs, entry.cohort_id)
            case Written():
                texts, held = counted(len(entry.texts), "text"), len(entry.held_back)
                self.context.log.info("round %d: %s written, %d held back", number, texts, held)
            case Decided():
                self.context.log_event(
                    dg.AssetMaterialization(
                        asset_key(key_prefix_of(self.context), DREAM_ROUND),
                        partition=self.context.partition_key,
                        metadata=_metadata(number, entry),
                    )
                )

    def end(self, dream: Dream) -> None:
        self.then.end(dream)

    def check(self) -> None:
        """Return if every event was recorded.

        Raises:
            Exception: The error of Dagster's database.
        """
        self._run.check()

    def _listener(self) -> RecordingListener:
        return RecordingListener(self.context, self.store, self.stop, self.catalog, self.then)


def _metadata(number: int, end: Decided) -> dict[str, Any]:
    """Return what a round's materialization shows. Dagster plots numbers over the rounds."""
    measures, richness = end.measures, end.measures.richness
    numbers = {
        "round": number,
        "accepted": measures.accepted,
        "cost_usd": measures.cost,
        "accepted_per_usd": measures.accepted_per_dollar,
        "novelty": measures.novelty,
        "different_texts": measures.diversity,
        "ideas_so_far": richness.seen,
        "chance_of_new_idea": richness.chance_of_new,
        "drift": measures.drift,
    }
    accepted = [one for one in end.decisions if one.verdict == "accept"]
    records = [
        dg.TableRecord(
            {
                "text": one.text_id,
                "verdict": one.verdict,
                "rule": one.rule,
                "probability": "" if one.worth is None else f"{one.worth.probability:.2f}",
            }
        )
        for one in accepted
    ]
    return {
        **{name: value for name, value in numbers.items() if value is not None},
        **({"accepted_texts": dg.MetadataValue.table(records)} if records else {}),
    }
