"""Holds back texts that say in other words what another one says, by their embeddings."""

import base64
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
import cattrs

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.cost import answer_cost
from daydreaming_dagster.domain.generation.records import Usage
from daydreaming_dagster.domain.loop.gate import MOST_CALIBRATED, HeldBack, conformal_quantile
from daydreaming_dagster.domain.loop.pairs import PAIR
from daydreaming_dagster.domain.loop.similarity import Neighbour
from daydreaming_dagster.ports.embedding_model import Embedding
from daydreaming_dagster.types import JsonObject

if TYPE_CHECKING:
    import numpy as np

    _Matrix = np.ndarray[Any, np.dtype[Any]]

EMBEDDING_VERSION: Final = 1

_DIGITS: Final = 6
"""Digits of a similarity: the last bits of a sum differ between machines."""


@attrs.frozen
class StoredEmbedding:
    """The vector of a text, as it is stored before anything is decided by it.

    Attributes:
        text_digest: The digest of the text.
        provider: Who served the model.
        model: The endpoint's name of the model.
        vector: The numbers in single precision, lowest byte first, as base64.
        round: The number of the round that asked for it, whose cost it is part of.
        prompt_tokens: The tokens of the text, None if the endpoint does not report them.
        cost: What the provider says that it billed, in USD.
        answered_by: The model that answered, according to the endpoint.
    """

    text_digest: str
    provider: str
    model: str
    vector: str
    round: int
    prompt_tokens: int | None
    cost: float | None
    answered_by: str
    version: int = EMBEDDING_VERSION

    @classmethod
    def of(cls, embedding: Embedding, digest: str, entry: ModelEntry, number: int) -> Self:
        """Return what is stored of the embedding of a text, asked for in the round `number`."""
        answer = embedding.answer
        numbers = struct.pack(f"<{len(embedding.vector)}f", *embedding.vector)
        return cls(
            digest,
            entry.provider,
            entry.model,
            base64.b64encode(numbers).decode(),
            number,
            answer.prompt_tokens,
            answer.cost,
            answer.model,
        )

    def cost_at(self, entry: ModelEntry) -> float | None:
        """Return what it cost, in USD, at the prices of its model; None if that is not known."""
        return answer_cost(Usage(self.prompt_tokens, 0, cost=self.cost), entry)


def embedding_document(embedding: StoredEmbedding) -> JsonObject:
    """Return an embedding as JSON."""
    return attrs.asdict(embedding)


def make_embedding(document: object, location: str) -> StoredEmbedding:
    """Return the embedding that a JSON document describes.

    Raises:
        CatalogError: It is malformed, or a newer version of this package wrote it.
    """
    try:
        embedding = _CONVERTER.structure(document, StoredEmbedding)
        _check(embedding)
    except (cattrs.BaseValidationError, ValueError, TypeError) as error:
        remedy = "delete the file, and the text is embedded again"
        raise CatalogError(location, (f"it is not an embedding ({error}); {remedy}",)) from error
    return embedding


def _check(embedding: StoredEmbedding) -> None:
    if embedding.version != EMBEDDING_VERSION:
        raise ValueError(f"expected version {EMBEDDING_VERSION}, found {embedding.version}")
    _direction(embedding.vector)


_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)


@attrs.frozen
class EmbeddedText:
    """A text of the loop with its vector. `concept_ids` are the concepts that it was made of."""

    text_id: str
    digest: str
    concept_ids: frozenset[str]
    vector: str


@attrs.frozen
class EmbeddingThreshold:
    """The cosine above which a text is held back for another one that shares so many concepts.

    Attributes:
        shared_concepts: How many concepts the two texts have in common.
        similarity: The threshold; None if there were too few texts to calibrate it, and no text is
            held back.
        calibrated_on: The number of texts that it was calibrated on.
    """

    shared_concepts: int
    similarity: float | None
    calibrated_on: int


@attrs.frozen
class EmbeddingGate:
    """How the texts of a round were compared by their embeddings.

    Attributes:
        model: The model's id in the catalog.
        thresholds: The thresholds, by the number of concepts that two texts share.
        refused: The texts that the endpoint refused to embed. They were judged.
        cost: What the round's embeddings cost, in USD; None if that is not known.
    """

    model: str
    thresholds: tuple[EmbeddingThreshold, ...]
    refused: tuple[str, ...]
    cost: float | None


def calibrate_embeddings(
    texts: Sequence[EmbeddedText], false_positives: float
) -> tuple[EmbeddingThreshold, ...]:
    """Return the cosines that a new text exceeds with this probability.

    Texts on the same concept have more in common than others, whatever they say of it. So there is
    a threshold for texts that share no concept, one for those that share one, and one for those of
    the same pair. Each is the conformal quantile of the cosines of the latest texts with their
    nearest neighbours among all texts that share so many (see `gate.calibrate`). A cosine that
    means the same for every model does not exist, so with too few texts there is no threshold.
    """
    import numpy as np  # here and below, since it is slow, and most commands compare no vectors

    if not texts:
        return ()
    sample = texts[-MOST_CALIBRATED:]
    cosines, shared = _compare(sample, texts)
    thresholds = []
    for count in range(PAIR + 1):
        of_class = np.where(shared == count, cosines, -np.inf).max(axis=1)
        nearest = sorted(float(cosine) for cosine in of_class if cosine > -np.inf)
        above = conformal_quantile(nearest, false_positives)
        thresholds.append(EmbeddingThreshold(count, above, len(nearest)))
    return tuple(thresholds)


def hold_back_by_embedding(
    new: Sequence[EmbeddedText],
    known: Sequence[EmbeddedText],
    thresholds: Sequence[EmbeddingThreshold],
) -> list[HeldBack]:
    """Return the new texts that say what a known one says, or an earlier one of the new."""
    if not new:
        return []
    limits = {each.shared_concepts: each.similarity for each in thresholds}
    others = [*known, *new]
    cosines, shared = _compare(new, others)
    passed = set(range(len(known)))
    held: list[HeldBack] = []
    for row, text in enumerate(new):
        above = [
            (float(cosines[row, column]), column, limit)
            for column in sorted(passed)
            if (limit := limits.get(int(shared[row, column]))) is not None
            and cosines[row, column] > limit
        ]
        if above:
            similarity, column, limit = max(above, key=lambda each: each[0])
            neighbour = Neighbour(others[column].text_id, similarity)
            held.append(HeldBack(text.text_id, text.digest, neighbour, limit, "embedding"))
        else:
            passed.add(len(known) + row)
    return held


_NOT_COMPARED: Final = -1


def _compare(
    texts: Sequence[EmbeddedText], others: Sequence[EmbeddedText]
) -> "tuple[_Matrix, _Matrix]":
    """Return the cosines of texts and others, and how many concepts they share.

    A text is not compared with itself, nor with an accepted text that it was made of.
    """
    import numpy as np

    directions = {each.text_id: _direction(each.vector) for each in (*texts, *others)}
    if len({len(direction) for direction in directions.values()}) > 1:
        problem = "the model's vectors have different lengths; delete its folder of embeddings"
        raise CatalogError("the embeddings of the loop", (problem,))
    rows = np.stack([directions[each.text_id] for each in texts])
    columns = np.stack([directions[each.text_id] for each in others])
    shared = np.array(
        [
            [
                _NOT_COMPARED
                if other.text_id == text.text_id
                or other.text_id in text.concept_ids
                or text.text_id in other.concept_ids
                else len(text.concept_ids & other.concept_ids)
                for other in others
            ]
            for text in texts
        ]
    )
    return np.round(rows @ columns.T, _DIGITS), shared


def _direction(vector: str) -> "_Matrix":
    import numpy as np

    numbers = np.frombuffer(base64.b64decode(vector, validate=True), "<f4").astype(float)
    length = np.linalg.norm(numbers)
    if not (numbers.size and np.isfinite(length)):
        raise ValueError("its vector is empty, or not finite")
    return numbers / length if length else numbers
