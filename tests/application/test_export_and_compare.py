"""One table with the texts, and two cohorts beside each other."""

import io
import json
from datetime import UTC, datetime

import attrs
import polars as pl
import pytest

from daydreaming_dagster.application.compare_cohorts import compare_cohorts
from daydreaming_dagster.application.export_texts import export_texts
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.domain.catalog import ConceptEntry, TemplateEntry
from daydreaming_dagster.domain.errors import CatalogError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ("ant", "bee", "cod", "dog", "elk")


def judge(request):
    """Give a tale 2 points more than a story of the same draft, and longer names more."""
    if not request.prompt.startswith("Judge"):
        return f"Re: {request.prompt}"
    score = 3 + sum(name.title() in request.prompt for name in ("Ant", "Bee"))
    return f"SCORE: {score + 2 * ('tale' in request.prompt)}"


@pytest.fixture
def ran(lab):
    """`stories` has story and copied essays of ten combinations, `tales` tales and copies."""
    lab.answer = judge
    lab.store.templates["essay", "tale"] = "Tell a tale of: {{ draft_block }}"
    catalog = lab.cohorts.catalog
    lab.cohorts.catalog = attrs.evolve(
        catalog,
        concepts={n: ConceptEntry(n, n.title(), {"paragraph": f"{n}s exist."}) for n in NAMES},
        templates={**catalog.templates, ("essay", "tale"): TemplateEntry("tale")},
    )
    for cohort_id, template in (("stories", "story"), ("tales", "tale")):
        add_cohort(lab, cohort_id, concepts=list(NAMES), essay_template=[template, "copied"])
    return lab


def add_cohort(lab, cohort_id, **axes):
    spec = lab.cohorts.specs["c1"]
    lab.cohorts.specs[cohort_id] = attrs.evolve(spec, axes=attrs.evolve(spec.axes, **axes))
    plan_cohort(lab.store, lab.cohorts, cohort_id)
    assert lab.run(cohort_id).complete


def compare(lab, first="tales", second="stories", **options):
    return compare_cohorts(lab.store, lab.cohorts, first, second, **options)


def test_texts_of_the_same_combination_are_paired_and_what_is_shared_is_left_out(ran):
    compared = compare(ran)

    assert [str(one) for one in compared.differences] == [
        "essay_template: tale (tales), story (stories)"
    ]
    assert [(one.texts, one.scores) for one in compared.summaries] == [(20, 40), (20, 40)]
    assert (compared.shared_texts, compared.shared_scores) == (10, 20)
    difference = compared.difference
    assert (difference.paired_by, difference.pairs) == ("combination", 10)
    assert difference.estimate == pytest.approx(2 / 9)
    assert difference.low is difference.high is difference.p is None
    assert difference.remarks == (
        "all pairs differ alike, so nothing shows how sure the difference is",
    )


def test_the_other_way_round_the_difference_is_the_opposite(ran):
    assert compare(ran, "stories", "tales").difference.estimate == pytest.approx(-2 / 9)


def test_a_cohort_is_no_better_than_itself(ran):
    compared = compare(ran, "tales", "tales")

    assert compared.difference.estimate is None
    assert compared.difference.remarks == ("one of them has no score of its own",)
    assert compared.differences == []


def test_other_judges_of_the_same_texts_are_paired_by_text_and_said_to_be_others(ran):
    ran.store.templates["evaluation", "kind"] = "Judge kindly, as a tale: {{ response }}"
    templates = {**ran.cohorts.catalog.templates, ("evaluation", "kind"): TemplateEntry("kind")}
    ran.cohorts.catalog = attrs.evolve(ran.cohorts.catalog, templates=templates)
    add_cohort(ran, "kind", concepts=list(NAMES), evaluation_template=["kind"])

    difference = compare(ran, "kind", "stories").difference

    assert (difference.paired_by, difference.pairs) == ("text", 20)
    assert difference.estimate == pytest.approx(2 / 9)
    assert any("no judge scored both" in remark for remark in difference.remarks)


def test_cohorts_with_too_little_in_common_are_not_compared(ran):
    add_cohort(ran, "few", concepts=["ant", "bee"], essay_template=["tale"])
    add_cohort(ran, "other", concepts=["cod", "dog"], essay_template=["story"])

    difference = compare(ran, "few", "other").difference

    assert difference.estimate is None
    assert "nothing is paired: they have no combination in common" in difference.remarks
    assert any("it cannot be estimated" in remark for remark in difference.remarks)


def test_a_judge_is_left_out_of_a_comparison(ran):
    with pytest.raises(CatalogError, match="no judge would be left"):
        compare(ran, without=["judge"])
    assert compare(ran, fresh=True) == compare(ran)


def export(lab, form, *cohort_ids, **options):
    return export_texts(lab.store, lab.cohorts, cohort_ids or ("tales",), form, NOW, **options)


def test_a_table_has_place_axes_judges_texts_and_what_they_are_made_from(ran):
    table = pl.read_parquet(io.BytesIO(export(ran, "parquet")["texts.parquet"]))

    assert table.height == 20
    assert table["mean"].is_sorted(descending=True)
    first = table.row(0, named=True)
    assert first["combo"] == "ant+bee@paragraph"
    assert first["essay_template"] == "tale"
    assert first["evaluation/judge/big"] == first["mean"] == pytest.approx(7 / 9)
    assert first["content"] == ran.store.read_parsed("essay", first["essay"])
    assert first["draft_content"] == ran.store.read_parsed(
        "draft",
        min(
            ran.store.list_generations("draft"),
            key=lambda gen_id: (
                "ant+bee" not in ran.store.read_main_metadata("draft", gen_id)["combo_id"]
            ),
        ),
    )


def test_a_csv_has_the_same_rows_and_protects_spreadsheets(ran):
    gen_id = ran.cohorts.read_membership("tales")["essay"][0]
    ran.store.write_parsed("essay", gen_id, '=1+1, "quoted"\nand a line')

    table = pl.read_csv(export(ran, "csv", "tales", "stories")["texts.csv"])

    assert table.height == 30
    assert set(table["cohorts"]) == {"tales", "stories", "tales stories"}
    assert '\'=1+1, "quoted"\nand a line' in set(table["content"])


def test_markdown_is_a_file_per_text_with_its_place_at_the_head(ran):
    files = export(ran, "markdown")

    assert len(files) == 20
    name, text = next(iter(files.items()))
    head, _, body = text.decode().removeprefix("---\n").partition("\n---\n\n")
    pairs = (line.split(": ", 1) for line in head.splitlines())
    values = {json.loads(key): json.loads(value) for key, value in pairs}
    assert name == f"001-{values['essay']}.md"
    assert values["essay_template"] == "tale"
    assert body == f"{ran.store.read_parsed('essay', values['essay'])}\n"


def test_a_text_without_a_score_or_a_text_is_in_the_table_too(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")

    table = pl.read_parquet(io.BytesIO(export(lab, "parquet", "c1")["texts.parquet"]))

    assert table.height == 6
    assert table["content"].null_count() == 6
    assert table["rank"].null_count() == 6
