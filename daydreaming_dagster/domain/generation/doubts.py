"""Finds answers that are probably not what they count as.

Another model gave them, to a part of the prompt, or they are somebody else's, from a cache.
"""

import re
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain, pairwise
from typing import Final

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.records import RawRecord
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.types import Stage

_SHORTEST_CUT: Final = 8_000
"""Prompts of fewer characters fit into the smallest usual context, 2,048 tokens."""
_MOST_CHARACTERS_PER_TOKEN: Final = 8
"""Twice the average of English prose; other languages have fewer."""

_BY_CHANCE: Final = 200
"""Two answers with fewer characters may be equal by chance, such as those of judges."""
_NOT_UNIQUE: Final = re.compile(r"chatcmpl-(\d{1,3}|A1)")
"""Ollama's response ids are random numbers below 999, and KoboldCpp's are all the same."""
_UNIQUE: Final = 20
"""Other endpoints may have such ids, too. Those with more characters are unique."""

_VARIANT: Final = re.compile(r"(:(free|extended|exacto|nitro|floor|online|thinking)|[:-]latest)$")
"""What is appended to a name to choose how a model is served, by OpenRouter and others."""
_FILE: Final = re.compile(r"(\.gguf|[-.](i?q\d\w*|bf16|fp?\d+|awq|gptq))+$")
"""The format of a local model's weights."""
_VERSION: Final = re.compile(r"([-:@](latest|preview|exp|\d{4}-\d\d-\d\d|\d\d-\d{2,4}|\d{3,}))+")
"""A date, such as `-2024-08-06` or `-0613`, or a number of three digits, such as `-001`."""


def doubts_about(record: RawRecord, prompt: str | None) -> Iterator[str]:
    """Yield what makes an answer doubtful by itself; `prompt` is the stored one."""
    asked, answered = record.model or "", record.answered_by or ""
    if record.mode == "llm" and is_another_model(asked, answered):
        yield f"{asked!r:.80} was asked, and {answered!r:.80} answered"
    if prompt is not None and tokens_if_cut(prompt, record):
        yield "the endpoint counted far fewer tokens than its prompt has, and probably cut it"


def is_another_model(asked: str, answered: str) -> bool:
    """Return whether two names are those of different models.

    A provider's path before a name does not count (`openai/gpt-4o`), nor does how a model is served
    (`:free`, `.Q4_K_M.gguf`), nor a version that one name has and the other leaves open (`gpt-4o`
    is answered by `gpt-4o-2024-08-06`).
    """
    short, long = sorted((_plain(asked), _plain(answered)), key=len)
    if not short or long == short:
        return False
    return not (long.startswith(short) and _VERSION.fullmatch(long[len(short) :]))


def _plain(name: str) -> str:
    last = _VARIANT.sub("", name.strip().lower().replace("\\", "/").rpartition("/")[2])
    return re.sub(r"[._ ]", "-", _FILE.sub("", last))


def tokens_if_cut(prompt: str, record: RawRecord) -> int | None:
    """Return the tokens that an endpoint counted in a prompt if they are too few for all of it.

    A prompt that lost less than about half is not noticed.
    """
    tokens = None if record.usage is None else record.usage.prompt_tokens
    if not tokens or len(prompt) < _SHORTEST_CUT or record.prompt_sha256 != sha256(prompt):
        return None
    return tokens if tokens * _MOST_CHARACTERS_PER_TOKEN < len(prompt) else None


def answer_key(record: RawRecord, text: str) -> str:
    """Return what only one answer has, with spaces between; `""` if another may have all of it.

    That is a long text, a short one with the endpoint's id of the response, and a long id.
    """
    if record.mode != "llm" or not text:
        return ""
    digest, keys = (record.raw_sha256 or sha256(text))[:16], []
    response_id = record.response_id or ""
    named = sha256(f"{record.provider} {response_id}")[:12]
    if len(text) >= _BY_CHANCE:
        keys.append(digest)
    elif response_id and not _NOT_UNIQUE.fullmatch(response_id):
        keys.append(f"{digest}/{named}")
    if len(response_id) >= _UNIQUE:
        keys.append(named)
    return " ".join(keys)


def hashes_of(keys: Iterable[str]) -> "array[int]":
    """Return the hashes of the keys of answers. Of a million answers, they alone are held."""
    return array("q", map(hash, " ".join(keys).split()))


def repeated_hashes(hashes: Iterable[int]) -> set[int]:
    """Return those that occur twice, which are few."""
    return {one for one, next_one in pairwise(sorted(hashes)) if one == next_one}


def has_any_of(keys: str, hashes: Container[int]) -> bool:
    """Return whether one of the keys of an answer has one of the hashes."""
    return any(hash(key) in hashes for key in keys.split())


def repeated_answers(
    keys: Mapping[Stage, Mapping[str, str]],
) -> Iterator[tuple[GenerationRef, str]]:
    """Yield the generations whose answer is that of an earlier one, and which; `keys` are theirs.

    A gateway's cache answers so, or a model without randomness: replicates then count once.
    """
    hashes = (hashes_of(of_stage.values()) for of_stage in keys.values())
    repeated = repeated_hashes(chain.from_iterable(hashes))
    if not repeated:
        return
    first: dict[str, GenerationRef] = {}
    for stage, gen_id, of_answer in (
        (stage, *item) for stage, of_stage in keys.items() for item in of_stage.items()
    ):
        ref = GenerationRef(stage, gen_id)
        own = [key for key in of_answer.split() if hash(key) in repeated]
        earlier = [first[key] for key in own if key in first]
        first |= {key: ref for key in own if key not in first}
        if earlier:
            yield (
                ref,
                f"its answer is that of {earlier[0]}: both are one answer, perhaps of a cache",
            )
