"""Tabulating the results of a cohort."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.cohort_files import read_membership
from adapters.cohort_store.result_files import write_results
from adapters.gens_store.filesystem import FilesystemGensStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.ranking import EssayRank, rank_evaluations

if TYPE_CHECKING:
    from daydreaming_dagster.domain.results.tables import ResultTables


@attrs.frozen
class TabulatedCohort:
    """The results of a cohort: its tables, the ranking of its essays, and the files written."""

    tables: "ResultTables"
    ranks: list[EssayRank]
    files: list[Path]


def tabulate_cohort(data_root: Path, cohort_id: str) -> TabulatedCohort:
    """Write the tables of a cohort's results, and return them with its ranking.

    Raises:
        CatalogError: The cohort is not planned, or the catalogs are wrong.
        DataLayerError: Metadata of a generation is missing or malformed.
    """
    from daydreaming_dagster.domain.results.tables import make_result_tables

    paths = Paths(data_root)
    store = FilesystemGensStore(data_root)
    members = read_membership(paths, cohort_id)
    evaluations = list(read_evaluations(store, members, read_catalog(paths).models))
    tables = make_result_tables(evaluations)
    ranks = rank_evaluations(store, members, evaluations)
    return TabulatedCohort(tables, ranks, write_results(paths, cohort_id, tables))
