"""A cohort in memory that is planned, generated and reported."""

from datetime import UTC, datetime
from functools import partial

import attrs

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.report import CohortReport, gather_report
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.report.figure import Figure
from daydreaming_dagster.report.figures import make_figures
from daydreaming_dagster.report.page import render_page


@attrs.frozen
class Made:
    """A report with everything that it was made of."""

    store: InMemoryGensStore
    catalog: Catalog
    report: CohortReport
    figures: list[Figure]
    html: str


def report_of(store, catalog, spec, answer):
    """Plan and generate a cohort, and return its report."""
    plan = make_plan(store, "c1", spec, catalog, allow_missing=True)
    record_plan(store, plan)
    members = {stage: plan.gen_ids(stage) for stage in catalog.pipeline}
    generate(GenerationRunner(store, ScriptedLanguageModel(answer), catalog), members)
    report = gather_report(store, catalog, "c1", members, CohortIndex())
    figures = make_figures(report, make_result_tables(catalog.pipeline, report.evaluations))
    made_at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    html = render_page(report, figures, partial(read_stored_generation, store), made_at)
    return Made(store, catalog, report, figures, html)
