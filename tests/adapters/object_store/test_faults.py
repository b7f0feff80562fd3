"""What the store in a bucket does if requests fail, servers restart, and holders of claims die."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.gens_store.object_store import ObjectGensStore
from adapters.object_store import bucket as bucket_module
from adapters.object_store.bucket import Bucket
from adapters.object_store.claims import BucketClaims
from bucket_proxy import CONFLICT, SLOW_DOWN, proxy_before
from bucket_server import start_ministack
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.ports.errors import (
    ClaimsUnsupportedError,
    StorageUnavailableError,
    StorageUnreachableError,
)

LEASE = 3.0
ENDPOINT_VARIABLES = {"s3": "AWS_ENDPOINT_URL", "google": "GOOGLE_BASE_URL"}
FEW_RETRIES = {"max_retries": 1, "retry_timeout": timedelta(seconds=1)}
QUICK = {
    "init_backoff": timedelta(milliseconds=1),
    "max_backoff": timedelta(milliseconds=5),
    "base": 2,
}
MANY = [f"g{number}" for number in range(20)]
HOLDER = """
import sys
from adapters.object_store.bucket import Bucket
from adapters.object_store.claims import BucketClaims
claims = BucketClaims(Bucket.open(sys.argv[1]), float(sys.argv[2]))
held = [claims.claim(name) for name in sys.argv[3:]]
print(all(held), flush=True)
sys.stdin.readline()
print(sum(claim.held() for claim in held), flush=True)
"""


@pytest.fixture(params=["s3", "google"])
def kind(request):
    return request.param


@pytest.fixture
def url(kind, request):
    return request.getfixturevalue(f"{kind}_url")


@pytest.fixture
def faulty(kind, url, request, monkeypatch):
    # `url` comes first: it sets the variable to the server itself.
    with proxy_before(request.getfixturevalue(f"{kind}_server").port) as proxy:
        monkeypatch.setenv(ENDPOINT_VARIABLES[kind], proxy.endpoint)
        yield proxy


@pytest.fixture
def store(faulty, url):
    store = ObjectGensStore(Bucket.open(url))
    yield store
    faulty.faults.clear()
    store.close()


@pytest.fixture
def claims(s3_url):
    claims = BucketClaims(Bucket.open(s3_url), LEASE)
    yield claims
    claims.close()


@pytest.fixture
def start_holder(s3_url):
    """Return a function that starts a process which claims these names and keeps them."""
    started = []

    def start(*names):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, s3_url, str(LEASE), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        started.append(process)
        assert process.stdout.readline() == "True\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def claim_in_time(claims, name):
    deadline = time.monotonic() + 20 * LEASE
    while (claim := claims.claim(name)) is None:
        assert time.monotonic() < deadline
        time.sleep(LEASE / 20)
    return claim


@pytest.mark.parametrize("fault", [(503, SLOW_DOWN), "lost", "unanswered"])
def test_a_write_that_fails_once_is_stored(store, faulty, fault):
    store.write_raw("draft", "a", "old")
    faulty.faults["PUT"] = [fault]
    store.write_raw("draft", "a", "new")
    assert faulty.faults["PUT"] == []
    assert store.read_raw("draft", "a") == "new"


@pytest.mark.parametrize("fault", [(503, SLOW_DOWN), "lost", "unanswered"])
def test_a_read_that_fails_once_is_answered(store, faulty, fault):
    store.write_raw("draft", "a", "text")
    faulty.faults["GET"] = [fault] * 2
    assert store.read_raw("draft", "a") == "text"
    assert store.list_generations("draft") == ["a"]


@pytest.mark.parametrize("fault", [(503, SLOW_DOWN), (409, CONFLICT), "lost", "unanswered"])
@pytest.mark.parametrize("released_before", [False, True])
def test_a_claim_that_fails_once_is_had_by_one(store, faulty, url, fault, released_before):
    store.claim("draft", "another").release()  # begins the session
    if released_before:
        store.claim("draft", "a").release()
    faulty.faults["PUT"] = [fault]
    claims = []
    for _ in range(4):
        try:
            claims.append(store.claim("draft", "a"))
        except StorageUnreachableError:
            claims.append(None)
    others = ObjectGensStore(Bucket.open(url))
    assert sum(claim is not None for claim in claims) == 1
    assert others.claim("draft", "a") is None
    next(filter(None, claims)).release()
    assert others.claim("draft", "a") is not None
    others.close()


@pytest.mark.parametrize("fault", [(503, SLOW_DOWN), (409, CONFLICT), "lost", "unanswered"])
def test_a_release_that_fails_once_releases(store, faulty, url, fault):
    claim = store.claim("draft", "a")
    faulty.faults["PUT"] = [fault]
    claim.release()
    assert store.claim("draft", "a") is not None


def test_if_the_server_is_down_every_method_says_so_and_nothing_is_lost(
    s3_server, s3_url, monkeypatch
):
    store = ObjectGensStore(Bucket.open(s3_url, FEW_RETRIES))
    store.write_raw("draft", "a", "text")
    with monkeypatch.context() as down:
        down.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        unreachable = ObjectGensStore(Bucket.open(s3_url, FEW_RETRIES))
    for attempt in (
        lambda: unreachable.read_raw("draft", "a"),
        lambda: unreachable.write_raw("draft", "a", "new"),
        lambda: unreachable.list_generations("draft"),
        lambda: unreachable.generation_versions("draft"),
        lambda: unreachable.read_many("draft", ["a", "b"], ["raw"]),
        lambda: unreachable.read_template("draft", "links"),
        lambda: unreachable.claim("draft", "a"),
        lambda: unreachable.delete_generation("draft", "a"),
    ):
        with pytest.raises(
            StorageUnavailableError, match=f"cannot [a-z]+ {s3_url}/.*run the command"
        ):
            attempt()
    unreachable.close()
    assert store.read_raw("draft", "a") == "text"
    store.close()


def test_a_server_that_has_answered_is_waited_for_longer(store, faulty, monkeypatch):
    monkeypatch.setitem(bucket_module.RETRIES, "backoff", QUICK)
    patient = ObjectGensStore(Bucket.open(store.bucket.url))
    patient.write_raw("draft", "a", "text")
    faulty.faults["GET"] = ["lost"] * 12
    assert patient.read_raw("draft", "a") == "text"
    assert faulty.faults["GET"] == []


def test_a_server_that_never_answered_is_not_waited_for_long(s3_url, monkeypatch):
    monkeypatch.setitem(bucket_module.BRIEF_RETRIES, "max_retries", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnreachableError, match=r"no answer from http://127\.0\.0\.1:9 \("):
        Bucket.open(s3_url).read("a")


def test_the_end_of_a_process_does_not_wait_for_a_server_that_is_gone(faulty, url, monkeypatch):
    monkeypatch.setitem(bucket_module.BRIEF_RETRIES, "max_retries", 1)
    monkeypatch.setitem(bucket_module.RETRIES, "backoff", QUICK)
    store = ObjectGensStore(Bucket.open(url))
    assert store.claim("draft", "a") is not None
    faulty.faults.update({"DELETE": ["lost"] * 9, "POST": ["lost"] * 9})
    store.close()
    assert sum(map(len, faulty.faults.values())) == 18 - 2


DENIED = b"<Error><Code>Denied</Code><Message>Not allowed.\nRequestId:1\nTime:2</Message></Error>"


def test_a_process_in_the_midst_of_a_run_waits_from_the_first_request_on(faulty, url, monkeypatch):
    monkeypatch.setitem(bucket_module.BRIEF_RETRIES, "max_retries", 1)
    monkeypatch.setitem(bucket_module.RETRIES, "backoff", QUICK)
    for patient in (False, True):
        faulty.faults["GET"] = ["lost"] * 4
        files = open_data_root(url, patient=patient).written_files()
        with nullcontext() if patient else pytest.raises(StorageUnreachableError):
            assert files.list_files("gens") == []
    assert open_data_root(url) is open_data_root(url, patient=True)  # one session of claims


def test_with_keys_that_may_only_read_the_object_that_was_not_written_is_named(store, faulty, url):
    faulty.faults["PUT"] = [(403, DENIED)]
    with pytest.raises(StorageUnreachableError) as raised:
        store.write_raw("draft", "a", "text")
    name = f"{url}/gens/draft/a/raw.txt"
    assert str(raised.value).startswith(f"cannot write {name}: Not allowed; check the storage")
    assert "\n" not in str(raised.value)


def test_a_missing_bucket_is_named(url):
    missing = f"{url.partition(':')[0]}://no-such-bucket/root"
    store = ObjectGensStore(Bucket.open(missing, FEW_RETRIES))
    for attempt in (
        lambda: store.list_generations("draft"),
        lambda: store.bucket.create("a", b"first"),  # which is no sign that another was first
        lambda: store.claim("draft", "a"),
    ):
        with pytest.raises(StorageUnavailableError, match=missing):
            attempt()


@pytest.mark.parametrize(
    ("kind", "header", "said"),
    [
        ("s3", "if-none-match", "If-None-Match"),
        ("s3", "if-match", "If-Match"),
        ("google", "x-goog-if-generation-match", "If-None-Match"),
    ],
)
def test_a_server_that_ignores_conditions_is_refused_in_words(store, faulty, header, said):
    faulty.ignored_headers = (header,)
    with pytest.raises(ClaimsUnsupportedError, match=f"the server ignores {said}; use a server"):
        store.claim("draft", "a")


def test_claims_of_a_killed_process_are_had_within_a_lease_and_not_before(claims, start_holder):
    holder = start_holder(*MANY)
    until = time.monotonic() + 1.5 * LEASE
    while time.monotonic() < until:
        assert not any(map(claims.claim, MANY))
    holder.kill()
    taken = [claim_in_time(claims, MANY[0]), *map(claims.claim, MANY[1:])]
    assert all(claim is not None and claim.held() for claim in taken)


def test_a_process_that_was_stopped_for_longer_than_a_lease_knows_that_it_lost(
    claims, start_holder
):
    holder = start_holder("taken", "left")
    holder.send_signal(signal.SIGSTOP)
    taken = claim_in_time(claims, "taken")
    holder.send_signal(signal.SIGCONT)
    holder.stdin.write("go on\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "1\n"
    assert taken.held()
    assert claims.claim("left") is None


def test_a_process_that_ends_itself_leaves_no_claims(s3_url):
    first, second = (BucketClaims(Bucket.open(s3_url), 600.0) for _ in range(2))
    first.claim("a")
    assert second.claim("a") is None
    first.close()
    assert second.claim("a") is not None
    second.close()


def test_one_waits_only_until_the_holder_is_known_to_live(claims, s3_url, start_holder):
    holder = start_holder("a")
    assert claims.claim_from_dead("a") is None
    holder.kill()
    claim = claims.claim_from_dead("a")
    assert claim.held()
    assert claims.claim_from_dead("a") is None
    claim.release()


@pytest.fixture
def own_server(use_s3, tmp_path, monkeypatch):
    server = start_ministack(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    yield server
    server.kill()


def _write_until_the_bucket_is_back(store, text, restart):
    """Write a text; this server comes back without its bucket, which is created a moment later."""
    try:
        store.write_raw("draft", "b", text)
    except StorageUnreachableError as error:
        if "bucket does not exist" not in str(error):
            raise
        restart.join()
        store.write_raw("draft", "b", text)


def test_a_server_that_is_killed_and_comes_back_is_waited_for(own_server):
    store = ObjectGensStore(Bucket.open("s3://lab/root"))
    store.write_raw("draft", "a", "text")
    own_server.kill()
    restart = threading.Timer(0.5, own_server.start)
    restart.start()
    try:
        _write_until_the_bucket_is_back(store, "written while it was down", restart)
    finally:
        restart.join()
    assert store.read_raw("draft", "b") == "written while it was down"
