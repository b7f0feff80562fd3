"""Cohorts on a real Dagster instance: specification, partitions, run, results."""

import json
import sys
from collections import Counter

import dagster as dg
import pytest
from sqlalchemy import text

from adapters import FilesystemGensStore
from adapters.batch_store.filesystem import FilesystemBatchStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from answering_later import ScriptedBatches
from builders import judge_or_echo
from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.defs.cohort_estimate import build_cohort_estimate
from daydreaming_dagster.defs.cohort_results import build_cohort_report, build_cohort_results
from daydreaming_dagster.defs.cohort_run import build_cohort_run
from daydreaming_dagster.defs.cohorts import build_cohort_membership
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import stage_partitions
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelRequest,
)
from daydreaming_dagster.types import STAGES
from in_dagster import resource

cohort_membership = build_cohort_membership()
cohort_estimate = build_cohort_estimate()
cohort_run = build_cohort_run(SHIPPED)
cohort_results = build_cohort_results(SHIPPED)
cohort_report = build_cohort_report()


@pytest.fixture
def instance(tmp_path):
    with open_instance(tmp_path / "dagster_home") as instance:
        instance.add_dynamic_partitions("cohorts", ["c1"])
        yield instance


@pytest.fixture
def parts(model):
    return {"language_model": model}


@pytest.fixture
def materialize(instance, data_root, parts):
    def call(asset, **settings):
        used = {"data_root": resource(data_root, **parts)}
        return dg.materialize(
            [asset],
            **{"instance": instance, "resources": used, "partition_key": "c1", **settings},
        )

    return call


def metadata(result, asset):
    (event,) = (
        event
        for event in result.asset_materializations_for_node(asset.node_def.name)
        if event.asset_key == asset.key
    )
    return {key: value.value for key, value in event.metadata.items()}


def test_membership_plans_the_cohort_and_registers_its_generations(materialize, instance):
    result = materialize(cohort_membership)

    shown = metadata(result, cohort_membership)
    assert (shown["drafts"], shown["essays"], shown["evaluations"]) == (3, 6, 12)
    assert (shown["new"], shown["stale"]) == (21, 0)
    assert len(instance.get_dynamic_partitions("evaluation_generations")) == 12


def test_a_whole_cohort_is_one_materialization(materialize, instance, data_root):
    materialize(cohort_membership)

    assert materialize(cohort_run).success

    store = FilesystemGensStore(data_root)
    for gen_id in store.list_generations("evaluation"):
        assert store.read_parsed_metadata("evaluation", gen_id)["score"] == 6
    for stage in STAGES:
        for step in ("prompt", "raw", "parsed"):
            asset = dg.AssetKey(f"{stage}_{step}")
            assert len(instance.get_materialized_partitions(asset)) == len(
                store.list_generations(stage)
            )
    assert instance.get_runs_count() == 2  # planning, and this one


def test_a_run_asks_by_batch_if_its_config_says_so(materialize, parts, data_root):
    later = ScriptedBatches(lambda prompt: judge_or_echo(ModelRequest(prompt, "big-1")))
    parts["batches"] = Batches(FilesystemBatchStore(Paths(data_root)), later)
    materialize(cohort_membership)

    config = {"ops": {"cohort_run": {"config": {"batch": True}}}}
    assert materialize(cohort_run, run_config=config).success

    assert [len(batch["questions"]) for batch in later.batches.values()] == [3, 9, 6]


def test_the_run_of_a_cohort_says_what_it_came_to(materialize):
    materialize(cohort_membership)

    shown = metadata(materialize(cohort_run), cohort_run)

    assert (shown["made_by_run"], shown["calls_of_run"], shown["evaluations"]) == (21, 18, 12)


def test_a_run_that_makes_nothing_shows_what_the_cohort_has_cost(materialize, data_root, parts):
    (data_root / "1_raw/llm_models.csv").write_text(
        "id,model,provider,prompt_price,completion_price\nbig,big-1,acme,1,1\n"
    )

    def answer(request):
        return Completion(judge_or_echo(request), "stop", "big-1", 0.1, 1_000_000, 1_000_000)

    parts["language_model"] = ScriptedLanguageModel(answer)
    materialize(cohort_membership)
    materialize(cohort_run)

    again = metadata(materialize(cohort_run), cohort_run)

    assert (again["made_by_run"], again["cost_of_run_usd"], again["cost_of_cohort_usd"]) == (
        0,
        0,
        18 * 2,
    )


def test_one_that_fails_is_shown_as_failed_and_its_descendants_as_missing(
    materialize, instance, parts, data_root
):
    def answer_some(request):
        if "Ant" in request.prompt and "Bee" in request.prompt:
            return LanguageModelError("big-1 is tired")
        return judge_or_echo(request)

    parts["language_model"] = ScriptedLanguageModel(answer_some)
    materialize(cohort_membership)

    result = materialize(cohort_run, raise_on_error=False)

    assert not result.success
    store = FilesystemGensStore(data_root)
    statuses = {
        stage: Counter(
            status and status.value
            for status in instance.get_status_by_partition(
                dg.AssetKey(f"{stage}_raw"), store.list_generations(stage), stage_partitions(stage)
            ).values()
        )
        for stage in STAGES
    }
    assert statuses == {
        "draft": {"MATERIALIZED": 2, "FAILED": 1},
        "essay": {"MATERIALIZED": 4, None: 2},
        "evaluation": {"MATERIALIZED": 8, None: 4},
    }
    failure = result.failure_data_for_node("cohort_run").user_failure_data
    assert failure.description.startswith("1 generation failed, 6 not started, 14 done")
    assert "big-1 is tired" in failure.description


@pytest.mark.parametrize("document", ["{", "[]", '{"template_id": 5}', '{"template_id": "gone"}'])
def test_metadata_that_is_wrong_fails_its_generation_alone(
    materialize, instance, data_root, document
):
    materialize(cohort_membership)
    store = FilesystemGensStore(data_root)
    broken = store.list_generations("draft")[0]
    store.main_metadata_path("draft", broken).write_text(document)

    result = materialize(cohort_run, raise_on_error=False)

    failure = result.failure_data_for_node("cohort_run").user_failure_data
    assert failure.description.startswith("1 generation failed, 6 not started, 14 done")
    (row,) = (record.data for record in failure.metadata["failures"].records)
    assert (row["stage"], row["gen_id"]) == ("draft", broken)
    assert row["error"] in {"MalformedArtifactError", "InvalidMetadataError"}
    assert len(instance.get_materialized_partitions(dg.AssetKey("draft_parsed"))) == 2


def test_an_answer_that_cannot_be_read_fails_its_generation_alone(materialize, data_root):
    materialize(cohort_membership)
    assert materialize(cohort_run).success
    store = FilesystemGensStore(data_root)
    broken, incomplete = store.list_generations("evaluation")[:2]
    store.raw_metadata_path("evaluation", broken).write_text("{")
    store.parsed_path("evaluation", incomplete).unlink()

    result = materialize(cohort_run, raise_on_error=False)

    failure = result.failure_data_for_node("cohort_run").user_failure_data
    assert failure.description.startswith("1 generation failed, 0 not started, 1 done")
    (row,) = (record.data for record in failure.metadata["failures"].records)
    assert (row["gen_id"], row["error"]) == (broken, "MalformedArtifactError")
    assert store.read_parsed("evaluation", incomplete)


def test_a_run_shows_what_its_checks_found(materialize, instance, parts):
    parts["language_model"] = ScriptedLanguageModel(
        lambda request: "No score." if request.prompt.startswith("Judge") else request.prompt
    )
    materialize(cohort_membership)

    result = materialize(cohort_run, raise_on_error=False)

    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert {name: check.passed for name, check in checks.items()} == {
        "parsed_present": False,
        "hashes_match": True,
        "parent_present": True,
        "not_truncated": True,
        "known_finish": True,
        "score_in_range": True,
    }
    shown = checks["parsed_present"].metadata
    assert (shown["checked"].value, shown["findings"].value) == (21, 12)
    assert len(shown["table"].records) == 12

    found = {}
    for stage in STAGES:
        key = dg.AssetCheckKey(dg.AssetKey(f"{stage}_parsed"), "parsed_present")
        records = instance.event_log_storage.get_asset_check_summary_records([key])
        execution = records[key].last_check_execution_record
        assert (execution.run_id, execution.event.run_id) == (result.run_id, result.run_id)
        evaluation = execution.event.asset_check_evaluation
        found[stage] = (evaluation.metadata["checked"].value, evaluation.passed)
    assert found == {"draft": (3, True), "essay": (6, True), "evaluation": (12, False)}


def test_a_healthy_cohort_does_not_turn_a_failed_check_green(
    materialize, instance, parts, data_root
):
    spec = (data_root / "cohorts/c1/spec/config.yaml").read_text()
    for cohort_id, concepts in [("c1", "[ant, bee]"), ("c2", "[bee, cod]")]:
        file = data_root / f"cohorts/{cohort_id}/spec/config.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(spec.replace("[ant, bee, cod]", concepts))
        instance.add_dynamic_partitions("cohorts", [cohort_id])
        materialize(cohort_membership, partition_key=cohort_id)
    parts["language_model"] = ScriptedLanguageModel(lambda _: LanguageModelError("no"))
    materialize(cohort_run, partition_key="c1", raise_on_error=False)

    parts["language_model"] = ScriptedLanguageModel(judge_or_echo)
    result = materialize(cohort_run, partition_key="c2")

    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    failed = checks["parsed_present"]
    assert failed.description == "7 findings (14 of 14 generations checked)"
    key = dg.AssetCheckKey(dg.AssetKey("draft_parsed"), "parsed_present")
    record = instance.event_log_storage.get_asset_check_summary_records([key])[key]
    evaluation = record.last_check_execution_record.event.asset_check_evaluation
    assert evaluation.description == "1 finding (2 of 2 generations checked)"


def test_what_is_done_and_unknown_to_dagster_is_recorded_without_a_call(
    materialize, tmp_path, parts
):
    materialize(cohort_membership)
    materialize(cohort_run)
    asked = len(parts["language_model"].requests)

    with open_instance(tmp_path / "another_home") as fresh:
        fresh.add_dynamic_partitions("cohorts", ["c1"])
        materialize(cohort_run, instance=fresh)

        assert len(fresh.get_materialized_partitions(dg.AssetKey("evaluation_parsed"))) == 12
        record = fresh.fetch_materializations(dg.AssetKey("evaluation_parsed"), limit=1).records[0]
        assert record.asset_materialization.metadata["score"].value == 6
    assert len(parts["language_model"].requests) == asked


def test_a_database_that_fails_once_costs_no_answer(materialize, instance, parts, data_root):
    materialize(cohort_membership)

    def answer_one_at_once(request):
        model.latency_seconds = 1 if model.requests[1:] else 0
        return judge_or_echo(request)

    model = parts["language_model"] = ScriptedLanguageModel(answer_one_at_once)
    with instance.event_log_storage.index_connection() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON event_logs WHEN new.asset_key LIKE '%_raw%' "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        )
    failed = materialize(cohort_run, raise_on_error=False)
    with instance.event_log_storage.index_connection() as connection:
        connection.execute(text("DROP TRIGGER full"))

    asked = len(model.requests)
    assert not failed.success
    assert 0 < asked < 18
    raws = list((data_root / "gens").glob("*/*/raw_metadata.json"))
    assert sum(json.loads(raw.read_text())["mode"] == "llm" for raw in raws) == asked

    rest = parts["language_model"] = ScriptedLanguageModel(judge_or_echo)
    assert materialize(cohort_run).success
    assert len(rest.requests) == 18 - asked
    assert len(instance.get_materialized_partitions(dg.AssetKey("evaluation_raw"))) == 12


def test_a_plan_that_the_command_made_is_recorded_by_the_run(materialize, instance, data_root):
    plan_cohort(FilesystemGensStore(data_root), FilesystemCohortStore(data_root), "c1")

    materialize(cohort_run)

    assert instance.get_materialized_partitions(cohort_membership.key) == {"c1"}


def test_what_is_wrong_with_the_input_is_the_failure(materialize):
    materialize(cohort_membership)

    with pytest.raises(dg.Failure, match="a limit of cost needs a price for big"):
        materialize(cohort_run, run_config={"ops": {"cohort_run": {"config": {"max_cost": 1.0}}}})


def test_a_cohort_that_was_not_planned_says_so(materialize):
    with pytest.raises(dg.Failure, match=r"not planned yet.*materialize cohort_membership first"):
        materialize(cohort_run)


def test_results_show_the_ranking_and_write_the_tables(materialize, data_root):
    materialize(cohort_membership)
    materialize(cohort_run)

    shown = metadata(materialize(cohort_results), cohort_results)

    assert shown["ranking"].count("| 0.67 |") == 6
    assert (shown["without_score"], shown["refused"], shown["scored_by_hand"]) == (0, 0, 0)
    assert (data_root / "cohorts/c1/reports/evaluations.parquet").exists()


def test_the_report_is_a_file_and_its_ranking_is_shown(materialize, data_root):
    materialize(cohort_membership)
    materialize(cohort_run)

    shown = metadata(materialize(cohort_report), cohort_report)

    file = data_root / "cohorts/c1/reports/report.html"
    assert shown["report"] == str(file)
    assert file.read_text("utf-8").startswith("<!doctype html>")
    assert shown["ranking"].count("| 0.67 |") == 6
    assert shown["figure"].startswith(
        "![Essays by their judges, with the ranks they may have](data:image/png;base64,"
    )


def test_a_report_of_nothing_has_no_figure(materialize):
    materialize(cohort_membership)

    assert metadata(materialize(cohort_report), cohort_report)["figure"] == (
        "No essay has a score yet."
    )


def test_a_report_says_which_package_it_lacks(materialize, monkeypatch):
    materialize(cohort_membership)
    monkeypatch.setitem(sys.modules, "altair", None)
    for module in ("figure", "figures"):
        monkeypatch.delitem(sys.modules, f"daydreaming_dagster.report.{module}", raising=False)

    with pytest.raises(dg.Failure, match=r"needs the package 'altair'.*\[report\]"):
        materialize(cohort_report)


def test_an_estimate_shows_calls_and_cost_by_model_and_asks_nothing(
    materialize, data_root, model, members
):
    models = data_root / "1_raw/llm_models.csv"
    priced = "id,model,provider,prompt_price,completion_price"
    models.write_text(f"{priced},max_tokens\nbig,big-1,acme,1,1,100\n")

    shown = metadata(materialize(cohort_estimate), cohort_estimate)

    assert (shown["calls"], shown["stale"], model.requests) == (18, 0, [])
    assert 0 < shown["cost_at_least_usd"] < shown["cost_usd"] == shown["cost_at_most_usd"]
    assert "| big | 18 | " in shown["by_model"]
    assert "| evaluation | 12 | 12 |" in shown["by_stage"]
    models.write_text(f"{priced}\nbig,big-1,acme,1,1\n")
    unbounded = metadata(materialize(cohort_estimate), cohort_estimate)
    assert "cost_at_most_usd" not in unbounded
    assert unbounded["by_model"].endswith(" - |")


def test_an_estimate_has_the_price_by_batch_of_models_that_are_always_asked_so(
    materialize, parts, data_root, members
):
    later = ScriptedBatches(lambda prompt: judge_or_echo(ModelRequest(prompt, "big-1")))
    parts["batches"] = Batches(FilesystemBatchStore(Paths(data_root)), later)
    models = data_root / "1_raw/llm_models.csv"
    columns = "id,model,provider,prompt_price,completion_price,batch_discount,batch"
    costs = []
    for batch in ("no", "yes"):
        models.write_text(f"{columns}\nbig,big-1,acme,1,1,0.5,{batch}\n")
        costs.append(metadata(materialize(cohort_estimate), cohort_estimate)["cost_usd"])

    assert costs[1] == pytest.approx(costs[0] / 2)


def test_an_estimate_lists_what_is_stale_and_counts_it_if_asked_to(
    materialize, data_root, model, members
):
    materialize(cohort_run)
    (data_root / "1_raw/templates/draft/links.txt").write_text("New: {{ concepts[0].name }}")
    stale = {"ops": {"cohort_estimate": {"config": {"stale": True}}}}

    kept = metadata(materialize(cohort_estimate), cohort_estimate)
    replaced = metadata(materialize(cohort_estimate, run_config=stale), cohort_estimate)

    assert kept["calls"] == 0
    assert (kept["stale"], replaced["calls"]) == (21, 18)  # three of them are copies
    assert (
        f"/assets/draft_raw?view=partitions&partition={members['draft'][0]}"
        in (kept["stale_answers"])
    )
