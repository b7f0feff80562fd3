"""Data roots that share a Dagster instance, told apart by a key prefix each."""

import shutil

import dagster as dg
import pytest

from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.build import build_definitions, define_data_root
from daydreaming_dagster.defs.launch import materialize_cohort_run, open_instance
from daydreaming_dagster.defs.resources import RunResources
from daydreaming_dagster.errors import DaydreamingError
from in_dagster import resource


@pytest.fixture
def instance(tmp_path):
    with open_instance(tmp_path / "dagster_home") as instance:
        yield instance


def materialize(instance, resources, asset, partition, key_prefix):
    definitions = build_definitions(resources["data_root"], key_prefix=key_prefix)
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.get_subset(asset_selection={dg.AssetKey([key_prefix, asset])}).execute_in_process(
        instance=instance, partition_key=partition
    )


def test_data_roots_with_the_same_cohort_share_neither_assets_nor_partitions(
    instance, used, members, data_root, tmp_path
):
    shutil.copytree(data_root, tmp_path / "other")
    root = open_data_root(tmp_path / "other")
    others = RunResources(root, language_model=used.language_model)

    assert materialize_cohort_run(instance, used, "c1", RunOptions(), key_prefix="ideas")
    none = RunOptions(max_calls=0)
    assert not materialize_cohort_run(instance, others, "c1", none, key_prefix="b")

    recorded = {asset.path[0] for asset in instance.get_asset_keys()}
    assert recorded == {"ideas", "b"}
    for stage, gen_ids in members.items():
        assert set(instance.get_dynamic_partitions(f"ideas/{stage}_generations")) == set(gen_ids)
        parsed = [dg.AssetKey([prefix, f"{stage}_parsed"]) for prefix in ("ideas", "b")]
        assert [*map(instance.get_materialized_partitions, parsed)] == [set(gen_ids), set()]
    assert instance.get_dynamic_partitions("draft_generations") == []
    checks = {
        prefix: dg.AssetCheckKey(dg.AssetKey([prefix, "draft_parsed"]), "parsed_present")
        for prefix in ("ideas", "b")
    }
    summaries = instance.event_log_storage.get_asset_check_summary_records([*checks.values()])
    passed = {
        prefix: summaries[key].last_completed_check_execution_record
        .event.asset_check_evaluation.passed
        for prefix, key in checks.items()
    }  # fmt: skip
    assert passed == {"ideas": True, "b": False}


def test_the_assets_of_a_data_root_work_under_a_prefix(instance, resources, members):
    instance.add_dynamic_partitions("ideas/cohorts", ["c1"])
    (first, *_) = members["draft"]

    for asset, partition in [
        ("cohort_membership", "c1"),
        ("draft_prompt", first),
        ("draft_raw", first),
        ("draft_parsed", first),
        ("cohort_run", "c1"),
        ("cohort_results", "c1"),
        ("cohort_report", "c1"),
    ]:
        assert materialize(instance, resources, asset, partition, "ideas").success

    essay = dg.AssetKey(["ideas", "essay_parsed"])
    (event,) = instance.fetch_materializations(essay, limit=1).records
    parent = event.asset_materialization.metadata["parent_gen_id"].value
    assert "/assets/ideas/draft_parsed?" in parent


def test_data_roots_and_own_assets_share_a_code_location(
    instance, data_root, model, members, tmp_path
):
    @dg.asset(
        deps=[dg.AssetKey(["ideas", "cohort_results"])],
        required_resource_keys={"ideas__data_root", "catalog"},
    )
    def cohort_results(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        cohorts = context.resources.ideas__data_root.root.cohorts
        return dg.MaterializeResult(metadata={"cohorts": len(cohorts.list_cohorts())})

    shutil.copytree(data_root, tmp_path / "other")
    roots = {"ideas": data_root, "team/tales": tmp_path / "other"}
    defined = [
        build_definitions(resource(root, language_model=model), key_prefix=prefix)
        for prefix, root in roots.items()
    ]
    own = dg.Definitions(assets=[cohort_results], resources={"catalog": "mine"})
    merged = dg.Definitions.merge(*defined, own)

    dg.Definitions.validate_loadable(merged)
    for prefix, root in roots.items():
        name = prefix.replace("/", "__")
        instance.add_dynamic_partitions(f"{prefix}/cohorts", ["c1"])
        for job in ("run_cohort", "prune_partitions"):
            run = merged.resolve_job_def(f"{name}__{job}")
            partition = "c1" if job == "run_cohort" else None
            assert run.execute_in_process(instance=instance, partition_key=partition).success
        key = dg.AssetKey([*prefix.split("/"), "draft_parsed"])
        assert instance.get_materialized_partitions(key) == set(members["draft"])
        with dg.build_sensor_context(
            instance=instance,
            resources={f"{name}__data_root": merged.resources[f"{name}__data_root"]},
        ) as context:
            seen = merged.resolve_sensor_def(f"{name}__discover_cohorts").evaluate_tick(context)
        assert str(root) in seen.cursor
    assert merged.resolve_schedule_def("team__tales__dreaming").job_name == "team__tales__dream"
    groups = {spec.group_name for spec in merged.resolve_all_asset_specs()}
    assert {"ideas/draft", "team/tales/draft", "default"} <= groups
    everything = merged.resolve_implicit_global_asset_job_def()
    mine = everything.get_subset(asset_selection={cohort_results.key})
    assert mine.execute_in_process(instance=instance).success


def test_a_prefix_in_code_that_is_not_a_name_is_refused(data_root):
    with pytest.raises(DaydreamingError, match="key_prefix is 'my ideas'; use letters"):
        define_data_root(data_root, key_prefix="my ideas")


def test_the_command_takes_the_prefix_from_the_environment(daydream, data_root, members):
    assert daydream("run", "c1", DAYDREAM_KEY_PREFIX="team/ideas").returncode == 0

    with open_instance(data_root / "dagster_home") as instance:
        assert instance.get_dynamic_partitions("team/ideas/cohorts") == ["c1"]
        asset = dg.AssetKey(["team", "ideas", "draft_parsed"])
        assert instance.get_materialized_partitions(asset) == set(members["draft"])


def test_a_prefix_that_is_not_a_name_is_refused_before_the_run(daydream, members):
    run = daydream("run", "c1", DAYDREAM_KEY_PREFIX="my ideas")

    assert members
    assert run.returncode == 2
    assert "DAYDREAM_KEY_PREFIX is 'my ideas'; use letters" in run.stderr
