"""`daydream rename-concept`."""

import click

from daydreaming_dagster.application import rename_concept as use_case
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import data_root_option, say


@click.command()
@click.argument("concept_id", metavar="CONCEPT", help="Its id.")
@click.argument("new_id", metavar="NEW", help="Its new id.")
@data_root_option
def rename_concept(concept_id: str, new_id: str, data_root: str) -> None:
    """Give a concept another id. Its answers stay, and none becomes stale.

    Results and reports show the new id. Specifications may use either. The name, which prompts
    contain, stays as it is.
    """
    root = open_data_root(data_root)
    renamed = use_case.rename_concept(root.cohorts, concept_id, new_id)
    say(f"{concept_id} is {renamed.shown_id} now; its name is {renamed.name!r} as before")
