"""The figures of a report, drawn with Altair, for the page and as files for papers."""

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import attrs

from daydreaming_dagster.domain.results.naming import COPY, name_generations, short_id
from daydreaming_dagster.domain.results.report import CohortReport
from daydreaming_dagster.domain.results.report_totals import CellMean
from daydreaming_dagster.domain.results.sentences import say_who_is_best
from daydreaming_dagster.domain.results.tables import ResultTables
from daydreaming_dagster.domain.statistics.sentences import how_sure
from daydreaming_dagster.formatting import counted, plural
from daydreaming_dagster.report.figure import (
    DARK_CELL,
    DEEP,
    GAPS,
    INK,
    MARK,
    PALE,
    SCORE_AXIS,
    WIDTH,
    Cell,
    Figure,
    label_axis,
    records,
    share_axis,
)

RANKED_TEXTS: Final = 20
"""How many texts the ranking's figure shows; more would be unreadable."""

_PROBABILITY: Final = "probability of being the best"


def make_figures(report: CohortReport, tables: ResultTables) -> list[Figure]:
    """Return the figures of a report, in the order of the page."""
    return [
        _ranking(report, tables.remarks),
        _writers(report),
        _judges(report),
        _agreement(tables),
        _distribution(report),
        _cost(report),
        _latency(report),
    ]


def _ranking(report: CohortReport, remarks: Sequence[str]) -> Figure:
    ranked = [(rank, rank.place.item) for rank in report.ranks if rank.place is not None]
    of_scores = all(rank.place is None or rank.place.source == "scores" for rank in report.ranks)
    names = name_generations(report)
    rows = [
        (
            str(names[rank.ref]),
            short_id(rank.gen_id),
            rank.band,
            place.estimate,
            place.low,
            place.high,
            place.p_best,
            len(rank.scores) + rank.duels,
        )
        for rank, place in ranked[:RANKED_TEXTS]
    ]
    judged = report.pipeline.judged
    columns = (judged, "id", "ranks", "estimate", "low", "high", _PROBABILITY, "judgments")
    title = f"{plural(judged).capitalize()} by their judges, with the ranks they may have"
    if not rows:
        return Figure("ranking", title, f"No {judged} has a score yet.", columns, ())
    # Two lines per label; the number keeps those apart that have the same name.
    labels = [
        f"{rank.band}:  {names[rank.ref].combo}\n{names[rank.ref].maker}\n{place}"
        for place, (rank, _) in enumerate(ranked[:RANKED_TEXTS])
    ]
    data = records(
        ("label", *columns[3:]),
        [(label, *row[3:]) for label, row in zip(labels, rows, strict=True)],
    )
    scores = [
        {"label": label, "score": score.normalised}
        for label, (rank, _) in zip(labels, ranked, strict=False)
        for score in rank.scores
        if of_scores
    ]
    axis = SCORE_AXIS if of_scores else "probability of winning a duel with the average one"
    y = label_axis("label")
    base = alt.Chart(data).encode(y=y)
    chart = alt.layer(
        base.mark_rule(color=MARK, strokeWidth=5, opacity=0.25, strokeCap="round").encode(
            x=share_axis("low", axis), x2="high:Q"
        ),
        alt.Chart(alt.InlineData(values=scores))
        .mark_tick(color=MARK, thickness=1.5, size=9, opacity=0.6)
        .encode(x=share_axis("score", axis), y=y),
        base.mark_circle(color=MARK, size=90, opacity=1).encode(x=share_axis("estimate", axis)),
    ).properties(width=WIDTH, height=alt.Step(38))
    dot = "the score that is expected as a share of its scale" if of_scores else f"the {axis}"
    ticks = ", and ticks are individual scores" if of_scores else ""
    best = say_who_is_best([rank.place for rank in report.ranks], judged, how_sure)
    described = (
        f"{' '.join([best, *remarks])} A dot is {dot}, with its 95 % interval{ticks}. The numbers "
        f"are the ranks that a text may have. Shown are {len(rows)} of "
        f"{counted(len(report.ranks), judged)}."
    )
    longest = max(len(line) for label in labels for line in label.split("\n"))
    return Figure("ranking", title, described, columns, tuple(rows), chart, longest)


def _writers(report: CohortReport) -> Figure:
    cells = [cell for cell in report.cell_means() if cell.stage not in report.pipeline.scoring]
    title = "Mean score by template and model"
    said = (
        "A cell is the mean score, as a share of its scale, of all texts that come from a template "
        "(row) and a model (column), and the number of scores. Differences may be chance: the "
        "tables say which are not."
    )
    if len(report.pipeline.scored) > 1:
        said += " Scores also count for what the judged text was made from."
    return _heat_map(report, "template-model", title, cells, said)


def _judges(report: CohortReport) -> Figure:
    cells = [cell for cell in report.cell_means() if cell.stage in report.pipeline.scoring]
    title = "Mean score that each judge gave"
    said = (
        "A cell is the mean score, as a share of its scale, that a model (column) gave with a "
        "template (row), and the number of scores."
    )
    return _heat_map(report, "judge-means", title, cells, said)


def _heat_map(
    report: CohortReport, name: str, title: str, cells: Sequence[CellMean], said: str
) -> Figure:
    """Return a map for each stage of its own templates and models, one below the other."""
    columns = ("stage", "template", "model", "mean", "scores")
    rows = tuple((cell.stage, cell.template, cell.llm or COPY, cell.mean, cell.n) for cell in cells)
    if not any(cell.mean is not None for cell in cells):
        return Figure(name, title, "Nothing has a score yet.", columns, rows)
    stages = [stage for stage in report.pipeline if any(row[0] == stage for row in rows)]
    maps = [
        _map_of(records(columns, [row for row in rows if row[0] == stage])).properties(
            title=plural(stage).capitalize()
        )
        for stage in stages
    ]
    chart = alt.vconcat(*maps, spacing=16)
    longest = max(len(label) for row in rows for label in row[1:3])
    return Figure(name, title, said, columns, rows, chart, longest)


def _map_of(data: alt.InlineData) -> Any:
    base = (
        alt.Chart(data)
        .transform_calculate(
            shown="isValid(datum.mean) ? [format(datum.mean, '.2f'), 'n ' + datum.scores] : ['-']"
        )
        .encode(
            x=alt.X("model:N", title=None, scale=GAPS, axis=alt.Axis(labelAngle=-30)),
            y=alt.Y("template:N", title=None, scale=GAPS),
        )
    )
    colour = alt.Color("mean:Q", scale=alt.Scale(domain=[0, 1], range=[PALE, DEEP]), legend=None)
    text = alt.condition(alt.datum.mean > DARK_CELL, alt.value("#ffffff"), alt.value(INK))
    return alt.layer(
        base.mark_rect(cornerRadius=3).encode(color=colour),
        base.mark_text(lineHeight=14, dy=-6).encode(text="shown:N", color=text),
    ).properties(width=alt.Step(76), height=alt.Step(42))


def _agreement(tables: ResultTables) -> Figure:
    columns = ("template", "judges", plural(tables.judged), "values", "alpha")
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
    least = min(0.0, *(row[-1] for row in known))
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
        "template and between each judge's replicates. Between models, a value is the mean of a "
        "model's replicates. "
        + (f"Between models: {quoted}." if quoted else "Between models, it is unknown.")
    )
    longest = max(len(f"{row[0]}: {row[1]}") for row in known)
    return Figure("agreement", title, described, columns, rows, chart, longest)


def _distribution(report: CohortReport) -> Figure:
    judges = report.judge_scores()
    columns = ("judge", "mean", "lowest", "highest", "scores", "without a score")
    rows = tuple(
        (
            f"{judge.template} by {judge.llm}",
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
            x=share_axis("score"),
            y=y,
            size=alt.Size("count:Q", scale=alt.Scale(range=[20, 500]), legend=None),
        ),
        alt.Chart(records(columns, [row for row in rows if row[1] is not None]))
        .mark_tick(color=MARK, thickness=3, size=22, opacity=1)
        .encode(x=share_axis("mean"), y=y),
    ).properties(width=WIDTH, height=alt.Step(34))
    means = [(row[1], row[0]) for row in rows if row[1] is not None]
    (strict_mean, strict), (mild_mean, mild) = min(means), max(means)
    described = (
        f"A circle is a score; the more often a judge gave it, the larger the circle. The vertical "
        f"line is the judge's mean. The strictest judge is {strict} with {strict_mean:.2f}, the "
        f"mildest {mild} with {mild_mean:.2f}."
    )
    return Figure("scores-by-judge", title, described, columns, rows, chart, _longest(rows))


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
    longest = max(len(f"{item.stage}: {item.llm}") for item in priced)
    return Figure("cost", title, described, columns, rows, chart, longest)


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
    return Figure("latency", title, described, columns, rows, chart, _longest(rows))


def _longest(rows: Sequence[tuple[Cell, ...]]) -> int:
    return max(len(str(row[0])) for row in rows)
