"""What is said of an environment that gives no access to a bucket."""

import json
import os

import pytest
from obstore.exceptions import GenericError

from adapters.object_store import bucket as bucket_module
from adapters.object_store.bucket import Bucket
from adapters.object_store.failures import failures_named
from daydreaming_dagster.ports.errors import StorageUnreachableError

KEY = {"type": "service_account", "client_email": "a", "private_key_id": "1", "private_key": "b"}
CLOSED = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # where gcloud writes credentials
    monkeypatch.setitem(bucket_module.BRIEF_RETRIES, "max_retries", 0)


@pytest.mark.parametrize(
    ("url", "variable", "value", "said"),
    [
        ("s3", "AWS_ENDPOINT_URL", "nonsense", "is 'nonsense', and not a URL"),
        ("s3", "AWS_ENDPOINT_URL_S3", "http://", "is 'http://', and not a URL"),
        ("s3", "AWS_REGION", "us east 1", "is 'us east 1', and not the name of a region"),
        ("s3", "AWS_SESSION_TOKEN", "abc\n", "has a line feed"),
        ("gs", "GOOGLE_BASE_URL", "nonsense", "is 'nonsense', and not a URL"),
        ("gs", "GOOGLE_BASE_URL", "", "is '', and not a URL"),
        ("gs", "GOOGLE_BEARER_TOKEN", "abc\n", "has a line feed"),
        ("az", "AZURE_ENDPOINT", "nonsense", "is 'nonsense', and not a URL"),
        ("az", "AZURE_STORAGE_ACCOUNT_NAME", "lab\n", "has a line feed"),
        ("az", "AZURE_STORAGE_TOKEN", "abc\n", "has a line feed"),
    ],
)
def test_a_malformed_variable_is_named_before_any_request(monkeypatch, url, variable, value, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(StorageUnreachableError, match=f"{variable} {said}"):
        Bucket.open(f"{url}://lab/x")


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("GOOGLE_BASE_URL", "s3://lab/x"),
        ("AWS_ENDPOINT_URL", "gs://lab/x"),
        ("AZURE_ENDPOINT", "memory:///"),
    ],
)
def test_a_malformed_variable_of_another_service_does_no_harm(monkeypatch, variable, url):
    monkeypatch.setenv(variable, "nonsense")
    Bucket.open(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://lab/x", "no credentials.*set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("gs://lab/x", "no credentials.*set GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://lab/x", "no credentials.*set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY"),
    ],
)
def test_without_credentials_the_variables_to_set_are_named(url, said):
    service = {"s3": "S3", "gs": "GCS", "az": "MicrosoftAzure"}[url[:2]]
    raised = GenericError(
        f"Generic {service} error: Error performing token request: Error performing GET"
        " http://169.254.169.254/token in 2s, after 3 retries - HTTP error: error sending request"
    )
    with pytest.raises(StorageUnreachableError, match=said), failures_named("read", url):
        raise raised


def test_where_no_server_gives_credentials_for_google_the_variable_to_set_is_named(monkeypatch):
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, CLOSED)
    with pytest.raises(StorageUnreachableError, match="set GOOGLE_APPLICATION_CREDENTIALS"):
        Bucket.open("gs://lab/x").read("a")


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (None, "open service account file from .*key.json: No such file"),
        ("{", "decode service account file: EOF"),
        (json.dumps({"type": "external_account"}), "decode .*unknown variant `external_account`"),
        (json.dumps(KEY), "Error reading pem file"),
    ],
)
def test_of_a_file_that_has_no_key_the_variable_is_named(monkeypatch, tmp_path, contents, said):
    file = tmp_path / "key.json"
    if contents is not None:
        file.write_text(contents)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(StorageUnreachableError, match=f"{said}.*; set GOOGLE_APPLICATION_CREDEN"):
        Bucket.open("gs://lab/x")


def test_an_account_that_is_missing_is_asked_for():
    with pytest.raises(StorageUnreachableError, match="set AZURE_STORAGE_ACCOUNT_NAME"):
        Bucket.open("az://lab/x")


def test_a_signature_is_not_shown_if_the_server_does_not_answer(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "lab")
    monkeypatch.setenv("AZURE_ENDPOINT", f"http://{CLOSED}")
    monkeypatch.setenv("AZURE_STORAGE_SAS_KEY", "sig=secret")
    with pytest.raises(StorageUnreachableError, match="no answer from the server ") as raised:
        Bucket.open("az://lab/x").read("a")
    assert "secret" not in str(raised.value)
