"""Makes untrusted texts safe to show in messages: one line, short, and without secrets."""

import base64
import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

_HIDDEN: Final = "***"
_SHOWN_CHARACTERS: Final = 300
_SEARCHED_CHARACTERS: Final = 20_000
_RUN: Final = 8
"""The length from which parts of a secret are hidden: endpoints quote parts of a key."""
_SHORTEST: Final = 4
"""Shorter users and query values occur in any text by chance."""
_SHORTEST_KEPT: Final = 8
_API_VERSION: Final = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
"""Azure's, in the query of its URLs."""
_USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.DOTALL | re.IGNORECASE)
_USER_IN_TEXT: Final = re.compile(r"://[^\s/@]*@")
_QUERY_VALUE: Final = re.compile(r"([?#&;])([^=&;#]*=)?[^&;#]+")


def redacted_url(url: str) -> str:
    """Return a URL, even an invalid one, without its user, password and query values."""
    if not re.search("[.:/]", url):  # not a URL: probably a key in the wrong variable
        return _HIDDEN
    return _QUERY_VALUE.sub(rf"\1\2{_HIDDEN}", _USER.sub(rf"\1{_HIDDEN}@", url))


@attrs.frozen
class Redaction:
    """Hides an endpoint's key, its headers and the credentials of its URL in texts."""

    api_key: str | None = attrs.field(repr=False)
    url: str = attrs.field(repr=redacted_url)
    headers: tuple[str, ...] = attrs.field(default=(), repr=False)

    def __call__(self, text: str) -> str:
        """Return the beginning of a text, printable and without parts of a secret."""
        text = self._hide(_USER_IN_TEXT.sub(f"://{_HIDDEN}@", text[:_SEARCHED_CHARACTERS]))
        return _printable(" ".join(text.split()))[:_SHOWN_CHARACTERS]

    def without_secrets(self, text: str) -> str:
        """Return a whole text of the endpoint with `***` in place of each secret in it.

        Parts of secrets, short ones and dates stay: answers contain such texts by chance.
        """
        for secret in self._secrets():
            if len(secret) >= _SHORTEST_KEPT and not _API_VERSION.fullmatch(secret):
                for written in (secret, json.dumps(secret)[1:-1], secret.replace("/", r"\/")):
                    text = text.replace(written, _HIDDEN)
        return text

    def _hide(self, text: str) -> str:
        hidden = [False] * len(text)
        for secret in self._secrets():
            length = min(_RUN, len(secret))
            runs = {secret[at : at + length] for at in range(len(secret) - length + 1)}
            for at in range(len(text) - length + 1):
                if text[at : at + length] in runs:
                    hidden[at : at + length] = [True] * length
        parts = groupby(zip(text, hidden, strict=True), key=lambda part: part[1])
        return "".join(
            _HIDDEN if secret else "".join(character for character, _ in part)
            for secret, part in parts
        )

    def _secrets(self) -> Iterator[str]:
        parts = urlsplit(self.url)
        yield from filter(None, (self.api_key, parts.password, unquote(parts.password or "")))
        if basic := basic_credentials(self.url):
            yield basic
        user = parts.username or ""
        values = [value for _, value in parse_qsl(parts.query)]
        words = [word for header in self.headers for word in header.split()]  # as in `Bearer KEY`
        for value in (user, unquote(user), parts.query.rpartition("=")[2], *values, *words):
            if len(value) >= _SHORTEST:
                yield value


def basic_credentials(url: str) -> str:
    """Return the user and password of a URL as HTTP sends them (RFC 7617), or `""`."""
    parts = urlsplit(url)
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return base64.b64encode(pair.encode()).decode()


def _printable(text: str) -> str:
    """Return a text with escapes in place of characters that could control a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
