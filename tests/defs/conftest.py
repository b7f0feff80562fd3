"""The cohort c1, planned and known to a Dagster instance, and what its assets need."""

import pytest

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem import FilesystemGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import judge_or_echo
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import register_partitions
from daydreaming_dagster.defs.resources import RunResources
from in_dagster import resource


@pytest.fixture
def store(data_root):
    return FilesystemGensStore(data_root)


@pytest.fixture
def members(data_root, store):
    cohorts = FilesystemCohortStore(data_root)
    plan_cohort(store, cohorts, "c1")
    return cohorts.read_membership("c1")


@pytest.fixture
def instance(tmp_path, members):
    with open_instance(tmp_path / "dagster_home") as instance:
        register_partitions(instance, members)
        instance.add_dynamic_partitions("cohorts", ["c1"])
        yield instance


@pytest.fixture
def model():
    return ScriptedLanguageModel(judge_or_echo)


@pytest.fixture
def resources(data_root, model):
    return {"data_root": resource(data_root, language_model=model)}


@pytest.fixture
def used(data_root, model):
    return RunResources(open_data_root(data_root), language_model=model)
