"""URLs that no call can succeed at are refused before the first call, with what to do."""

import pytest

from adapters.language_model.endpoint_url import endpoint_url, lacks_version, with_version


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is not an endpoint; give a URL such as https://api.openai.com/v1"),
        ("localhost:11434/v1", "is not an endpoint; give a URL such as"),
        ("ftp://host/v1", "is not an endpoint; give a URL such as"),
        ("http:///v1", "its host is invalid, or its port is over 65535"),
        ("http://host:99999/v1", "its host is invalid, or its port is over 65535"),
        ("http://host:0/v1", "its host is invalid, or its port is over 65535"),
        ("http://[zz]/v1", "its host is invalid, or its port is over 65535"),
        ("http://[::1", "an IPv6 address needs both brackets, as in http://[::1]:8000/v1"),
        ("http://host/v1/chat/completions", "ends in /chat/completions, which each call adds"),
        ("http://host/v1/chat/completions/?a=b", "ends in /chat/completions, which each call adds"),
    ],
)
def test_it_says_what_is_wrong(url, reason):
    with pytest.raises(ValueError, match="http") as caught:
        endpoint_url(url)
    assert reason in str(caught.value)


def test_a_word_that_is_no_url_may_be_a_key_and_is_not_shown():
    with pytest.raises(ValueError, match=r"'\*\*\*' is not an endpoint"):
        endpoint_url("sk-secret")


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]:8000/v1",
        "https://api.openai.com/v1",
        "https://me.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21",
        "https://generativelanguage.googleapis.com/v1beta/openai",
    ],
)
def test_urls_of_known_endpoints_pass_and_lose_their_last_slash(url):
    assert endpoint_url(f" {url}\n") == url
    assert not lacks_version(url)


def test_a_missing_version_is_added_where_it_belongs():
    assert lacks_version("http://me:word@host:8000/?key=secret")
    assert with_version("http://me:word@host:8000/?key=secret") == "http://host:8000/v1"
