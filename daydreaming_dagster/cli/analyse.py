"""`daydream analyse`: anyone's table of judgments."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

import click
from rich.table import Table

from daydreaming_dagster.cli.console import cell, decoded, json_option, note, out, say, say_json

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.statistics.analysis import Analysis

_SHOWN: Final = 50
_TITLES: Final = {
    "effects": "levels against the mean of their group",
    "contrasts": "levels against each other; p_corrected allows for how many are compared",
}

file_argument = click.argument(
    "file", type=click.File("rb"), metavar="FILE", help="CSV; - for standard input."
)
without_option = click.option(
    "--without", multiple=True, metavar="JUDGE", help="Leave out a judge; repeatable."
)


@click.group(no_args_is_help=True)
def analyse() -> None:
    """Rank the items of any table of judgments, with intervals."""


@analyse.command()
@file_argument
@click.option(
    "--cluster", help="Column of what items share, such as a draft: errors are clustered by it."
)
@without_option
@json_option
def scores(file: BinaryIO, *, cluster: str | None, without: tuple[str, ...], as_json: bool) -> None:
    """Rank items by scores: columns item,judge,score and any groups.

    An empty score is missing. Judges' means and scales are taken out. Each further column is a
    factor; its levels are compared.
    """
    from daydreaming_dagster.domain.statistics.analysis import analyse_scores
    from daydreaming_dagster.domain.statistics.judgments import read_scores

    scored = read_scores(decoded(file), without)
    _print(analyse_scores(scored, cluster), without, as_json=as_json)


@analyse.command()
@file_argument
@click.option(
    "--scores",
    "with_scores",
    type=click.File("rb"),
    help="CSV of scores of the same items, which the duels correct.",
)
@without_option
@json_option
def duels(
    file: BinaryIO, *, with_scores: BinaryIO | None, without: tuple[str, ...], as_json: bool
) -> None:
    """Rank items by duels: columns first,second,first_wins and perhaps judge.

    first_wins is 1, 0, 0.5 for a tie, or empty where no verdict could be read; those are counted
    and left out.
    """
    from daydreaming_dagster.domain.statistics.analysis import analyse_duels
    from daydreaming_dagster.domain.statistics.judgments import read_duels, read_scores

    prior = None if with_scores is None else read_scores(decoded(with_scores))
    fought = read_duels(decoded(file), without)
    _print(analyse_duels(fought, prior), without, as_json=as_json)


def _print(analysis: "Analysis", without: Sequence[str], *, as_json: bool) -> None:
    """Print who is left out and the sentence about the best, then each part as a table."""
    from daydreaming_dagster.domain.statistics.sentences import who_is_best

    if as_json:
        say_json({**analysis.document, "without": without})
        return
    for judge in without:
        say(f"left out: {judge}")
    say(who_is_best(analysis.items, "item"))
    for title, part in analysis.document.items():
        if isinstance(part, list) and title != "notes" and part:
            _print_table(_TITLES.get(title, title), part)
        elif isinstance(part, dict):
            say(f"{title}: " + ", ".join(f"{name} {_shown(v)}" for name, v in part.items()))
    for line in analysis.notes:
        note(f"note: {line}")


def _print_table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    table = Table(*rows[0], title=title)
    for row in rows[:_SHOWN]:
        table.add_row(*(cell(_shown(value)) for value in row.values()))
    out.print(table)
    if len(rows) > _SHOWN:
        note(f"{len(rows) - _SHOWN:,} more rows; --json lists all")


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.3g}"
        case {"value": None}:
            return "-"
        case {"value": center, "low": None, "high": None}:
            return _shown(center)
        case {"value": center, "low": low, "high": high}:
            return f"{_shown(center)} ({_shown(low)} to {_shown(high)})"
        case _:
            return str(value)
