"""What a look at a data root in a bucket takes: `python -m benchmarks.bucket [CHAINS]`.

The server keeps a planned and finished cohort in memory, answers each request after 20 ms, and
counts them. It runs in a process of its own. None of this is a test.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import md5
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import attrs

from adapters import InMemoryGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from benchmarks.loops import COHORT
from benchmarks.pipeline import store_answers, write_data_root
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.types import STAGES

DELAY_SECONDS: Final = 0.02
CHANGED: Final = 10_000
_PAGE: Final = 1000
_LISTED: Final = (
    "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;{}&quot;</ETag>"
    "<Size>{}</Size>"
)


@attrs.frozen
class Server:
    """Answers GET requests and listings of S3 from a dict, each after a delay."""

    objects: dict[str, bytes]
    keys: list[str]
    port: "multiprocessing.Queue[int]"
    requests: "multiprocessing.sharedctypes.Synchronized[int]"

    def run(self) -> None:
        """Serve until the process is ended."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer_all, "127.0.0.1", 0)
        self.port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # the client ended
            while True:
                await self._answer((await reader.readuntil(b"\r\n\r\n")).decode(), writer)

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        url = urlsplit(head.split(" ", 2)[1])
        self.requests.value += 1
        await asyncio.sleep(DELAY_SECONDS)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        key = unquote(url.path).removeprefix("/lab/")
        body = self._page(query) if "list-type" in query else self.objects.get(key)
        tag = "" if body is None else f'ETag: "{md5(body).hexdigest()}"\r\n'  # noqa: S324
        status = "404 Not Found" if body is None else "200 OK"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body or b'')}\r\n{tag}"
            "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n".encode()
            + (body or b"")
        )

    def _page(self, query: dict[str, str]) -> bytes:
        prefix = query["prefix"]
        start = query.get("continuation-token", prefix)
        found = list(islice(self._found(start, prefix, query.get("delimiter", "")), _PAGE + 1))
        more = len(found) > _PAGE
        token = f"<NextContinuationToken>{escape(found[-1][0])}</NextContinuationToken>"
        shown = "".join(text for _, text in found[:_PAGE])
        return (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token if more else ''}{shown}</ListBucketResult>"
        ).encode()

    def _found(self, start: str, prefix: str, delimiter: str) -> Iterator[tuple[str, str]]:
        at = bisect_left(self.keys, start)
        while at < len(self.keys) and self.keys[at].startswith(prefix):
            key = self.keys[at]
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                data = self.objects[key]
                listed = _LISTED.format(md5(data).hexdigest(), len(data))  # noqa: S324  as S3 does
                yield key, f"<Contents><Key>{escape(key)}</Key>{listed}</Contents>"
                at += 1
            else:
                folder = key[: end + 1]
                yield folder, f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
                at = bisect_left(self.keys, folder[:-1] + chr(ord("/") + 1), at)


def main(chains: int) -> None:
    """Print a row for each look."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_data_root(root, chains)
        cohorts = FilesystemCohortStore(root)
        catalog = cohorts.read_catalog()
        templates = {
            key: root.joinpath("1_raw/templates", *key).with_suffix(".txt").read_text()
            for key in catalog.templates
        }
        memory = InMemoryGensStore(templates)
        plan_cohort(memory, cohorts, COHORT)
        members = cohorts.read_membership(COHORT)
        store_answers(memory, catalog, members)
        index = look_at_cohort(memory, catalog, members, CohortIndex()).index
        objects = {
            f"root/{path.relative_to(root).as_posix()}": path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }
    for (stage, gen_id), artifacts in memory._generations.items():  # noqa: SLF001  as they are
        for artifact, data in artifacts.items():
            objects[f"root/gens/{stage}/{gen_id}/{ARTIFACT_FILENAMES[artifact]}"] = data
    context = multiprocessing.get_context("fork")  # so that the objects are not copied
    requests, port = context.Value("L", 0), context.Queue()
    server = Server(objects, sorted(objects), port, requests)
    process = context.Process(target=server.run, daemon=True)
    process.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port.get()}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    from adapters.gens_store.object_store import ObjectGensStore
    from adapters.object_store.bucket import Bucket

    store = ObjectGensStore(Bucket.open("s3://lab/root"))
    total = sum(map(len, members.values()))

    def measured(name: str, look: Callable[[], object]) -> None:
        before, begun = requests.value, time.perf_counter()
        look()
        seconds, made = time.perf_counter() - begun, requests.value - before
        print(f"{name:52}{made:8,} requests{seconds:8.1f} s", flush=True)

    measured(f"list {total:,}", lambda: [store.list_generations(stage) for stage in STAGES])
    measured(f"versions of {total:,}", lambda: [store.generation_versions(s) for s in STAGES])
    versions = {stage: store.generation_versions(stage) for stage in STAGES}
    index = attrs.evolve(index, done={stage: dict(versions[stage]) for stage in index.done})
    measured(
        f"look at {total:,}, none changed",
        lambda: look_at_cohort(store, catalog, members, index),
    )
    for stage in STAGES:
        for gen_id in list(index.done[stage])[-(CHANGED // len(STAGES)) :]:
            index.done[stage][gen_id] = "of before"
    measured(
        f"look at {total:,}, {min(CHANGED, total):,} changed",
        lambda: look_at_cohort(store, catalog, members, index),
    )
    process.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 33_334)
