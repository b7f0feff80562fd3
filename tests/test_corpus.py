"""A data root that nobody on this project wrote works as it stands."""

import hashlib
import shutil
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import attrs
import pytest

from adapters import FilesystemGensStore, InMemoryGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import DEFAULT_LEVEL
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.spec import Axes, CohortSpec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.generation.template_rendering import render_template
from daydreaming_dagster.domain.parsing.registry import find_parser
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.types import STAGES

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"the corpus is not there ({CORPUS}): it is no part of the project"
)

SCORES = {"004": 7, "014": 4, "022": 2, "035": 5, "076": 7, "112": 6, "128": 4, "163": 4}
"""What a person reads off the answers."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    copy = tmp_path_factory.mktemp("corpus") / "data_root"
    shutil.copytree(CORPUS / "data_root", copy)
    return copy


@pytest.fixture(scope="module")
def catalog(root):
    return FilesystemCohortStore(root).read_catalog()


@pytest.fixture(scope="module")
def present(root):
    """The templates of each stage that the folder holds; the catalogs list many more."""
    folder = Paths(root).templates_root
    return {stage: sorted(path.stem for path in (folder / stage).iterdir()) for stage in STAGES}


@pytest.fixture(scope="module")
def responses():
    return {name: (CORPUS / f"evaluation_responses/{name}.txt").read_text() for name in SCORES}


@pytest.fixture(scope="module")
def spec(catalog, present):
    """Three combinations, all templates, two models and two replicates at every stage."""
    concepts, models = sorted(catalog.concepts), ["sonnet-4", "gemini_25_pro"]
    return CohortSpec(
        Axes(
            combo=[concepts[i : i + 3] for i in (0, 3, 6)],
            draft_template=present["draft"],
            draft_llm=models,
            essay_template=[*present["essay"], "parsed-from-links-v1"],  # the latter copies
            essay_llm=models,
            evaluation_template=present["evaluation"],
            evaluation_llm=models,
        ),
        replicates=dict.fromkeys(STAGES, 2),
    )


def model_that_answers(responses):
    """Judges with the answers of real judges, and writes drafts in the form that is asked for."""
    judgements = sorted(responses.items())

    def answer(request):
        digest = hashlib.sha256(f"{request.model}\n{request.prompt}".encode()).digest()
        if "SCORE: X" not in request.prompt:
            idea = f"An idea of {request.model}, number {digest.hex()}."
            return f"<essay-idea stage='1'>\n{idea}\n</essay-idea>"
        return judgements[digest[0] % len(judgements)][1]

    return ScriptedLanguageModel(answer)


def run_all(runner, members):
    return [item for item in generate(runner, members) if item.error is not None]


def assert_ranked(store, members, responses):
    """Compare with what the judges' answers say, read by a person."""
    score_of = {text: SCORES[name] for name, text in responses.items()}
    given = defaultdict(list)
    for gen_id in members["evaluation"]:
        essay = store.read_main_metadata("evaluation", gen_id)["parent_gen_id"]
        text = store.read_raw("evaluation", gen_id)
        given[essay].append(score_of[text] / 10)

    ranks = rank_texts(store, SHIPPED, members)

    assert {rank.gen_id for rank in ranks} == set(members["essay"])
    for rank in ranks:
        assert rank.unscored == 0
        assert rank.mean == pytest.approx(fmean(given[rank.gen_id]))
    means = [round(rank.mean, 9) for rank in ranks]
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1]


@pytest.mark.parametrize("name", SCORES)
def test_the_score_of_a_real_judge_is_what_a_person_reads(responses, name):
    assert find_parser("in_last_line")(responses[name]).score == Score(SCORES[name], 10)


@pytest.mark.parametrize("stage", STAGES)
def test_all_templates_that_are_there_render(root, catalog, present, stage):
    essay = next((CORPUS / "essays").iterdir()).read_text()
    concepts = [concept.at("article") for concept in catalog.concepts.values()]
    values = {
        "draft": {"concepts": concepts},
        "essay": {"draft_block": essay, "links_block": essay},
        "evaluation": {"response": essay},
    }
    store = FilesystemGensStore(root)

    for template_id in present[stage]:
        prompt = render_template(store, stage, template_id, values[stage])

        if stage == "draft":
            assert all(concept.name in prompt for concept in concepts)
            shows = "concept.content" in store.read_template(stage, template_id)
            assert all((concept.content in prompt) == shows for concept in concepts)
        else:
            assert essay in prompt


def test_each_concept_has_a_description_or_its_name(catalog):
    assert len(catalog.concepts) == 18
    for concept in catalog.concepts.values():
        assert set(concept.descriptions) == {DEFAULT_LEVEL}
        assert concept.at("article").content == concept.descriptions[DEFAULT_LEVEL]


def test_what_the_catalogs_list_and_the_folder_lacks_is_said_at_once(root, catalog, spec, present):
    missing = {
        stage: sorted(
            template_id
            for of_stage, template_id in catalog.templates
            if of_stage == stage and template_id not in present[stage]
            if catalog.templates[stage, template_id].generator == "llm"
        )
        for stage in STAGES
    }
    axes = {
        f"{stage}_template": [*spec.axes.values(f"{stage}_template"), *missing[stage]]
        for stage in STAGES
    }
    whole = attrs.evolve(spec, axes=attrs.evolve(spec.axes, **axes))

    with pytest.raises(CatalogError) as caught:
        make_plan(FilesystemGensStore(root), "whole", whole, catalog, allow_missing=True)

    problems = caught.value.problems
    assert len(problems) == sum(len(missing[stage]) for stage in STAGES) > 25
    for stage in STAGES:
        for template_id in missing[stage]:
            assert any(
                problem.startswith(f"no {stage} template {template_id!r}") for problem in problems
            )


def test_the_whole_cohort_plans_runs_and_ranks(root, catalog, spec, present, responses):
    on_disk = FilesystemGensStore(root)
    store = InMemoryGensStore(
        templates={
            (stage, template_id): on_disk.read_template(stage, template_id)
            for stage in STAGES
            for template_id in present[stage]
        }
    )
    plan = make_plan(on_disk, "whole", spec, catalog, allow_missing=True)
    record_plan(store, plan)
    members = {stage: plan.gen_ids(stage) for stage in STAGES}
    drafts, evaluations = 3 * 7 * 2 * 2, 5 * 2 * 2
    essays = drafts * (2 * 2 * 2 + 1)
    assert [len(members[stage]) for stage in STAGES] == [drafts, essays, essays * evaluations]

    model = model_that_answers(responses)
    failed = run_all(GenerationRunner(store, model, catalog), members)

    assert failed == []
    assert len(model.requests) == drafts + drafts * 2 * 2 * 2 + essays * evaluations
    assert_ranked(store, members, responses)
    tables = make_result_tables(SHIPPED, read_evaluations(store, SHIPPED, members, catalog.models))
    assert tables.evaluations.height == len(members["evaluation"])
    assert tables.missing.is_empty()
    assert set(tables.agreement["evaluation_template"]) == set(present["evaluation"])


def test_a_slice_of_it_goes_through_the_store_on_disk(root, catalog, spec, responses):
    combo = spec.axes.combo[0]
    few = attrs.evolve(
        spec,
        axes=attrs.evolve(
            spec.axes,
            combo=[combo],
            draft_template=["deliberate-rolling-thread-v2", "gwern_original"],
            draft_llm=["sonnet-4"],
            evaluation_template=["novelty-v2", "scientific-rigor-v2"],
        ),
        description_level="article",
        replicates={"evaluation": 2},
    )
    store, paths = FilesystemGensStore(root), Paths(root)

    plan = make_plan(store, "few", few, catalog, allow_missing=True)
    record_plan(store, plan)
    FilesystemCohortStore(paths).write_membership(
        plan.cohort_id, {stage: plan.gen_ids(stage) for stage in STAGES}
    )
    members = FilesystemCohortStore(paths).read_membership("few")
    failed = run_all(GenerationRunner(store, model_that_answers(responses), catalog), members)

    assert [len(members[stage]) for stage in STAGES] == [2, 2 * 5, 2 * 5 * 8]
    assert plan.notices == (
        "description_level: no concept has a description at level 'article'",
        *(
            f"concept {concept_id!r} has no description at level 'article'; its paragraph stands in"
            for concept_id in combo
        ),
        "replicates.draft: 1, as the data root says",
        "replicates.essay: 1, as the data root says",
    )
    assert failed == []
    assert_ranked(store, members, responses)
    copied = [
        gen_id
        for gen_id in members["essay"]
        if store.read_main_metadata("essay", gen_id)["mode"] == "copy"
    ]
    assert len(copied) == 2
    for gen_id in copied:
        draft = store.read_main_metadata("essay", gen_id)["parent_gen_id"]
        assert store.read_parsed("essay", gen_id) == store.read_parsed("draft", draft)
