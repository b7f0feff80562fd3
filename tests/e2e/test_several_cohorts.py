"""`daydream results` of several cohorts and without a judge, and `daydream analyse --without`."""

import json

import pytest

SCORES = "item,judge,score\na,kind,9\na,strict,2\nb,kind,8\nb,strict,3\n"
DUELS = "first,second,first_wins,judge\na,b,1,kind\nb,a,1,kind\na,b,0,strict\n"


def test_several_cohorts_without_a_judge(daydream, data_root):
    raw = data_root / "1_raw"
    catalog = raw / "evaluation_templates.csv"
    catalog.write_text(f"{catalog.read_text()}strict,Strict,,in_last_line,llm\n")
    (raw / "templates" / "evaluation" / "strict.txt").write_text("Judge strictly: {{ response }}")
    spec = (data_root / "cohorts" / "c1" / "spec" / "config.yaml").read_text()
    second = data_root / "cohorts" / "c2" / "spec" / "config.yaml"
    second.parent.mkdir(parents=True)
    second.write_text(spec.replace("[judge]", "[judge, strict]"))
    for cohort_id in ("c1", "c2"):
        daydream("plan", cohort_id)
        assert daydream("run", cohort_id).returncode == 0

    shown = daydream("results", "c1", "c2", "--without", "strict")

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(
        "left out: evaluation/strict/big (12 judgments)\n6 texts of c1 and c2\n"
        "evaluation_template: strict (c2)\n"
    )
    table = data_root / "cohorts" / "c1" / "reports" / "with-c2" / "essays.csv"
    assert "evaluation/strict/big" in table.read_text()
    assert daydream("results", "c1", "--without", "strikt").returncode == 2
    assert daydream("report", "c2", "--without", "strict").returncode == 0
    page = (data_root / "cohorts" / "c2" / "reports" / "report.html").read_text()
    assert "as if they had judged nothing: <bdi>evaluation/strict/big</bdi>." in page


@pytest.mark.parametrize(("kind", "table"), [("scores", SCORES), ("duels", DUELS)])
def test_a_judge_of_a_table_is_left_out(daydream, tmp_path, kind, table):
    file, without = tmp_path / "table.csv", tmp_path / "without.csv"
    file.write_text(table)
    without.write_text("".join(line for line in table.splitlines(True) if "strict" not in line))

    left = json.loads(daydream("analyse", kind, str(file), "--without", "strict", "--json").stdout)
    alone = json.loads(daydream("analyse", kind, str(without), "--json").stdout)

    assert left.pop("without") == ["strict"]
    assert left == {name: value for name, value in alone.items() if name != "without"}
    shown = daydream("analyse", kind, str(file), "--without", "strict")
    assert shown.stdout.startswith("left out: strict\n")
    wrong = daydream("analyse", kind, str(file), "--without", "nobody")
    assert wrong.returncode == 2
    assert "judges are kind, strict" in " ".join(wrong.stderr.split())


def test_the_page_of_several_cohorts_is_not_watched(daydream, data_root):
    shown = daydream("report", "c1", "c2", "--watch")

    assert shown.returncode == 2
    assert "--watch is for one cohort" in " ".join(shown.stderr.split())
