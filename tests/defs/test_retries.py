"""Which runs Dagster repeats by itself, where its `run_retries` are on."""

import dagster as dg
import pytest

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import judge_or_echo
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.defs.assets import build_stage_asset
from daydreaming_dagster.defs.cohort_run import build_cohort_run
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import register_partitions
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import LanguageModelError
from in_dagster import resource

cohort_run = build_cohort_run(SHIPPED)

MAY_PASS = LanguageModelError("big-1 is down", retryable=True)


@pytest.fixture
def instance(tmp_path, data_root):
    cohorts = FilesystemCohortStore(data_root)
    plan_cohort(FilesystemGensStore(data_root), cohorts, "c1")
    home = tmp_path / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("run_retries: {enabled: true, max_retries: 3}")
    with open_instance(home) as instance:
        register_partitions(instance, cohorts.read_membership("c1"))
        instance.add_dynamic_partitions("cohorts", ["c1"])
        yield instance


def retried(instance, data_root, asset, partition, answer, **config):
    """Return whether Dagster repeats a run whose drafts are answered like this."""
    model = ScriptedLanguageModel(answer)
    result = dg.materialize(
        [asset],
        instance=instance,
        resources={"data_root": resource(data_root, language_model=model)},
        partition_key=partition,
        run_config={"ops": {asset.node_def.name: {"config": config}}},
        raise_on_error=False,
    )
    assert not result.success
    return instance.get_run_by_id(result.run_id).tags["dagster/will_retry"] == "true"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MAY_PASS, True),
        (LanguageModelError("refused"), False),
        (LanguageModelError("lost", retryable=True, may_be_billed=True), False),
    ],
    ids=["passing", "refused", "billed"],
)
def test_a_run_is_retried_if_that_may_help_and_is_free(instance, data_root, error, expected):
    (draft, *_) = instance.get_dynamic_partitions("draft_generations")

    assert retried(instance, data_root, cohort_run, "c1", lambda _: error) is expected
    assert (
        retried(instance, data_root, build_stage_asset(SHIPPED, "draft"), draft, lambda _: error)
        is expected
    )


def test_a_run_that_reached_its_limit_is_not_retried(instance, data_root):
    assert not retried(instance, data_root, cohort_run, "c1", judge_or_echo, max_calls=1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_with_a_limit_is_not_retried_whatever_ends_it(instance, data_root, workers):
    def fail(_request):
        raise RuntimeError("a mistake in the program")

    assert not retried(instance, data_root, cohort_run, "c1", fail, max_calls=9, workers=workers)
    assert retried(instance, data_root, cohort_run, "c1", fail, workers=workers)


def test_a_run_that_a_mistake_in_the_input_ends_is_not_retried(instance, data_root):
    models = data_root / "1_raw/llm_models.csv"
    before = models.read_text()
    models.write_text("id,model\n")
    assert not retried(instance, data_root, cohort_run, "c1", judge_or_echo)

    models.write_text(before)
    assert not retried(instance, data_root, cohort_run, "c1", judge_or_echo, max_cost_total=1.0)
    assert not retried(instance, data_root, cohort_run, "c1", judge_or_echo, force=["d_none"])
