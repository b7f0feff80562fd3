"""A data root of the older project comes in: its answers count, and nothing is bought again."""

import json

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.older_data_root.root_files import FilesOfOlderDataRoot
from adapters.root_files.in_memory import InMemoryRootFiles
from builders import Killed, MortalStore
from daydreaming_dagster.application.import_data_root import import_data_root
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.domain.older.stored import read_older_generations
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.language_model import SamplingParameters

GENERATIONS = {
    ("draft", "d_old"): ("links", {"combo_id": "combo_1"}, "Ants and bees."),
    ("essay", "e_old"): ("story", {"parent_gen_id": "d_old"}, "Once."),
    ("evaluation", "v_old"): ("judge", {"parent_gen_id": "e_old"}, "Good.\nSCORE: 7/10"),
}
FILES = {
    "combo_mappings.csv": "combo_id,version,concept_id,description_level,k_max,created_at\n"
    "combo_1,v1,bee,paragraph,2,now\ncombo_1,v1,ant,paragraph,2,now\n",
    "cohorts/best/membership.csv": "stage,gen_id\ndraft,d_old\nessay,e_old\nevaluation,v_old\n",
    "specs/mix/config.yaml": "axes:\n  draft_template: '@file:items/drafts.csv'\n"
    "  combo_id: [combo_1]\noutput: {field_order: [draft_template]}\n",
    "specs/mix/items/drafts.csv": "draft_template\nlinks\n",
    "1_raw/concepts_metadata.csv": "concept_id,name\n",
}


def older_data_root(**more):
    store = InMemoryGensStore()
    contents = {name: text.encode() for name, text in {**FILES, **more}.items()}
    for (stage, gen_id), (template_id, origin, answer) in GENERATIONS.items():
        about = {"stage": stage, "gen_id": gen_id}
        main = {"origin_cohort_id": "best", "mode": "llm", "template_id": template_id}
        main |= {"llm_model_id": "big", "replicate": 1, **about, **origin}
        store.write_main_metadata(stage, gen_id, main)
        store.write_prompt(stage, gen_id, "as it was asked")
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        raw = {**about, "duration_s": 1.5, "finish_reason": "stop", "usage": usage}
        store.write_raw_metadata(stage, gen_id, raw)
        store.write_raw(stage, gen_id, answer)
        parser = "in_last_line" if stage == "evaluation" else "identity"
        parsed = {**about, "parser_name": parser, "success": True, "error": None}
        store.write_parsed_metadata(stage, gen_id, parsed)
        store.write_parsed(stage, gen_id, "7.0\n" if stage == "evaluation" else answer)
        contents[f"gens/{stage}/{gen_id}/metadata.json"] = b"{}"
    return FilesOfOlderDataRoot(InMemoryRootFiles(contents), store)


@pytest.fixture
def older():
    return older_data_root()


def come_in(lab, older, files=None):
    return import_data_root(older, lab.store, lab.cohorts, files or InMemoryRootFiles())


def snapshot(store):
    return {
        (stage, gen_id): [
            store.read_main_metadata(stage, gen_id),
            store.read_prompt(stage, gen_id),
            store.read_raw_metadata(stage, gen_id),
            store.read_raw(stage, gen_id),
            store.read_parsed_metadata(stage, gen_id),
            store.read_parsed(stage, gen_id),
        ]
        for stage, gen_id in GENERATIONS
    }


def test_a_run_after_an_import_asks_nothing(lab, older):
    imported = come_in(lab, older)

    assert imported.left == []
    assert imported.generations == {"draft": 1, "essay": 1, "evaluation": 1}
    assert lab.run("best").complete
    assert lab.asked == []


def test_a_score_is_that_of_the_parsed_text_on_the_scale_of_the_answer(lab, older):
    come_in(lab, older)

    document = lab.store.read_parsed_metadata("evaluation", "v_old")

    assert (document["score"], document["score_maximum"]) == (7.0, 10.0)
    assert document["parser_name"] == "in_last_line"


def test_metadata_keeps_its_keys_and_gains_concepts_digests_and_seconds(lab, older):
    before = snapshot(older.generations)

    come_in(lab, older)

    for ref, documents in snapshot(lab.store).items():
        for old, new in zip(before[ref], documents, strict=True):
            assert old == new if isinstance(old, str) else old.items() <= new.items()
    assert lab.store.read_main_metadata("draft", "d_old")["concept_ids"] == ["bee", "ant"]
    raw = lab.store.read_raw_metadata("draft", "d_old")
    assert raw["duration_seconds"] == 1.5
    assert len(raw["raw_sha256"]) == len(raw["prompt_sha256"]) == 64


def test_a_generation_without_an_answer_is_made_after_the_import(lab, older):
    older.generations.delete_generation("draft", "d_old")
    main = {"template_id": "links", "combo_id": "combo_1", "llm_model_id": "big"}
    older.generations.write_main_metadata("draft", "d_old", main)

    come_in(lab, older)

    assert not lab.run("best", force=()).outcome.failed
    assert [prompt.split()[:2] for prompt in lab.asked] == [["Link", "Bee"]]


def test_a_second_import_changes_nothing_and_neither_writes_to_the_older_data_root(lab, older):
    files, before = InMemoryRootFiles(), snapshot(older.generations)
    first = come_in(lab, older, files)
    once, versions = snapshot(lab.store), dict(lab.store.generation_versions("essay"))

    second = come_in(lab, older, files)

    assert second == first
    assert snapshot(lab.store) == once
    assert lab.store.generation_versions("essay") == versions
    assert snapshot(older.generations) == before


def test_what_the_data_root_has_is_kept_and_listed(lab, older):
    files = InMemoryRootFiles({"1_raw/concepts_metadata.csv": b"mine"})
    come_in(lab, older, files)
    lab.store.write_parsed("essay", "e_old", "my own")

    left = come_in(lab, older, files).left

    assert [place for place, _ in left] == [
        "1_raw/concepts_metadata.csv",
        "gens/essay/e_old/parsed.txt",
    ]
    assert lab.store.read_parsed("essay", "e_old") == "my own"


@pytest.mark.parametrize("after", range(18))
def test_a_kill_at_any_write_is_completed_by_the_same_import(make_lab, older, after):
    whole, killed = make_lab(), make_lab(MortalStore)
    come_in(whole, older)
    killed.store.left[0] = after

    with pytest.raises(Killed):
        come_in(killed, older)
    killed.store.left[0] = 100
    come_in(killed, older)

    assert snapshot(killed.store) == snapshot(whole.store)
    assert killed.cohorts.read_membership("best") == whole.cohorts.read_membership("best")


def test_a_score_that_is_read_otherwise_today_counts_as_it_was_and_is_listed(lab, older):
    older.generations.write_parsed("evaluation", "v_old", "6.0\n")

    ((place, reason),) = come_in(lab, older).left

    assert place == "gens/evaluation/v_old/parsed.txt"
    assert reason == "its score 6 counts as it was; the parser in_last_line reads 7/10 today"
    lab.run("best")
    assert lab.store.read_parsed_metadata("evaluation", "v_old")["score"] == 6.0


def test_members_specifications_and_files_that_cannot_be_carried_over_are_listed(lab):
    older = older_data_root(
        **{
            "cohorts/best/membership.csv": "stage,gen_id\ndraft,d_gone\ndraft,d_old\n",
            "specs/wrong/config.yaml": "axes: {draft_templates: [links]}\n",
            "gens/draft/d_old/notes.md": "mine",
        }
    )
    older.generations.write_main_metadata("essay", "e_old", {"mode": "dream"})

    left = dict(come_in(lab, older).left)

    assert "unknown mode 'dream'" in left["gens/essay/e_old/metadata.json"]
    assert "draft/d_gone" in left["cohorts/best/membership.csv, row 1"]
    assert "draft_templates" in left["specs/wrong/config.yaml"]
    assert left["gens/draft/d_old/notes.md"] == "not an artifact of a generation"
    assert lab.cohorts.read_membership("best")["draft"] == ["d_old"]


def test_a_specification_is_rewritten_with_its_files_and_combinations(lab, older):
    assert come_in(lab, older).specs == ["mix"]

    spec = lab.cohorts.read_spec("mix")

    assert spec.values("draft_template") == ["links"]
    assert spec.axes.combo == [["bee", "ant"]]
    assert json.dumps(spec.replicates) == '{"draft": 1, "essay": 1, "evaluation": 1}'


def without_metadata(older):
    older.generations.delete_generation("essay", "e_old")
    older.generations.write_raw("essay", "e_old", "Once.")


def of_another_generation(older):
    older.generations.write_main_metadata("essay", "e_old", {"stage": "essay", "gen_id": "other"})


def with_a_template_that_is_a_number(older):
    older.generations.write_main_metadata("essay", "e_old", {"template_id": 5})


def with_an_answer_that_is_gone(older):
    main = older.generations.read_main_metadata("essay", "e_old")
    older.generations.delete_generation("essay", "e_old")
    older.generations.write_main_metadata("essay", "e_old", main)
    older.generations.write_raw_metadata("essay", "e_old", {"finish_reason": "stop"})


def scored(text):
    return lambda older: older.generations.write_parsed("evaluation", "v_old", text)


@pytest.mark.parametrize(
    ("damage", "place", "reason"),
    [
        (without_metadata, "gens/essay/e_old/metadata.json", "missing or unreadable"),
        (of_another_generation, "gens/essay/e_old/metadata.json", "it describes essay/other"),
        (with_a_template_that_is_a_number, "gens/essay/e_old/metadata.json", "template_id must"),
        (with_an_answer_that_is_gone, "gens/essay/e_old/raw_metadata.json", "is missing"),
        (scored("fine"), "gens/evaluation/v_old/parsed.txt", "parsed.txt is not a number: 'fine'"),
        (scored("99"), "gens/evaluation/v_old/parsed.txt", "score 99 is outside 0 to 10"),
        (scored("nan"), "gens/evaluation/v_old/parsed.txt", "score nan is outside 0 to 10"),
        (scored("3"), "gens/evaluation/v_old/parsed.txt", "counts as it was; the parser in_last"),
    ],
)
def test_what_is_wrong_with_one_generation_is_listed_and_the_others_come_in(
    lab, older, damage, place, reason
):
    damage(older)

    imported = come_in(lab, older)

    assert any(at == place and reason in why for at, why in imported.left), imported.left
    assert imported.generations["draft"] == 1


def test_an_answer_that_its_parser_refused_has_no_score(lab, older):
    refused = {"parser_name": "in_last_line", "success": False, "error": "no score"}
    older.generations.write_parsed_metadata("evaluation", "v_old", refused)

    come_in(lab, older)

    assert lab.store.read_parsed_metadata("evaluation", "v_old")["refused"] == "no score"
    assert "score" not in lab.store.read_parsed_metadata("evaluation", "v_old")


@pytest.mark.parametrize(
    ("name", "text", "place", "reason"),
    [
        ("cohorts/best/membership.csv", "stage,gen_id\ndraft,d_9\n", "best", "draft/d_9 is not"),
        ("cohorts/a b/membership.csv", "stage,gen_id\n", "cohorts/a b", "invalid cohort_id"),
        ("specs/a b/config.yaml", "axes: {}\n", "a b", "invalid cohort_id"),
        ("specs/mix/config.yaml", "axes: [", "mix", "not YAML"),
        ("combo_mappings.csv", "combo_id\n", "combo_mappings.csv", "no column"),
        ("gens/poem/p1/metadata.json", "{}", "gens/poem", "the data root has no such stage"),
    ],
)
def test_what_is_wrong_with_a_file_is_listed_and_the_others_come_in(lab, name, text, place, reason):
    imported = come_in(lab, older_data_root(**{name: text}))

    assert any(place in at and reason in why for at, why in imported.left), imported.left
    assert sum(imported.generations.values()) == 3


def test_a_combination_that_nothing_describes_is_listed_and_its_answer_counts(lab):
    older = older_data_root(**{"combo_mappings.csv": FILES["combo_mappings.csv"].split("\n")[0]})

    imported = come_in(lab, older)

    assert ("gens/draft/d_old/metadata.json") in {place for place, _ in imported.left}
    assert lab.run("best").complete
    assert lab.asked == []


def test_a_generation_of_the_same_id_with_another_answer_gets_nothing_of_the_older_one(lab, older):
    lab.store.write_raw("evaluation", "v_old", "Bad.\nSCORE: 1/10")

    left = come_in(lab, older).left

    assert ("gens/evaluation/v_old/raw.txt", "the data root has another one, which was kept") in [
        tuple(one) for one in left
    ]
    with pytest.raises(MissingArtifactError):
        lab.store.read_parsed_metadata("evaluation", "v_old")


def test_metadata_members_and_specifications_of_the_data_root_are_kept(lab, older):
    main = {**older.generations.read_main_metadata("essay", "e_old"), "template_id": "copied"}
    lab.store.write_main_metadata("essay", "e_old", main)
    lab.cohorts.write_membership("best", {"draft": ["d_mine"]})
    lab.cohorts.specs["mix"] = lab.cohorts.specs["c1"]

    left = {place for place, _ in come_in(lab, older).left}

    assert "gens/essay/e_old/metadata.json" in left
    assert "cohorts/best/membership.csv" in left
    assert any("mix" in place for place in left)
    assert lab.cohorts.read_membership("best")["draft"] == ["d_mine"]
    assert lab.store.read_main_metadata("essay", "e_old")["template_id"] == "copied"


def test_a_generation_that_a_run_makes_is_left_to_it(lab, older):
    claim = lab.store.claim("draft", "d_old")

    left = come_in(lab, older).left

    claim.release()
    assert ("gens/draft/d_old", "a run is making it; import again when the run has ended") in left


def test_replicates_of_a_copy_are_listed_since_a_copy_is_made_once(lab):
    text = (
        "axes:\n  essay_template: [copied]\n  essay_replicate: [1, 2]\n  combo_id: [combo_1]\n"
        "output: {field_order: [essay_template]}\n"
    )

    left = come_in(lab, older_data_root(**{"specs/mix/config.yaml": text})).left

    assert any(
        "2 replicates of essay template 'copied': a copy is made once" in why for _, why in left
    )


def test_a_membership_that_is_no_table_is_listed(lab):
    older = older_data_root(**{"cohorts/best/membership.csv": "gen_id\nd_old\n"})

    imported = come_in(lab, older)

    assert "best" not in lab.cohorts.list_planned_cohorts()
    assert any("membership.csv" in place for place, _ in imported.left)


def test_a_score_of_an_unknown_template_is_listed(lab, older):
    main = dict(older.generations.read_main_metadata("evaluation", "v_old"), template_id="gone")
    older.generations.write_main_metadata("evaluation", "v_old", main)

    left = come_in(lab, older).left

    assert any("the scale of its score: " in why for _, why in left)


def test_a_plan_of_the_same_keeps_their_ids_and_asks_nothing(lab):
    spec = (
        "axes:\n  draft_template: [links]\n  draft_llm: [big]\n  essay_template: [story, copied]\n"
        "  essay_llm: [big]\n  evaluation_template: [judge]\n  evaluation_llm: [big]\n"
        "  combo_id: [combo_1]\noutput: {field_order: [draft_template]}\n"
    )
    older = older_data_root(**{"cohorts/best/spec/config.yaml": spec})
    come_in(lab, older)

    planned = plan_cohort(lab.store, lab.cohorts, "best")
    again = plan_cohort(lab.store, lab.cohorts, "best")

    members = lab.cohorts.read_membership("best")
    assert members["draft"] == ["d_old"]
    assert members["essay"][0] == "e_old"
    assert members["evaluation"][0] == "v_old"
    assert planned.record.created == 2  # the copy, and its judgment
    assert again.record.created == 0
    assert lab.run("best").complete
    assert len(lab.asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"replicates": {"evaluation": 2}},
        {"sampling": {"evaluation": SamplingParameters(temperature=0.0)}},
        {"description_level": "sentence"},
    ],
)
def test_what_was_not_made_there_is_planned_anew(lab, older, change):
    come_in(lab, older)
    spec = lab.cohorts.specs["c1"]
    axes = attrs.evolve(
        spec.axes, concepts=[], k=None, combo=[["bee", "ant"]], essay_template=["story"]
    )
    lab.cohorts.specs["own"] = attrs.evolve(spec, axes=axes, **{"replicates": {}, **change})

    plan_cohort(lab.store, lab.cohorts, "own", allow_missing=True)

    members = lab.cohorts.read_membership("own")
    theirs = [gen_ids for gen_ids in members.values() if gen_ids[0].endswith("_old")]
    assert (
        len(theirs) == {"replicates": 3, "sampling": 2, "description_level": 0}[next(iter(change))]
    )
    assert len(members["evaluation"]) == (2 if "replicates" in change else 1)


def test_an_imported_generation_with_malformed_metadata_is_not_taken(lab, older):
    come_in(lab, older)
    lab.store._store("draft", "d_old", "main_metadata", b"{")  # noqa: SLF001  no write makes it
    lab.store.write_main_metadata("essay", "e_odd", {"origin_cohort_id": "best"})

    found = read_older_generations(lab.store, lab.cohorts.read_pipeline())
    assert sorted(gen_id for gen_id, _ in found.values()) == ["e_old", "v_old"]
