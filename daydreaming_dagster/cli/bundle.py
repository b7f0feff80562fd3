"""`daydream bundle` and `daydream verify`."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from daydreaming_dagster.application.bundle_cohort import bundle_cohort, restore_cohort
from daydreaming_dagster.application.cohort_report import write_report
from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.bootstrap import SetupError, open_bundle, open_data_root
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    cohort_argument,
    complain,
    data_root_option,
    file_argument,
    output_option,
    refuse_url,
    say,
)
from daydreaming_dagster.domain.checks.integrity import Finding
from daydreaming_dagster.formatting import counted

bundle_option = output_option("The file; else COHORT.zip.")


@click.command()
@cohort_argument
@data_root_option
@bundle_option
def bundle(cohort_id: str, data_root: str, *, output: Path | None) -> None:
    """Write a cohort with all that its results are made from as one file, to send and verify.

    It has the catalogs, the specification, the members with all their texts, and a SHA-256 for
    each file. The same content gives the same bytes.
    """
    root, file = open_data_root(data_root), output or Path(f"{cohort_id}.zip")
    bundle_cohort(
        root.store,
        root.cohorts,
        root.written_files(),
        cohort_id=cohort_id,
        bundle=open_bundle(file),
    )
    say(f"{file}")
    say(f"sha256 {_sha256(file)}")


@click.command()
@file_argument("What `daydream bundle` wrote.")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    callback=refuse_url,
    help="Keep what is rebuilt in this folder, new or empty.",
)
def verify(file: Path, *, into: Path | None) -> None:
    """Check each byte of a bundle, and rebuild its tables and report without an endpoint.

    Every file that is missing, added or altered is listed; then nothing is unpacked.
    """
    if into is not None and into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise SetupError(f"{into} is not an empty folder; name a new one")
    _, findings = open_bundle(file).verify()
    complain_of_bundle(file, findings)
    say(f"{file}: every byte is as it was written")
    say(f"sha256 {_sha256(file)}")
    if into is not None:
        _rebuild(file, into)
        return
    with TemporaryDirectory() as folder:
        _rebuild(file, Path(folder))


def complain_of_bundle(file: Path, findings: Sequence[Finding]) -> None:
    """Print what is wrong with a bundle.

    Raises:
        click.exceptions.Exit: Something is.
    """
    for finding in findings:
        complain(f"{finding.kind}: {finding.subject}: {finding.message}")
    if findings:
        complain(f"{file} is not as it was written: {counted(len(findings), 'finding')}")
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def _rebuild(file: Path, folder: Path) -> None:
    root = open_data_root(folder)
    cohort_id = restore_cohort(open_bundle(file), root.written_files()).cohort_id
    tabulated = tabulate_cohort(root.store, root.cohorts, cohort_id)
    write_report(root.store, root.cohorts, cohort_id, datetime.now(UTC))
    files = len(tabulated.files) + 1
    say(f"rebuilt {counted(files, 'file')} of results and report of the cohort {cohort_id}")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
