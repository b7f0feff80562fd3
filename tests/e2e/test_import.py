"""`daydream import`, with files."""

import hashlib
import json

import pytest

from builders import FILES

MAIN = {"mode": "llm", "llm_model_id": "big", "replicate": 1, "origin_cohort_id": "best"}
GENERATIONS = {
    "draft/d_old": ({"template_id": "links", "combo_id": "combo_1"}, "Ants and bees.", "identity"),
    "essay/e_old": ({"template_id": "story", "parent_gen_id": "d_old"}, "Once.", "identity"),
    "evaluation/v_old": (
        {"template_id": "judge", "parent_gen_id": "e_old"},
        "SCORE: 7/10",
        "in_last_line",
    ),
}


@pytest.fixture
def older(tmp_path):
    files = {name: text for name, text in FILES.items() if name.startswith("1_raw")}
    files["combo_mappings.csv"] = "combo_id,concept_id,description_level\ncombo_1,ant,sentence\n"
    files["cohorts/best/membership.csv"] = "stage,gen_id\n" + "".join(
        f"{name.replace('/', ',')}\n" for name in GENERATIONS
    )
    for name, (origin, answer, parser) in GENERATIONS.items():
        stage, _, gen_id = name.partition("/")
        about = {"stage": stage, "gen_id": gen_id}
        texts = {
            "metadata.json": json.dumps({**about, **MAIN, **origin}),
            "prompt.txt": "as it was asked",
            "raw_metadata.json": json.dumps({**about, "finish_reason": "stop", "duration_s": 2}),
            "raw.txt": answer,
            "parsed_metadata.json": json.dumps({**about, "parser_name": parser, "success": True}),
            "parsed.txt": "7.0\n" if stage == "evaluation" else answer,
        }
        files |= {f"gens/{name}/{file}": text for file, text in texts.items()}
    for name, text in files.items():
        path = tmp_path / "older" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / "older"


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_imported_cohort_runs_without_a_call_and_ranks_as_it_did(
    daydream, older, chat_endpoint, tmp_path
):
    before, new = digests(older), tmp_path / "new"

    imported = daydream("import", str(older), "-d", str(new))

    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.splitlines() == [
        "1 draft",
        "1 essay",
        "1 evaluation",
        "members of the cohort best",
    ]
    first = digests(new)
    assert daydream("import", str(older), "-d", str(new)).returncode == 0
    assert digests(new) == first
    assert digests(older) == before
    assert daydream("run", "best", "-d", str(new)).returncode == 0
    assert chat_endpoint.bodies == []
    (row,) = json.loads(daydream("results", "best", "-d", str(new), "--json").stdout)["evaluations"]
    assert (row["score"], row["score_maximum"], row["combo"]) == (7.0, 10.0, "combo_1")


def test_a_specification_that_cannot_be_rewritten_is_listed_and_the_exit_code_says_so(
    daydream, older, tmp_path
):
    spec = older / "specs" / "wrong" / "config.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text("axes:\n  combo_id: [combo_9]\n")

    imported = daydream("import", str(older), "-d", str(tmp_path / "new"))

    assert imported.returncode == 1
    assert "specs/wrong/config.yaml: axes.combo_id[0]: 'combo_9' cannot be" in imported.stderr


def test_a_link_in_the_older_data_root_is_not_followed(daydream, older, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (older / "1_raw" / "templates" / "draft" / "linked.txt").symlink_to(secret)

    imported = daydream("import", str(older), "-d", str(tmp_path / "new"))

    assert imported.returncode == 1
    assert "1_raw/templates/draft/linked.txt: cannot be read" in imported.stderr
    assert not (tmp_path / "new/1_raw/templates/draft/linked.txt").exists()


@pytest.mark.parametrize("name", ["", "gens", ".."])
def test_a_folder_that_is_no_older_data_root_or_holds_the_new_one_exits_with_2(
    daydream, older, name
):
    result = daydream("import", str(older / name), "-d", str(older / "new"))

    assert result.returncode == 2
    assert not (older / "new").exists()
