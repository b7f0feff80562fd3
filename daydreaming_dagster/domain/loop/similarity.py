"""How alike texts are: the share of character sequences that they have in common."""

import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

_LENGTH: Final = 5
"""Characters of a shingle: Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.2.2."""


class Neighbour(NamedTuple):
    """The text that is most like another one, and their similarity, 0 to 1."""

    text_id: str
    similarity: float


def shingles(text: str) -> set[str]:
    """Return the sequences of five characters in a text.

    Case, the width of characters and the amount of white space do not matter. A shorter text is its
    only shingle.
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if len(plain) <= _LENGTH:
        return {plain}
    return {plain[i : i + _LENGTH] for i in range(len(plain) - _LENGTH + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    """Return the share of shingles that two texts have in common."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def nearest(
    texts: Mapping[str, str],
    others: Iterable[tuple[str, str]],
    compares: Callable[[str, str], bool] = lambda _text_id, _other_id: True,
) -> dict[str, Neighbour]:
    """Return the nearest neighbour of each text among others, given as pairs of id and text.

    Similarities are exact. Only the shingles of `texts` are kept, and the others are read once, one
    by one: a round's texts are few, and the memory may be large. A text is not its own neighbour.
    A text has no neighbour if it has no shingle in common with any. Only those count whose ids
    `compares` accepts, the text's id first.
    """
    own = {text_id: shingles(text) for text_id, text in texts.items()}
    numbers = list(own)
    containing: dict[str, array[int]] = {}
    for number, text_id in enumerate(numbers):
        for shingle in own[text_id]:
            containing.setdefault(shingle, array("l")).append(number)
    found: dict[str, Neighbour] = {}
    for other_id, other in others:
        of_other = shingles(other)
        common = Counter[int]()
        for shingle in of_other & containing.keys():
            common.update(containing[shingle])
        for number, count in common.items():
            text_id = numbers[number]
            if text_id == other_id or not compares(text_id, other_id):
                continue
            similarity = count / (len(own[text_id]) + len(of_other) - count)
            if text_id not in found or similarity > found[text_id].similarity:
                found[text_id] = Neighbour(other_id, similarity)
    return found


def effective_number(texts: Sequence[str]) -> float:
    """Return how many different texts these are worth.

    That is 1 if all are equal, and their number if no two have a shingle in common. It is the Vendi
    score of order 2: with the similarities as a matrix, the squared number of texts divided by the
    sum of the squared entries (Pasarkar and Dieng, Cousins of the Vendi Score, 2023). It is 0
    without texts.
    """
    if not texts:
        return 0.0
    own = [shingles(text) for text in texts]
    squares = float(len(own))
    for i, one in enumerate(own):
        squares += 2 * sum(jaccard(one, other) ** 2 for other in own[:i])
    return len(own) ** 2 / squares
