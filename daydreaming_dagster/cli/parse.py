"""`daydream parse`."""

from typing import Annotated

import attrs
import typer

from daydreaming_dagster.cli.console import say_json
from daydreaming_dagster.domain.parsing.registry import find_parser
from daydreaming_dagster.domain.parsing.response import DEFAULT_MAXIMUM
from daydreaming_dagster.formatting import not_utf8


def parse(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="FILE", help="File with an answer; - for standard input."),
    ],
    parser: Annotated[str, typer.Option("--parser", help="Name of a built-in parser.")],
    maximum: Annotated[
        float, typer.Option("--maximum", help="The template's score_maximum.")
    ] = DEFAULT_MAXIMUM,
    minimum: Annotated[
        float, typer.Option("--minimum", min=0, help="The template's score_minimum.")
    ] = 0.0,
) -> None:
    """Print as JSON what a parser reads in an answer.

    Exits with 2 and the reason if the answer is refused. Stores nothing and calls no model.
    """
    if not minimum < maximum < float("inf"):
        raise typer.BadParameter(f"{minimum:g} to {maximum:g} is not a scale")
    reader = attrs.evolve(find_parser(parser), score_maximum=maximum, score_minimum=minimum)
    try:
        response = file.read().decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file.name} is {not_utf8(error)}") from None
    parsed = reader(response)
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
