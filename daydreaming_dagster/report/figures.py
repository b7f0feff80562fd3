"""The figures of a report, drawn with Altair, for the page and as files for papers."""

import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import altair as alt
import attrs
import vl_convert  # noqa: F401  Altair needs it, and would report its absence only when drawing

from daydreaming_dagster.domain.results.report import CohortReport
from daydreaming_dagster.domain.results.sentences import say_who_is_best
from daydreaming_dagster.domain.results.tables import ResultTables
from daydreaming_dagster.formatting import counted, plural

RANKED_TEXTS: Final = 20
"""How many texts the ranking's figure shows; more would be unreadable."""

_INK: Final = "#1d2127"
MARK: Final = "#3a86a8"
"""Has a contrast of 4 to 1 on a light and on a dark background."""
_PALE, _DEEP = "#dcebf0", "#0f4c61"
_DARK_CELL: Final = 0.65
"""Above this mean a cell's number is white. The contrast is at least 4 to 1 on either side."""
WIDTH: Final = 440
_FONT: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_PADDING: Final = {"left": 24, "top": 4, "right": 12, "bottom": 4}
"""A reader's font may be wider than the font that measured the labels."""

_SCORE_AXIS: Final = "score, as a share of its scale"
_GAPS: Final = alt.Scale(paddingInner=0.05)

Cell = str | int | float | None


@attrs.frozen
class Figure:
    """A figure, with a description and the table that it is drawn from.

    Attributes:
        name: The name of its files, without extension.
        title: The title.
        alt: A description in one or two sentences.
        columns: The headings of the table.
        rows: The rows of the table; None is a missing value.
        chart: The chart. None if there is nothing to draw; then `alt` says why.
    """

    name: str
    title: str
    alt: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    chart: Any = attrs.field(default=None, repr=False, eq=False)

    def svg(self, ink: str = _INK) -> str:
        """Return the figure as SVG without a background; `ink` is the colour of its text.

        With `currentColor`, the text takes the colour of the surrounding page.
        """
        target = io.StringIO()
        self._styled(ink).save(target, format="svg")
        return target.getvalue()

    def png(self, scale: float = 2) -> bytes:
        """Return the figure as PNG on white, at `scale` times the resolution of a screen."""
        target = io.BytesIO()
        self._styled(_INK, background="white").save(target, format="png", scale_factor=scale)
        return target.getvalue()

    def _styled(self, ink: str, background: str = "transparent") -> Any:
        return (
            self.chart.configure(background=background, font=_FONT, aria=False, padding=_PADDING)
            .configure_axis(
                labelColor=ink,
                titleColor=ink,
                titleFontWeight="normal",
                labelFontSize=12,
                titleFontSize=12,
                titlePadding=10,
                domain=False,
                ticks=False,
                labelPadding=8,
                labelLimit=220,
                gridColor=ink,
                gridOpacity=0.12,
            )
            .configure_header(labelColor=ink, labelFontSize=12, title=None)
            .configure_title(color=ink, fontSize=12, fontWeight="normal", anchor="start")
            .configure_view(stroke=None)
            .configure_text(fontSize=12)
            # Screen readers get Figure.alt; roles without names would only be noise.
            .configure_mark(aria=False)
        )


def make_figures(report: CohortReport, tables: ResultTables) -> list[Figure]:
    """Return the figures of a report, in the order of the page."""
    return [
        _ranking(report, tables.remarks),
        _heat_map(report),
        _agreement(tables),
        _distribution(report),
        _cost(report),
        _latency(report),
    ]


def short_id(gen_id: str) -> str:
    """Return a prefix of a gen_id that is unique within a cohort."""
    # The same eight characters of the hash, however long the stage's prefix is.
    end = max(10, gen_id.rfind("_") + 9)
    return f"{gen_id[:end]}…" if len(gen_id) > end + 4 else gen_id


def _ranking(report: CohortReport, remarks: Sequence[str]) -> Figure:
    ranked = [(rank, rank.place.item) for rank in report.ranks if rank.place is not None]
    of_scores = all(rank.place is None or rank.place.source == "scores" for rank in report.ranks)
    rows = [
        (
            f"{rank.band}  {short_id(rank.gen_id)}",
            place.estimate,
            place.estimate if place.low is None else place.low,
            place.estimate if place.high is None else place.high,
            place.p_best,
            len(rank.scores) + rank.duels,
        )
        for rank, place in ranked[:RANKED_TEXTS]
    ]
    judged = report.pipeline.judged
    columns = (judged, "estimate", "low", "high", "probability of being the best", "judgments")
    title = f"{plural(judged).capitalize()} by their judges, with the ranks they may have"
    if not rows:
        return Figure("ranking", title, f"No {judged} has a score yet.", columns, ())
    data = records(columns, rows)
    scores = [
        {judged: row[0], "score": score.normalised}
        for row, (rank, _) in zip(rows, ranked, strict=False)
        for score in rank.scores
        if of_scores
    ]
    axis = _SCORE_AXIS if of_scores else "probability of winning a duel with the average one"
    y = alt.Y(f"{judged}:N", sort=None, title=None)
    base = alt.Chart(data).encode(y=y)
    chart = alt.layer(
        base.mark_rule(color=MARK, strokeWidth=5, opacity=0.25, strokeCap="round").encode(
            x=_share("low", axis), x2="high:Q"
        ),
        alt.Chart(alt.InlineData(values=scores))
        .mark_tick(color=MARK, thickness=1.5, size=9, opacity=0.6)
        .encode(x=_share("score", axis), y=y),
        base.mark_circle(color=MARK, size=90, opacity=1).encode(x=_share("estimate", axis)),
    ).properties(width=WIDTH, height=alt.Step(22))
    dot = "the score that is expected as a share of its scale" if of_scores else f"the {axis}"
    ticks = ", and ticks are individual scores" if of_scores else ""
    best = say_who_is_best([rank.place for rank in report.ranks], judged)
    described = (
        f"{' '.join([best, *remarks])} A dot is {dot}, with its 95 % interval{ticks}. The numbers "
        f"are the ranks that a text may have. Shown are {len(rows)} of "
        f"{counted(len(report.ranks), judged)}."
    )
    return Figure("ranking", title, described, columns, tuple(rows), chart)


def _heat_map(report: CohortReport) -> Figure:
    cells = report.cell_means()
    columns = ("stage", "template", "model", "mean", "scores")
    rows = tuple(
        (cell.stage, cell.template, cell.llm or "copy", cell.mean, cell.n) for cell in cells
    )
    title = "Mean score by template and model"
    scored = [cell for cell in cells if cell.mean is not None]
    if not scored:
        return Figure("template-model", title, "Nothing has a score yet.", columns, rows)
    headings = {stage: plural(stage).capitalize() for stage in report.pipeline}
    base = alt.Chart().encode(
        x=alt.X("model:N", title=None, scale=_GAPS, axis=alt.Axis(labelAngle=-30)),
        y=alt.Y("template:N", title=None, scale=_GAPS),
    )
    colour = alt.Color("mean:Q", scale=alt.Scale(domain=[0, 1], range=[_PALE, _DEEP]), legend=None)
    text = alt.condition(alt.datum.mean > _DARK_CELL, alt.value("#ffffff"), alt.value(_INK))
    chart = (
        alt.layer(
            base.mark_rect(cornerRadius=3).encode(color=colour),
            base.mark_text().encode(text=alt.Text("mean:Q", format=".2f"), color=text),
            data=records(columns, [(headings[row[0]], *row[1:]) for row in rows]),
        )
        .properties(width=alt.Step(72), height=alt.Step(32))
        .facet(
            row=alt.Row(
                "stage:N",
                sort=[*headings.values()],
                header=alt.Header(
                    labelOrient="top", labelAnchor="start", labelAngle=0, labelPadding=0
                ),
            ),
            spacing=8,
        )
        .resolve_scale(y="independent")
    )
    best = max(scored, key=lambda cell: (cell.stage in report.pipeline.scored, cell.mean or 0.0))
    described = (
        f"A cell is the mean score, as a share of its scale, of all texts that come from a "
        f"template (row) and a model (column). Among {plural(best.stage)}, {best.template} with "
        f"{best.llm or 'copying'} has the best mean: {best.mean:.2f} "
        f"from {counted(best.n, 'score')}."
    )
    if len(report.pipeline.scored) > 1:
        described += " Scores also count for what the judged text was made from."
    return Figure("template-model", title, described, columns, rows, chart)


def _agreement(tables: ResultTables) -> Figure:
    columns = ("template", "judges", plural(tables.judged), "scores", "alpha")
    rows = tuple(
        ("/".join(template), "all models" if llm is None else f"{llm} with itself", texts, n, alpha)
        # Where several stages score, the template's stage comes before it.
        for *template, llm, texts, n, alpha in tables.agreement.drop("stale").iter_rows()
    )
    title = "Agreement of judges"
    known = [row for row in rows if row[-1] is not None]
    if not known:
        reason = (
            f"Agreement cannot be computed: it needs two scores per {tables.judged} that are not "
            f"all equal."
        )
        return Figure("agreement", title, reason, columns, rows)
    data = records(("judge", "alpha"), [(f"{row[0]}: {row[1]}", row[-1]) for row in known])
    least = min(0.0, *(row[-1] for row in known), 0.0)
    x = alt.X(
        "alpha:Q",
        title="Krippendorff's alpha (1 is perfect, 0 is chance)",
        scale=alt.Scale(domain=[max(least, -1.0), 1.0], clamp=True),
        axis=alt.Axis(format=".1f", tickCount=6, labelFlush=False),
    )
    base = alt.Chart(data).encode(y=alt.Y("judge:N", sort=None, title=None))
    chart = alt.layer(
        base.mark_rule(color=MARK, strokeWidth=2, opacity=0.4).encode(x=x, x2=alt.datum(0)),
        base.mark_circle(color=MARK, size=90, opacity=1).encode(x=x),
    ).properties(width=WIDTH, height=alt.Step(26))
    between = [row for row in known if row[1] == "all models"]
    quoted = ", ".join(f"{row[0]} {row[-1]:.2f}" for row in between)
    described = (
        "Krippendorff's alpha with the interval metric, between the models of each judging "
        "template and between each judge's replicates. "
        + (f"Between models: {quoted}." if quoted else "No template was used by two models.")
    )
    return Figure("agreement", title, described, columns, rows, chart)


def _distribution(report: CohortReport) -> Figure:
    judges = report.judge_scores()
    columns = ("judge", "mean", "lowest", "highest", "scores", "without a score")
    rows = tuple(
        (
            f"{judge.template}: {judge.llm}",
            sum(judge.shares) / len(judge.shares) if judge.shares else None,
            judge.shares[0] if judge.shares else None,
            judge.shares[-1] if judge.shares else None,
            len(judge.shares),
            judge.unscored,
        )
        for judge in judges
    )
    title = "Scores by judge"
    if not any(judge.shares for judge in judges):
        return Figure("scores-by-judge", title, "No judge gave a score yet.", columns, rows)
    counts = [
        {"judge": row[0], "score": share, "count": judge.shares.count(share)}
        for row, judge in zip(rows, judges, strict=True)
        for share in sorted(set(judge.shares))
    ]
    y = alt.Y("judge:N", sort=None, title=None)
    chart = alt.layer(
        alt.Chart(alt.InlineData(values=counts))
        .mark_circle(color=MARK, opacity=0.65)
        .encode(
            x=_share("score"),
            y=y,
            size=alt.Size("count:Q", scale=alt.Scale(range=[20, 500]), legend=None),
        ),
        alt.Chart(records(columns, [row for row in rows if row[1] is not None]))
        .mark_tick(color=MARK, thickness=3, size=22, opacity=1)
        .encode(x=_share("mean"), y=y),
    ).properties(width=WIDTH, height=alt.Step(34))
    means = [(row[1], row[0]) for row in rows if row[1] is not None]
    (strict_mean, strict), (mild_mean, mild) = min(means), max(means)
    described = (
        f"A circle is a score; the more often a judge gave it, the larger the circle. The vertical "
        f"line is the judge's mean. The strictest judge is {strict} with {strict_mean:.2f}, the "
        f"mildest {mild} with {mild_mean:.2f}."
    )
    return Figure("scores-by-judge", title, described, columns, rows, chart)


def _cost(report: CohortReport) -> Figure:
    totals = report.model_totals()
    columns = ("stage", "model", "answers", "tokens in", "tokens out", "cost, USD", "without cost")
    rows = tuple(
        (
            item.stage,
            item.llm,
            item.answers,
            item.prompt_tokens,
            item.completion_tokens,
            item.cost,
            item.without_cost,
        )
        for item in totals
    )
    title = "Cost by stage and model"
    priced = [item for item in totals if item.cost is not None]
    if not priced:
        reason = "The cost is unknown: llm_models.csv has no prices, or no tokens were reported."
        return Figure("cost", title, reason, columns, rows)
    data = records(("what", "cost"), [(f"{item.stage}: {item.llm}", item.cost) for item in priced])
    chart = (
        alt.Chart(data)
        .mark_bar(color=MARK, height=14)
        .encode(
            x=alt.X("cost:Q", title="USD", axis=alt.Axis(tickCount=5)),
            y=alt.Y("what:N", sort=None, title=None),
        )
        .properties(width=WIDTH, height=alt.Step(26))
    )
    dearest = max(priced, key=lambda item: item.cost or 0.0)
    described = (
        f"A bar is the cost of the stored answers in US dollars. The highest, {dearest.cost:.4g}, "
        f"is that of {dearest.llm} for {counted(dearest.answers, dearest.stage)}."
    )
    return Figure("cost", title, described, columns, rows, chart)


def _latency(report: CohortReport) -> Figure:
    totals = [item for item in report.model_totals() if item.seconds is not None]
    columns = ("what", "least", "lower", "median", "upper", "greatest")
    rows = tuple(
        (f"{item.stage}: {item.llm}", *attrs.astuple(item.seconds))
        for item in totals
        if item.seconds is not None
    )
    title = "Seconds per answer"
    if not rows:
        return Figure("latency", title, "No durations were recorded.", columns, ())
    base = alt.Chart(records(columns, rows)).encode(y=alt.Y("what:N", sort=None, title=None))
    seconds = alt.X("least:Q", title="seconds", scale=alt.Scale(zero=True))
    chart = alt.layer(
        base.mark_rule(color=MARK, opacity=0.6).encode(x=seconds, x2="greatest:Q"),
        base.mark_bar(color=MARK, height=14, opacity=0.35, cornerRadius=2).encode(
            x="lower:Q", x2="upper:Q"
        ),
        base.mark_tick(color=MARK, thickness=3, size=18, opacity=1).encode(x="median:Q"),
    ).properties(width=WIDTH, height=alt.Step(26))
    slowest = max(rows, key=lambda row: row[3])
    described = (
        f"A line spans all answers of a model at a stage, the box the middle half, and the "
        f"vertical line is the median. The slowest median, {slowest[3]:.1f} seconds, is that "
        f"of {slowest[0]}."
    )
    return Figure("latency", title, described, columns, rows, chart)


def _share(field: str, title: str = _SCORE_AXIS) -> alt.X:
    return alt.X(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".1f", tickCount=6, labelFlush=False),
    )


def records(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> alt.InlineData:
    """Return rows as the data of a chart."""
    return alt.InlineData(values=[dict(zip(columns, row, strict=True)) for row in rows])
