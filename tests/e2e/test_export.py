"""`daydream export` and `daydream compare`."""

import json

import pytest


@pytest.fixture
def two(daydream, data_root):
    """c1 and c2, which copies alone, of four concepts."""
    raw = data_root / "1_raw"
    (raw / "concepts_metadata.csv").write_text(
        (raw / "concepts_metadata.csv").read_text() + "dog,Dog\n"
    )
    (raw / "concepts" / "descriptions-sentence" / "dog.txt").write_text("Dogs bark.")
    first = data_root / "cohorts" / "c1" / "spec" / "config.yaml"
    first.write_text(first.read_text().replace("bee, cod]", "bee, cod, dog]"))
    spec = (data_root / "cohorts" / "c1" / "spec" / "config.yaml").read_text()
    second = data_root / "cohorts" / "c2" / "spec" / "config.yaml"
    second.parent.mkdir(parents=True)
    second.write_text(spec.replace("[story, copied]", "[copied]"))
    for cohort_id in ("c1", "c2"):
        daydream("plan", cohort_id)
        assert daydream("run", cohort_id).returncode == 0


@pytest.mark.usefixtures("two")
def test_texts_are_exported_and_cohorts_compared(daydream, data_root, tmp_path):
    for form, count in (("csv", "1 file"), ("parquet", "1 file"), ("markdown", "12 files")):
        folder = tmp_path / form
        exported = daydream("export", "c1", "--format", form, "-o", str(folder))
        assert exported.stdout == f"{folder}: {count}\n", exported.stderr
        assert len(list(folder.iterdir())) == int(count.split()[0])

    mixed = daydream("export", "c2", "--format", "markdown", "-o", str(tmp_path / "markdown"))
    assert (mixed.returncode, "of another export" in mixed.stderr) == (2, True)
    assert len(list((tmp_path / "markdown").iterdir())) == 12
    table = tmp_path / "csv" / "texts.csv"
    assert daydream("export", "c1", "-o", str(table)).returncode == 2

    compared = daydream("compare", "c1", "c2")

    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.startswith("essay_template: story (c1)\n")
    assert "both have 6 texts and 12 scores of them in common" in compared.stdout
    assert "one of them has no score of its own" in compared.stderr
    spec = data_root / "cohorts" / "c2" / "spec" / "config.yaml"
    spec.write_text(
        spec.read_text()
        .replace("replicates", "sampling: {essay: {top_p: 1.0}}\nreplicates")
        .replace("[copied]", "[story]")
    )
    daydream("plan", "c2")
    daydream("run", "c2")
    better = daydream("compare", "c1", "c2")
    assert "c1 minus c2: +0.00; 6 combinations of both paired" in better.stdout
    assert "all pairs differ alike" in better.stderr
    document = json.loads(daydream("compare", "c1", "c1", "--json").stdout)
    assert document["shared_texts"] == 12
    assert "are the same" in daydream("compare", "c1", "c1").stdout
    assert daydream("compare", "c1", "c9").returncode == 2
