"""What messages show of a URL, and of what an endpoint says."""

import pytest

from adapters.language_model.redaction import Redaction, redacted_url

KEY = "sk-proj-a1b2c3d4e5f6g7h8"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("https://user:pw@api.example.com/v1", "https://***@api.example.com/v1"),
        ("https://token@api.example.com/v1", "https://***@api.example.com/v1"),
        ("https://user:p/w?@api.example.com/v1", "https://***@api.example.com/v1"),
        ("user:pw@api.example.com/v1", "***@api.example.com/v1"),
        ("localhost:8080?api_key=abc&v=2#x", "localhost:8080?api_key=***&v=***#***"),
        ("https://api.example.com/v1?abc", "https://api.example.com/v1?***"),
        ("https://api.example.com/v1?a=b=c", "https://api.example.com/v1?a=***"),
        (KEY, "***"),
        ("localhost:8080", "localhost:8080"),
    ],
)
def test_a_url_is_shown_without_user_password_and_values(url, shown):
    assert redacted_url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Incorrect key: {KEY}.", "Incorrect key: ***."),
        (f"Incorrect key: {KEY[:12]}…{KEY[-10:]}", "Incorrect key: ***…***"),
        (f"{KEY}{KEY[:9]} twice", "*** twice"),
        ("Incorrect key: sk-proj…g7h8", "Incorrect key: sk-proj…g7h8"),
        ("Basic dXNlckA6cCV3 of user@: p%w, p%25w", "Basic *** of ***: ***, ***"),
        ("no secret=value-of-query", "no secret=***"),
        ("via http://other:word@proxy:3128", "via http://***@proxy:3128"),
        ("a\n\tb \x1b[2J\x07\u202e", "a b \\x1b[2J\\x07\\u202e"),
        ("x" * 1000, "x" * 300),
        ("", ""),
    ],
)
def test_words_are_shown_on_one_line_without_secrets_and_control_characters(text, shown):
    url = "https://user%40:p%25w@api.example.com/v1?key=value-of-query&v=1"

    assert Redaction(KEY, url)(text) == shown
    assert KEY not in repr(Redaction(KEY, url))


def test_a_whole_text_loses_secrets_and_nothing_else():
    url = "https://user%40:p%25w-long@api.example.com/v1?key=value/of-query&api-version=2024-10-21"
    text = (
        f'{{"echo": "Bearer {KEY}", "part": "{KEY[:12]}", "url": "?key=value\\/of-query", '
        f'"content": "On 2024-10-21, none of us\\n slept. {"x" * 30_000}"}}'
    )

    kept = Redaction(KEY, url, ("none",)).without_secrets(text)

    assert kept == text.replace(KEY, "***").replace("value\\/of-query", "***")


def test_a_key_of_few_characters_is_hidden_whole():
    assert Redaction("k1", "http://localhost/v1")("k1 and k2") == "*** and k2"


def test_without_key_and_credentials_words_are_shown_as_they_are():
    assert Redaction(None, "http://localhost/v1")("The moon is full.") == "The moon is full."
