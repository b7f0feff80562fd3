"""Puts a streamed answer together again, as the endpoint would have sent it in one piece."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import attrs

from adapters.language_model.chat_completion import read_body

EVENT_STREAM: Final = "text/event-stream"

_END: Final = "[DONE]"
_REPLACED: Final = ("role", "type", "id")
"""Texts that each part repeats; other texts continue."""


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the data of each event in a stream of server-sent events.

    Comments and other fields are skipped (WHATWG HTML, section 9.2.6).
    """
    data: list[bytes] = []
    async for line in read_lines(chunks):
        field, _, value = line.rstrip(b"\r").partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif not field and not value and data:
            yield b"\n".join(data).decode("utf-8", errors="replace")
            data.clear()


async def read_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines that end in a line feed, and no other character that Unicode calls a line end."""
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        if b"\n" in chunk:
            *whole, last = rest.split(b"\n")
            for line in whole:
                yield bytes(line)
            rest = last
    if rest:
        yield bytes(rest)


@attrs.define
class StreamedAnswer:
    """Collects the parts of an answer.

    Attributes:
        began: Whether a part of a text or of reasoning has come.
        ended: Whether the endpoint said that the answer is complete.
    """

    began: bool = attrs.field(default=False, init=False)
    ended: bool = attrs.field(default=False, init=False)
    _body: dict[str, Any] = attrs.field(factory=dict, init=False)
    _choice: dict[str, Any] = attrs.field(factory=dict, init=False)
    _message: dict[str, Any] = attrs.field(factory=dict, init=False)

    def add(self, data: str) -> bool:
        """Add the data of an event, and return whether more is to come.

        Raises:
            ValueError: It is not JSON.
        """
        if data.strip() == _END:
            self.ended = True
            return False
        part = read_body(data)
        if not isinstance(part, Mapping):
            return True
        for key, value in part.items():
            if key != "choices" and value is not None:
                self._body[key] = value
        for choice in _choices(part):
            self._add_choice(choice)
        return True

    @property
    def error(self) -> object:
        """The error that ended the answer, or None."""
        return self._body.get("error") or self._choice.get("error")

    def body(self) -> dict[str, Any]:
        """Return the answer as the body of a response that was not streamed."""
        if self._message or self._choice:
            return {**self._body, "choices": [{**self._choice, "message": self._message}]}
        return self._body

    def text(self) -> str:
        """Return `body` as JSON."""
        return json.dumps(self.body(), ensure_ascii=False, separators=(",", ":"))

    def _add_choice(self, choice: Mapping[str, object]) -> None:
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, Mapping):
            _merge(self._message, delta)
            self.began = self.began or any(
                value for key, value in delta.items() if key not in _REPLACED
            )
        for key, value in choice.items():
            if key not in ("delta", "message") and value is not None:
                self._choice[key] = value
        self.ended = self.ended or bool(self._choice.get("finish_reason"))


def _choices(part: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the first choice of a part, if there is one; one answer is asked for."""
    choices = part.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        yield choices[0]


def _merge(message: dict[str, Any], delta: Mapping[str, object]) -> None:
    """Add the parts of a message: texts continue, lists grow, objects are merged."""
    for key, value in delta.items():
        before = message.get(key)
        if value is None:
            message.setdefault(key, None)
        elif isinstance(value, str) and isinstance(before, str) and key not in _REPLACED:
            message[key] = before + value
        elif isinstance(value, list) or (isinstance(before, list) and isinstance(value, str)):
            message[key] = [*_as_list(before), *_as_list(value)]
        elif isinstance(value, Mapping) and isinstance(before, dict):
            _merge(before, value)
        else:
            message[key] = value


def _as_list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
