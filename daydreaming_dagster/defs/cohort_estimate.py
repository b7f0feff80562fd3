"""What a run of a cohort would ask and cost, as an asset."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

import dagster as dg
from pydantic import Field

from daydreaming_dagster.application.preview_cohort import CohortPreview, preview_cohort
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.markdown import markdown_table
from daydreaming_dagster.defs.materializations import partition_link
from daydreaming_dagster.defs.naming import asset_key, with_prefix
from daydreaming_dagster.defs.partitions import OWNER, cohort_partitions
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.domain.cohort.estimate import PlanEstimate
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import money

_SHOWN_STALE: Final = 20


class CohortEstimateConfig(dg.Config):
    """For which run of a cohort the estimate is."""

    stale: bool = Field(False, description="Count the calls that replace stale answers, too.")
    allow_missing: bool = Field(
        False, description="Estimate it though a description is missing, as in `cohort_membership`."
    )


def build_cohort_estimate(key_prefix: str = "") -> dg.AssetsDefinition:
    """Return the asset of the estimates of cohorts."""

    @dg.asset(
        key=asset_key(key_prefix, "cohort_estimate"),
        partitions_def=cohort_partitions(key_prefix),
        deps=[asset_key(key_prefix, "cohort_spec")],
        group_name=with_prefix(key_prefix, "cohort"),
        owners=[OWNER],
        kinds={"python"},
        required_resource_keys={resource_key(key_prefix)},
        description=(
            "What a run of a cohort would ask and cost, as it is specified now. Materialize it "
            "before `cohort_run`. It calls no model and changes nothing in the data root."
        ),
    )
    def cohort_estimate(
        context: dg.AssetExecutionContext, config: CohortEstimateConfig
    ) -> dg.MaterializeResult[Any]:
        """Estimate a run of the cohort of the run's partition."""
        used = resources_of(context, key_prefix)
        root = used.root
        with as_failure(context, DaydreamingError):
            preview = preview_cohort(
                root.store,
                root.cohorts,
                context.partition_key,
                batches=used.batches,
                stale=config.stale,
                allow_missing=config.allow_missing,
            )
        return dg.MaterializeResult(metadata=_metadata(preview, key_prefix))

    return cohort_estimate


def _metadata(preview: CohortPreview, key_prefix: str) -> dict[str, Any]:
    estimate = preview.estimate
    stages, models = estimate.stages.values(), estimate.models.values()
    numbers: dict[str, float | int | None] = {
        "calls": sum(stage.calls for stage in stages),
        "prompt_tokens": sum(stage.prompt_tokens for stage in stages),
        "completion_tokens": sum(stage.completion_tokens for stage in stages),
        "stale": sum(map(len, preview.stale.values())),
    }
    if not estimate.unpriced:  # otherwise the sum would leave calls out
        cost = sum(model.cost or 0.0 for model in models)
        numbers["cost_usd"] = cost
        numbers["cost_at_least_usd"] = sum(model.least or 0.0 for model in models)
        if all(model.bounded for model in models):
            numbers["cost_at_most_usd"] = cost
    tables = {
        "by_model": markdown_table(_MODEL_HEAD, _model_rows(estimate)),
        "by_stage": markdown_table(
            ("stage", "generations", "calls"),
            (
                (stage, f"{of_stage.generations:,}", f"{of_stage.calls:,}")
                for stage, of_stage in estimate.stages.items()
                if of_stage.generations
            ),
        ),
    }
    if numbers["stale"]:
        rows = _stale_rows(preview, key_prefix)
        tables["stale_answers"] = markdown_table(("answer", "reason"), rows)
    notices = "\n".join(f"- {notice}" for notice in preview.plan.notices)
    return {**numbers, **tables, **({"notices": dg.MetadataValue.md(notices)} if notices else {})}


_MODEL_HEAD: Final = ("model", "calls", "expected, USD", "at least, USD", "at most, USD")


def _model_rows(estimate: PlanEstimate) -> Iterable[Sequence[str]]:
    """Yield a row per model. Its bound is missing where no `max_tokens` bounds the answers."""
    for model_id, model in estimate.models.items():
        most = model.cost if model.bounded else None
        costs = ("-" if cost is None else money(cost) for cost in (model.cost, model.least, most))
        yield model_id, f"{model.calls:,}", *costs


def _stale_rows(preview: CohortPreview, key_prefix: str) -> Iterable[Sequence[str]]:
    rows = (
        (partition_link(key_prefix, f"{stage}_raw", gen_id), reason)
        for stage, reasons in preview.stale.items()
        for gen_id, reason in reasons.items()
    )
    yield from islice(rows, _SHOWN_STALE)
    if sum(map(len, preview.stale.values())) > _SHOWN_STALE:
        yield "…", "`daydream status` lists all"
