"""Recorded judgments of others say what they are known to say."""

import pytest

from benchmarks import people, reproduce

needs_judgments = pytest.mark.skipif(
    not reproduce.FOLDER.is_dir(), reason="the recorded judgments are not beside the project"
)


@needs_judgments
def test_known_figures_are_found_again():
    cells = list(reproduce.cells())

    assert len(cells) == 22
    assert [cell for cell in cells if not cell.agrees] == []


@needs_judgments
def test_thirty_labels_a_criterion_correct_the_judges_of_stories():
    criteria = people.read_stories()
    rows = [people.experiment(criteria, seed, in_each=False) for seed in range(2)]

    assert [len(stories.people) for stories in criteria] == [1056] * 6
    covered, narrower, _ = (sum(part) / len(rows) for part in zip(*rows, strict=True))
    assert covered >= 0.9
    assert narrower >= 0.25
