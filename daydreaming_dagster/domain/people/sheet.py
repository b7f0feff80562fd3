"""A sheet of questions about texts, in which nothing says where a text comes from.

A page shows the texts under tokens. The key, which stays with the cohort, says what each token is.
"""

import json
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import attrs

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.documents import structure
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.types import JsonObject

LOWEST: Final = 1
HIGHEST: Final = 9
"""The ends of the scale: each score is one key on a keyboard."""

KEY_SUFFIX: Final = ".key.json"

_VERSION: Final = 1
_SHARE_OF_PAIRS: Final = 1 / 3


@attrs.frozen
class RatedText:
    """What a token stands for.

    Attributes:
        token: What the page calls the text.
        stage: The stage of the text.
        gen_id: Its generation.
        sha256: The digest of the text as it was shown.
    """

    token: str = ""
    stage: str = ""
    gen_id: str = ""
    sha256: str = ""

    @property
    def ref(self) -> GenerationRef:
        """Which text it is."""
        return GenerationRef(self.stage, self.gen_id)


@attrs.frozen
class RatingSheet:
    """The key of a sheet.

    Attributes:
        version: The version of this format.
        sheet: The sheet's name: another seed or another text gives another one.
        seed: The seed of the choice and the order of the questions.
        texts: What the tokens stand for.
        questions: The tokens that each question is about: one to score, or two to compare.
    """

    version: int = _VERSION
    sheet: str = ""
    seed: int = 0
    texts: list[RatedText] = attrs.field(factory=list)
    questions: list[list[str]] = attrs.field(factory=list)

    def as_document(self) -> JsonObject:
        """Return the key as JSON."""
        return attrs.asdict(self)

    @classmethod
    def from_document(cls, document: object, location: str) -> "RatingSheet":
        """Return the key that JSON describes; `location` names it in errors.

        Raises:
            CatalogError: It is not a key, or a newer version of this package wrote it.
        """
        version = document.get("version") if isinstance(document, dict) else None
        if isinstance(version, int) and version > _VERSION:
            problem = f"version {version} is newer than {_VERSION}; update this package"
            raise CatalogError(location, (problem,))
        return structure(document, cls, location)


def make_sheet(texts: Mapping[GenerationRef, str], ratings: int, seed: int) -> RatingSheet:
    """Return a sheet of at most so many questions about these texts.

    The texts to score are a simple random sample, which the correction of judges by people
    assumes. A third of the questions compare two of the sampled texts, in random order.
    """
    rng = random.Random(seed)
    scored = rng.sample(sorted(texts), min(len(texts), ratings - round(ratings * _SHARE_OF_PAIRS)))
    different = [pair for pair in combinations(scored, 2) if texts[pair[0]] != texts[pair[1]]]
    pairs = rng.sample(different, min(len(different), ratings - len(scored)))
    token = dict(zip(scored, _tokens(rng, len(scored)), strict=True))
    singles = [[token[ref]] for ref in scored]
    compared = [[token[ref] for ref in rng.sample(pair, 2)] for pair in pairs]
    key = RatingSheet(
        seed=seed,
        texts=[RatedText(token[ref], *ref, sha256(texts[ref])) for ref in scored],
        # Pairs come last, when their texts have been read once.
        questions=[*singles, *compared],
    )
    name = sha256(json.dumps(key.as_document(), sort_keys=True))
    return attrs.evolve(key, sheet=f"sheet-{name[:10]}")


def _tokens(rng: random.Random, count: int) -> Sequence[str]:
    return [f"t{number:08x}" for number in rng.sample(range(2**32), count)]
