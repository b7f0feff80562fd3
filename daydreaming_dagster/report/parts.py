"""What the templates of reports have in common: their environment, and how values are shown."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import jinja2
import markupsafe

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.naming import short_id
from daydreaming_dagster.formatting import chance, counted, plural

_SHOWN_SCORES: Final = 12
_NOT_THERE: Final = "\N{EN DASH}"


def make_environment(cost: float | None) -> jinja2.Environment:
    """Return the environment of a page's templates; `cost` is the greatest amount that it shows."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("daydreaming_dagster", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for shown in (breakable, count, share, signed, scores, cell, short_id, plural, counted, chance):
        environment.filters[shown.__name__] = shown
    # Below a dollar, cents need more digits. All amounts have the same number, so they align.
    environment.filters["money"] = partial(money, digits=2 if (cost or 0) >= 1 else 4)
    return environment


def breakable(combo: str) -> markupsafe.Markup:
    """Return a combination with an optional line break after each concept."""
    return markupsafe.Markup("+<wbr>").join(combo.split("+"))


def count(value: int) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}"


def share(value: float | None) -> str:
    """Return a share of a scale."""
    return _NOT_THERE if value is None else f"{value:.2f}"


def signed(value: float | None) -> str:
    """Return a difference of shares with its sign."""
    if value is None:
        return _NOT_THERE
    # A rounded zero has no sign.
    return (
        f"{value:+.2f}".replace("-", "\N{MINUS SIGN}") if f"{abs(value):.2f}" != "0.00" else "0.00"
    )


def scores(given: Sequence[Score]) -> str:
    """Return the first scores as given, with the maximum only once if all have the same."""
    if not given:
        return ""
    maxima = {score.maximum for score in given}
    shown, more = given[:_SHOWN_SCORES], len(given) - _SHOWN_SCORES
    if len(maxima) != 1 or None in maxima:
        listed = ", ".join(map(str, shown))
    else:
        listed = f"{', '.join(f'{score.value:g}' for score in shown)} of {maxima.pop():g}"
    return f"{listed}, {more:,} more" if more > 0 else listed


def money(value: float | None, digits: int) -> str:
    """Return an amount with this many digits after the point."""
    return _NOT_THERE if value is None else f"{value:,.{digits}f}"


def cell(value: object) -> str:
    """Return a value of any type as a table shows it."""
    if value is None:
        return _NOT_THERE
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
