"""A sheet as one HTML file for a person who rates texts without knowing where they come from."""

from collections.abc import Mapping
from typing import Final

import jinja2

from daydreaming_dagster.domain.people.ratings import COLUMNS
from daydreaming_dagster.domain.people.sheet import HIGHEST, LOWEST, RatingSheet
from daydreaming_dagster.report.standalone import (
    content_security_policy,
    json_for_html,
    package_file,
)
from daydreaming_dagster.types import JsonObject

WORDS_PER_MINUTE: Final = 238
"""How fast people read silently (Brysbaert, "How many words do we read per minute?", Journal of
Memory and Language 109, 2019)."""

SECONDS_PER_ANSWER: Final = 5


def minutes_to_rate(sheet: RatingSheet, texts: Mapping[str, str]) -> int:
    """Return how long a sheet takes: each text is read once, and each question answered."""
    words = sum(len(text.split()) for text in texts.values())
    return round(words / WORDS_PER_MINUTE + len(sheet.questions) * SECONDS_PER_ANSWER / 60) or 1


def render_rating_page(sheet: RatingSheet, texts: Mapping[str, str]) -> str:
    """Return the page of a sheet; `texts` are what its tokens stand for.

    It holds the texts, their tokens, the name of the sheet and nothing else about the cohort.
    """
    style, script = package_file("rate.css"), package_file("rate.js")
    data: JsonObject = {
        "sheet": sheet.sheet,
        "columns": [*COLUMNS],
        "lowest": LOWEST,
        "highest": HIGHEST,
        "questions": [[*tokens] for tokens in sheet.questions],
        "texts": dict(texts),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("daydreaming_dagster", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("rate.html.j2").render(
        data=json_for_html(data),
        style=style,
        script=script,
        csp=content_security_policy(style, script),
        questions=len(sheet.questions),
        pairs=sum(len(tokens) > 1 for tokens in sheet.questions),
        minutes=minutes_to_rate(sheet, texts),
        scale=range(LOWEST, HIGHEST + 1),
    )
