"""The command as a researcher types it, against a real HTTP endpoint."""

import errno
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from adapters import FilesystemGensStore, UnsyncedFilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from calls import PATIENCE, hold
from daydreaming_dagster.cli.examples import copy_examples


def test_a_cohort_is_planned_run_and_looked_at(daydream_process, data_root, chat_endpoint):
    daydream = daydream_process
    planned = daydream("plan", "c1")
    assert planned.returncode == 0, planned.stderr
    assert "3 drafts, 6 essays, 12 evaluations (21 new, 0 there already)" in planned.stdout

    ran = daydream("run", "c1")
    assert ran.returncode == 0, ran.stderr
    assert len(chat_endpoint.bodies) == 3 + 3 + 12
    assert ran.stdout.count("0.67") == 6  # each essay's mean: 6 of 9
    assert "sk-secret" not in ran.stdout + ran.stderr

    status = daydream("status", "c1")
    assert status.returncode == 0
    assert "evaluation" in status.stdout

    store = FilesystemGensStore(data_root)
    gen_id = FilesystemCohortStore(store.paths).read_membership("c1")["evaluation"][0]
    assert sorted(path.name for path in store.generation_dir("evaluation", gen_id).iterdir()) == [
        "metadata.json",
        "parsed.txt",
        "parsed_metadata.json",
        "prompt.txt",
        "raw.txt",
        "raw_metadata.json",
    ]
    shown = daydream("show", "evaluation", gen_id)
    assert shown.returncode == 0
    assert "Fair.\nSCORE: 6" in shown.stdout
    assert '"answered_by": "big-1-0613"' in shown.stdout


def test_planning_again_changes_nothing(daydream, data_root):
    def files():
        return {
            path: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in data_root.rglob("*")
            if path.is_file()
        }

    daydream("plan", "c1")
    before = files()

    again = daydream("plan", "c1")

    assert "(0 new, 21 there already)" in again.stdout
    assert files() == before


def test_running_again_asks_nothing(daydream, chat_endpoint):
    daydream("plan", "c1")
    daydream("run", "c1")
    chat_endpoint.bodies.clear()

    again = daydream("run", "c1")

    assert again.returncode == 0
    assert chat_endpoint.bodies == []
    assert again.stdout.count("0.67") == 6


def test_what_fails_is_said_and_taken_up_by_the_next_run(daydream, chat_endpoint):
    good, bad = chat_endpoint.answer, (400, {"error": {"message": "no ants here"}})
    chat_endpoint.answer = lambda prompt: bad if "Ants" in prompt else good(prompt)
    daydream("plan", "c1")

    failed = daydream("run", "c1")

    assert failed.returncode == 1
    assert "2 drafts: " in failed.stderr
    assert failed.stderr.count("no ants here") == 1
    assert "14 generations not done" in failed.stderr

    chat_endpoint.answer = good
    chat_endpoint.bodies.clear()
    resumed = daydream("run", "c1")

    assert resumed.returncode == 0, resumed.stderr
    assert len(chat_endpoint.bodies) == 2 + 2 + 8


def test_a_ranking_that_is_no_terminals_is_not_cut(daydream, daydream_process):
    daydream("plan", "c1")
    daydream("run", "c1")

    narrow = daydream_process("results", "c1", COLUMNS="40")

    ranking = narrow.stdout.split("effects (")[0]
    essays = [line for line in ranking.splitlines() if line.startswith("│")]
    assert len(essays) == 6
    assert all("0.67" in line and ("story" in line or "copied" in line) for line in essays)


def test_the_version_is_that_of_the_package(daydream_process):
    assert daydream_process("--version").stdout.strip() == version("daydreaming-dagster")


def test_a_folder_without_cohorts_is_said_to_have_none(daydream, tmp_path):
    listed = daydream("status", "-d", str(tmp_path / "nowhere"))

    assert (listed.returncode, listed.stdout.strip()) == (0, "")
    assert "no cohort in" in listed.stderr
    assert listed.stdout == ""
    assert "`daydream init` makes a data root" in listed.stderr


def test_a_judge_who_gives_no_score_is_shown_as_such(daydream, chat_endpoint):
    chat_endpoint.answer = lambda prompt: "I like it." if prompt.startswith("Judge") else "x"
    daydream("plan", "c1")

    ran = daydream("run", "c1")

    assert ran.returncode == 1
    assert "12 evaluations: " in ran.stderr
    assert ran.stderr.count("the answer ends: 'I like it.'") == 1
    assert "12 answers not read as a text or a score" in ran.stderr
    assert "--force GEN_ID asks again" in ran.stderr
    assert "not done" not in ran.stderr
    assert "essays by score" not in ran.stdout
    status = daydream("status", "c1")
    row = next(line for line in status.stdout.splitlines() if "evaluation" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "evaluation",
        "12",
        "0",
        "12",
        "0",
        "0",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "other"), "there is no such file; write it, or name another one"),
        (("plan", "../c1"), "invalid cohort_id '../c1'"),
        (("run", "c1"), "cohort 'c1' is not planned yet; run: daydream plan c1"),
        (("run", "c2"), "error: there is no cohort 'c2'\n"),
        (("archive", "c2"), "error: there is no cohort 'c2'\n"),
        (("show", "draft", "d1"), "there is no generation draft/d1"),
        (("show", "poem", "d1"), "invalid stage 'poem'"),
    ],
)
def test_wrong_input_is_one_clear_line_and_exit_code_2(daydream, arguments, message):
    result = daydream(*arguments)

    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"OPENAI_BASE_URL": "localhost:8080"}, "'localhost:8080' is not an endpoint"),
        ({"OPENAI_API_KEY": "sk-\u00e9"}, "api_key contains characters that cannot be sent"),
    ],
)
def test_settings_that_cannot_be_used_are_said_at_once(daydream, settings, message):
    daydream("plan", "c1")

    result = daydream("run", "c1", **settings)

    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_all_that_is_wrong_with_a_cohort_is_said_before_anything_is_asked(
    daydream, data_root, chat_endpoint
):
    spec = data_root / "cohorts/c1/spec/config.yaml"
    spec.write_text(
        spec.read_text()
        .replace("ant, bee", "ant, elk")
        .replace("[links]", "[lynx]")
        .replace("essay_llm: [big]", "essay_llm: [small]")
    )
    (data_root / "1_raw/templates/evaluation/judge.txt").write_text("{% if %}")

    result = daydream("plan", "c1")

    assert result.returncode == 2
    assert "4 problems" in result.stderr
    for name in ("'elk'", "'lynx'", "'small'", "syntax error in line 1"):
        assert name in result.stderr
    assert not (data_root / "gens").exists()


def test_what_cannot_be_used_for_a_cohort_is_said_by_status_run_and_check(daydream, data_root):
    daydream("plan", "c1")
    daydream("run", "c1")
    (data_root / "1_raw/templates/essay/story.txt").unlink()

    for command in ("status", "run"):
        done = daydream(command, "c1")
        assert "no essay template 'story'" in done.stderr
        assert "until that is mended, nothing tells which answers to it are stale" in done.stderr

    checked = daydream("check")
    assert checked.returncode == 1
    assert "unusable template: cohort c1: no essay template 'story'" in checked.stdout
    (data_root / "cohorts/c1/spec/config.yaml").write_text("axes: [")
    assert "specification: " in daydream("check").stdout


def test_without_a_cohort_status_lists_them(daydream):
    assert daydream("status").stdout == "c1\n"


def test_a_long_ranking_is_cut_and_says_so(daydream, data_root):
    store = UnsyncedFilesystemGensStore(data_root)
    essays = [f"essay{number:03}" for number in range(103)]
    for gen_id in essays:
        store.write_main_metadata("essay", gen_id, {})
    rows = "".join(f"essay,{gen_id}\n" for gen_id in essays)
    (data_root / "cohorts/c1/membership.csv").write_text(f"stage,gen_id\n{rows}")

    result = daydream("results", "c1")

    assert result.returncode == 0
    assert "essay099" in result.stdout
    assert "essay100" not in result.stdout
    assert "3 more; essays.csv has all" in result.stderr


def test_terminal_codes_of_a_model_are_not_passed_on(daydream, data_root):
    store = FilesystemGensStore(data_root)
    store.write_raw("draft", "d1", "\x1b[2Jgone")

    assert "\x1b" not in daydream("show", "draft", "d1").stdout


def test_the_definitions_load(daydream_process, data_root):
    validate = [sys.executable, "-m", "dagster", "definitions", "validate"]

    result = daydream_process(
        *("-m", "daydreaming_dagster.definitions"), command=validate, DAGSTER_HOME=str(data_root)
    )

    assert result.returncode == 0, result.stderr


def test_a_dry_run_says_what_would_be_asked_and_writes_nothing(daydream, data_root, chat_endpoint):
    result = daydream("plan", "c1", "--dry-run")

    assert result.returncode == 0
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")][:3]
        for line in result.stdout.splitlines()
        if line.startswith("│")
    ]
    assert rows == [
        ["draft", "3", "3"],
        ["essay", "6", "3"],
        ["evaluation", "12", "12"],
        ["in all", "21", "18"],
    ]
    assert "with 6 essays and 2 scores each, the truly best comes first" in result.stdout
    assert "without a price in llm_models.csv: big" in result.stderr
    assert not (data_root / "gens").exists()
    assert not (data_root / "cohorts/c1/membership.csv").exists()
    assert chat_endpoint.bodies == []


def test_planning_after_an_edit_says_what_is_stale(daydream, data_root):
    """As `status` does: what was never answered is not stale."""
    daydream("plan", "c1")
    template = data_root / "1_raw/templates/essay/story.txt"
    template.write_text("Sing of: {{ draft_block }}")

    assert daydream("plan", "c1").stderr == (
        "changed since the last plan: template essay/story; stale: no answer\n"
    )

    store = FilesystemGensStore(data_root)
    essays = [
        gen_id
        for gen_id in store.list_generations("essay")
        if store.read_main_metadata("essay", gen_id)["template_id"] == "story"
    ]
    for gen_id in essays[:2]:
        draft = store.read_main_metadata("essay", gen_id)["parent_gen_id"]
        store.write_parsed("draft", draft, "a dream")
        store.write_prompt("essay", gen_id, "Sing of: a dream")
        store.write_raw("essay", gen_id, "La")
    template.write_text("Hum: {{ draft_block }}")

    assert daydream("plan", "c1").stderr == (
        "changed since the last plan: template essay/story; stale: 2 essays\n"
    )
    assert daydream("status", "c1").stderr.startswith("stale: 2 essays: ")


def test_cohorts_share_what_is_the_same(daydream, data_root):
    daydream("plan", "c1")
    spec = (data_root / "cohorts/c1/spec/config.yaml").read_text()
    other = data_root / "cohorts/c2/spec/config.yaml"
    other.parent.mkdir(parents=True)
    other.write_text(spec.replace("[story, copied]", "[copied]"))

    result = daydream("plan", "c2")

    assert "3 drafts, 3 essays, 6 evaluations (0 new, 12 there already)" in result.stdout
    assert "shared with cohorts planned before: 3 drafts, 3 essays, 6 evaluations" in result.stdout


def test_results_are_tables_and_a_ranking(daydream, data_root):
    daydream("plan", "c1")

    early = daydream("results", "c1")
    assert early.returncode == 1
    assert "12 evaluations without a score: see missing.csv" in early.stderr

    daydream("run", "c1")
    result = daydream("results", "c1")

    assert result.returncode == 0, result.stderr
    assert result.stdout.count("0.67") >= 6
    reports = data_root / "cohorts/c1/reports"
    assert len((reports / "evaluations.csv").read_text().splitlines()) == 13
    assert (reports / "evaluations.parquet").read_bytes()[:4] == b"PAR1"


def test_a_new_data_root_has_the_examples_and_says_what_to_do_next(daydream, tmp_path):
    made = daydream("init", str(tmp_path / "mine"))

    assert made.returncode == 0
    assert "daydream plan demo --dry-run" in made.stdout
    dry = daydream("plan", "demo", "--dry-run", DAYDREAM_DATA_ROOT=str(tmp_path / "mine"))
    assert dry.returncode == 0, dry.stderr
    assert "model calls" in dry.stdout


def test_init_suggests_nothing_that_an_installation_without_the_local_model_cannot_do(
    daydream, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    made = daydream("init", str(tmp_path / "mine"))

    assert "daydream run" not in made.stdout
    assert "write cohorts/NAME/spec/config.yaml" in made.stdout


def test_dagsters_pages_of_a_new_data_root_begin_without_a_sign_up(daydream, tmp_path):
    daydream("init", str(tmp_path / "mine"))

    settings = yaml.safe_load((tmp_path / "mine/dagster_home/dagster.yaml").read_text("utf-8"))
    assert settings["nux"] == {"enabled": False}


def test_dagster_finds_the_definitions_in_a_new_data_root(daydream, tmp_path):
    daydream("init", str(tmp_path / "mine"))
    unset = ("DAYDREAM_DATA_ROOT", "DAGSTER_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    # The project as a folder among others, as a user's is: the working directory comes first.
    program = "from experiment.definitions import defs; print(len(defs.resolve_all_asset_specs()))"

    listed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "mine",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    validated = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate"],
        cwd=tmp_path / "mine",
        env={**environment, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert int(listed.stdout) >= 9, listed.stderr
    assert validated.returncode == 0, validated.stderr


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_making_a_data_root_deletes_nothing_beside_it(daydream, tmp_path):
    mine = tmp_path / ".lab.partial/thesis.txt"
    mine.parent.mkdir()
    mine.write_text("mine")

    assert daydream("init", str(tmp_path / "lab")).returncode == 0
    assert mine.read_text() == "mine"


def test_the_working_folder_can_be_made_a_data_root(daydream, tmp_path, monkeypatch):
    folder = tmp_path / "lab"
    folder.mkdir()
    monkeypatch.chdir(folder)

    made = daydream("init", ".")

    assert made.returncode == 0, made.stderr
    assert not [name for name in files_below(folder) if name.startswith(".")]


def test_what_an_interrupted_copy_left_is_completed(daydream, tmp_path):
    daydream("init", str(tmp_path / "whole"))
    folder = tmp_path / "lab"
    shutil.copytree(tmp_path / "whole/cohorts", folder / "cohorts")
    (folder / ".daydream-init-x").mkdir()

    assert daydream("init", str(folder)).returncode == 0
    assert files_below(folder) == files_below(tmp_path / "whole")


def test_many_that_make_the_same_data_root_make_all_of_it(tmp_path):
    copy_examples(tmp_path / "whole")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(copy_examples, [tmp_path / "lab"] * 8))

    assert files_below(tmp_path / "lab") == files_below(tmp_path / "whole")


def test_a_data_root_that_another_process_has_just_made_is_taken_as_it_is(tmp_path, monkeypatch):
    copy_examples(tmp_path / "whole")
    is_dir = Path.is_dir

    def complete_it_after_the_look(path):
        found = is_dir(path)
        if path == tmp_path / "lab/1_raw" and not found:
            shutil.copytree(tmp_path / "whole", tmp_path / "lab")
        return found

    monkeypatch.setattr(Path, "is_dir", complete_it_after_the_look)
    copy_examples(tmp_path / "lab")

    assert files_below(tmp_path / "lab") == files_below(tmp_path / "whole")


@pytest.mark.parametrize("name", ["1_raw", "thesis.txt"])
def test_a_folder_that_holds_something_is_not_made_a_data_root(daydream, tmp_path, name):
    (tmp_path / "mine" / name).mkdir(parents=True)

    refused = daydream("init", str(tmp_path / "mine"))

    assert refused.returncode == 2
    assert str(tmp_path / "mine") in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [name]


def test_a_generation_is_shown_with_all_that_it_was_made_from(daydream, data_root):
    daydream("plan", "c1")
    daydream("run", "c1")
    gen_id = FilesystemGensStore(data_root).list_generations("evaluation")[0]

    shown = json.loads(daydream("show", "evaluation", gen_id, "--json").stdout)
    text = daydream("show", "evaluation", gen_id).stdout

    assert [member["stage"] for member in shown] == ["draft", "essay", "evaluation"]
    assert shown[2]["raw"] == "Fair.\nSCORE: 6"
    assert shown[2]["parsed_metadata"]["score"] == 6
    assert shown[2]["main_metadata"]["parent_gen_id"] == shown[1]["gen_id"]
    assert text.index(shown[0]["prompt"]) < text.index(shown[2]["prompt"])


def test_a_generation_without_its_parent_is_shown_alone(daydream, data_root):
    store = FilesystemGensStore(data_root)
    store.write_main_metadata("essay", "e1", {"parent_gen_id": "../../etc"})
    store.write_raw("essay", "e1", "text")

    (shown,) = json.loads(daydream("show", "essay", "e1", "--json").stdout)

    assert (shown["raw"], shown["parsed"]) == ("text", None)


def test_results_are_json_for_scripts(daydream):
    daydream("plan", "c1")
    daydream("run", "c1")

    shown = json.loads(daydream("results", "c1", "--json").stdout)

    assert len(shown["evaluations"]) == 12
    assert shown["missing"] == []
    assert any(file.endswith("evaluations.parquet") for file in shown["files"])


def test_a_running_cohort_can_be_followed(start, daydream, chat_endpoint):
    daydream("plan", "c1")
    going_on = hold(chat_endpoint)
    running = start("run", "c1")
    follower = start("tail", "c1", "--interval", "0.1")
    first = follower.stdout.readline()
    going_on.set()
    rest, _ = follower.communicate(timeout=PATIENCE)
    running.communicate(timeout=PATIENCE)

    assert (running.returncode, follower.returncode) == (0, 0)
    assert first == "cohort c1: 0 of 3 drafts, 0 of 6 essays, 0 of 12 evaluations done\n"
    lines = rest.splitlines()
    assert sorted(line.split("/")[0] for line in lines if line.endswith(" done")) == [
        *["draft"] * 3,
        *["essay"] * 6,
        *["evaluation"] * 12,
    ]


@pytest.mark.parametrize(
    "command",
    ["export c1 -o", "bundle c1 -o", "archive c1 --yes -o", "report c1 -o", "report c1 --figures"],
)
def test_what_is_written_on_this_machine_is_not_written_to_a_folder_named_like_a_url(
    daydream, tmp_path, monkeypatch, command
):
    daydream("plan", "c1")
    monkeypatch.chdir(tmp_path)

    refused = daydream(*command.split(), "s3://lab/out")

    assert refused.returncode == 2
    assert "a URL cannot be written to here" in refused.stderr
    assert not (tmp_path / "s3:").exists()
    assert daydream("status", "c1").returncode in {0, 1}, "it is still there"


def test_the_next_command_of_init_works_for_a_folder_with_a_space(daydream, tmp_path):
    said = daydream("init", str(tmp_path / "my lab")).stdout

    assert f"export DAYDREAM_DATA_ROOT='{tmp_path / 'my lab'}'" in said


def test_a_command_says_how_to_name_a_data_root_that_is_not_there(daydream, tmp_path):
    refused = daydream("plan", "c1", "-d", str(tmp_path / "elsewhere"))

    assert refused.returncode == 2
    assert "name the data root with -d or DAYDREAM_DATA_ROOT" in refused.stderr


def test_what_cannot_be_written_is_one_line_without_a_traceback(daydream, data_root, monkeypatch):
    daydream("plan", "c1")
    daydream("run", "c1")
    monkeypatch.chdir(data_root)
    for folder in (data_root, data_root.parent):
        (folder / "file").touch()
    for folder in ("reports", "ratings"):
        (data_root / "cohorts/c1" / folder).write_text("a file where a folder belongs")
    for arguments in (
        ("results", "c1"),
        ("rate", "c1"),
        ("export", "c1", "-o", "file/texts"),
        ("bundle", "c1", "-o", "file/c1.zip"),
        ("archive", "c1", "--yes", "-o", "file/c1.zip"),
        ("copy", ".", "../file/root"),
        ("init", "file/root"),
    ):
        result = daydream(*arguments)

        assert result.returncode == 2, arguments
        assert "error: cannot read or write " in result.stderr, arguments
        assert "Traceback" not in result.stderr
    assert (data_root / "cohorts/c1/membership.csv").exists()


def test_a_full_disk_is_named_and_an_error_of_nothing_in_particular_is_not(daydream, monkeypatch):
    def write(number):
        def fail(*_arguments, **_settings):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(FilesystemCohortStore, "write_membership", fail)

    write(errno.ENOSPC)
    full = daydream("plan", "c1")
    assert (full.returncode, full.stderr) == (2, "error: No space left on device\n")

    write(errno.EBADF)
    with pytest.raises(OSError, match="Bad file descriptor"):
        daydream("plan", "c1")
