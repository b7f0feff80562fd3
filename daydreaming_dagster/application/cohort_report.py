"""Writing the report of a cohort."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from adapters.atomic_write import replace_file
from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.cohort_files import (
    read_cohort_index,
    read_membership,
)
from adapters.gens_store.filesystem import FilesystemGensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.report import CohortReport, gather_report
from daydreaming_dagster.errors import DaydreamingError

if TYPE_CHECKING:
    from daydreaming_dagster.report.figures import Figure


@attrs.frozen
class ReportedCohort:
    """The report of a cohort: what it says, its figures, and the file that it is in."""

    report: CohortReport
    figures: "list[Figure]"
    file: Path


@attrs.define(eq=False)
class ReportExtraMissingError(DaydreamingError, ImportError):
    """The packages that draw a report are not installed."""

    missing: str

    def __str__(self) -> str:
        return (
            f"a report needs the package {self.missing!r}; "
            f'install what it needs with: pip install "daydreaming-dagster[report]"'
        )


def report_cohort(
    data_root: Path, cohort_id: str, made_at: datetime, output: Path | None = None
) -> ReportedCohort:
    """Write the report of a cohort, to `output` or its folder `reports/`, and return it.

    Raises:
        ReportExtraMissingError: The extra `report` is not installed. Nothing was written.
        CatalogError: The cohort is not planned, or the catalogs are wrong.
        DataLayerError: Metadata of a generation is missing or malformed.
        OSError: The file system refused.
    """
    try:  # what draws is an extra, and takes a second to import
        from daydreaming_dagster.report.figures import make_figures
        from daydreaming_dagster.report.page import render_page
    except ModuleNotFoundError as error:
        raise ReportExtraMissingError(error.name or str(error)) from error
    from daydreaming_dagster.domain.results.tables import make_result_tables

    paths = Paths(data_root)
    store = FilesystemGensStore(data_root)
    members = read_membership(paths, cohort_id)
    index = read_cohort_index(paths, cohort_id)
    report = gather_report(store, read_catalog(paths), cohort_id, members, index)
    figures = make_figures(report, make_result_tables(report.evaluations))
    page = render_page(report, figures, partial(read_stored_generation, store), made_at)
    file = paths.cohort_report_html(cohort_id) if output is None else output
    replace_file(file, page.encode())
    return ReportedCohort(report, figures, file)


def write_figures(figures: "list[Figure]", folder: Path) -> list[Path]:
    """Write each figure that has something to show as SVG and PNG, and return the files.

    Raises:
        OSError: The file system refused.
    """
    written: list[Path] = []
    for figure in figures:
        if figure.chart is not None:
            for ending, data in (("svg", figure.svg().encode()), ("png", figure.png())):
                written.append(folder / f"{figure.name}.{ending}")
                replace_file(written[-1], data)
    return written
