"""`daydream rate`."""

import secrets
from typing import Final

import click

from daydreaming_dagster.application.rate_cohort import RATINGS, write_rating_sheet
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import (
    WholeNumberRange,
    cohort_argument,
    data_root_option,
    note,
    say,
)
from daydreaming_dagster.formatting import counted

_SEEDS: Final = 2**31


@click.command()
@cohort_argument
@data_root_option
@click.option(
    "--ratings", type=WholeNumberRange(min=1), default=RATINGS, help="The most questions to ask."
)
@click.option(
    "--seed",
    type=WholeNumberRange(min=0),
    help="Which texts, in which order; else drawn, and recorded.",
)
def rate(cohort_id: str, data_root: str, *, ratings: int, seed: int | None) -> None:
    """Write one HTML page on which a person rates texts without knowing what wrote them.

    The page needs no network. What it saves belongs into the cohort's folder ratings/, where
    `daydream results` reads it. The key beside the page says what each text is: do not send it.
    """
    root = open_data_root(data_root)
    seed = secrets.randbelow(_SEEDS) if seed is None else seed
    written = write_rating_sheet(root.store, root.cohorts, cohort_id, seed, ratings)
    say(written.page)
    asked = counted(len(written.sheet.questions), "rating")
    note(f"{asked}, about {counted(written.minutes, 'minute')}; seed {seed}")
    note("send only the page; put the file that comes back beside it")
