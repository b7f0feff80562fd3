"""Many objects, and objects that do not exist, in a bucket on each kind of server."""

import pytest

from adapters.object_store.bucket import Bucket
from adapters.object_store.claims import BucketClaims


@pytest.fixture(params=["memory", "s3", "moto", "azure", "google"])
def bucket(request):
    memory = request.param == "memory"
    return Bucket.open("memory:///" if memory else request.getfixturevalue(f"{request.param}_url"))


def test_of_the_objects_to_delete_some_may_be_missing(bucket):
    names = [f"a/{number:02}" for number in range(40)]
    for name in [*names[20:], "b"]:
        bucket.write(name, b"")
    bucket.delete(names)
    assert list(bucket.list("a")) == []
    assert bucket.read("b") == b""
    bucket.delete(names)


def test_what_google_lists_in_several_answers_is_found(google_server, google_url):
    bucket = Bucket.open(google_url)
    bucket.write("a/one/text & more", b"")
    folder = google_url.removeprefix("gs://lab/") + "/a"
    stored = google_server.objects[f"{folder}/one/text & more"]
    many = {f"{folder}/{number:04}/{file}": stored for number in range(2500) for file in "xy"}
    google_server.objects.update(many)
    assert sorted(bucket.list_folders("a")) == [*(f"{number:04}" for number in range(2500)), "one"]
    assert sum(1 for _ in bucket.list("a")) == 5001
    assert [meta["path"] for meta in bucket.list("a/one")] == ["a/one/text & more"]


def test_a_claim_works_where_an_object_is_written_once_a_second(
    google_server, google_url, monkeypatch
):
    monkeypatch.setattr(google_server, "limits_writes", True)
    claims, others = (BucketClaims(Bucket.open(google_url), 600.0) for _ in range(2))
    claim = claims.claim("a")
    assert claim.held()
    assert others.claim("a") is None
    claim.release()
    taken = others.claim("a")
    assert taken.held()
    assert claims.claim("a") is None
    claims.close()
    others.close()
