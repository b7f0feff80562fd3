"""Cohorts on a real Dagster instance: specification, partitions, run, results."""

import shutil

import dagster as dg
import pytest

from adapters import FilesystemGensStore
from adapters.scripted_language_model import ScriptedLanguageModel
from daydreaming_dagster.defs.cohorts import (
    cohort_membership,
    cohort_results,
    cohort_run,
    discover_cohorts,
    prune_partitions,
)
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.resources import production_resources


def answer(request):
    return "Fair.\nSCORE: 6" if request.prompt.startswith("Judge") else f"Re: {request.prompt}"


@pytest.fixture
def instance(tmp_path):
    with open_instance(tmp_path / "dagster_home") as instance:
        instance.add_dynamic_partitions("cohorts", ["c1"])
        yield instance


@pytest.fixture
def resources(data_root):
    return {
        **production_resources(data_root),
        "language_model": ScriptedLanguageModel(answer),
    }


@pytest.fixture
def materialize(instance, resources):
    def call(asset, **settings):
        used = {
            name: resource
            for name, resource in resources.items()
            if name in asset.required_resource_keys
        }
        return dg.materialize(
            [asset], instance=instance, resources=used, partition_key="c1", **settings
        )

    return call


def metadata(result, asset):
    event = result.asset_materializations_for_node(asset.node_def.name)[0]
    return {key: value.value for key, value in event.metadata.items()}


def test_membership_plans_the_cohort_and_registers_its_generations(materialize, instance):
    result = materialize(cohort_membership)

    shown = metadata(result, cohort_membership)
    assert (shown["drafts"], shown["essays"], shown["evaluations"]) == (3, 6, 12)
    assert (shown["new"], shown["stale"]) == (21, 0)
    assert len(instance.get_dynamic_partitions("evaluation_generations")) == 12


def test_planning_after_an_edit_says_what_became_stale(materialize, data_root):
    materialize(cohort_membership)
    (data_root / "1_raw/templates/draft/links.txt").write_text("{{ concepts[0].name }}")

    assert metadata(materialize(cohort_membership), cohort_membership)["stale"] == 21


def test_a_whole_cohort_is_one_materialization(materialize, instance, data_root):
    materialize(cohort_membership)

    assert materialize(cohort_run).success

    store = FilesystemGensStore(data_root)
    for gen_id in store.list_generations("evaluation"):
        assert store.read_parsed_metadata("evaluation", gen_id)["score"] == 6
    jobs = sorted(run.job_name for run in instance.get_runs() if run.job_name[0] != "_")
    assert jobs == ["generate_drafts", "generate_essays", "generate_evaluations"]


def test_a_cohort_that_was_not_planned_says_so(materialize):
    with pytest.raises(dg.Failure, match="not planned yet"):
        materialize(cohort_run)


def test_results_show_the_ranking_and_write_the_tables(materialize, data_root):
    materialize(cohort_membership)
    materialize(cohort_run)

    shown = metadata(materialize(cohort_results), cohort_results)

    assert shown["ranking"].count("| 0.67 |") == 6
    assert shown["without_score"] == 0
    assert (data_root / "cohorts/c1/reports/evaluations.parquet").exists()


def test_new_cohorts_are_found_and_gone_ones_forgotten(instance, data_root):
    shutil.copytree(data_root / "cohorts/c1", data_root / "cohorts/c2")
    instance.add_dynamic_partitions("cohorts", ["gone"])

    def evaluate():
        context = dg.build_sensor_context(
            instance=instance, resources={"data_root": str(data_root)}
        )
        return discover_cohorts(context)

    requests = evaluate().dynamic_partitions_requests
    assert [request.partition_keys for request in requests] == [["c2"], ["gone"]]

    instance.add_dynamic_partitions("cohorts", ["c2"])
    instance.delete_dynamic_partition("cohorts", "gone")
    assert isinstance(evaluate(), dg.SkipReason)


def test_generations_of_no_cohort_are_pruned_and_their_texts_kept(
    materialize, instance, data_root, resources
):
    materialize(cohort_membership)
    instance.add_dynamic_partitions("draft_generations", ["d_old"])
    store = FilesystemGensStore(data_root)
    store.write_raw("draft", "d_old", "paid for")

    prune_partitions.execute_in_process(
        instance=instance, resources={"data_root": resources["data_root"]}
    )

    assert "d_old" not in instance.get_dynamic_partitions("draft_generations")
    assert len(instance.get_dynamic_partitions("draft_generations")) == 3
    assert store.read_raw("draft", "d_old") == "paid for"
