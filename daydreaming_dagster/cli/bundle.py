"""`daydream bundle` and `daydream verify`."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from daydreaming_dagster.application.cohort_report import write_report
from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.bootstrap import (
    open_data_root,
    unpack_bundle,
    verify_bundle,
    write_cohort_bundle,
)
from daydreaming_dagster.cli.console import (
    DEFAULT_DATA_ROOT,
    EXIT_INCOMPLETE,
    CohortArgument,
    DataRootOption,
    complain,
    say,
)
from daydreaming_dagster.formatting import counted


def bundle(
    cohort_id: CohortArgument,
    data_root: DataRootOption = DEFAULT_DATA_ROOT,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; else COHORT.zip.")
    ] = None,
) -> None:
    """Write a cohort with all that its results are made from as one file, to send and verify.

    It has the catalogs, the specification, the members with all their texts, and a SHA-256 for
    each file. The same content gives the same bytes.
    """
    file = Path(f"{cohort_id}.zip") if output is None else output
    write_cohort_bundle(open_data_root(data_root), cohort_id, file)
    say(f"{file}")
    say(f"sha256 {_sha256(file)}")


def verify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="What `daydream bundle` wrote."
        ),
    ],
    *,
    into: Annotated[
        Path | None, typer.Option(help="Keep what is rebuilt in this folder, new or empty.")
    ] = None,
) -> None:
    """Check each byte of a bundle, and rebuild its tables and report without an endpoint.

    Every file that is missing, added or altered is listed; then nothing is unpacked.
    """
    cohort_id, findings = verify_bundle(file)
    for finding in findings:
        complain(f"{finding.kind}: {finding.subject}: {finding.message}")
    if findings:
        complain(f"{file} is not as it was written: {counted(len(findings), 'finding')}")
        raise typer.Exit(EXIT_INCOMPLETE)
    say(f"{file}: every byte is as it was written")
    say(f"sha256 {_sha256(file)}")
    if into is not None:
        _rebuild(file, cohort_id, into)
        return
    with TemporaryDirectory() as folder:
        _rebuild(file, cohort_id, Path(folder))


def _rebuild(file: Path, cohort_id: str, folder: Path) -> None:
    root = unpack_bundle(file, folder)
    tabulated = tabulate_cohort(root.store, root.cohorts, cohort_id)
    write_report(root.store, root.cohorts, cohort_id, datetime.now(UTC))
    files = len(tabulated.files) + 1
    say(f"rebuilt {counted(files, 'file')} of results and report of the cohort {cohort_id}")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
