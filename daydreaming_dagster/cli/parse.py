"""`daydream parse`."""

from typing import BinaryIO

import attrs
import click

from daydreaming_dagster.cli.console import NumberRange, decoded, say_json
from daydreaming_dagster.domain.parsing.registry import find_parser
from daydreaming_dagster.domain.parsing.response import DEFAULT_MAXIMUM


@click.command()
@click.argument(
    "file", type=click.File("rb"), metavar="FILE", help="File with an answer; - for standard input."
)
@click.option("--parser", required=True, help="Name of a built-in parser.")
@click.option(
    "--maximum",
    metavar="NUMBER",
    type=float,
    default=DEFAULT_MAXIMUM,
    help="The template's score_maximum.",
)
@click.option(
    "--minimum", type=NumberRange(min=0), default=0.0, help="The template's score_minimum."
)
def parse(file: BinaryIO, parser: str, maximum: float, minimum: float) -> None:
    """Print as JSON what a parser reads in an answer.

    Exits with 2 and the reason if the answer is refused. Stores nothing and calls no model.
    """
    if not minimum < maximum < float("inf"):
        raise click.BadParameter(f"{minimum:g} to {maximum:g} is not a scale")
    reader = attrs.evolve(find_parser(parser), score_maximum=maximum, score_minimum=minimum)
    parsed = reader(decoded(file))
    if parsed.score is None:
        say_json({"score": None, "text": parsed.text})
        return
    say_json(
        {
            "score": parsed.score.value,
            "maximum": parsed.score.maximum,
            "share": parsed.score.normalised,
            "line": parsed.line,
        }
    )
