"""Which data root Dagster shows."""

import runpy

import dagster as dg
import pytest

from daydreaming_dagster.defs.launch import open_instance


def load():
    return runpy.run_module("daydreaming_dagster.definitions")["defs"]


def test_folders_are_shown_with_their_whole_path(data_root, tmp_path, monkeypatch):
    monkeypatch.chdir(data_root.parent)
    monkeypatch.setenv("DAYDREAM_DATA_ROOT", data_root.name)
    job = load().resolve_implicit_global_asset_job_def()
    chosen = job.get_subset(
        asset_selection={dg.AssetKey("cohort_membership"), dg.AssetKey("cohort_results")}
    )

    with open_instance(tmp_path / "home") as instance:
        instance.add_dynamic_partitions("cohorts", ["c1"])
        result = chosen.execute_in_process(instance=instance, partition_key="c1")

    (results,) = result.asset_materializations_for_node("cohort_results")
    assert results.metadata["folder"].value == str(data_root / "cohorts/c1/reports")


def test_the_key_prefix_is_that_of_the_environment(data_root, monkeypatch):
    monkeypatch.setenv("DAYDREAM_DATA_ROOT", str(data_root))
    monkeypatch.setenv("DAYDREAM_KEY_PREFIX", "team/ideas")

    keys = load().resolve_asset_graph().get_all_asset_keys()

    assert {key.to_user_string().rpartition("/")[0] for key in keys} == {"team/ideas"}


def test_a_url_is_kept_as_it_is(data_root, monkeypatch):
    monkeypatch.setenv("DAYDREAM_DATA_ROOT", data_root.as_uri())

    assert load().resources["data_root"].location == data_root.as_uri()


@pytest.mark.parametrize("folder", ["", ".."])
def test_another_data_root_than_the_one_here_is_named(
    data_root, tmp_path, monkeypatch, caplog, folder
):
    monkeypatch.chdir(data_root / folder)
    monkeypatch.setenv("DAYDREAM_DATA_ROOT", str(tmp_path / "other"))

    load()

    assert f"shows the data root {tmp_path / 'other'}, not {data_root}" in caplog.text


@pytest.mark.parametrize("named", [".", None, ""])
def test_nothing_is_said_of_the_data_root_that_is_here(data_root, monkeypatch, caplog, named):
    monkeypatch.delenv("DAYDREAM_DATA_ROOT", raising=False)
    if not named:  # `data`, as for the command
        monkeypatch.chdir(data_root.parent)
        if named is not None:
            monkeypatch.setenv("DAYDREAM_DATA_ROOT", named)
    else:
        monkeypatch.chdir(data_root)
        monkeypatch.setenv("DAYDREAM_DATA_ROOT", named)

    load()

    assert caplog.text == ""
