"""Calls go through the proxies, and trust the certificates, that the environment names."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from adapters.language_model.openai import OpenAILanguageModel
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError, ModelRequest
from endpoint import Endpoint, Handler, serving

KEY = "sk-a-key-that-nobody-may-see"
REQUEST = ModelRequest("Dream.", "big-1")
ANSWER = {"choices": [{"message": {"content": "A dream."}}]}
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An endpoint, or the proxy before one: a proxy of HTTP gets whole URLs as paths."""
    with serving(Endpoint(lambda handler: handler.reply(200, ANSWER))) as endpoint:
        yield endpoint


async def ask(model: OpenAILanguageModel) -> Completion:
    try:
        return await model.complete(REQUEST)
    finally:
        await model.aclose()


def address(endpoint: Endpoint) -> str:
    return endpoint.url.removeprefix("http://").removesuffix("/v1")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_call_goes_through_the_proxy_of_the_environment(
    endpoint, monkeypatch, name, scheme
):
    if name == "HTTP_PROXY":
        monkeypatch.delenv("REQUEST_METHOD", raising=False)  # of CGI, where it is not obeyed
    monkeypatch.setenv(name, f"{scheme}{address(endpoint)}")

    assert (await ask(OpenAILanguageModel("http://models.invalid/v1", KEY))).text == "A dream."

    (received,) = endpoint.received
    assert received.path == "http://models.invalid/v1/chat/completions"


@pytest.mark.parametrize("bypassed", ["127.0.0.1", "*", "models.invalid,127.0.0.1"])
async def test_a_host_in_no_proxy_is_called_directly(endpoint, monkeypatch, bypassed):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", bypassed)

    await ask(OpenAILanguageModel(endpoint.url, KEY))

    assert endpoint.received[0].path == "/v1/chat/completions"


async def test_a_password_of_a_proxy_is_sent_and_not_shown(endpoint, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass-word@{address(endpoint)}")
    sent = []

    def refuse(handler: Handler) -> None:
        sent.append(handler.headers["Proxy-Authorization"])
        handler.reply(407, {})

    monkeypatch.setattr(Handler, "do_CONNECT", refuse, raising=False)
    with pytest.raises(LanguageModelError, match="the proxy answers with status 407") as caught:
        await ask(OpenAILanguageModel("https://models.invalid/v1", KEY))

    assert sent == ["Basic bWU6cGFzcy13b3Jk"]
    assert "pass-word" not in str(caught.value)
    assert not caught.value.may_be_billed


@pytest.mark.parametrize("proxied", [False, True])
async def test_passwords_of_netrc_reach_no_endpoint(endpoint, monkeypatch, tmp_path, proxied):
    path = tmp_path / "netrc"
    path.write_text("default login me password pass-word\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    if proxied:
        monkeypatch.setenv("HTTP_PROXY", f"http://{address(endpoint)}")

    await ask(OpenAILanguageModel(endpoint.url))

    assert "Authorization" not in endpoint.received[0].headers
    assert "Proxy-Authorization" not in endpoint.received[0].headers


async def test_cookies_are_not_sent_back(endpoint):
    endpoint.always(200, ANSWER, Set_Cookie="who=me")
    model = OpenAILanguageModel(endpoint.url, KEY)

    await model.complete(REQUEST)
    await ask(model)

    assert [received.headers["Cookie"] for received in endpoint.received] == [None, None]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_url(endpoint, authority) -> str:
    """The endpoint's URL by HTTPS, with a certificate of an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    endpoint.socket = context.wrap_socket(endpoint.socket, server_side=True)
    return endpoint.url.replace("http://", "https://")


async def test_a_certificate_of_the_authority_in_ssl_cert_file_is_trusted(
    secure_url, authority, monkeypatch, tmp_path: Path
):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    assert (await ask(OpenAILanguageModel(secure_url, KEY))).text == "A dream."


async def test_another_certificate_ends_the_call_before_the_key_is_sent(endpoint, secure_url):
    with pytest.raises(LanguageModelError, match="certificate verify failed") as caught:
        await ask(OpenAILanguageModel(secure_url, KEY, url_setting="ACME_URL"))

    assert str(caught.value).endswith("check ACME_URL, or set SSL_CERT_FILE to its certificates")
    error = caught.value
    assert (error.retryable, error.of_endpoint, error.may_be_billed) == (False, True, False)
    assert endpoint.received == []
