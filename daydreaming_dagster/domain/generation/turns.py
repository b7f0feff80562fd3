"""Prompts of several turns: how they are written into one text, and read back."""

import re
from collections.abc import Sequence
from typing import Final, cast, get_args

from daydreaming_dagster.ports.language_model import Message, Role

ROLES: Final[tuple[Role, ...]] = get_args(Role)

_SHORTEST_FENCE: Final = 5
_ANY_ROLE: Final = "|".join(ROLES)
_FIRST: Final = re.compile(rf"(={{{_SHORTEST_FENCE},}})\[ ({_ANY_ROLE}) \]\1\n")


def write_turns(messages: Sequence[Message]) -> str:
    """Return a question as one text from which `read_turns` reads the same messages.

    A single user message is the text itself. Several have a line with the role above each; this
    line is longer than any line of the texts that could be mistaken for it, so that no text becomes
    a turn. For the same reason, a single message that begins with such a line gets one above it.
    """
    if len(messages) == 1 and messages[0].role == "user" and not _FIRST.match(messages[0].text):
        return messages[0].text
    alike = (run for one in messages for run in re.findall(r"^(=+)\[ ", one.text, re.MULTILINE))
    fence = "=" * max(_SHORTEST_FENCE, 1 + max(map(len, alike), default=0))
    return "".join(f"{fence}[ {one.role} ]{fence}\n{one.text}\n" for one in messages)


def read_turns(prompt: str) -> tuple[Message, ...]:
    """Return the messages of a prompt that `write_turns` wrote."""
    first = _FIRST.match(prompt)
    if first is None:
        return (Message("user", prompt),)
    fence = first[1]
    _, *parts = re.split(rf"^{fence}\[ ({_ANY_ROLE}) \]{fence}\n", prompt, flags=re.MULTILINE)
    return tuple(
        Message(cast("Role", role), text.removesuffix("\n"))
        for role, text in zip(parts[::2], parts[1::2], strict=True)
    )
