"""What Dagster derives from the edges between assets: an order, backfills, what is outdated."""

import shutil

import dagster as dg
import pytest

# How a backfill finds its targets, and how the pages find what is outdated; no public module does.
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.loader import LoadingContextForTest

from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.defs.build import build_definitions
from daydreaming_dagster.defs.launch import materialize_cohort_run
from daydreaming_dagster.domain.generation.generated import STEPS
from daydreaming_dagster.types import STAGES


def test_a_run_its_results_and_their_report_are_made_in_this_order(instance, resources):
    assets = ["cohort_run", "cohort_results", "cohort_report"]
    job = build_definitions(resources["data_root"]).resolve_implicit_global_asset_job_def()

    result = job.get_subset(asset_selection=set(map(dg.AssetKey, assets))).execute_in_process(
        instance=instance, partition_key="c1"
    )

    made = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]
    assert [asset for asset in made if asset in assets] == assets
    (results,) = result.asset_materializations_for_node("cohort_results")
    assert results.metadata["without_score"].value == 0


# Dagster's own code calls what it deprecates.
@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")
def test_a_backfill_targets_nothing_that_was_not_chosen(instance, resources, members):
    chosen = members["draft"][:1]
    assets = [dg.AssetKey(f"{stage}_{step}") for stage in STAGES for step in STEPS]

    found = AssetBackfillData.from_asset_partitions(
        asset_graph=build_definitions(resources["data_root"]).resolve_asset_graph(),
        partition_names=chosen,
        asset_selection=assets,
        dynamic_partitions_store=instance,
        all_partitions=False,
        backfill_start_timestamp=0.0,
    )

    targets = {
        (key.asset_key, key.partition_key) for key in found.target_subset.iterate_asset_partitions()
    }
    assert targets == {(dg.AssetKey(f"draft_{step}"), chosen[0]) for step in STEPS}


def materialize(instance, resources, asset, partition):
    job = build_definitions(resources["data_root"]).resolve_implicit_global_asset_job_def()
    job.get_subset(asset_selection={dg.AssetKey(asset)}).execute_in_process(
        instance=instance, partition_key=partition
    )


def outdated(instance, resources, members, cohort=("cohort_membership", "cohort_run")):
    """Return what the pages show as unsynced, and see that all is there."""
    statuses = CachingStaleStatusResolver(
        instance,
        build_definitions(resources["data_root"]).resolve_asset_graph(),
        LoadingContextForTest(instance),
    )
    partitions = {asset: ["c1"] for asset in cohort} | {
        f"{stage}_{step}": members[stage] for stage in STAGES for step in STEPS
    }
    found = {
        (asset, key): statuses.get_status(dg.AssetKey(asset), key)
        for asset, keys in partitions.items()
        for key in keys
    }
    assert StaleStatus.MISSING not in found.values()
    return {place for place, status in found.items() if status is StaleStatus.STALE}


def test_another_cohort_marks_no_generation_as_outdated(
    instance, resources, used, members, data_root
):
    assert materialize_cohort_run(instance, used, "c1", RunOptions())
    shutil.copytree(data_root / "cohorts/c1", data_root / "cohorts/c2")
    instance.add_dynamic_partitions("cohorts", ["c2"])
    materialize(instance, resources, "cohort_membership", "c2")

    assert outdated(instance, resources, members) == set()


def test_texts_that_are_made_again_alike_mark_nothing_as_outdated(
    instance, resources, used, members
):
    materialize(instance, resources, "cohort_membership", "c1")
    assert materialize_cohort_run(instance, used, "c1", RunOptions())
    for stage, gen_ids in members.items():
        materialize(instance, resources, f"{stage}_prompt", gen_ids[0])
        materialize(instance, resources, f"{stage}_raw", gen_ids[0])
    materialize(instance, resources, "cohort_membership", "c1")

    assert outdated(instance, resources, members) == set()


def test_a_prompt_that_is_made_otherwise_marks_its_answer_as_outdated_until_it_is_as_before(
    instance, resources, used, members, data_root
):
    assert materialize_cohort_run(instance, used, "c1", RunOptions())
    (first, *_) = members["draft"]
    template = data_root / "1_raw/templates/draft/links.txt"
    before = template.read_text()
    template.write_text(f"{before}!")
    materialize(instance, resources, "draft_prompt", first)

    assert outdated(instance, resources, members) == {("draft_raw", first)}

    template.write_text(before)
    materialize(instance, resources, "draft_prompt", first)

    assert outdated(instance, resources, members) == set()


def test_a_run_that_makes_nothing_leaves_the_results_in_sync(
    instance, resources, used, members, store
):
    results = "cohort_results", "cohort_report"
    assert materialize_cohort_run(instance, used, "c1", RunOptions())
    for asset in results:
        materialize(instance, resources, asset, "c1")
    materialize(instance, resources, "cohort_run", "c1")
    assert outdated(instance, resources, members, results) == set()

    scored = "evaluation", members["evaluation"][0]
    store.write_parsed_metadata(*scored, {**store.read_parsed_metadata(*scored), "score": 8})
    materialize(instance, resources, "cohort_run", "c1")

    assert ("cohort_results", "c1") in outdated(instance, resources, members, results)
