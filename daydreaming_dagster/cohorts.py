"""What the command line and Dagster do with a cohort, from the files on."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from adapters.experiment_files import (
    read_catalog,
    read_cohort_index,
    read_cohort_spec,
    read_manifest,
    read_membership,
    replace_file,
    write_manifest,
    write_membership,
    write_results,
)
from adapters.filesystem_gens_store import FilesystemGensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.manifest import Staleness, staleness
from daydreaming_dagster.domain.plan_estimate import PlanEstimate, estimate_generations
from daydreaming_dagster.domain.planning import CohortPlan, PlanRecord, plan_cohort, record_plan
from daydreaming_dagster.domain.report_data import CohortReport, gather_report
from daydreaming_dagster.domain.results import EssayRank, rank_evaluations, read_evaluations
from daydreaming_dagster.domain.stored_generation import read_stored_generation
from daydreaming_dagster.errors import DaydreamingError

if TYPE_CHECKING:
    from daydreaming_dagster.domain.result_tables import ResultTables
    from daydreaming_dagster.report.figures import Figure


@attrs.frozen
class RecordedPlan:
    """A plan that was written down; `stale` is None where there was none before."""

    plan: CohortPlan
    record: PlanRecord
    stale: Staleness | None


@attrs.frozen
class TabulatedCohort:
    """The results of a cohort: its tables, the ranking of its essays, and the files written."""

    tables: "ResultTables"
    ranks: list[EssayRank]
    files: list[Path]


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


def record_cohort(data_root: Path, cohort_id: str) -> RecordedPlan:
    """Plan a cohort and write it down: metadata, membership, manifest.

    Raises:
        CatalogError: Specification or catalogs are wrong. Nothing was written.
        PlanConflictError: As `record_plan` says.
    """
    paths = Paths(data_root)
    store, _, plan = _plan(data_root, cohort_id)
    previous = read_manifest(paths, cohort_id)
    stale = None
    if previous is not None and paths.cohort_membership_csv(cohort_id).exists():
        members = read_membership(paths, cohort_id)
        before = {gen_id for gen_ids in members.values() for gen_id in gen_ids}
        metadata = (planned.metadata for planned in plan.generations)
        stale = staleness(previous, plan.manifest, metadata, before)
    record = record_plan(store, plan)
    write_membership(paths, plan)
    write_manifest(paths, plan)
    return RecordedPlan(plan, record, stale)


def estimate_cohort(data_root: Path, cohort_id: str) -> tuple[CohortPlan, PlanEstimate]:
    """Return the plan of a cohort and what it still asks of the models. Writes nothing.

    Raises:
        CatalogError: Specification or catalogs are wrong.
    """
    store, catalog, plan = _plan(data_root, cohort_id)
    return plan, estimate_generations(store, catalog, plan.generations)


def tabulate_cohort(data_root: Path, cohort_id: str) -> TabulatedCohort:
    """Write the tables of a cohort's results, and return them with its ranking.

    Raises:
        CatalogError: The cohort is not planned, or the catalogs are wrong.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    from daydreaming_dagster.domain.result_tables import make_result_tables  # polars is slow

    paths = Paths(data_root)
    store = FilesystemGensStore(data_root)
    members = read_membership(paths, cohort_id)
    evaluations = list(read_evaluations(store, members, read_catalog(paths).models))
    tables = make_result_tables(evaluations)
    ranks = rank_evaluations(store, members, evaluations)
    return TabulatedCohort(tables, ranks, write_results(paths, cohort_id, tables))


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
    from daydreaming_dagster.domain.result_tables import make_result_tables  # polars is slow

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


def _plan(data_root: Path, cohort_id: str) -> tuple[FilesystemGensStore, Catalog, CohortPlan]:
    paths = Paths(data_root)
    store = FilesystemGensStore(data_root)
    catalog = read_catalog(paths)
    spec = read_cohort_spec(paths, cohort_id)
    return store, catalog, plan_cohort(store, cohort_id, spec, catalog)
