"""`daydream copy`."""

import click

from daydreaming_dagster.application.copy_data_root import copy_data_root
from daydreaming_dagster.bootstrap import SetupError, check_apart, open_data_root
from daydreaming_dagster.cli.console import EXIT_INCOMPLETE, complain, say
from daydreaming_dagster.formatting import counted


@click.command()
@click.argument("source", metavar="FROM", help="A folder or URL.")
@click.argument("target", metavar="TO", help="A folder or URL.")
def copy(source: str, target: str) -> None:
    """Copy a data root, as into a bucket or out of one, and compare each file by its SHA-256.

    Nothing is overwritten. An interrupted copy goes on when the command is repeated. Copy while no
    run writes to either of them. Dagster's databases are not copied.
    """
    from_root, to_root = open_data_root(source), open_data_root(target)
    check_apart(from_root.location, to_root.location)
    files = from_root.written_files()
    if not files.list_files("1_raw"):
        raise SetupError(f"{source} is not a data root: it has no files in 1_raw")
    result = copy_data_root(files, to_root.written_files())
    verified = counted(result.copied + result.there, "file")
    say(f"copied {counted(result.copied, 'file')}; {verified} verified in {target}")
    if result.findings:
        for finding in result.findings:
            complain(finding.message)
        raise click.exceptions.Exit(EXIT_INCOMPLETE)
