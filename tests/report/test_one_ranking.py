"""Every output shows essays in the same order and with the same ranks."""

import io
import json
import re
from statistics import fmean

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from adapters import InMemoryGensStore
from daydreaming_dagster.cli import results as terminal
from daydreaming_dagster.defs.cohort_results import _ranking_table
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.results.ranking import rank_texts
from daydreaming_dagster.domain.results.report import gather_report
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.report.figures import make_figures

NOTHING = Catalog(concepts={}, templates={}, models={})

# Thirds of ten, whose means often are equal but for rounding; None is no score.
SCORES = st.lists(st.sampled_from([None, 1, 2, 3, 10 / 3, 20 / 3]), min_size=1, max_size=4)


def judged(scores):
    """Return a store with an essay for each list of scores, and its members."""
    store = InMemoryGensStore()
    store.write_main_metadata("draft", "d", {"combo_id": "a+b"})
    members = {"draft": ["d"], "essay": [], "evaluation": []}
    for essay, given_scores in scores.items():
        store.write_main_metadata("essay", essay, {"parent_gen_id": "d", "combo_id": "a+b"})
        members["essay"].append(essay)
        for number, score in enumerate(given_scores):
            gen_id = f"{essay}-{number}"
            store.write_main_metadata("evaluation", gen_id, {"parent_gen_id": essay})
            members["evaluation"].append(gen_id)
            if score is not None:
                record = {"score": score, "score_maximum": 10}
                store.write_parsed_metadata("evaluation", gen_id, record)
                store.write_parsed("evaluation", gen_id, str(score))
    return store, members


def terminal_rows(ranks):
    before, terminal.out = terminal.out, Console(file=io.StringIO(), width=1_000)
    try:
        terminal.print_ranking(ranks, "essay")
        printed = terminal.out.file.getvalue()
    finally:
        terminal.out = before
    return re.findall(r"│ +(\d+(?: to \d+)?|-) .*? (e\w+) +│", printed)


def dagster_rows(ranks):
    shown = _ranking_table("", ranks, "essay").md_str
    return re.findall(r"^\| (\d+(?: to \d+)?|-) \| \[(\w+)\]\(", shown, re.MULTILINE)


@settings(max_examples=25)
@given(
    st.dictionaries(st.from_regex(r"e[a-c]{1,3}", fullmatch=True), SCORES, min_size=1, max_size=9)
)
def test_all_outputs_rank_alike(scores):
    store, members = judged(scores)
    ranks = rank_texts(store, SHIPPED, members)
    expected = [(rank.rank, rank.gen_id) for rank in ranks]
    report = gather_report(store, NOTHING, "c1", members, CohortIndex())
    tables = make_result_tables(SHIPPED, report.evaluations)

    assert [(rank.rank, rank.gen_id) for rank in report.ranks] == expected
    assert tables.ranking.select("rank", "essay").rows() == expected
    bands = [(rank.band, rank.gen_id) for rank in ranks]
    assert terminal_rows(ranks) == bands
    assert dagster_rows(ranks) == bands
    drawn = [(band, short) for _, short, band, *_ in make_figures(report, tables)[0].rows]
    assert drawn == [(band, essay) for band, essay in bands if band != "-"]


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), SCORES, max_size=6))
def test_a_rank_is_one_more_than_the_essays_with_a_better_mean(scores):
    store, members = judged({f"e{essay}": given_scores for essay, given_scores in scores.items()})
    means = {
        f"e{essay}": fmean(score / 10 for score in known)
        for essay, given_scores in scores.items()
        if (known := [score for score in given_scores if score is not None])
    }
    ranks = rank_texts(store, SHIPPED, members)

    for rank in ranks:
        if rank.gen_id not in means:
            assert rank.rank is None
        else:
            better = [mean for mean in means.values() if mean - means[rank.gen_id] > 1e-9]
            assert rank.rank == len(better) + 1
    assert ranks == sorted(ranks, key=lambda rank: (rank.rank or len(ranks) + 1, rank.gen_id))


def test_the_page_lists_essays_with_their_ranks(made):
    index = json.loads(
        re.search(r'<script type="application/json" id="index">(.*?)</script>', made.html)[1]
    )
    rank, stage, gen_id = (index["fields"].index(name) for name in ("rank", "stage", "id"))
    listed = {row[gen_id]: row[rank] for row in index["rows"] if row[stage] == "essay"}

    assert listed == {essay.gen_id: essay.rank for essay in made.report.ranks}
    assert len(set(listed.values())) < len(listed)  # some share a rank
