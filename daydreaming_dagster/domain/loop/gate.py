"""Holds back near-duplicates before a judge is paid to read them."""

import math
from collections.abc import Sequence
from typing import Final, Literal

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.loop.similarity import Neighbour, jaccard, nearest, shingles

COPY: Final = 0.8
"""Texts that are more similar are copies by definition, whatever the calibration says."""

MOST_CALIBRATED: Final = 200
"""More texts than this hardly change the quantile."""


@attrs.frozen
class KnownText:
    """A text to compare with: one of the loop, or the description of a concept.

    `concept_ids` are the concepts that it was made of, or the concept that it describes.
    """

    text_id: str
    text: str
    concept_ids: frozenset[str]


@attrs.frozen
class Threshold:
    """The similarity above which a text is held back.

    Attributes:
        similarity: The threshold.
        false_positives: The share of texts on unrelated concepts that it would hold back; None if
            there were too few texts to calibrate, and it is `COPY`.
        calibrated_on: The number of texts that it was calibrated on.
    """

    similarity: float
    false_positives: float | None
    calibrated_on: int


@attrs.frozen
class HeldBack:
    """A text that no judge is asked about, and why.

    `by` says what was compared: the words, whose similarity is a share of shingles, or the
    embeddings, whose similarity is a cosine.
    """

    text_id: str
    digest: str
    neighbour: Neighbour
    threshold: float
    by: Literal["words", "embedding"] = "words"


def calibrate(texts: Sequence[KnownText], false_positives: float) -> Threshold:
    """Return the threshold that a new text on unrelated concepts passes with this probability.

    Each of the latest texts of a loop is compared with all that share no concept with it: what they
    have in common is language and template, not ideas. The threshold is the conformal quantile of
    their nearest neighbours' similarities (Angelopoulos and Bates, A Gentle Introduction to
    Conformal Prediction, 2021), but at most `COPY`. With fewer texts than the quantile needs, it is
    `COPY`.

    Texts that share a concept have more in common, so more of them are held back than this share.
    """
    concepts = {text.text_id: text.concept_ids for text in texts}

    def unrelated(text_id: str, other_id: str) -> bool:
        return concepts[text_id].isdisjoint(concepts[other_id])

    sample = {
        text.text_id: text.text
        for text in texts[-MOST_CALIBRATED:]
        if any(unrelated(text.text_id, other) for other in concepts)
    }
    found = nearest(sample, ((text.text_id, text.text) for text in texts), unrelated)
    nothing_common = [0.0] * (len(sample) - len(found))
    similarities = [*nothing_common, *sorted(each.similarity for each in found.values())]
    above = conformal_quantile(similarities, false_positives)
    if above is None:
        return Threshold(COPY, None, len(similarities))
    return Threshold(min(COPY, above), false_positives, len(similarities))


def conformal_quantile(similarities: Sequence[float], false_positives: float) -> float | None:
    """Return what a further similarity exceeds with this probability, given sorted ones.

    None means that there are too few.
    """
    rank = math.ceil((len(similarities) + 1) * (1 - false_positives))
    return similarities[rank - 1] if rank <= len(similarities) else None


def hold_back(
    new: Sequence[KnownText], known: Sequence[KnownText], threshold: Threshold
) -> list[HeldBack]:
    """Return the new texts that say what a known one says, or an earlier one of the new.

    A text naturally says something of the concepts that it was made of. For that it is held back
    only if it is a copy of a description, a known text whose id is the concept's.
    """
    made_of = {text.text_id: text.concept_ids for text in new}
    texts = {text.text_id: text.text for text in new}
    descriptions = frozenset[str]().union(*made_of.values())
    elsewhere = nearest(
        texts,
        ((text.text_id, text.text) for text in known),
        lambda text_id, other_id: other_id not in made_of[text_id],
    )
    copied = nearest(
        texts,
        ((text.text_id, text.text) for text in known if text.text_id in descriptions),
        lambda text_id, other_id: other_id in made_of[text_id],
    )
    held: list[HeldBack] = []
    passed: dict[str, set[str]] = {}
    for text_id, text in texts.items():
        own = shingles(text)
        among_new = [Neighbour(other, jaccard(own, passed[other])) for other in passed]
        compared = [(neighbour, threshold.similarity) for neighbour in among_new]
        if text_id in elsewhere:
            compared.append((elsewhere[text_id], threshold.similarity))
        if text_id in copied:
            compared.append((copied[text_id], COPY))
        above = [(near, limit) for near, limit in compared if near.similarity > limit]
        if above:
            nearest_one, limit = max(above, key=lambda each: each[0].similarity)
            held.append(HeldBack(text_id, sha256(text), nearest_one, limit))
        else:
            passed[text_id] = own
    return held
