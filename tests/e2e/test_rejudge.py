"""`daydream rejudge`."""


def test_the_best_of_a_table_are_judged_again(daydream, data_root, tmp_path):
    daydream("plan", "c1")
    daydream("run", "c1")
    daydream("results", "c1")
    table = data_root / "cohorts" / "c1" / "reports" / "essays.csv"
    best = tmp_path / "best.csv"
    best.write_text("".join(table.read_text().splitlines(True)[:3]))

    arguments = ("rejudge", str(best), "again", "--template", "judge", "--llm", "big")
    planned = daydream(*arguments, "--replicates", "3")

    assert planned.stdout == "cohort again: 2 texts, 6 judgments (2 new)\n", planned.stderr
    assert "texts:" in (data_root / "cohorts" / "again" / "spec" / "config.yaml").read_text()
    assert daydream("run", "again").returncode == 0
    assert daydream("results", "again").returncode == 0
    assert daydream("check").returncode == 0
    file = tmp_path / "again.zip"
    daydream("bundle", "again", "-o", str(file))
    assert daydream("verify", str(file)).returncode == 0

    listed = tmp_path / "list.txt"
    listed.write_text("a,b\n1,2\n")
    assert daydream("rejudge", str(listed), "x", *arguments[3:]).returncode == 2
    listed.write_text("\n")
    assert daydream("rejudge", str(listed), "x", *arguments[3:]).returncode == 2
