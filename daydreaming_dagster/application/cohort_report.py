"""The report of a cohort: one HTML page, and its figures."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from daydreaming_dagster.application.judge_passports import know_judgments
from daydreaming_dagster.application.planned_tables import make_planned_tables
from daydreaming_dagster.application.rate_cohort import read_cohort_ratings
from daydreaming_dagster.application.several_cohorts import (
    find_differences,
    folder_of,
    merge_memberships,
)
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.people.canaries import read_canaries
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.report import CohortReport, gather_report
from daydreaming_dagster.domain.retirements import retirements
from daydreaming_dagster.domain.stages import GenerationRef
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
    more: Sequence[str] = (),
    version: int | None = None,
) -> DrawnReport:
    """Return the report of a cohort, or with `more` cohorts, one of them all. Writes nothing.

    The judges in `without` are left out, and the page says so. What several cohorts share counts
    once. `version` is for a page that is watched, see `render_page`.

    Raises:
        ReportExtraMissingError: The extra `report` is not installed.
        CohortNotPlannedError: A cohort was not planned yet.
        CatalogError: The catalogs, a membership or the ratings of people are wrong, or `without`
            names no judge.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    try:  # takes a second to import
        from daydreaming_dagster.report.figures import make_figures
        from daydreaming_dagster.report.page import render_page
    except ModuleNotFoundError as error:
        raise ReportExtraMissingError(error.name or str(error)) from error

    cohort_ids = tuple(dict.fromkeys((cohort_id, *more)))
    catalog = cohorts.read_catalog()
    members, cohorts_of = merge_memberships(cohorts, cohort_ids, catalog.pipeline)
    index = CohortIndex() if cohort_ids[1:] else cohorts.read_index(cohort_id)
    report = gather_report(store, catalog, " ".join(cohort_ids), members, index, without)
    for stage, gen_ids in members.items():
        store = store.read_many(stage, gen_ids, ARTIFACTS)
    if cohort_ids[1:]:
        report = _of_several(report, cohorts, cohort_ids, cohorts_of)
    ratings = read_cohort_ratings(store, cohorts, cohort_ids, catalog.pipeline, members)
    report = _with_judges(report, store, catalog, ratings, made_at.date())
    tables = make_planned_tables(cohorts, cohort_ids, catalog, report.evaluations, report.duels)
    report = attrs.evolve(report, effects=tables.effects.to_dicts())
    figures = make_figures(report, tables)
    page = render_page(report, figures, partial(read_stored_generation, store), made_at, version)
    return DrawnReport(figures, page, report)


def _of_several(
    report: CohortReport,
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    cohorts_of: Mapping[GenerationRef, str],
) -> CohortReport:
    differences = find_differences(cohorts, cohort_ids, report.pipeline)
    return attrs.evolve(
        report,
        ranks=[attrs.evolve(rank, cohorts=cohorts_of[rank.ref]) for rank in report.ranks],
        cohorts_of=cohorts_of,
        differences=[*map(str, differences)],
    )


def _with_judges(
    report: CohortReport,
    store: GensStoreWithTemplates,
    catalog: Catalog,
    ratings: Sequence[Rating],
    today: date,
) -> CohortReport:
    """Return the report with what the judges are like, and what people said."""
    from daydreaming_dagster.domain.people.corrected import correct_judges  # numpy is slow

    canaries = read_canaries(store, catalog, report.evaluations)
    passports = know_judgments(store, report.evaluations, report.duels, ratings, canaries)
    corrected, uncorrected = correct_judges(report.evaluations, ratings) if ratings else ([], [])
    notes = [*retirements(catalog.models, (one.llm for one in passports), today), *uncorrected]
    return attrs.evolve(
        report, ratings=ratings, passports=passports, corrected=corrected, notes=notes
    )


def write_report(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    made_at: datetime,
    without: Sequence[str] = (),
    *,
    more: Sequence[str] = (),
) -> tuple[DrawnReport, str]:
    """Write the report of a cohort next to its tables; return it and the location of its page.

    With `more` cohorts, it is in the first one's folder, apart from its own report.

    Raises:
        DaydreamingError: See `draw_report`. Nothing was written.
        OSError: The page could not be written.
    """
    drawn = draw_report(store, cohorts, cohort_id, made_at, without, more=more)
    name = f"{folder_of((cohort_id, *more))}{REPORT_FILENAME}"
    (file,) = cohorts.write_report_files(cohort_id, {name: drawn.page.encode()})
    return drawn, file
