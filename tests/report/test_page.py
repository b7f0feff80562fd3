"""The report's file, before a browser reads it."""

import base64
import hashlib
import json
import re
import zlib
from datetime import UTC, datetime
from functools import partial

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.report import gather_report
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.report.figures import make_figures
from daydreaming_dagster.report.page import render_page
from daydreaming_dagster.report.standalone import json_for_html
from daydreaming_dagster.types import STAGES


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_data_cannot_end_the_element_that_it_is_in_and_reads_back_as_it_was(document):
    written = json_for_html(document)

    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == document


def test_only_the_reports_own_style_and_script_are_allowed(made):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made.html)[1]
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))

    def digest(tag):
        content = re.search(f"<{tag}>(.*?)</{tag}>", made.html, re.DOTALL)[1]
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": "'none'",
        "style-src": digest("style"),
        "script-src": digest("script"),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_nothing_in_the_file_points_outside(made):
    links = re.findall(r'\b(?:href|src|action)="([^"]*)"', made.html)

    assert {link.split("#")[0] for link in links} == {"", "data:,"}


def test_the_file_has_each_text_compressed_once(made):
    packed = re.findall(r'id="chunk-\d+">"([^"]*)"', made.html)
    chunks = [json.loads(zlib.decompress(base64.b64decode(chunk))) for chunk in packed]

    found = [gen_id for chunk in chunks for gen_id in chunk]
    assert sorted(found) == sorted(
        item.member.gen_id for stage in STAGES for item in made.report.generations[stage]
    )
    gen_id = made.report.generations["draft"][0].member.gen_id
    texts = next(chunk[gen_id] for chunk in chunks if gen_id in chunk)
    assert texts["prompt"] == made.store.read_prompt("draft", gen_id)
    assert json.loads(texts["metadata"]["metadata.json"])["gen_id"] == gen_id
    assert texts["concepts"][0][0] == "a"


@pytest.mark.parametrize(
    "members", [{stage: [] for stage in STAGES}, None], ids=["none", "planned"]
)
def test_a_cohort_without_answers_has_a_report_too(made, members):
    store = attrs.evolve(made.store)
    catalog_free = {
        stage: [item.member.gen_id for item in made.report.generations[stage]] for stage in STAGES
    }
    for stage in STAGES:
        for gen_id in catalog_free[stage]:
            store.write_main_metadata(stage, gen_id, made.store.read_main_metadata(stage, gen_id))
    report = gather_report(store, made.catalog, "c1", members or catalog_free, CohortIndex())
    figures = make_figures(report, make_result_tables(SHIPPED, report.evaluations))

    html = render_page(report, figures, partial(read_stored_generation, store), datetime.now(UTC))

    assert all(figure.chart is None for figure in figures)
    assert "No essay has a score yet." in html
