"""`daydream copy`."""

import click

from daydreaming_dagster.application.copy_data_root import copy_data_root
from daydreaming_dagster.bootstrap import SetupError, open_data_root
from daydreaming_dagster.cli.console import EXIT_INCOMPLETE, complain, say
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.locations import absolute_location


@click.command()
@click.argument("source", metavar="FROM", help="A folder or URL.")
@click.argument("target", metavar="TO", help="A folder or URL.")
def copy(source: str, target: str) -> None:
    """Copy a data root, as into a bucket or out of one, and compare each file by its SHA-256.

    Nothing is overwritten. An interrupted copy goes on when the command is repeated. Copy while no
    run writes to either of them. Dagster's databases are not copied.
    """
    if absolute_location(source).rstrip("/") == absolute_location(target).rstrip("/"):
        raise SetupError(f"{source} cannot be copied onto itself; name another place")
    files = open_data_root(source).written_files()
    if not files.list_files("1_raw"):
        raise SetupError(f"{source} is not a data root: it has no files in 1_raw")
    result = copy_data_root(files, open_data_root(target).written_files())
    verified = counted(result.copied + result.there, "file")
    say(f"copied {counted(result.copied, 'file')}; {verified} verified in {target}")
    if result.findings:
        for finding in result.findings:
            complain(finding.message)
        raise click.exceptions.Exit(EXIT_INCOMPLETE)
