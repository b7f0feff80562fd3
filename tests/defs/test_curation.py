"""The jobs that delete, on a real Dagster instance."""

import pytest

from daydreaming_dagster.defs.curation import build_deletion_jobs
from in_dagster import resource

delete_cohort_job, prune_orphans_job = build_deletion_jobs()


def execute(job, instance, data_root, config):
    return job.execute_in_process(
        instance=instance,
        resources={"data_root": resource(data_root)},
        run_config={"ops": {f"{job.name}_op": {"config": config}}},
        raise_on_error=False,
    ).success


def test_a_cohort_is_listed_and_then_deleted_with_its_partitions(instance, data_root, store):
    instance.add_dynamic_partitions("draft_generations", ["d_elsewhere"])
    assert execute(delete_cohort_job, instance, data_root, {"cohort_id": "c1"})
    assert store.list_generations("draft")

    assert execute(delete_cohort_job, instance, data_root, {"cohort_id": "c1", "yes": True})

    assert not store.list_generations("draft")
    assert instance.get_dynamic_partitions("draft_generations") == ["d_elsewhere"]
    assert instance.get_dynamic_partitions("essay_generations") == []


def test_a_cohort_that_is_not_there_fails_the_run(instance, data_root):
    assert not execute(delete_cohort_job, instance, data_root, {"cohort_id": "c9", "yes": True})


@pytest.mark.usefixtures("members")
def test_orphans_are_listed_and_then_deleted_with_their_partitions(instance, data_root, store):
    store.write_prompt("draft", "d_old", "asked once")
    instance.add_dynamic_partitions("draft_generations", ["d_old"])
    assert execute(prune_orphans_job, instance, data_root, {})
    assert store.exists("draft", "d_old")

    assert execute(prune_orphans_job, instance, data_root, {"yes": True})

    assert len(store.list_generations("draft")) == 3
    assert len(instance.get_dynamic_partitions("draft_generations")) == 3
