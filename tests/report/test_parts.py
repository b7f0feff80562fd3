"""How values are shown in reports."""

from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.report.parts import scores


def test_scores_of_one_scale_name_it_once_and_those_of_several_each():
    assert scores([Score(7, 9), Score(6.5, 9)]) == "7, 6.5 of 9"
    assert scores([Score(7, 9), Score(6, 10)]) == f"{Score(7, 9)}, {Score(6, 10)}"
    assert scores([]) == ""


def test_of_many_scores_the_first_are_shown_and_the_others_counted():
    assert scores([Score(7, 9)] * 60) == f"{', '.join(['7'] * 12)} of 9, 48 more"
    assert scores([Score(7, 9)] * 12) == f"{', '.join(['7'] * 12)} of 9"
