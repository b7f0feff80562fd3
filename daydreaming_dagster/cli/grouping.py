"""Groups generations with the same message into one line."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.types import Stage

_NAMED: Final = 3
# Parts that differ between generations with the same reason: durations and planned ids. Other
# numbers may be an endpoint's status or part of a model's name.
_OF_ONE: Final = re.compile(r"(?<![\w.-])(?:[a-z]_[a-z2-7]{26}(?![\w-])|\d+(?:\.\d+)?(?= s\b))")


def grouped(messages: Iterable[tuple[GenerationRef, str]]) -> Iterator[str]:
    """Yield a line for each message of a stage, with the generations that have it.

    Messages that differ only in durations or gen_ids count as the same; the first one is shown. A
    single generation is named before its message. Several are counted, and the first few are named
    after the message.
    """
    groups: dict[tuple[str, str], list[tuple[GenerationRef, str]]] = {}
    for ref, message in messages:
        groups.setdefault((ref.stage, _OF_ONE.sub("#", message)), []).append((ref, message))
    for (stage, _), members in groups.items():
        ref, message = members[0]
        if len(members) == 1:
            yield f"{ref}: {message}"
            continue
        named = ", ".join(ref.gen_id for ref, _ in members[:_NAMED])
        more = f" and {len(members) - _NAMED:,} more" if len(members) > _NAMED else ""
        yield f"{counted(len(members), stage)}: {message} ({named}{more})"


def doubtful(doubts: Mapping[Stage, Mapping[str, str]]) -> Iterator[str]:
    """Yield a line for each reason to doubt answers, by stage and gen_id."""
    messages = (
        (GenerationRef(stage, gen_id), reason)
        for stage, reasons in doubts.items()
        for gen_id, reason in reasons.items()
    )
    return (f"doubtful: {line}" for line in grouped(messages))
