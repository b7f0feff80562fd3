"""Status, results, the announcement of a run and the run itself agree on what is done."""

from itertools import product

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.estimate import estimate_generations, planned_generations
from daydreaming_dagster.domain.cohort.progress import generations_to_make, stage_status
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.generation.state import COMPLETE
from daydreaming_dagster.domain.results.evaluations import read_outcome
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.errors import MalformedArtifactError
from daydreaming_dagster.types import STAGES

CATALOG = Catalog(
    concepts={"a": ConceptEntry("a", "A", {"sentence": "a."})},
    templates={(stage, "t"): TemplateEntry("t") for stage in STAGES},
    models={"big": ModelEntry("big", "big-1")},
)
ANSWER = "Well.\nSCORE: 7"
MALFORMED = object()

RAW = (None, ANSWER, MALFORMED)
RAW_METADATA = (
    None,
    {},
    {"raw_sha256": sha256(ANSWER)},
    {"raw_sha256": sha256("another")},
    {"raw_sha256": 5},
    {"raw_sha256": sha256(ANSWER), "truncated": True},
    MALFORMED,
)
PARSED = (None, "7", MALFORMED)
PARSED_METADATA = (
    None,
    {},
    {"score": 7, "raw_sha256": sha256(ANSWER)},
    {"score": 7, "raw_sha256": sha256("another")},
    {"score": 7},
    {"score": True, "raw_sha256": sha256(ANSWER)},
    MALFORMED,
)
COMBINATIONS = list(product(RAW, RAW_METADATA, PARSED, PARSED_METADATA))


@attrs.frozen(eq=False)
class PartlyUnreadableStore(InMemoryGensStore):
    unreadable: set = attrs.field(factory=set, init=False)

    def _load(self, stage, gen_id, artifact):
        if (gen_id, artifact) in self.unreadable:
            raise MalformedArtifactError(artifact, f"{stage}/{gen_id}", "damaged")
        return super()._load(stage, gen_id, artifact)

    def _store(self, stage, gen_id, artifact, data):
        self.unreadable.discard((gen_id, artifact))
        super()._store(stage, gen_id, artifact, data)


@pytest.fixture(params=STAGES)
def stage(request):
    return request.param


@pytest.fixture
def store(stage):
    """A generation of the stage for each combination, named by its number, which is its seed."""
    store = PartlyUnreadableStore(templates=dict.fromkeys(CATALOG.templates, "a prompt"))
    definition = SHIPPED[stage]
    made_of = {"concept_ids": ["a"], "description_level": "sentence", "combo_id": "a@sentence"}
    for parent in definition.parent_stages:
        made_of = {"parent_gen_id": "parent"}
        store.write_parsed(parent, "parent", "a text")
    for number, artifacts in enumerate(COMBINATIONS):
        gen_id = str(number)
        asked = {"template_id": "t", "llm_model_id": "big", "parameters": {"seed": number}}
        store.write_main_metadata(stage, gen_id, {**asked, **made_of})
        for name, content in zip(
            ("raw", "raw_metadata", "parsed", "parsed_metadata"), artifacts, strict=True
        ):
            if content is MALFORMED:
                store.unreadable.add((gen_id, name))
            elif content is not None:
                getattr(store, f"write_{name}")(stage, gen_id, content)
    return store


def outcome_of(store, stage, gen_id):
    try:
        return read_outcome(store, SHIPPED[stage], gen_id).state
    except MalformedArtifactError:
        return None


def asked_in_a_run(store, generations):
    model = ScriptedLanguageModel(lambda _request: ANSWER)
    generate(GenerationRunner(store, model, CATALOG), generations)
    return {str(request.parameters.seed) for request in model.requests}


def test_all_say_the_same_of_every_combination_of_artifacts(store, stage):
    gen_ids = [str(number) for number in range(len(COMBINATIONS))]
    members = {other: gen_ids if other == stage else [] for other in STAGES}
    status = stage_status(store, SHIPPED[stage], gen_ids)
    outcomes = {gen_id: outcome_of(store, stage, gen_id) for gen_id in gen_ids}
    announced = {
        planned.gen_id
        for planned in planned_generations(store, members)
        if estimate_generations(store, CATALOG, [planned]).stages[stage].calls
    }
    todo = generations_to_make(
        members, {other: stage_status(store, SHIPPED[other], members[other]) for other in STAGES}
    )
    asked = asked_in_a_run(store, members)

    missing = set(status.missing)
    assert announced == missing
    assert asked == missing
    assert {gen_id for gen_id, state in outcomes.items() if state == "not answered"} == missing
    complete = {gen_id for gen_id, state in outcomes.items() if state in COMPLETE}
    assert complete == set(gen_ids) - set(todo[stage])
    assert len(complete) == status.done


@pytest.mark.parametrize(
    ("artifacts", "draft", "evaluation"),
    [
        # From elsewhere: nobody pays for it again, and a score counts only if it is recorded.
        ((ANSWER, None, None, None), "not parsed", "not parsed"),
        ((None, None, "7", None), "done", "not answered"),
        ((None, None, "7", {"score": 7}), "done", "scored"),
        # From an older root, that recorded no digests.
        ((ANSWER, {}, "7", {"score": 7}), "done", "scored"),
        (
            (ANSWER, {}, "7", {"score": 7, "raw_sha256": sha256("another")}),
            "not parsed",
            "not parsed",
        ),
        # A crash between the record and the text of a new answer.
        (
            (
                ANSWER,
                {"raw_sha256": sha256("another")},
                "7",
                {"score": 7, "raw_sha256": sha256(ANSWER)},
            ),
            "not answered",
            "not answered",
        ),
        ((ANSWER, {"truncated": True}, "7", {"score": 7}), "cut off", "cut off"),
        ((ANSWER, {}, "7", {"score": 7, "score_maximum": "9"}), "done", "not parsed"),
        ((ANSWER, {}, "7", {"score": 7, "score_maximum": 0}), "done", "not parsed"),
    ],
)
def test_only_what_is_recorded_can_contradict(artifacts, draft, evaluation):
    store = InMemoryGensStore()
    for stage in ("draft", "evaluation"):
        for name, content in zip(
            ("raw", "raw_metadata", "parsed", "parsed_metadata"), artifacts, strict=True
        ):
            if content is not None:
                getattr(store, f"write_{name}")(stage, "x", content)

    assert read_outcome(store, SHIPPED["draft"], "x").state == draft
    assert read_outcome(store, SHIPPED["evaluation"], "x").state == evaluation
