"""The report of a cohort: one HTML page, and its figures."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from daydreaming_dagster.application.rate_cohort import read_cohort_ratings
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.report import CohortReport, gather_report
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import ARTIFACTS, GensStoreWithTemplates

if TYPE_CHECKING:  # the drawing package is an extra
    from daydreaming_dagster.report.figure import Figure

REPORT_FILENAME: Final = "report.html"


@attrs.frozen
class DrawnPage:
    """A page as HTML, and its figures."""

    figures: "Sequence[Figure]"
    page: str


@attrs.frozen
class DrawnReport(DrawnPage):
    """The report of a cohort: its page, its figures, and its data."""

    report: CohortReport


@attrs.define(eq=False)
class ReportExtraMissingError(DaydreamingError, ImportError):
    """The packages that draw a report are not installed."""

    missing: str

    def __str__(self) -> str:
        return (
            f"a report needs the package {self.missing!r}; "
            f'install what it needs with: pip install "daydreaming-dagster[report]"'
        )


def draw_report(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    made_at: datetime,
    without: Sequence[str] = (),
    *,
    version: int | None = None,
) -> DrawnReport:
    """Return the report of a cohort. Writes nothing.

    The judges in `without` are left out, and the page says so. `version` is for a page that is
    watched, see `render_page`.

    Raises:
        ReportExtraMissingError: The extra `report` is not installed.
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: The catalogs, the membership or the ratings of people are wrong, or `without`
            names no judge.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    try:  # takes a second to import
        from daydreaming_dagster.report.figures import make_figures
        from daydreaming_dagster.report.page import render_page
    except ModuleNotFoundError as error:
        raise ReportExtraMissingError(error.name or str(error)) from error
    from daydreaming_dagster.domain.results.tables import make_result_tables  # polars is slow

    members = cohorts.read_membership(cohort_id)
    index = cohorts.read_index(cohort_id)
    report = gather_report(store, cohorts.read_catalog(), cohort_id, members, index, without)
    ratings = read_cohort_ratings(store, cohorts, cohort_id, report.pipeline, members)
    tables = make_result_tables(report.pipeline, report.evaluations, report.duels)
    report = attrs.evolve(report, ratings=ratings, effects=tables.effects.to_dicts())
    figures = make_figures(report, tables)
    for stage, gen_ids in members.items():
        store = store.read_many(stage, gen_ids, ARTIFACTS)
    page = render_page(report, figures, partial(read_stored_generation, store), made_at, version)
    return DrawnReport(figures, page, report)


def write_report(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    made_at: datetime,
    without: Sequence[str] = (),
) -> tuple[DrawnReport, str]:
    """Write the report of a cohort next to its tables; return it and the location of its page.

    Raises:
        DaydreamingError: See `draw_report`. Nothing was written.
        OSError: The page could not be written.
    """
    drawn = draw_report(store, cohorts, cohort_id, made_at, without)
    (file,) = cohorts.write_report_files(cohort_id, {REPORT_FILENAME: drawn.page.encode()})
    return drawn, file
