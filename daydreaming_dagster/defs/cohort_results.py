"""A cohort's results and report as assets."""


# No `from __future__ import annotations` here: Dagster reads the annotations.

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from daydreaming_dagster.application.cohort_report import write_report
from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.defs.failures import as_failure
from daydreaming_dagster.defs.markdown import markdown_table
from daydreaming_dagster.defs.materializations import partition_link
from daydreaming_dagster.defs.naming import asset_key, with_prefix
from daydreaming_dagster.defs.partitions import LINEAGE_ONLY, OWNER, cohort_partitions
from daydreaming_dagster.defs.resources import resource_key, resources_of
from daydreaming_dagster.domain.results.ranking import TextRank
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.errors import DaydreamingError

_SHOWN_TEXTS: Final = 20


def build_cohort_results(pipeline: Pipeline, key_prefix: str = "") -> dg.AssetsDefinition:
    """Return the asset of the results of cohorts of these stages."""
    judging = (*pipeline.scoring, *pipeline.comparing)
    judges = [asset_key(key_prefix, f"{stage}_parsed") for stage in judging]

    @dg.asset(
        key=asset_key(key_prefix, "cohort_results"),
        partitions_def=cohort_partitions(key_prefix),
        deps=[
            # Selected together, the run comes first.
            asset_key(key_prefix, "cohort_run"),
            *(dg.AssetDep(judge, partition_mapping=LINEAGE_ONLY) for judge in judges),
        ],
        group_name=with_prefix(key_prefix, "results"),
        owners=[OWNER],
        kinds={"csv", "parquet"},
        automation_condition=dg.AutomationCondition.eager(),
        required_resource_keys={resource_key(key_prefix)},
        description="The ranking and tables of each cohort, in its folder `reports/`.",
    )
    def cohort_results(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """Write the results of the cohort of the run's partition."""
        root = resources_of(context, key_prefix).root
        with as_failure(context, DaydreamingError):
            tabulated = tabulate_cohort(root.store, root.cohorts, context.partition_key)
        return dg.MaterializeResult(
            metadata={
                "ranking": _ranking_table(key_prefix, tabulated.ranks, tabulated.tables.judged),
                "without_score": tabulated.tables.missing.height,
                "refused": len(tabulated.refused),
                "scored_by_hand": sum(rank.by_hand for rank in tabulated.ranks),
                "folder": dg.MetadataValue.path(tabulated.files[0].rpartition("/")[0]),
            }
        )

    return cohort_results


def build_cohort_report(key_prefix: str = "") -> dg.AssetsDefinition:
    """Return the asset of the reports of cohorts."""

    @dg.asset(
        key=asset_key(key_prefix, "cohort_report"),
        partitions_def=cohort_partitions(key_prefix),
        deps=[asset_key(key_prefix, "cohort_results")],
        group_name=with_prefix(key_prefix, "results"),
        owners=[OWNER],
        kinds={"html"},
        automation_condition=dg.AutomationCondition.eager(),
        required_resource_keys={resource_key(key_prefix)},
        description="Each cohort's report: one HTML file, in its folder `reports/`.",
    )
    def cohort_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """Write the report of the cohort of the run's partition."""
        root = resources_of(context, key_prefix).root
        with as_failure(context, DaydreamingError):
            cohort_id, now = context.partition_key, datetime.now(UTC)
            drawn, file = write_report(root.store, root.cohorts, cohort_id, now)
        ranking = drawn.figures[0]
        shown = ranking.alt
        if ranking.chart is not None:
            image = base64.b64encode(ranking.png(scale=1)).decode()
            shown = f"![{ranking.title}](data:image/png;base64,{image})\n\n{ranking.alt}"
        return dg.MaterializeResult(
            metadata={
                "ranking": _ranking_table(
                    key_prefix, drawn.report.ranks, drawn.report.pipeline.judged
                ),
                "figure": dg.MetadataValue.md(shown),
                "report": dg.MetadataValue.path(file),
            }
        )

    return cohort_report


def _ranking_table(
    key_prefix: str, ranks: Sequence[TextRank], judged: str
) -> dg.MarkdownMetadataValue:
    return markdown_table(
        ("ranks", judged, "combination", "mean", "95 %", "scores"),
        (
            (
                rank.band,
                partition_link(key_prefix, f"{rank.stage}_parsed", rank.gen_id),
                rank.combo_id,
                "-" if rank.mean is None else f"{rank.mean:.2f}",
                rank.interval,
                ", ".join(map(str, rank.scores)),
            )
            for rank in ranks[:_SHOWN_TEXTS]
        ),
    )
