"""`daydream settle`."""

import click

from daydreaming_dagster.application.settle_score import settle_score, take_back_score
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import data_root_option, say


@click.command()
@click.argument("gen_id", metavar="GEN_ID", help="The judge's generation.")
@click.argument(
    "score",
    type=float,
    required=False,
    metavar="[SCORE]",
    help="The score, on the template's scale.",
)
@data_root_option
@click.option(
    "--maximum",
    metavar="NUMBER",
    type=float,
    help="The best score, if not the template's score_maximum.",
)
@click.option("--note", help="What to keep beside the score.")
@click.option(
    "--undo", is_flag=True, help="Take the score back; the parser reads the answer again."
)
def settle(
    gen_id: str,
    score: float | None,
    data_root: str,
    *,
    maximum: float | None,
    note: str | None,
    undo: bool,
) -> None:
    """Enter a score by hand for a judge's answer, for instance one that the parser refuses.

    Calls no model. The score is marked as yours in tables and report, and counts until the answer
    is replaced. `daydream results` lists the answers that are refused.
    """
    if undo == (score is not None) or (undo and (maximum, note) != (None, None)):
        raise click.BadParameter("give either a SCORE, or --undo alone")
    root = open_data_root(data_root)
    catalog = root.cohorts.read_catalog()
    if score is not None:
        entered = settle_score(root.store, catalog, gen_id, score, maximum=maximum, note=note)
        say(f"{gen_id}: {entered}, by hand")
        return
    read = take_back_score(root.store, catalog, gen_id)
    says = "the parser reads no score" if read is None else f"the parser reads {read}"
    say(f"{gen_id}: taken back; {says}")
