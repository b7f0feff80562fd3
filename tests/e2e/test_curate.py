"""`daydream delete`, `archive`, `restore` and `prune`."""

import pytest


@pytest.fixture
def planned(daydream):
    assert daydream("plan", "c1").returncode == 0


def drafts(data_root):
    return list((data_root / "gens" / "draft").iterdir())


@pytest.mark.usefixtures("planned")
def test_a_deletion_is_listed_first_and_then_done(daydream, data_root):
    listed = daydream("delete", "c1")

    assert listed.returncode == 0
    assert "would be deleted: the cohort c1 and 3 drafts, 6 essays, 12 evaluations" in listed.stdout
    assert "--yes" in listed.stderr
    assert len(drafts(data_root)) == 3

    done = daydream("delete", "c1", "--yes")

    assert done.stdout == "deleted: the cohort c1 and 3 drafts, 6 essays, 12 evaluations\n"
    assert not (data_root / "cohorts" / "c1").exists()
    assert daydream("check").returncode == 0
    assert daydream("delete", "c1").returncode == 2


@pytest.mark.usefixtures("planned")
def test_an_archive_is_restored(daydream, data_root, tmp_path):
    file = tmp_path / "c1.zip"
    assert "would be deleted" in daydream("archive", "c1", "-o", str(file)).stdout
    assert not file.exists()

    archived = daydream("archive", "c1", "-o", str(file), "--yes")
    assert archived.returncode == 0, archived.stderr
    assert drafts(data_root) == []
    assert daydream("results", "c1").returncode == 2

    models = data_root / "1_raw" / "llm_models.csv"
    models.write_text(models.read_text() + "new,new-1,,,\n")
    restored = daydream("restore", str(file))

    assert restored.stdout == "restored the cohort c1\n"
    assert "1_raw/llm_models.csv" in restored.stderr
    assert len(drafts(data_root)) == 3
    assert "not answered" not in daydream("check").stdout


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("place", ["data/cohorts/c1/c1.zip", "data/gens/c1.zip", "link/c1.zip"])
def test_an_archive_is_not_written_where_it_would_be_deleted(daydream, data_root, tmp_path, place):
    (tmp_path / "link").symlink_to(data_root / "cohorts")

    refused = daydream("archive", "c1", "-o", str(tmp_path / place), "--yes")

    assert refused.returncode == 2
    assert "lies among what is deleted" in refused.stderr
    assert len(drafts(data_root)) == 3
    assert not (tmp_path / place).exists()


@pytest.mark.usefixtures("planned")
def test_orphans_are_listed_and_pruned_with_their_partitions(daydream, data_root):
    assert daydream("run", "c1").returncode == 0
    spec = data_root / "cohorts" / "c1" / "spec" / "config.yaml"
    spec.write_text(spec.read_text().replace("[ant, bee, cod]", "[ant, bee]"))
    daydream("plan", "c1")

    listed = daydream("prune")
    pruned = daydream("prune", "--yes")

    assert "2 drafts, 4 essays, 8 evaluations\n" in listed.stdout
    assert pruned.stdout == "deleted: 2 drafts, 4 essays, 8 evaluations\n"
    assert len(drafts(data_root)) == 1
    assert daydream("prune").stdout == "no generation\n"


def test_a_renamed_concept_is_shown_and_nothing_is_asked_again(daydream, chat_endpoint):
    daydream("plan", "c1")
    daydream("run", "c1")
    asked = len(chat_endpoint.bodies)

    renamed = daydream("rename-concept", "ant", "zebra")
    planned = daydream("plan", "c1")
    ran = daydream("run", "c1")

    assert renamed.stdout == "ant is zebra now; its name is 'Ant' as before\n"
    assert "(0 new, 21 there already)" in planned.stdout
    assert "combo: 3 (zebra+bee@sentence" in daydream("plan", "c1", "--dry-run").stdout
    assert "zebra+bee@sentence" in ran.stdout
    assert "ant+bee@sentence" not in ran.stdout
    assert len(chat_endpoint.bodies) == asked
    assert daydream("rename-concept", "bee", "ant").returncode == 2
