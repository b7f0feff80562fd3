"""The stages on a real Dagster instance with the store on disk."""

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

# What a code location tells Dagster of itself, but of no public module.
from adapters.batch_store.filesystem import FilesystemBatchStore
from adapters.gens_store.filesystem import FilesystemGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import judge_or_echo
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs import checks
from daydreaming_dagster.defs.assets import build_stage_asset
from daydreaming_dagster.defs.build import build_definitions
from daydreaming_dagster.defs.partitions import register_partitions, stage_partitions
from daydreaming_dagster.defs.resources import DataRootResource
from daydreaming_dagster.domain.batch.record import BatchedQuestion, BatchRecord, now_as_text
from daydreaming_dagster.domain.checks.quality import checks_of
from daydreaming_dagster.domain.cohort.progress import stage_status
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import LanguageModelError
from daydreaming_dagster.types import STAGES
from in_dagster import resource


def run_stage(instance, resources, stage, gen_ids, *, raise_on_error=False):
    """Run a range of partitions, as a backfill does; return whether all succeeded."""
    result = (
        build_definitions(resources["data_root"])
        .resolve_job_def(f"generate_{stage}s")
        .execute_in_process(
            instance=instance,
            raise_on_error=raise_on_error,
            tags={
                "dagster/asset_partition_range_start": gen_ids[0],
                "dagster/asset_partition_range_end": gen_ids[-1],
            },
        )
    )
    return result.success


def materialized(instance, asset):
    return set(instance.get_materialized_partitions(dg.AssetKey(asset)))


def latest_metadata(instance, asset, gen_id):
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[gen_id]), limit=1
    ).records
    return {key: value.value for key, value in records[0].asset_materialization.metadata.items()}


def test_a_whole_cohort_is_generated_and_ranked(instance, resources, members, store, model):
    for stage in STAGES:
        assert run_stage(instance, resources, stage, members[stage])

    assert [len(members[stage]) for stage in STAGES] == [3, 6, 12]
    for stage in STAGES:
        assert stage_status(store, SHIPPED[stage], members[stage]).done == len(members[stage])
        for step in ("prompt", "raw", "parsed"):
            assert materialized(instance, f"{stage}_{step}") == set(members[stage])
    assert len(model.requests) == 3 + 3 + 12
    ranks = rank_texts(store, SHIPPED, members)
    assert [rank.mean for rank in ranks] == [pytest.approx(6 / 9)] * 6


def test_a_whole_stage_is_one_run(instance, resources, members):
    run_stage(instance, resources, "draft", members["draft"])

    assert instance.get_runs_count() == 1


def test_running_again_asks_nothing(instance, resources, members, model):
    run_stage(instance, resources, "draft", members["draft"])
    asked = len(model.requests)

    assert run_stage(instance, resources, "draft", members["draft"])

    assert len(model.requests) == asked
    assert latest_metadata(instance, "draft_raw", members["draft"][0])["reused"] is True


def test_a_materialization_shows_what_a_person_wants_to_see(instance, resources, members, store):
    for stage in STAGES:
        run_stage(instance, resources, stage, members[stage])
    gen_id = members["evaluation"][0]

    raw = latest_metadata(instance, "evaluation_raw", gen_id)
    parsed = latest_metadata(instance, "evaluation_parsed", gen_id)
    prompt = latest_metadata(instance, "evaluation_prompt", gen_id)

    assert raw["answer"] == "```text\nFair.\nSCORE: 6\n```"
    assert raw["model"] == "big-1"
    assert raw["finish_reason"] == "stop"
    assert parsed["score"] == 6
    assert prompt["prompt"].startswith("```text\nJudge: ")
    assert prompt["folder"] == str(store.generation_dir("evaluation", gen_id))
    parent = store.read_main_metadata("evaluation", gen_id)["parent_gen_id"]
    link = f"[{parent}](/assets/essay_parsed?view=partitions&partition={parent})"
    for shown in (raw, parsed, prompt):
        assert shown["llm_model_id"] == "big"
        assert shown["cohorts"] == "[c1](/assets/cohort_run?view=partitions&partition=c1)"
        assert (shown["template_id"], shown["combo_id"]) == ("judge", "ant+bee@sentence")
        assert shown["parent_gen_id"] == link


def test_one_that_fails_does_so_alone(instance, data_root, members, store):
    def answer_some(request):
        if "Ant" in request.prompt and "Bee" in request.prompt:
            return LanguageModelError("big-1 is tired")
        return judge_or_echo(request)

    model = ScriptedLanguageModel(answer_some)
    resources = {"data_root": resource(data_root, language_model=model)}

    assert not run_stage(instance, resources, "draft", members["draft"])

    failed = set(members["draft"]) - materialized(instance, "draft_parsed")
    assert len(failed) == 1
    assert materialized(instance, "draft_prompt") == set(members["draft"])
    assert stage_status(store, SHIPPED["draft"], members["draft"]).missing == tuple(failed)
    statuses = instance.get_status_by_partition(
        dg.AssetKey("draft_raw"), members["draft"], stage_partitions("draft")
    )
    assert {gen_id for gen_id, status in statuses.items() if status.value == "FAILED"} == failed


def test_the_run_says_which_ones_failed_and_why(instance, data_root, members):
    model = ScriptedLanguageModel(lambda _request: LanguageModelError("big-1 is tired"))
    resources = {"data_root": resource(data_root, language_model=model)}

    run_stage(instance, resources, "draft", members["draft"])

    run = instance.get_runs()[0]
    failures = [
        entry.dagster_event.step_failure_data.user_failure_data
        for entry in instance.all_logs(run.run_id)
        if entry.is_dagster_event and entry.dagster_event.is_step_failure
    ]
    assert "3 generations failed, 0 not started, 0 done" in failures[0].description
    assert "big-1 is tired" in failures[0].description
    rows = failures[0].metadata["failures"].records
    assert {row.data["gen_id"] for row in rows} == set(members["draft"])


@pytest.mark.parametrize("steps", [("prompt", "raw", "parsed"), ("raw",)])
def test_one_that_fails_says_why_at_its_partition(instance, data_root, members, store, steps):
    for gen_id in members["draft"]:
        store.write_prompt("draft", gen_id, "Link")
    model = ScriptedLanguageModel(lambda _request: LanguageModelError("big-1 is tired"))

    dg.materialize(
        [build_stage_asset(SHIPPED, "draft")],
        instance=instance,
        resources={"data_root": resource(data_root, language_model=model)},
        selection=[f"draft_{step}" for step in steps],
        partition_key=members["draft"][0],
        raise_on_error=False,
    )

    (record,) = instance.fetch_observations(dg.AssetKey("draft_raw"), limit=9).records
    assert record.partition_key == members["draft"][0]
    shown = record.asset_observation.metadata
    assert (shown["error"].value, shown["template_id"].value) == ("LanguageModelError", "links")
    assert "big-1 is tired" in shown["reason"].value


def test_checks_that_are_executed_alone_are_about_all_generations(instance, resources, members):
    run_stage(instance, resources, "draft", members["draft"][:2])
    job = build_definitions(resources["data_root"]).resolve_implicit_global_asset_job_def()
    check = dg.AssetCheckKey(dg.AssetKey("draft_parsed"), "parsed_present")

    alone = job.get_subset(asset_selection=set(), asset_check_selection={check})
    (evaluation,) = alone.execute_in_process(instance=instance).get_asset_check_evaluations()

    assert not evaluation.passed
    assert (evaluation.metadata["checked"].value, evaluation.metadata["findings"].value) == (3, 1)


def last_check(instance, asset, check="parsed_present"):
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    record = instance.event_log_storage.get_asset_check_summary_records([key])[key]
    return record.last_completed_check_execution_record.event.asset_check_evaluation


@pytest.mark.parametrize("listed", [100, 1])
def test_a_healthy_generation_does_not_turn_a_failed_check_green(
    instance, data_root, members, monkeypatch, listed
):
    model = ScriptedLanguageModel(judge_or_echo)
    resources = {"data_root": resource(data_root, language_model=model)}
    monkeypatch.setattr(checks, "_SHOWN", listed)
    first, second, third = members["draft"]
    model.script = lambda _request: LanguageModelError("big-1 is tired")
    run_stage(instance, resources, "draft", [first, second])

    model.script = judge_or_echo
    assert run_stage(instance, resources, "draft", [third])

    check = last_check(instance, "draft_parsed")
    assert (check.passed, check.metadata["findings"].value) == (False, 2)
    assert check.description == "2 findings (3 of 3 generations checked)"

    assert run_stage(instance, resources, "draft", [first, second])
    assert last_check(instance, "draft_parsed").passed


def test_a_check_says_how_many_it_looked_at(instance, resources, members):
    run_stage(instance, resources, "draft", members["draft"][:1])

    check = last_check(instance, "draft_parsed")
    assert check.passed
    assert check.description.endswith("(1 of 3 generations checked)")


def test_a_run_of_a_stage_checks_its_generations(instance, resources, members):
    run_stage(instance, resources, "draft", members["draft"])

    records = instance.event_log_storage.get_asset_check_summary_records(
        [
            dg.AssetCheckKey(dg.AssetKey("draft_parsed"), name)
            for name in checks_of(SHIPPED["draft"])
        ]
    )
    evaluations = [
        record.last_check_execution_record.event.asset_check_evaluation
        for record in records.values()
    ]
    assert [evaluation.passed for evaluation in evaluations] == [True] * len(
        checks_of(SHIPPED["draft"])
    )
    assert evaluations[0].metadata["checked"].value == 3


def test_a_stale_answer_fails_its_generation_until_the_run_is_to_replace_it(
    instance, resources, model, members, data_root
):
    run_stage(instance, resources, "draft", members["draft"])
    (data_root / "1_raw/templates/draft/links.txt").write_text("New: {{ concepts[0].name }}")
    model.requests.clear()

    def materialize(**config):
        return dg.materialize(
            [build_stage_asset(SHIPPED, "draft")],
            instance=instance,
            resources=resources,
            partition_key=members["draft"][0],
            run_config={"ops": {"draft_generations": {"config": config}}},
            raise_on_error=False,
        )

    refused = materialize()
    failure = refused.failure_data_for_node("draft_generations").user_failure_data
    assert "draft template 'links' was edited" in failure.description
    assert "`stale: true` in the launchpad" in failure.description
    assert model.requests == []

    assert materialize(stale=True).success
    assert len(model.requests) == 1
    metadata = FilesystemGensStore(data_root).read_raw_metadata("draft", members["draft"][0])
    assert metadata["replaced"][0]["text"].startswith("Re: Link")


def test_what_waits_in_a_batch_of_a_cohort_is_not_asked(
    instance, resources, model, members, data_root
):
    question = BatchedQuestion("q", "draft", members["draft"][0])
    record = BatchRecord(
        cohort_id="c1", model="big-1", written_at=now_as_text(), questions=[question]
    )
    FilesystemBatchStore(Paths(data_root)).write_batch("b", record.as_document())

    left = dg.materialize(
        [build_stage_asset(SHIPPED, "draft")],
        instance=instance,
        resources=resources,
        partition_key=members["draft"][0],
        raise_on_error=False,
    )

    failure = left.failure_data_for_node("draft_generations").user_failure_data
    assert "stopped: 1 generation left until a batch ends" in failure.description
    assert model.requests == []


def test_registering_again_changes_nothing(instance, members):
    register_partitions(instance, members)

    assert instance.get_dynamic_partitions("draft_generations") == members["draft"]


def test_a_broken_catalog_fails_the_run_with_all_its_problems(
    instance, resources, members, data_root
):
    (data_root / "1_raw/llm_models.csv").unlink()
    (data_root / "1_raw/draft_templates.csv").write_text("template_id\n")

    with pytest.raises(dg.Failure, match=r"llm_models.csv is missing") as caught:
        dg.materialize(
            [build_stage_asset(SHIPPED, "draft")],
            instance=instance,
            resources=resources,
            partition_key=members["draft"][0],
        )

    assert "2 problems" in caught.value.description


# Dagster reads its own deprecated property of the schedule to describe it.
@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")
def test_the_endpoint_is_not_in_the_configuration_that_dagster_stores(data_root, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:the-word@api.example.com/v1")

    definitions = build_definitions(DataRootResource(location=str(data_root)))

    snapshot = RepositorySnap.from_def(definitions.get_repository_def())
    assert "api.example.com" not in serialize_value(snapshot)


def test_a_run_refuses_stages_that_dagster_has_not_loaded(data_root, instance, resources):
    """Whoever edits the stages has to reload the code location."""
    loaded = build_definitions(resources["data_root"])
    (data_root / "1_raw/stages.yaml").write_text(
        "stages: {draft: {}, essay: {}, evaluation: {}, reply: {from: evaluation}}"
    )
    (data_root / "1_raw/reply_templates.csv").write_text("template_id,parser,generator\n")
    instance.add_dynamic_partitions("cohorts", ["c1"])

    result = loaded.resolve_job_def("run_cohort").execute_in_process(
        instance=instance, partition_key="c1", raise_on_error=False
    )

    assert not result.success
    failure = result.failure_data_for_node("cohort_run").error
    assert "reload the code location" in str(failure)
