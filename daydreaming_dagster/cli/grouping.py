"""Lines about generations, one for all that have the same message."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from daydreaming_dagster.cli.console import explained
from daydreaming_dagster.domain.errors import AnswerLostError
from daydreaming_dagster.domain.generation.generated import Generated
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


def failure_lines(failed: Iterable[Generated], set_aside: Collection[str] = ()) -> Iterator[str]:
    """Yield what a run says of the generations that failed, and why models were set aside."""
    messages: list[tuple[GenerationRef, str]] = []
    for generated in failed:
        if isinstance(generated.error, AnswerLostError):  # each is named, for it was paid
            yield f"{generated.ref}: {generated.error}"
        # What the line about its model says already is not repeated.
        elif generated.error is not None and not any(
            str(generated.error) in why for why in set_aside
        ):
            messages.append((generated.ref, explained(generated.error)))
    yield from grouped(messages)
    yield from set_aside


def doubtful(doubts: Mapping[Stage, Mapping[str, str]]) -> Iterator[str]:
    """Yield a line for each reason to doubt answers, by stage and gen_id."""
    messages = (
        (GenerationRef(stage, gen_id), reason)
        for stage, reasons in doubts.items()
        for gen_id, reason in reasons.items()
    )
    return (f"doubtful: {line}" for line in grouped(messages))
