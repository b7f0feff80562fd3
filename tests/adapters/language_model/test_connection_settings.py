"""Proxies and certificates of the environment that no call can use are named before the first."""

import pytest

from adapters.language_model.connection_settings import connection_problems
from adapters.language_model.openai import OpenAILanguageModel
from daydreaming_dagster.ports.language_model import LanguageModelError, ModelRequest

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value",
    [
        "ftp://proxy:3128",
        "socks5://proxy:1080",
        "http://proxy:99999",
        "http://[::1",
        "http://",
        "http://me:word@proxy:x",
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    (problem,) = connection_problems()

    assert problem.startswith(f"{name} is ")
    assert "cannot be used as a proxy; set it to a URL such as" in problem
    assert "word" not in problem


@pytest.mark.parametrize(
    "value", ["", "proxy:3128", "http://me:word@proxy:3128", "https://[::1]:1"]
)
def test_a_proxy_that_the_client_can_use_passes(monkeypatch, value):
    monkeypatch.setenv("ALL_PROXY", value)

    assert connection_problems() == ()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_named(monkeypatch, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    (problem,) = connection_problems()

    assert problem.startswith(f"SSL_CERT_FILE is '{path}', which cannot be read as certificates (")


def test_certificates_that_can_be_read_pass(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", pytest.importorskip("certifi").where())

    assert connection_problems() == ()


async def test_a_call_with_them_fails_with_the_same_sentence(monkeypatch):
    model = OpenAILanguageModel("http://127.0.0.1:9/v1")
    monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy")

    with pytest.raises(LanguageModelError, match="was not called: HTTPS_PROXY is ") as caught:
        await model.complete(ModelRequest("why?", "big-1"))

    assert caught.value.of_endpoint
    assert model.check([]) == connection_problems()


def test_the_local_server_needs_none_of_them(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "ftp://proxy")

    assert OpenAILanguageModel("http://127.0.0.1:9/v1", environment_proxies=False).check([]) == ()
