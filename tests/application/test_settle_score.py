"""A person's score for a judge's answer: it counts, is marked, and goes with the answer."""

from datetime import UTC, datetime

import pytest

from adapters import InMemoryGensStore
from builders import Killed, MortalStore, catalog_with, judge_or_echo
from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.application.cohort_report import draw_report
from daydreaming_dagster.application.cohort_results import tabulate_cohort
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.settle_score import settle_score, take_back_score
from daydreaming_dagster.domain.errors import ScoreByHandError
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.ports.language_model import Completion

REFUSED = "I liked it.\nSCORE: 7\nSCORE: 3"


def answers(text, finish_reason="stop"):
    def answer(request):
        if request.prompt.startswith("Judge"):
            return Completion(text, finish_reason, model="big-1", duration_seconds=0.0)
        return judge_or_echo(request)

    return answer


def judged(lab, text=REFUSED, finish_reason="stop"):
    lab.answer = answers(text, finish_reason)
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run()
    lab.asked.clear()
    return lab.store.list_generations("evaluation")[0]


def settle(lab, gen_id, value=7.0, **more):
    return settle_score(lab.store, lab.cohorts.catalog, gen_id, value, **more)


def take_back(lab, gen_id):
    return take_back_score(lab.store, lab.cohorts.catalog, gen_id)


def tabulated(lab, **options):
    return tabulate_cohort(lab.store, lab.cohorts, "c1", **options)


def row(lab, gen_id):
    rows = tabulated(lab).tables.evaluations.rows(named=True)
    return next(row for row in rows if row["evaluation"] == gen_id)


def record(lab, gen_id):
    return lab.store.read_parsed_metadata("evaluation", gen_id)


def test_refused_answers_are_listed_with_reason_and_end(lab):
    gen_id = judged(lab)

    refused = tabulated(lab).refused

    assert len(refused) == 12
    answer = next(answer for answer in refused if answer.gen_id == gen_id)
    assert "two scores" in answer.reason
    assert answer.end == REFUSED


def test_an_answer_whose_template_is_gone_is_listed_too(lab):
    judged(lab)
    catalog = lab.cohorts.catalog
    templates = {key: entry for key, entry in catalog.templates.items() if key[1] != "judge"}
    lab.cohorts.catalog = type(catalog)(catalog.concepts, templates, catalog.models)

    refused = tabulated(lab).refused

    assert {answer.end for answer in refused} == {REFUSED}
    assert "there is no 'judge'" in refused[0].reason


def test_a_score_by_hand_counts_and_is_marked_in_every_table(lab):
    gen_id = judged(lab)

    assert settle(lab, gen_id, 7, note="the second score is a slip") == Score(7, 9)

    after = tabulated(lab)
    assert row(lab, gen_id)["scored_by"] == "hand"
    assert (row(lab, gen_id)["score"], row(lab, gen_id)["score_maximum"]) == (7, 9)
    assert len(after.refused) == 11
    assert (after.ranks[0].scores, after.ranks[0].by_hand) == ((Score(7, 9),), 1)
    assert after.tables.ranking["by_hand"].to_list() == [1, 0, 0, 0, 0, 0]
    assert after.tables.models["by_hand"].to_list() == [1, 1, 1]
    assert record(lab, gen_id)["note"] == "the second score is a slip"
    assert check_data_root(lab.store, lab.cohorts, None).findings == []


def test_a_report_marks_the_evaluation_and_counts_at_the_essay(lab):
    settle(lab, judged(lab))

    page = draw_report(lab.store, lab.cohorts, "c1", datetime(2026, 1, 2, tzinfo=UTC)).page

    assert page.count('"7 of 9 by hand"') == 1
    assert page.count(">1 by hand</span>") == 1


def test_a_run_neither_parses_nor_refuses_what_was_scored_by_hand(lab):
    gen_id = judged(lab)
    settle(lab, gen_id)
    before = record(lab, gen_id)

    run = lab.run()

    assert gen_id not in {failed.gen_id for failed in run.outcome.failed}
    assert len(run.outcome.failed) == 11
    assert (record(lab, gen_id), lab.asked) == (before, [])


def test_it_keeps_its_scale_when_the_template_gets_another(lab):
    gen_id = judged(lab)
    settle(lab, gen_id)
    catalog_with(lab, "evaluation", "judge", score_maximum=10.0, parser="json_score")

    assert lab.run().plan.parsed_again == 0

    assert row(lab, gen_id)["score_normalised"] == pytest.approx(7 / 9)
    assert row(lab, gen_id)["stale"] == ""


def test_it_may_replace_what_the_parser_read(lab):
    gen_id = judged(lab, "SCORE: 2")
    assert row(lab, gen_id)["scored_by"] == ""

    settle(lab, gen_id, 80, maximum=100)
    lab.run()

    assert row(lab, gen_id)["score_normalised"] == pytest.approx(0.8)
    assert take_back(lab, gen_id) == Score(2, 9)
    assert (row(lab, gen_id)["score"], row(lab, gen_id)["scored_by"]) == (2, "")
    assert not {"scored_by", "note"} & record(lab, gen_id).keys()


def test_another_answer_does_not_inherit_it(lab):
    gen_id = judged(lab)
    settle(lab, gen_id)
    lab.answer = answers("SCORE: 1")

    lab.run(force=[gen_id])

    assert (row(lab, gen_id)["score"], row(lab, gen_id)["scored_by"]) == (1, "")
    with pytest.raises(ScoreByHandError, match="nobody entered a score"):
        take_back(lab, gen_id)


def test_another_answer_that_is_refused_has_no_score(lab):
    gen_id = judged(lab)
    settle(lab, gen_id)
    lab.answer = answers(f"{REFUSED} of 9")

    lab.run(force=[gen_id])

    assert (row(lab, gen_id)["state"], row(lab, gen_id)["scored_by"]) == ("not parsed", "")


def test_the_same_text_that_was_cut_off_has_no_score(lab):
    gen_id = judged(lab)
    settle(lab, gen_id)
    lab.answer = answers(REFUSED, "length")

    run = lab.run(force=[gen_id])

    assert gen_id in {failed.gen_id for failed in run.outcome.failed}
    assert row(lab, gen_id)["state"] == "cut off"


def test_a_score_that_is_taken_back_leaves_the_refusal(lab):
    gen_id = judged(lab)
    settle(lab, gen_id)

    assert take_back(lab, gen_id) is None

    assert row(lab, gen_id)["state"] == "not parsed"
    assert len(tabulated(lab).refused) == 12
    assert settle(lab, gen_id, 5) == Score(5, 9)
    assert row(lab, gen_id)["score"] == 5


def test_with_fresh_a_stale_score_by_hand_is_left_out_and_not_counted(lab):
    gen_id = judged(lab)
    settle(lab, gen_id)
    lab.store.templates["evaluation", "judge"] = "Judge harder: {{ response }}"

    assert sum(rank.by_hand for rank in tabulated(lab).ranks) == 1
    assert sum(rank.by_hand for rank in tabulated(lab, fresh=True).ranks) == 0


@pytest.mark.parametrize("writes", [0, 1])
@pytest.mark.parametrize("text", [REFUSED, "SCORE: 2"])
def test_a_kill_while_it_is_entered_loses_no_score(make_lab, text, writes):
    lab = make_lab(MortalStore)
    gen_id = judged(lab, text)
    before = row(lab, gen_id)["score"]
    lab.store.left[0] = writes
    with pytest.raises(Killed):
        settle(lab, gen_id)
    lab.store.left[0] = float("inf")

    lab.run()

    assert row(lab, gen_id)["score"] == (7 if writes else before)
    assert check_data_root(lab.store, lab.cohorts, None).findings == []


def test_a_kill_while_it_is_taken_back_leaves_no_score_by_hand(make_lab):
    lab = make_lab(MortalStore)
    gen_id = judged(lab, "SCORE: 2")
    settle(lab, gen_id)
    lab.store.left[0] = 1
    with pytest.raises(Killed):
        take_back(lab, gen_id)
    lab.store.left[0] = float("inf")

    lab.run()

    assert (row(lab, gen_id)["score"], row(lab, gen_id)["scored_by"]) == (2, "")


class ScratchedStore(InMemoryGensStore):
    def scratch(self, *artifact):
        self._store(*artifact, b"{")


def test_damaged_metadata_is_written_anew_by_a_run(make_lab):
    lab = make_lab(ScratchedStore)
    gen_id = judged(lab, "SCORE: 2")
    settle(lab, gen_id)
    lab.store.scratch("evaluation", gen_id, "parsed_metadata")

    lab.run()

    assert record(lab, gen_id)["parser"] == "in_last_line"


@pytest.mark.parametrize(
    ("value", "maximum", "reason"),
    [
        (10, None, "10 is outside 0 to 9; --maximum"),
        (-1, None, "-1 is outside 0 to 9"),
        (float("nan"), None, "nan is not a finite number"),
        (1, float("inf"), "inf is not a finite number"),
        (0, 0, "0 to 0 is not a scale"),
        (12, 10, "12 is outside 0 to 10$"),
    ],
)
def test_a_score_outside_its_scale_is_refused_and_nothing_is_written(lab, value, maximum, reason):
    gen_id = judged(lab, "SCORE: 2")
    before = record(lab, gen_id)

    with pytest.raises(ScoreByHandError, match=reason):
        settle(lab, gen_id, value, maximum=maximum)

    assert record(lab, gen_id) == before


def test_the_scale_begins_where_the_template_says(lab):
    gen_id = judged(lab)
    catalog_with(lab, "evaluation", "judge", score_minimum=1.0, score_maximum=5.0)

    with pytest.raises(ScoreByHandError, match="0 is outside 1 to 5"):
        settle(lab, gen_id, 0)
    assert settle(lab, gen_id, 4) == Score(4, 5, 1)
    assert row(lab, gen_id)["score_normalised"] == pytest.approx(0.75)


def test_what_has_no_score_is_refused(lab):
    judged(lab)
    essay = lab.store.list_generations("essay")[0]
    with pytest.raises(
        ScoreByHandError, match="belongs to the stage essay; only an evaluation has"
    ):
        settle(lab, essay)
    with pytest.raises(ScoreByHandError, match="there is no such generation"):
        settle(lab, "e_unknown")
    with pytest.raises(InvalidIdError):
        settle(lab, "../e")


def test_without_an_answer_there_is_nothing_to_score(lab):
    plan_cohort(lab.store, lab.cohorts, "c1")
    gen_id = lab.store.list_generations("evaluation")[0]

    with pytest.raises(ScoreByHandError, match="no answer yet"):
        settle(lab, gen_id)


@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
def test_an_answer_that_is_not_whole_cannot_be_scored(lab, finish_reason):
    gen_id = judged(lab, "SCORE: 7", finish_reason)

    with pytest.raises(ScoreByHandError, match="ask again with --force"):
        settle(lab, gen_id)

    assert gen_id in {answer.gen_id for answer in tabulated(lab).refused}


def test_while_a_run_makes_the_generation_nothing_is_entered(lab):
    gen_id = judged(lab)
    claim = lab.store.claim("evaluation", gen_id)

    with pytest.raises(ScoreByHandError, match="another run makes it"):
        settle(lab, gen_id)

    claim.release()
    settle(lab, gen_id)
    assert lab.store.claim("evaluation", gen_id) is not None
