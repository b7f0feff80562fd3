"""A loop that daydreams, in memory: its rounds, its limits, and that a kill changes nothing."""

import itertools
import random
import re

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.batch_store.in_memory import InMemoryBatchStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from adapters.embedding_model.scripted import ScriptedEmbeddings
from adapters.language_model.scripted import ScriptedLanguageModel
from adapters.loop_store.in_memory import InMemoryLoopStore
from answering_later import ScriptedBatches
from builders import Killed, MortalStore
from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.dream_loop import DreamOptions, NullDreamListener, dream_loop
from daydreaming_dagster.application.loop_estimate import estimate_round
from daydreaming_dagster.application.loop_status import look_at_loop
from daydreaming_dagster.application.rate_cohort import write_rating_sheet
from daydreaming_dagster.application.rename_concept import rename_concept
from daydreaming_dagster.cli.loop_lines import entry_lines
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.spec import make_cohort_spec
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import CatalogError, LoopBusyError
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.loop.decisions import Ruling, Selection
from daydreaming_dagster.domain.loop.journal import Chosen, Decided, Stop, Written
from daydreaming_dagster.domain.loop.measures import StopRules
from daydreaming_dagster.domain.loop.spec import Canaries, Feedback, GateRules, LoopSpec
from daydreaming_dagster.domain.people.ratings import COLUMNS
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import ParentRole, StageDefinition
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelRequest,
    SamplingParameters,
)

NAMES = ("ant", "bee", "cod", "dog", "eel", "fox", "gnu", "hen")
GOOD = {"ANT", "BEE", "COD"}
TEMPLATES = {
    ("draft", "links"): "Link {% for c in concepts %}{{ c.name }}: {{ c.content }}\n{% endfor %}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}
CATALOG = Catalog(
    concepts={
        name: ConceptEntry(name, name.upper(), {"paragraph": f"The {name.upper()} lives."})
        for name in NAMES
    },
    templates={
        ("draft", "links"): TemplateEntry("links"),
        ("essay", "copied"): TemplateEntry("copied", generator="copy"),
        ("evaluation", "judge"): TemplateEntry("judge"),
    },
    models={"big": ModelEntry("big", "big-1", "acme", prompt_price=1.0, completion_price=2.0)},
)
SPEC = LoopSpec(
    pairs=5,
    cohort=make_cohort_spec(
        {
            "axes": {
                "draft_template": ["links"],
                "draft_llm": ["big"],
                "essay_template": ["copied"],
                "evaluation_template": ["judge"],
                "evaluation_llm": ["big"],
            },
            "replicates": {"evaluation": 3},
            "sampling": {"evaluation": {"seed": 1}},
        },
        lambda _name, _columns: [],
    ),
    selection=Selection(bar=0.6, certainty=0.8),
    stop=StopRules(rounds=3),
)


def words(seed, count=60):
    rng = random.Random(seed)
    return " ".join("".join(rng.choices("abcdefghijklmnop", k=5)) for _ in range(count))


def answer(request):
    """Write about the concepts in the prompt, or judge the text by what it is about."""
    if not request.prompt.startswith("Judge"):
        topics = sorted(set(re.findall(r"\b[A-Z]{3}\b", request.prompt)))
        text = f"{' and '.join(topics)}.\n{words(request.prompt)}"
    else:
        about = set(re.findall(r"\b[A-Z]{3}\b", request.prompt))
        rng = random.Random(f"{request.prompt}/{request.parameters.seed}")
        share = len(about & GOOD) / len(about)
        text = f"SCORE: {min(9, max(0, round(3 + 5 * share + rng.gauss(0, 0.7))))}"
    return Completion(text, "stop", request.model, 0.1, prompt_tokens=100, completion_tokens=500)


@attrs.define
class World:
    """A data root in memory with the loop l, and what was asked and recorded."""

    store: InMemoryGensStore
    cohorts: InMemoryCohortStore
    loops: InMemoryLoopStore
    asked: list = attrs.field(factory=list)
    recorded: list = attrs.field(factory=list)
    answer: object = answer
    embeddings: ScriptedEmbeddings | None = None

    def dream(self, loop_id="l", *, token=None, batches=None, **options):
        def counting(request):
            self.asked.append((request.prompt, request.parameters.seed))
            return self.answer(request)

        listener = NullDreamListener()
        listener.record = lambda number, entry: self.recorded.append((number, entry))
        return dream_loop(
            self.store,
            self.cohorts,
            self.loops,
            ScriptedLanguageModel(counting),
            loop_id,
            options=DreamOptions(**options),
            token=token or CancellationToken(),
            listener=listener,
            batches=batches,
            embeddings=self.embeddings,
        )

    def everything(self):
        """All that is stored: the journal, the concepts, the plans and the generations."""
        cohorts = self.cohorts.list_planned_cohorts()
        return (
            self.loops.read_journal("l"),
            self.cohorts.catalog.concepts,
            {name: self.cohorts.read_membership(name) for name in cohorts},
            {name: self.cohorts.read_spec(name) for name in cohorts},
            {
                (stage, gen_id, read.__name__): read(stage, gen_id)
                for stage in ("draft", "essay", "evaluation")
                for gen_id in self.store.list_generations(stage)
                for read in (self.store.read_main_metadata, self.store.read_parsed)
            },
        )


def new_world(spec=SPEC, store=None):
    cohorts = InMemoryCohortStore(CATALOG, {})
    store = store or InMemoryGensStore(templates=dict(TEMPLATES))
    return World(store, cohorts, InMemoryLoopStore(cohorts, {"l": spec}))


@pytest.fixture
def world():
    return new_world()


def test_each_round_chooses_writes_and_decides(world):
    dream = world.dream()

    assert (dream.finished, dream.interrupted) == (3, False)
    assert dream.reason == "3 rounds done, as many as the specification allows"
    kinds = [(number, type(entry)) for number, entry in world.recorded]
    assert kinds == [(n, kind) for n in (1, 2, 3) for kind in (Chosen, Written, Decided)]
    # A draft for each of 5 pairs and 3 evaluations of its copy, in 3 rounds.
    assert len(world.asked) == len(set(world.asked)) == 3 * 5 * 4
    assert world.cohorts.list_planned_cohorts() == ["l-0001", "l-0002", "l-0003"]


def test_models_that_are_always_asked_by_batch_are_so_in_a_loop_which_goes_on_with_them(world):
    def judge(prompt):
        parameters = SamplingParameters(seed=1)
        return attrs.evolve(answer(ModelRequest(prompt, "m", "", parameters)), batch_id="b")

    later = ScriptedBatches(judge)
    batches = Batches(InMemoryBatchStore(), later)
    models = world.cohorts.catalog.models
    always = {name: attrs.evolve(model, batch=True) for name, model in models.items()}
    world.cohorts.catalog = attrs.evolve(world.cohorts.catalog, models=always)
    later.looks = 10**9
    token = CancellationToken()
    later.after = lambda method: token.stop("test") if method == "submit" else None
    assert world.dream(batches=batches, token=token, rounds=1).interrupted

    world.cohorts.catalog = attrs.evolve(world.cohorts.catalog, models=models)
    called = world.dream(batches=batches, rounds=1)
    assert (called.interrupted, called.reason) == (True, "5 generations left until a batch ends")
    assert not world.asked

    world.cohorts.catalog = attrs.evolve(world.cohorts.catalog, models=always)
    later.batches["batch-0"]["looks"] = later.looks = 1
    assert world.dream(batches=batches, rounds=1).finished == 1
    assert not world.asked
    assert [len(batch["questions"]) for batch in later.batches.values()] == [5, 15]


def test_what_was_accepted_is_combined_in_later_rounds(world):
    world.dream()

    journal = world.loops.read_journal("l")
    accepted = journal.accepted()
    used = {
        concept_id
        for each in journal.rounds[1:]
        for choice in each.chosen.choices
        for concept_id in choice.pair
    }
    assert accepted
    assert used & set(accepted)
    assert journal.rounds[1].chosen.concepts == len(NAMES) + len(
        [one for one in journal.rounds[0].decided.decisions if one.verdict == "accept"]
    )
    concept = world.cohorts.catalog.concepts[accepted[0]]
    assert concept.descriptions["paragraph"] == world.store.read_parsed("essay", accepted[0])
    assert {*NAMES} == {
        concept_id
        for concept_id, entry in world.cohorts.catalog.concepts.items()
        if not entry.accepted
    }


def test_a_decision_names_the_text_that_was_judged_and_its_numbers(world):
    world.dream(rounds=1)

    (end,) = world.loops.read_journal("l").decided
    assert len(end.decisions) == 5
    for decision in end.decisions:
        assert decision.digest == sha256(world.store.read_parsed("essay", decision.text_id))
        assert decision.worth.judgements == len(end.scores[decision.text_id]) == 3


def test_measures_of_a_round(world):
    world.dream(rounds=1)

    (end,) = world.loops.read_journal("l").decided
    measures = end.measures
    assert measures.accepted == sum(one.verdict == "accept" for one in end.decisions)
    # Prompts of 100 tokens at $1 and answers of 500 at $2 per million.
    assert measures.cost == pytest.approx(20 * 0.0011)
    assert 0.9 < measures.novelty <= 1
    assert 4 < measures.diversity <= 5
    assert (measures.richness.texts, measures.richness.chance_of_new) == (5, 1.0)


def test_a_near_duplicate_is_not_judged(world):
    def repeating(request):
        if request.prompt.startswith("Judge"):
            return answer(request)
        return Completion("Always the same idea of ANT.", "stop", "big", 0.1, 100, 500)

    world.answer = repeating
    world.dream(rounds=1)

    (first,) = world.loops.read_journal("l").rounds
    held = [one.text_id for one in first.written.held_back]
    assert len(held) == 4
    assert len(world.asked) == 5 + 3
    assert set(first.decided.scores) == {t.text_id for t in first.written.texts} - set(held)
    assert [one.rule for one in first.decided.decisions if one.text_id in held] == ["held back"] * 4
    assert first.decided.measures.richness.seen == 1
    assert len(world.cohorts.read_membership("l-0001")["evaluation"]) == 3


def test_a_failed_text_does_not_stop_the_loop(world):
    failing = []

    def sometimes(request):
        if not request.prompt.startswith("Judge") and len(failing) < 2:
            failing.append(request)
            return Completion("", "length", "big", 0.1, 100, 500)
        return answer(request)

    world.answer = sometimes
    dream = world.dream(rounds=1)

    assert dream.finished == 1
    (first,) = world.loops.read_journal("l").rounds
    assert len(first.written.texts) == 3
    assert [trial.scores == () for trial in world.loops.read_journal("l").trials()].count(True) == 2


def test_a_person_decides_in_the_next_round(world):
    world.dream(rounds=1)
    (end,) = world.loops.read_journal("l").decided
    rejected = next(one.text_id for one in end.decisions if one.verdict != "accept")
    accepted = next((one.text_id for one in end.decisions if one.verdict == "accept"), None)
    world.loops.verdicts["l"] = {rejected: Ruling("accept", "it is new")} | (
        {accepted: Ruling("reject")} if accepted else {}
    )

    world.dream(rounds=1)

    last = world.loops.read_journal("l").decisions()
    assert (last[rejected].verdict, last[rejected].rule) == ("accept", "person")
    assert last[rejected].reason == "it is new"
    assert accepted not in world.loops.read_journal("l").accepted()
    world.dream(rounds=1)
    memory = world.loops.read_journal("l").rounds[2].chosen.concepts
    assert memory == len(NAMES) + len(
        [one for one in [*world.loops.read_journal("l").rounds[1].decided.decisions]
         if one.verdict == "accept"]
    ) + len([
        one for one in end.decisions
        if one.verdict == "accept" and one.text_id != accepted
    ])  # fmt: skip


def test_what_people_decide_on_a_rating_sheet_overrides_the_rule(world):
    world.dream(rounds=1)
    (end,) = world.loops.read_journal("l").decided
    text_id = next(one.text_id for one in end.decisions if one.verdict != "accept")
    sheet = write_rating_sheet(world.store, world.cohorts, "l-0001", seed=1).sheet
    token = next(text.token for text in sheet.texts if text.ref.gen_id == text_id)
    rows = [
        f"{sheet.sheet},{who},{token},,,,accept,{why}" for who, why in (("Ann", "new"), ("Bo", ""))
    ]
    data = "\n".join([",".join(COLUMNS), *rows]).encode()
    world.cohorts.write_rating_files("l-0001", {"back.csv": data})

    world.dream(rounds=1)

    last = world.loops.read_journal("l").decisions()[text_id]
    assert (last.verdict, last.rule, last.reason) == ("accept", "person", "new")
    world.loops.verdicts["l"] = {text_id: Ruling("reject", "I looked again")}
    world.dream(rounds=1)
    last = world.loops.read_journal("l").decisions()[text_id]
    assert (last.verdict, last.reason) == ("reject", "I looked again")


def with_canaries(world, judge, **stop):
    """Let a loop judge three texts of an earlier loop as canaries, by a judge of the test."""
    world.dream(rounds=1)
    scores = world.loops.read_journal("l").scores()
    order = sorted(scores, key=lambda text_id: sum(scores[text_id]))
    canaries = Canaries(good=order[-1:], bad=order[:2])
    world.loops.specs["m"] = attrs.evolve(
        SPEC, seed=9, canaries=canaries, stop=StopRules(rounds=3, **stop)
    )
    world.asked.clear()
    world.answer = judge
    return canaries


def test_canaries_are_judged_again_in_each_round_by_the_loops_judges(world):
    with_canaries(world, answer)

    world.dream("m")

    ends = world.loops.read_journal("m").decided
    assert all(end.measures.canaries.good > end.measures.canaries.bad for end in ends)
    assert [end.measures.canaries.moved is None for end in ends] == [True, False, False]
    assert ends[2].measures.canaries.moved < 0.2
    lines = [[*entry_lines(end)][-1] for end in ends]
    assert ", canaries: good 0." in lines[0]
    assert f", moved by {ends[2].measures.canaries.moved:.2f}" in lines[2]
    assert len(world.cohorts.read_membership("m-canaries")["evaluation"]) == 3 * 3 * 3


def test_a_loop_stops_if_its_judges_change(world):
    def mild_later(request):
        if request.prompt.startswith("Judge") and len(world.asked) > 5 * 4 + 9:
            return attrs.evolve(answer(request), text="SCORE: 9")
        return answer(request)

    with_canaries(world, mild_later, most_canary_drift=0.2)

    dream = world.dream("m")

    assert dream.finished == 2
    assert dream.reason.startswith("the judges changed: the scores of the canaries moved by 0.")
    assert dream.reason.endswith(", more than 0.20")


def test_a_canary_that_is_not_there_costs_nothing(world):
    world.loops.specs["l"] = attrs.evolve(SPEC, canaries=Canaries(good=["e_gone"]))

    with pytest.raises(CatalogError, match="e_gone"):
        world.dream()

    assert world.asked == []
    world.loops.specs["l"] = attrs.evolve(
        SPEC, canaries=Canaries(["e1", "e1"]), stop=StopRules(most_canary_drift=2)
    )
    with pytest.raises(CatalogError, match="'e1' is named twice") as caught:
        world.dream()
    assert "most_canary_drift: expected 0 to 1, found 2" in str(caught.value)


def test_a_cohort_of_the_researcher_is_not_taken_for_that_of_the_canaries(world):
    with_canaries(world, answer)
    taken = SPEC.cohort_of([("ant", "bee")])
    world.cohorts.write_spec("m-canaries", taken)

    with pytest.raises(CatalogError, match="the cohort 'm-canaries' exists already"):
        world.dream("m")

    assert world.asked == []
    assert world.cohorts.read_spec("m-canaries") == taken


def test_the_status_of_a_round_that_has_only_begun(world, monkeypatch):
    def killed(*_arguments, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("daydreaming_dagster.application.loop_runs.plan_cohort", killed)
        with pytest.raises(Killed):
            world.dream()

    looked = look_at_loop(world.store, world.cohorts, world.loops, "l")
    assert looked.rounds[0].cohort is None
    assert (looked.rounds[0].stale, looked.stale_from, looked.spent) == (0, None, 0.0)
    world.dream(rounds=1)
    looked = look_at_loop(world.store, world.cohorts, world.loops, "l")
    assert looked.spent == pytest.approx(0.0011 * len(world.asked))


DISTILLING = attrs.evolve(
    SHIPPED,
    stages=(
        *SHIPPED.stages,
        StageDefinition("gist", "g_", (ParentRole("essay", ("essay",)),), ("text",)),
    ),
)


def distilling_world(store=None):
    """A world whose loop describes accepted texts by the stage `gist`."""
    document = {
        "axes": {
            **{name: SPEC.cohort.axes.values(name) for name in ("draft_template", "draft_llm")},
            "essay_template": ["copied"],
            "evaluation_template": ["judge"],
            "evaluation_llm": ["big"],
            "gist_template": ["short"],
            "gist_llm": ["big"],
        },
        "replicates": {"evaluation": 3},
        "sampling": {"evaluation": {"seed": 1}},
    }
    cohort = make_cohort_spec(document, lambda _name, _columns: [], DISTILLING)
    world = new_world(attrs.evolve(SPEC, cohort=cohort, feedback=Feedback("gist")), store)
    catalog = attrs.evolve(
        CATALOG,
        templates={**CATALOG.templates, ("gist", "short"): TemplateEntry("short")},
        pipeline=DISTILLING,
        parsers={},
    )
    world.cohorts.catalog = attrs.evolve(
        catalog, parsers=Catalog({}, {}, {}, pipeline=DISTILLING).parsers
    )
    world.store.templates["gist", "short"] = "Gist of: {{ text }}"

    def gist_or_answer(request):
        if request.prompt.startswith("Gist"):
            topics = re.findall(r"\b[A-Z]{3}\b", request.prompt)
            text = f"{topics} {words(request.prompt, 8)}"
            return Completion(text, "stop", "big", 0.1, 100, 500)
        return answer(request)

    world.answer = gist_or_answer
    return world


def test_a_stage_describes_accepted_texts_and_no_others():
    world = distilling_world()

    world.dream()

    journal = world.loops.read_journal("l")
    accepted = journal.accepted()
    gists = [prompt for prompt, _ in world.asked if prompt.startswith("Gist")]
    assert accepted
    assert len(gists) == len(set(gists)) == len(accepted)
    for text_id in accepted:
        concept = world.cohorts.catalog.concepts[text_id]
        made = {
            world.store.read_main_metadata("gist", gen_id)["parent_gen_id"]: gen_id
            for gen_id in world.store.list_generations("gist")
        }
        assert concept.descriptions["paragraph"] == world.store.read_parsed("gist", made[text_id])
    assert sum(end.measures.cost for end in journal.decided) == pytest.approx(
        0.0011 * len(world.asked)
    )


@pytest.mark.parametrize("after", [40, 90, 140])
def test_a_kill_while_a_text_is_described_changes_nothing(after):
    unkilled = distilling_world()
    unkilled.dream()
    store = MortalStore(templates=dict(TEMPLATES))
    killed = distilling_world(store)

    store.left[0] = after
    with pytest.raises(Killed):
        killed.dream()
    store.left[0] = float("inf")
    killed.dream()

    assert killed.everything() == unkilled.everything()


def test_a_text_whose_description_fails_is_taken_whole():
    world = distilling_world()
    gist = world.answer
    world.answer = lambda request: (
        Completion("", "length", "big", 0.1, 100, 500)
        if request.prompt.startswith("Gist")
        else gist(request)
    )

    world.dream(rounds=1)

    (text_id, *_) = world.loops.read_journal("l").accepted()
    description = world.cohorts.catalog.concepts[text_id].descriptions["paragraph"]
    assert description == world.store.read_parsed("essay", text_id)


def test_rounds_and_calls_follow_from_the_seed():
    first, again, other = new_world(), new_world(), new_world(attrs.evolve(SPEC, seed=1))
    for each in (first, again, other):
        each.dream()

    assert first.everything() == again.everything()
    assert first.loops.read_journal("l") != other.loops.read_journal("l")


@pytest.fixture(scope="module")
def unkilled():
    world = new_world()
    world.dream()
    return world


@pytest.mark.parametrize("after", range(0, 190, 17))
def test_a_kill_at_a_write_changes_nothing(after, unkilled):
    store = MortalStore(templates=dict(TEMPLATES))
    killed = new_world(store=store)

    store.left[0] = after
    with pytest.raises(Killed):
        killed.dream()
    store.left[0] = float("inf")
    killed.dream()

    assert killed.everything() == unkilled.everything()
    # The scripted model answers at once, so only what was written when the store died is lost.
    assert len(killed.asked) - len(set(killed.asked)) <= 20


@pytest.mark.parametrize("after", range(9))
def test_a_kill_before_an_entry_is_recorded_changes_nothing(after, unkilled, monkeypatch):
    killed = new_world()
    record, made = InMemoryLoopStore.record, itertools.count()

    def mortal(self, loop_id, number, entry):
        if next(made) == after:
            raise Killed
        record(self, loop_id, number, entry)

    with monkeypatch.context() as patch:
        patch.setattr(InMemoryLoopStore, "record", mortal)
        with pytest.raises(Killed):
            killed.dream()
    killed.dream()

    assert killed.everything() == unkilled.everything()
    assert sorted(killed.asked) == sorted(unkilled.asked)


def test_a_command_does_as_many_rounds_as_it_is_told(world):
    dream = world.dream(rounds=2)

    assert (dream.finished, dream.interrupted) == (2, False)
    assert world.dream(rounds=2).finished == 1
    assert world.dream().finished == 0


def test_a_limit_of_cost_interrupts_a_round_and_the_next_command_finishes_it(world):
    dream = world.dream(max_cost=0.0151)

    assert (dream.finished, dream.interrupted) == (0, True)
    assert 0.0011 * len(world.asked) <= 0.0151
    unlimited = new_world()
    unlimited.dream()
    world.dream()
    assert world.everything() == unlimited.everything()
    assert len(world.asked) == len(unlimited.asked)


def test_the_loops_own_limit_of_cost_holds_over_all_commands():
    world = new_world(attrs.evolve(SPEC, stop=StopRules(max_cost=0.03)))

    ends = [world.dream(rounds=1) for _ in range(4)]

    assert [each.finished for each in ends] == [1, 0, 0, 0]
    assert 20 < len(world.asked) <= 0.03 / 0.0011


@pytest.mark.parametrize("limit", [0.004, 0.008, 0.02, 0.03])
def test_a_loop_whose_limit_ends_a_round_has_stopped_until_the_limit_is_raised(limit):
    world = new_world(attrs.evolve(SPEC, stop=StopRules(rounds=2, max_cost=limit)))

    ends = [world.dream() for _ in range(3)]

    asked = len(world.asked)
    assert 0.0011 * asked <= limit
    number = len(world.loops.read_journal("l").rounds)
    for end in ends:
        assert (end.interrupted, end.reason) == (False, ends[0].reason)
        assert f"raise stop.max_cost to finish round {number}" in end.reason
    looked = look_at_loop(world.store, world.cohorts, world.loops, "l")
    assert looked.step == Stop(ends[0].reason)
    assert estimate_round(world.store, world.cohorts, world.loops, "l") == looked.step

    world.loops.specs["l"] = attrs.evolve(SPEC, stop=StopRules(rounds=2, max_cost=1.0))
    assert world.dream().reason.startswith("2 rounds done")
    unlimited = new_world(attrs.evolve(SPEC, stop=StopRules(rounds=2)))
    unlimited.dream()
    assert world.loops.read_journal("l").rounds == unlimited.loops.read_journal("l").rounds
    assert len(world.asked) == len(unlimited.asked), "nothing was paid twice"


def test_the_limit_of_a_command_does_not_stop_a_loop_with_a_higher_one():
    world = new_world(attrs.evolve(SPEC, stop=StopRules(rounds=1, max_cost=1.0)))

    assert world.dream(max_cost=0.005).interrupted
    assert world.dream().reason.startswith("1 round done")


def test_a_loop_whose_limit_cannot_be_kept_has_stopped_until_it_is_removed():
    def without_tokens(request):
        return attrs.evolve(answer(request), prompt_tokens=None, completion_tokens=None)

    world = new_world(attrs.evolve(SPEC, stop=StopRules(rounds=1, max_cost=1.0)))
    world.answer = without_tokens

    ends = [world.dream() for _ in range(2)]

    assert [end.interrupted for end in ends] == [False, False]
    assert "remove stop.max_cost" in ends[1].reason
    world.loops.specs["l"] = attrs.evolve(SPEC, stop=StopRules(rounds=1))
    assert world.dream().finished == 1


@pytest.mark.parametrize(
    "cohort",
    [
        {"replicates": {"evaluation": 1}},
        {"axes": attrs.evolve(SPEC.cohort.axes, draft_template=["unknown"])},
        {"axes": attrs.evolve(SPEC.cohort.axes, evaluation_llm=["unknown"])},
    ],
)
def test_what_is_wrong_with_the_cohort_of_a_loop_is_found_before_anything_is_recorded(cohort):
    world = new_world(attrs.evolve(SPEC, cohort=attrs.evolve(SPEC.cohort, **cohort)))

    with pytest.raises(CatalogError, match="cohort"):
        world.dream()

    assert world.loops.read_journal("l").rounds == ()
    assert world.cohorts.list_cohorts() == []
    world.loops.specs["l"] = SPEC
    assert world.dream(rounds=1).finished == 1


@pytest.mark.parametrize("new_id", ["zebra", "Ant"])
@pytest.mark.parametrize("listed", [[], list(NAMES)])
def test_a_concept_renamed_within_a_round_changes_nothing_that_a_loop_does(new_id, listed):
    spec = attrs.evolve(SPEC, concepts=listed)
    renamed, plain = new_world(spec), new_world(spec)
    renamed.dream(max_cost=0.03)
    rename_concept(renamed.cohorts, "ant", new_id)

    renamed.dream()
    plain.dream()

    assert renamed.loops.read_journal("l") == plain.loops.read_journal("l")
    assert sorted(renamed.asked) == sorted(plain.asked)


def test_the_status_of_a_refused_loop_says_what_is_wrong(world):
    world.loops.specs["l"] = attrs.evolve(SPEC, pairs=0, sampler="none")

    looked = look_at_loop(world.store, world.cohorts, world.loops, "l")

    assert ["pairs" in each or "sampler" in each for each in looked.problems] == [True, True]


def test_the_status_names_texts_of_which_people_decided_otherwise(world):
    world.dream(rounds=1)
    last = world.loops.read_journal("l").decisions()
    text_id, decision = next(iter(last.items()))
    other = "reject" if decision.verdict == "accept" else "accept"

    def unfollowed(verdict):
        world.loops.verdicts["l"] = {text_id: Ruling(verdict)}
        return look_at_loop(world.store, world.cohorts, world.loops, "l").unfollowed

    assert unfollowed(decision.verdict) == ()
    assert unfollowed(other) == (text_id,)
    world.dream(rounds=1)
    assert unfollowed(other) == ()


def test_a_loop_ends_when_every_pair_was_tried():
    spec = attrs.evolve(
        SPEC,
        concepts=["eel", "fox", "gnu"],
        stop=StopRules(),
        selection=Selection(bar=0.99, certainty=0.99),
    )
    world = new_world(spec)

    dream = world.dream()

    assert (dream.finished, dream.reason) == (1, "every pair of its concepts was tried")
    assert len(world.loops.read_journal("l").rounds) == 1


def test_a_stopped_token_interrupts_and_records_nothing_half(world):
    token = CancellationToken()

    def stopping(request):
        if len(world.asked) == 7:
            token.stop("enough")
        return answer(request)

    world.answer = stopping
    dream = world.dream(token=token)

    assert (dream.interrupted, dream.reason) == (True, "enough")
    first = world.loops.read_journal("l").rounds[0]
    assert first.decided is None


def test_an_edit_of_the_specification_changes_later_rounds_only(world):
    world.dream(max_cost=0.005)
    before = world.cohorts.read_spec("l-0001")
    cohort = attrs.evolve(SPEC.cohort, replicates={"evaluation": 2})
    world.loops.specs["l"] = attrs.evolve(SPEC, cohort=cohort)

    world.dream(rounds=2)

    assert world.cohorts.read_spec("l-0001") == before
    assert world.cohorts.read_spec("l-0002").replicates == {"evaluation": 2}


def with_replicates(count):
    cohort = attrs.evolve(SPEC.cohort, replicates={"evaluation": count})
    return attrs.evolve(SPEC, cohort=cohort)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (with_replicates(1), "each text needs at least two judgements"),
        (attrs.evolve(SPEC, sampler="other"), "sampler: there is no sampler 'other'"),
        (attrs.evolve(SPEC, concepts=["ant", "yak"]), "concepts[1]: there is no concept 'yak'"),
        (attrs.evolve(SPEC, cohort=make_cohort_spec({"axes": {"draft_llm": ["small"]}},
                                                    lambda _n, _c: [])), "small"),
    ],
)  # fmt: skip
def test_a_wrong_specification_costs_nothing(spec, problem):
    world = new_world(spec)

    with pytest.raises(CatalogError) as caught:
        world.dream()

    assert problem in str(caught.value)
    assert world.asked == []
    world.loops.specs["l"] = SPEC
    assert world.dream().finished == 3


def test_a_verdict_on_an_unknown_text_is_named(world):
    world.loops.verdicts["l"] = {"e9": Ruling("accept")}

    with pytest.raises(CatalogError, match="'e9' is not a text of the loop"):
        world.dream()


def test_a_cohort_of_the_researcher_is_not_overwritten(world):
    world.cohorts.specs["l-0001"] = SPEC.cohort

    with pytest.raises(CatalogError, match="the cohort 'l-0001' exists already"):
        world.dream()

    assert world.cohorts.specs["l-0001"] == SPEC.cohort


def test_a_loop_runs_once_at_a_time(world):
    with world.loops.hold("l"), pytest.raises(LoopBusyError):
        world.dream()


EMBEDDING = attrs.evolve(SPEC, gate=GateRules(0.3, "small"))


def write_unlike(request):
    """Write a text without a word in common with any other one, or judge by chance."""
    rng = random.Random(f"{request.prompt}/{request.parameters.seed}")
    if request.prompt.startswith("Judge"):
        text = f"SCORE: {rng.randint(0, 9)}"
    else:
        text = "".join(chr(rng.randint(0x4E00, 0x9000)) for _ in range(80))
    return Completion(text, "stop", request.model, 0.1, prompt_tokens=100, completion_tokens=500)


def direction(text):
    """What no other text says."""
    rng = random.Random(text)
    return [rng.gauss(0.0, 1.0) for _ in range(16)]


def embedding_world(script=direction, spec=EMBEDDING, price=1_000.0):
    world = new_world(spec)
    small = ModelEntry("small", "small-1", "acme", prompt_price=price)
    models = {**world.cohorts.catalog.models, "small": small}
    world.cohorts.catalog = attrs.evolve(world.cohorts.catalog, models=models)
    world.embeddings, world.answer = ScriptedEmbeddings(script), write_unlike
    return world


def embedded(world):
    return [request.prompt for request in world.embeddings.requests]


def test_texts_that_say_the_same_in_other_words_are_held_back_and_each_is_embedded_once():
    said = {}

    def repeating(text):
        """The third text of the last round says what the first text said."""
        said.setdefault(text, len(said))
        return direction(next(iter(said)) if said[text] == 12 else text)

    world = embedding_world(repeating)

    estimate = estimate_round(world.store, world.cohorts, world.loops, "l")
    world.dream()

    journal = world.loops.read_journal("l")
    written = [each.written for each in journal.rounds]
    held = [one for each in written for one in each.held_back]
    assert (list(said)[12], next(iter(said))) in [
        tuple(world.store.read_parsed("essay", each) for each in (one.text_id, one.neighbour[0]))
        for one in held
    ]
    for one in held:
        assert one.by == "embedding"
        text = world.store.read_parsed("essay", one.text_id)
        assert f"Judge: {text}" not in [prompt for prompt, _ in world.asked]
    texts = [world.store.read_parsed("essay", text.text_id) for text in journal.texts()]
    assert sorted(embedded(world)) == sorted(texts)
    lines = [line for each in written for line in entry_lines(each)]
    assert any("by its embedding, more than" in line for line in lines)
    assert any(line.startswith("embedded by small, ") for line in lines)
    # What embeddings cost is part of what the round cost, and was said before.
    assert estimate.stages["embeddings"].calls == 5
    first = journal.rounds[0]
    of_texts = sum(len(text) // 4 for text in texts[:5]) * 1_000 / 1_000_000
    assert first.written.embeddings.cost == pytest.approx(of_texts)
    answers = (5 + 3 * (5 - len(first.written.held_back))) * (100 + 500 * 2) / 1_000_000
    assert first.decided.measures.cost == pytest.approx(of_texts + answers)
    spent = look_at_loop(world.store, world.cohorts, world.loops, "l").spent
    assert spent == pytest.approx(sum(each.decided.measures.cost for each in journal.rounds))


@pytest.mark.parametrize("after", [0, 3, 7, 12])
def test_a_kill_while_texts_are_embedded_changes_nothing(after, monkeypatch):
    unkilled, killed = embedding_world(), embedding_world()
    unkilled.dream()
    write, made = InMemoryLoopStore.write_embedding, itertools.count()

    def mortal(self, loop_id, embedding):
        if next(made) >= after:
            raise Killed
        write(self, loop_id, embedding)

    with monkeypatch.context() as patch:
        patch.setattr(InMemoryLoopStore, "write_embedding", mortal)
        with pytest.raises(Killed):
            killed.dream()
    killed.dream()

    assert killed.everything() == unkilled.everything()
    # Those in flight are lost, which are at most those of a round.
    assert len(embedded(killed)) - len(embedded(unkilled)) <= 5


def test_a_budget_that_ends_while_texts_are_embedded_leaves_a_round_that_goes_on():
    world, unlimited = embedding_world(price=20_000.0), embedding_world(price=20_000.0)
    unlimited.dream()
    # Drafts cost little; each text has 80 characters, so 20 tokens, which cost 0.40 USD.
    dream = world.dream(max_cost=1.0)

    assert (dream.finished, dream.interrupted) == (0, True)
    assert "USD is reached" in dream.reason
    assert 0 < len(embedded(world)) < 5
    assert world.dream(max_cost=1_000.0).finished == 3
    assert world.everything() == unlimited.everything()
    assert len(embedded(world)) == len({*embedded(world)})


def test_a_text_that_the_endpoint_refuses_is_judged_and_other_errors_interrupt_the_round():
    refusal = LanguageModelError("too long", 413)
    world = embedding_world(lambda text: refusal if ord(text[0]) % 2 else direction(text))
    world.dream(rounds=1)
    (first,) = world.loops.read_journal("l").rounds
    refused = {*first.written.embeddings.refused}
    assert 0 < len(refused) < 5
    assert refused <= first.decided.scores.keys()
    assert any("not embedded" in line for line in entry_lines(first.written))

    down = embedding_world(lambda _text: LanguageModelError("it is down", 404, of_endpoint=True))
    dream = down.dream()
    assert (dream.interrupted, dream.finished) == (True, 0)
    assert dream.reason == "it is down; or remove gate.embedding from the specification"
    assert len(embedded(down)) == 1
    down.embeddings = ScriptedEmbeddings(direction)
    assert down.dream().finished == 3


class Unset(ScriptedEmbeddings):
    def check(self, _models):
        return ["set MY_KEY"]


def test_what_embeds_must_be_known_have_a_price_if_cost_is_limited_and_be_callable():
    def refusal(world, **options):
        with pytest.raises(CatalogError) as error:
            world.dream(**options)
        assert not world.asked
        return str(error.value)

    unknown = attrs.evolve(SPEC, gate=GateRules(0.3, "smal"))
    assert "gate.embedding: there is no model 'smal'" in refusal(embedding_world(spec=unknown))
    unpriced = embedding_world(price=None)
    assert "a limit of cost needs a price for small" in refusal(unpriced, max_cost=1.0)
    unset = embedding_world()
    unset.embeddings = Unset(direction)
    assert "set MY_KEY" in refusal(unset)
    without = embedding_world()
    without.embeddings = None
    assert "nothing embeds here" in refusal(without)
