"""The report of a loop: one HTML page, and its figures."""

from datetime import datetime

from daydreaming_dagster.application.cohort_report import (
    DrawnPage,
    ReportExtraMissingError,
)
from daydreaming_dagster.application.loop_status import step_of
from daydreaming_dagster.domain.loop.journal import Stop
from daydreaming_dagster.domain.loop.report import gather_loop_report
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.loop_store import LoopStore


def draw_loop_report(
    store: GensStore, cohorts: CohortStore, loops: LoopStore, loop_id: str, made_at: datetime
) -> DrawnPage:
    """Return the report of a loop. Writes nothing.

    Raises:
        ReportExtraMissingError: The extra `report` is not installed.
        CatalogError: The specification is missing, or the catalogs or the journal are malformed.
    """
    try:  # takes a second to import
        from daydreaming_dagster.report.loop_figures import make_loop_figures
        from daydreaming_dagster.report.loop_page import render_loop_page
    except ModuleNotFoundError as error:
        raise ReportExtraMissingError(error.name or str(error)) from error

    spec, journal = loops.read_spec(loop_id), loops.read_journal(loop_id)
    catalog = cohorts.read_catalog()
    report = gather_loop_report(store, catalog, loop_id, journal, spec.selection.bar)
    step = step_of(spec, journal, catalog)
    ending = f"it stopped: {step.reason}" if isinstance(step, Stop) else "it has not stopped"
    figures = make_loop_figures(journal)
    return DrawnPage(figures, render_loop_page(report, figures, ending, made_at))


def write_loop_report(
    store: GensStore, cohorts: CohortStore, loops: LoopStore, loop_id: str, made_at: datetime
) -> tuple[DrawnPage, str]:
    """Write the report of a loop into its folder; return it and the location of its page.

    Raises:
        DaydreamingError: See `draw_loop_report`. Nothing was written.
        OSError: The page could not be written.
    """
    drawn = draw_loop_report(store, cohorts, loops, loop_id, made_at)
    return drawn, loops.write_report(loop_id, drawn.page.encode())
