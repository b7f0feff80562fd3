"""The places of judged texts."""

from daydreaming_dagster.domain.results.places import place_texts
from daydreaming_dagster.domain.stages import GenerationRef


def texts(**scores):
    return {GenerationRef("essay", name): given for name, given in scores.items()}


def test_a_strict_judge_does_not_decide_who_is_first():
    kind, strict = [("kind", 0.9), ("kind", 0.7), ("kind", 0.5)], [("strict", 0.5), ("strict", 0.3)]

    placed = place_texts(texts(a=[kind[0], strict[0]], b=[kind[1], strict[1]], c=kind[2:])).places

    # The mean of c, 0.5, equals that of b, only because the strict judge did not score it.
    assert [ref.gen_id for ref in placed] == ["a", "b", "c"]


def test_intervals_stay_within_the_scale():
    scores = texts(a=[("j", 1.0), ("j", 0.8)], b=[("j", 0.0), ("j", 0.2)])

    items = [place.item for place in place_texts(scores).places.values()]

    assert (items[0].high, items[1].low) == (1.0, 0.0)


def test_estimates_stay_within_the_scale_and_their_interval():
    """What a strict judge alone gives the most to gets more, and what a mild one dislikes less."""
    scores = texts(
        a=[("strict", 1.0)],
        b=[("strict", 0.5), ("mild", 1.0)],
        c=[("strict", 0.3), ("mild", 0.8)],
        d=[("strict", 0.1), ("mild", 0.59)],
        e=[("mild", 0.1)],
    )

    placed = {ref.gen_id: place for ref, place in place_texts(scores).places.items()}

    assert [*placed] == ["a", "b", "c", "d", "e"]
    assert placed["a"].item.estimate == placed["a"].item.high == 1
    assert placed["e"].item.estimate == placed["e"].item.low == 0


def test_texts_without_a_score_come_last_without_a_place():
    placed = place_texts(texts(z=[("j", 0.1)], a=[])).places

    assert [(ref.gen_id, place is None) for ref, place in placed.items()] == [
        ("z", False),
        ("a", True),
    ]


def test_equal_estimates_share_a_rank_and_the_next_counts_them():
    placed = place_texts(texts(a=[("j", 0.5)], b=[("j", 0.5)], c=[("j", 0.1)])).places

    assert [place.rank for place in placed.values()] == [1, 1, 3]
