"""Catalogs, planning, stages and results together, on a disk that pyfakefs makes up."""

import pytest

from adapters import FilesystemGensStore, ReadOnlyGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate, judge_or_echo, write_data_root
from daydreaming_dagster.data_layer import GensDataLayer
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.progress import stage_status
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.errors import ReadOnlyStoreError, StorageUnavailableError
from daydreaming_dagster.types import STAGES

ROOT = "/data"


@pytest.fixture(scope="module", autouse=True)
def on_a_real_disk(tmp_path_factory):
    """Do the same on a real disk first, for what is imported or made when it is first used.

    From a fake disk, numpy cannot be imported, and cattrs can make no converter.
    """
    store = GensDataLayer.from_root(write_data_root(tmp_path_factory.mktemp("lab")))
    members = plan(store)
    run(store, members)
    rank_texts(store, SHIPPED, members)


@pytest.fixture
def store(fs, data_files):
    for name, text in data_files.items():
        fs.create_file(f"{ROOT}/{name}", contents=text, encoding="utf-8")
    return GensDataLayer.from_root(ROOT)


@pytest.fixture
def members(store):
    return plan(store)


def plan(store):
    cohorts = FilesystemCohortStore(store.paths)
    spec, catalog = cohorts.read_spec("c1"), cohorts.read_catalog()
    made = make_plan(store, "c1", spec, catalog, allow_missing=True)
    record_plan(store, made)
    cohorts.write_membership("c1", {stage: made.gen_ids(stage) for stage in STAGES})
    return cohorts.read_membership("c1")


def run(store, members, stages=STAGES):
    catalog = FilesystemCohortStore(store.paths).read_catalog()
    runner = GenerationRunner(store, ScriptedLanguageModel(judge_or_echo), catalog)
    # One at a time: pyfakefs is not made for threads.
    return [
        item for stage in stages for item in generate(runner, {stage: members[stage]}, in_flight=1)
    ]


def test_a_cohort_goes_from_catalog_to_ranking(store, members):
    done = run(store, members)

    assert [item.error for item in done] == [None] * 21
    assert [rank.mean for rank in rank_texts(store, SHIPPED, members)] == [pytest.approx(6 / 9)] * 6
    essay = members["essay"][0]
    assert store.parsed_path("essay", essay).read_text().startswith("Re: Tell a story of: Re: Link")


def test_another_process_finds_everything(store, members):
    run(store, members)

    reopened = FilesystemGensStore.from_root(ROOT)

    assert [stage_status(reopened, SHIPPED[stage], members[stage]).done for stage in STAGES] == [
        3,
        6,
        12,
    ]


def test_a_finished_cohort_can_be_looked_at_read_only(store, members):
    run(store, members)
    archive = ReadOnlyGensStore(store)

    assert rank_texts(archive, SHIPPED, members) == rank_texts(store, SHIPPED, members)
    with pytest.raises(ReadOnlyStoreError):
        archive.write_prompt("draft", members["draft"][0], "x")


def test_a_full_disk_is_noticed_before_a_model_is_called_and_the_rest_stays(store, members, fs):
    run(store, members, ["draft"])
    fs.set_disk_usage(fs.get_disk_usage(ROOT).used + 10, ROOT)

    with pytest.raises(StorageUnavailableError, match="bytes are free"):
        run(store, members, ["essay"])

    assert stage_status(store, SHIPPED["draft"], members["draft"]).done == 3
    assert stage_status(store, SHIPPED["essay"], members["essay"]).missing == tuple(
        members["essay"]
    )
