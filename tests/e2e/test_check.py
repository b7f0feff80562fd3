"""`daydream check` on a real folder."""

import json
import os
import shutil
import time
from collections import Counter

import pytest

from adapters import FilesystemGensStore
from adapters.gens_store.filesystem_inspection import FilesystemInspection


@pytest.fixture
def store(daydream, data_root):
    daydream("plan", "c1")
    return FilesystemGensStore(data_root)


def aged(path):
    old = time.time() - 3600
    os.utime(path, (old, old))
    return path


def test_a_planned_cohort_is_in_order(daydream, store):
    result = daydream("check")

    assert (result.returncode, result.stdout) == (0, "21 generations, 0 findings\n")


def test_what_is_wrong_is_said_by_kind_and_place(daydream, store, data_root):
    draft, other = store.list_generations("draft")[:2]
    store.raw_metadata_path("draft", draft).write_text("{")
    store.delete_generation("draft", other)
    (data_root / "gens/draft/notes.txt").write_text("mine")
    (data_root / "gens/poem").mkdir()
    (store.generation_dir("essay", store.list_generations("essay")[0]) / "x.bak").touch()
    store.write_main_metadata("draft", draft.upper(), {})

    result = daydream("check", "--json")

    assert result.returncode == 1
    document = json.loads(result.stdout)
    found = Counter(finding["kind"] for finding in document["findings"])
    assert found == {
        "unreadable": 1,
        "not there": 1,
        "no parent": 2,
        "unknown": 3,
        "case": 1,
        "unknown template": 1,
        "unknown model": 1,
    }
    by_kind = {finding["kind"]: finding for finding in document["findings"]}
    assert by_kind["unreadable"]["subject"] == f"draft/{draft}"
    assert by_kind["not there"]["subject"] == f"draft/{other}"
    assert "plan the cohort again" in by_kind["not there"]["message"]
    assert "raw_metadata.json" in by_kind["unreadable"]["message"]


def test_a_cohort_whose_name_no_command_takes_is_a_finding(daydream, store, data_root):
    copy = data_root / "cohorts/c1 (copy)"
    shutil.copytree(data_root / "cohorts/c1", copy)

    (finding,) = json.loads(daydream("check", "--json").stdout)["findings"]

    assert (finding["kind"], finding["subject"]) == ("unusable name", str(copy))


def test_a_cohort_whose_list_is_damaged_is_a_finding(daydream, store, data_root):
    membership = data_root / "cohorts/c1/membership.csv"
    membership.write_text("nonsense\n")

    result = daydream("check")

    assert result.returncode == 1
    assert f"membership: {membership}: " in result.stdout


def test_checking_changes_nothing(daydream, store, data_root):
    leftover = aged(_leftover(store))
    before = sorted((path, path.stat().st_mtime_ns) for path in data_root.rglob("*"))

    assert daydream("check").returncode == 1

    assert sorted((path, path.stat().st_mtime_ns) for path in data_root.rglob("*")) == before
    assert leftover.exists()


def _leftover(store):
    folder = store.generation_dir("draft", store.list_generations("draft")[0])
    path = folder / ".tmp-0123456789abcdef"
    path.write_text("half")
    return path


def test_repairing_removes_leftovers_and_says_which(daydream, store, data_root):
    written = aged(_leftover(store))
    deleted = data_root / "gens/draft/.deleted-0123"
    deleted.mkdir()
    (deleted / "raw.txt").touch()
    aged(deleted)
    unknown = data_root / "gens/draft/notes.txt"
    unknown.write_text("mine")

    result = daydream("check", "--repair")

    assert result.returncode == 1  # the unknown file is nobody's to delete
    assert f"removed {written}" in result.stdout
    assert f"removed {deleted}" in result.stdout
    assert not written.exists()
    assert not deleted.exists()
    assert unknown.exists()


def test_links_are_found_and_never_followed(daydream, store, data_root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "raw.txt").write_text("mine")
    draft = store.list_generations("draft")[0]
    (data_root / "gens/draft/linked").symlink_to(outside)
    (store.generation_dir("draft", draft) / "raw.txt").symlink_to(outside / "raw.txt")
    deleted = data_root / "gens/draft/.deleted-0123"
    deleted.symlink_to(outside)
    os.utime(deleted, (1, 1), follow_symlinks=False)

    result = daydream("check", "--repair", "--json")

    document = json.loads(result.stdout)
    assert document["removed"] == [str(deleted)]
    assert not deleted.is_symlink()
    assert (outside / "raw.txt").read_text() == "mine"
    assert {(finding["kind"], finding["subject"]) for finding in document["findings"]} == {
        ("unknown", str(store.raw_path("draft", draft))),
        ("unknown", str(data_root / "gens/draft/linked")),
        ("unreadable", f"draft/{draft}"),
    }


def test_a_write_under_way_is_no_leftover(daydream, store):
    path = _leftover(store)

    assert daydream("check", "--repair").returncode == 0
    assert path.exists()


def test_what_a_killed_run_claimed_is_a_leftover_and_what_is_claimed_now_is_none(
    daydream, store, data_root
):
    killed, running = store.list_generations("draft")[:2]
    left = data_root / f"gens/draft/.claimed-{killed}"
    left.touch()
    strange = data_root / "gens/draft/.claimed-folder"
    strange.mkdir()
    claim = store.claim("draft", running)

    checked = daydream("check")
    repaired = daydream("check", "--repair")

    assert f"leftover: {left}: left by a run that was killed" in checked.stdout
    assert f"unknown: {strange}" in checked.stdout
    assert "21 generations, 2 findings" in checked.stdout
    assert f"removed {left}" in repaired.stdout
    assert not left.exists()
    assert store.claim("draft", running) is None
    claim.release()


def test_repairing_takes_no_claim_that_was_made_since_the_check(store, data_root):
    gen_id = store.list_generations("draft")[0]
    (data_root / f"gens/draft/.claimed-{gen_id}").touch()
    findings = list(FilesystemInspection(store.paths).inspect_root())
    claim = store.claim("draft", gen_id)

    assert FilesystemInspection(store.paths).remove_leftovers(findings) == []

    assert store.claim("draft", gen_id) is None
    claim.release()


def test_a_broken_catalog_does_not_keep_the_texts_from_being_checked(daydream, store, data_root):
    (data_root / "1_raw/llm_models.csv").unlink()
    store.write_raw("draft", store.list_generations("draft")[0], "x")

    result = daydream("check")

    assert result.returncode == 1
    assert "llm_models.csv is missing" in result.stdout
    assert "raw.txt is there without raw_metadata.json" in result.stdout


@pytest.mark.parametrize(
    "folder",
    [
        "1_raw",
        "1_raw/templates/essay",
        "batches",
        "cohorts/c1/spec",
        "loops/l/concepts/descriptions-paragraph",
        "loops/l/rounds/0001",
    ],
)
def test_what_a_killed_write_left_in_any_folder_is_a_leftover(daydream, data_root, folder):
    left = data_root / folder / ".tmp-0123456789abcdef"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("half")
    aged(left)

    checked = daydream("check", "--repair")

    assert f"removed {left}" in checked.stdout
    assert not left.exists()
