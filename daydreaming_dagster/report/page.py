"""A report as one HTML file. It sends no requests, and nothing in a model's text is executed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from daydreaming_dagster.domain.people.passport import MEASURES, say_who_agrees
from daydreaming_dagster.domain.people.passport_sentences import say_what_is_sure
from daydreaming_dagster.domain.results.factors import compare_factors
from daydreaming_dagster.domain.results.naming import name_generations
from daydreaming_dagster.domain.results.report import CohortReport, ReportGeneration
from daydreaming_dagster.report.figure import Figure
from daydreaming_dagster.report.finding import find, scores_by_judge
from daydreaming_dagster.report.index import ReadGeneration, list_kinds, make_index
from daydreaming_dagster.report.parts import make_environment
from daydreaming_dagster.report.people import hear_people, passports_without_names, scores_by_people
from daydreaming_dagster.report.standalone import (
    content_security_policy,
    json_for_html,
    package_file,
)

_LISTED: Final = 10
"""How many rows a table of the overview shows; the list of generations has all of them."""

_MOST_LEVELS: Final = 30
"""How many levels of a factor are in its table."""

_MOST_JUDGES: Final = 6
"""With more judges, the table of the ranking has no column for each."""

_SCRIPTS: Final = ("compare.js", "reader.js", "matrix.js", "report.js")


def render_page(
    report: CohortReport,
    figures: Sequence[Figure],
    read_generation: ReadGeneration,
    made_at: datetime,
    version: int | None = None,
) -> str:
    """Return the report as HTML.

    Calls `read_generation` once per generation, and once more for the texts that come first. The
    page unpacks a text when a reader opens it. With a `version`, it asks `progress` beside it
    whether there is another one.
    """
    scripts = _SCRIPTS if version is None else (*_SCRIPTS, "live.js")
    style, script = package_file("report.css"), "".join(map(package_file, scripts))
    names = name_generations(report)
    used = [
        stage
        for stage in report.pipeline
        if report.generations[stage] or report.pipeline[stage].required
    ] or report.pipeline.names
    kinds = list_kinds(report.pipeline, used)
    given = scores_by_judge(report)
    judges = [*next(iter(given.values()), {})]
    index, chunks = make_index(report, names, read_generation)
    factors = compare_factors(report)
    return (
        make_environment(report.cost)
        .get_template("report.html.j2")
        .render(
            report=report,
            title=f"{report.cohort_id.replace(' ', ' and ')}: cohort report",
            finding=find(report, names, read_generation),
            factors=factors,
            people=hear_people(report, factors),
            by_people=scores_by_people(report.ratings),
            passports=[(one, [*say_what_is_sure(one)]) for one in passports_without_names(report)],
            measures=MEASURES,
            who_agrees=say_who_agrees(report.passports),
            names=names,
            totals=[total for total in report.stage_totals() if total.stage in used],
            kinds=kinds,
            unpriced=sum(totals.without_cost for totals in report.model_totals()),
            figures=[
                (figure, figure.svg("currentColor") if figure.chart else "") for figure in figures
            ],
            ranks=report.ranks[:_LISTED],
            given=given,
            judges=judges if len(judges) <= _MOST_JUDGES else [],
            concerns=_concerns(report),
            listed=_LISTED,
            most_levels=_MOST_LEVELS,
            made_at=made_at,
            style=style,
            script=script,
            csp=content_security_policy(style, script, connects=version is not None),
            version=version,
            index=json_for_html({"kinds": kinds, **index}),
            chunks=chunks,
        )
    )


@attrs.frozen
class _Concern:
    """Generations that need attention; `filter` is their value in the list's filter."""

    title: str
    filter: str
    meaning: str
    rows: Sequence[tuple[ReportGeneration, str]]


def _concerns(report: CohortReport) -> list[_Concern]:
    everything = [item for items in report.generations.values() for item in items]
    return [
        _Concern(
            "Failed",
            "failed",
            "A model answered, but the answer was cut off or the parser cannot read it.",
            [(item, item.outcome.state) for item in everything if item.failed],
        ),
        _Concern(
            "Missing",
            "missing",
            "No model has answered yet.",
            [(item, item.outcome.state) for item in everything if item.missing],
        ),
        _Concern(
            "Stale",
            "stale",
            "The answer belongs to an earlier question: a template, concept, model or parent text "
            "has changed since.",
            [(item, item.stale) for item in everything if item.stale],
        ),
        _Concern(
            "Doubtful",
            "doubtful",
            "Another model answered than was asked, the endpoint probably cut the prompt, or the "
            "answer is that of another generation. It counts all the same.",
            [(item, item.doubt) for item in everything if item.doubt],
        ),
    ]
