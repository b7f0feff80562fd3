"""The tables of a cohort's results as files."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from daydreaming_dagster.data_layer.paths import Paths

if TYPE_CHECKING:  # polars takes 0.3 s to import
    from daydreaming_dagster.domain.results.tables import ResultTables

from adapters.atomic_write import replace_file


def write_results(paths: Paths, cohort_id: str, tables: "ResultTables") -> list[Path]:
    """Write each table as CSV and the evaluations as Parquet too; return the files.

    They are in the cohort's reports folder and replace those that were there, each in one step.
    """
    folder = paths.cohort_reports_dir(cohort_id)
    written: dict[str, bytes] = {
        f"{name}.csv": table.write_csv().encode()
        for name, table in attrs.asdict(tables, recurse=False).items()
    }
    parquet = io.BytesIO()
    tables.evaluations.write_parquet(parquet)
    written["evaluations.parquet"] = parquet.getvalue()
    for name, data in written.items():
        replace_file(folder / name, data)
    return [folder / name for name in written]
