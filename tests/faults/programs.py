"""What the processes of these tests do: `python programs.py FUNCTION [ARGUMENT, …]`.

They fork here, since the process that runs pytest may have threads, which do not survive it.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import attrs

from adapters import FilesystemGensStore, UnsyncedFilesystemGensStore
from adapters.batch_store.filesystem import FilesystemBatchStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.language_model.limiting import LimitingLanguageModel
from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.openai_batches import OpenAIBatches
from adapters.language_model.scripted import ScriptedLanguageModel
from adapters.loop_store.filesystem import FilesystemLoopStore
from builders import make_catalog
from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.dream_loop import DreamOptions, NullDreamListener, dream_loop
from daydreaming_dagster.application.run_cohort import RunOptions, run_cohort
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.bootstrap import compose_language_model, open_data_root
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import ModelEntry, ModelLimits
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.cancellation import CancellationToken, StoppedError
from daydreaming_dagster.limits_bootstrap import open_ledger
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.language_model import ModelRequest


def proving(mark):
    """Return a text that shows by itself whether it is whole."""
    return f"{mark} " * 50_000


def mark_of(text):
    mark = text.split(" ", 1)[0]
    return mark if text == proving(mark) else "torn"


def state(store, gen_id):
    """Return what there is of a generation: gone, missing (without the text), a mark, or torn."""
    listed = store.list_generations("draft")
    assert listed in ([], [gen_id]), listed
    if not store.exists("draft", gen_id):
        assert listed == []
        return "gone"
    try:
        return mark_of(store.read_raw("draft", gen_id))
    except MissingArtifactError:
        return "missing"


OPERATIONS = {
    "overwrite": lambda store: store.write_raw("draft", "a", proving("new")),
    "write": lambda store: store.write_raw("draft", "a", proving("new")),
    "delete": lambda store: store.delete_generation("draft", "a"),
}


def kill_at_each_call(root, operation):
    """Do the operation until every call of the system in it was once the last, before or after."""
    calls = []
    act_at_each_call(prepared(f"{root}/rehearsal", operation), operation, calls.append)
    states = []
    for last in range(len(calls)):
        store = prepared(f"{root}/{last}", operation)
        seen = itertools.count()

        def kill(_call, last=last, seen=seen):
            if next(seen) == last:
                os.kill(os.getpid(), signal.SIGKILL)

        child = os.fork()
        if child == 0:
            act_at_each_call(store, operation, kill)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"not killed at {calls[last]}"
        states.append([calls[last], state(store, "a")])
    return states


def prepared(root, operation):
    store = UnsyncedFilesystemGensStore(root)
    if operation != "write":
        store.write_raw("draft", "a", proving("old"))
    return FilesystemGensStore(root)


def act_at_each_call(store, operation, act):
    def profile(_frame, event, function):
        if event in ("c_call", "c_return") and getattr(function, "__module__", "") == "posix":
            act(f"{event} {function.__name__}")

    sys.setprofile(profile)
    try:
        OPERATIONS[operation](store)
    finally:
        sys.setprofile(None)


def kill_at_random_moments(root, kills, seed):
    """Overwrite one text until killed, and again; return how many overwrites were whole.

    There are at least so many kills, and as many as it takes to leave a file half way.
    """
    moments = random.Random(seed)
    store = FilesystemGensStore(root)
    store.write_raw("draft", "a", proving(0))
    last = left = 0
    while kills > 0 or not (last and left):
        kills -= 1
        child = os.fork()
        if child == 0:
            for mark in itertools.count(last):
                store.write_raw("draft", "a", proving(mark))
        time.sleep(moments.uniform(0.0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = state(FilesystemGensStore(root), "a")
        assert found.isdigit(), found
        assert int(found) >= last, f"{found} after {last} had been there"
        last = int(found)
        left = sum(path.name.startswith(".tmp-") for path in Path(root).rglob("*"))
    return last


def write_once(root):
    """Write a text, and return the error number that the system gave."""
    try:
        FilesystemGensStore(root).write_raw("draft", "a", proving("new"))
    except OSError as error:
        return error.errno
    return None


def claim_and_hold(root):
    """Claim a generation, say so, and keep it until killed."""
    claim = FilesystemGensStore(root).claim("draft", "a")
    print(json.dumps(claim is not None), flush=True)  # noqa: T201  the result
    signal.pause()


def count_under_claims(root, steps):
    """Count in a file, a step for each claim; a step that another process shared is lost."""
    store = FilesystemGensStore(root)
    counted = Path(root, "counted")
    while steps:
        claim = store.claim("draft", "a")
        if claim is not None:
            seen = int(counted.read_text())
            time.sleep(0.0005)
            counted.write_text(str(seen + 1))
            claim.release()
            steps -= 1


def count_call(root, request):
    """Count a call as a byte in a file, and return what its answer is drawn from."""
    with Path(root, "calls").open("ab") as calls:
        calls.write(b".")
    return random.Random(f"{request.prompt}/{request.parameters.seed}")


def dream(root):
    """Go on with the loop l to its end; each call is a byte in a file, and takes 10 ms."""

    def answer(request):
        rng = count_call(root, request)
        if request.prompt.startswith("Judge"):
            return f"SCORE: {rng.randint(2, 9)}"
        return " ".join("".join(rng.choices("abcdefghij", k=6)) for _ in range(40))

    model = ScriptedLanguageModel(answer, latency_seconds=0.01)
    paths = Paths(Path(root))
    dreamt = dream_loop(
        UnsyncedFilesystemGensStore(root),
        FilesystemCohortStore(paths),
        FilesystemLoopStore(paths),
        LimitingLanguageModel(model, {}, Path(root), CALLS_AT_ONCE),
        "l",
        options=DreamOptions(),
        token=CancellationToken(),
        listener=NullDreamListener(),
    )
    assert not dreamt.interrupted


def score_until_settled(root):
    """Run the cohort c1 until its best essay is settled; each call is a byte in a file."""

    def answer(request):
        rng = count_call(root, request)
        if request.prompt.startswith("Judge"):
            return f"SCORE: {(6 if 'Ant' in request.prompt else 3) + rng.randint(-2, 2)}"
        return request.prompt

    model = ScriptedLanguageModel(answer, latency_seconds=0.01)
    paths = Paths(Path(root))
    run = run_cohort(
        UnsyncedFilesystemGensStore(root),
        FilesystemCohortStore(paths),
        LimitingLanguageModel(model, {}, Path(root), CALLS_AT_ONCE),
        "c1",
        RunOptions(until="top 4 settled", max_calls=500),
        token=CancellationToken(),
        listener=NullRunListener(),
    )
    assert run.complete


CALLS_AT_ONCE = 4

KILLED = {"dream": (dream, "loops/l/*/*/[!.]*"), "score": (score_until_settled, "cohorts/c1/*.csv")}
"""What can be killed, and the files that it must leave as if it had not been."""


def begin_and_be_killed(what, root, kills, seed):
    """Kill what goes on at random moments until it ends, and anew until there were so many kills.

    Return what each came to: files, generations, calls, kills.
    """
    go_on, kept = KILLED[what]
    moments = random.Random(seed)
    ends = []
    while kills > 0:
        folder = shutil.copytree(Path(root, "begun"), Path(root, str(len(ends))))
        killed = 0
        while True:
            child = os.fork()
            if child == 0:
                go_on(str(folder))
                os._exit(0)
            if ends and kills > 0:  # the first loop is not killed: the others are compared with it
                time.sleep(moments.uniform(0.0, 0.6))
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if os.WIFEXITED(status):
                assert status == 0
                break
            killed += 1
            kills -= 1
        files = {
            str(path.relative_to(folder)): path.read_text() for path in sorted(folder.glob(kept))
        }
        generations = sorted(str(path.relative_to(folder)) for path in folder.glob("gens/*/[a-z]*"))
        ends.append([files, generations, len(Path(folder, "calls").read_bytes()), killed])
    return ends


def run_by_batch(root, url, headers):
    """Run the cohort c1 by batch to its end."""
    paths = Paths(Path(root))
    headers = {"X-Process": str(os.getpid()), **headers}
    endpoint = OpenAILanguageModel(url, headers=headers, environment_proxies=False)
    later = OpenAIBatches(endpoint, root, poll_seconds=0.02)
    run = run_cohort(
        UnsyncedFilesystemGensStore(root),
        FilesystemCohortStore(paths),
        ScriptedLanguageModel(lambda _request: RuntimeError("called")),
        "c1",
        RunOptions(batch=True),
        token=CancellationToken(),
        listener=NullRunListener(),
        batches=Batches(FilesystemBatchStore(paths), later, arrives_within_seconds=0.0),
    )
    assert run.complete, run


def kill_at_change(at):
    """Kill this process when it is about to change the folder for the n-th time."""
    seen = itertools.count()

    def mortal(change):
        def act(*arguments, **options):
            if next(seen) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            change(*arguments, **options)

        return act

    os.replace, os.unlink = mortal(os.replace), mortal(os.unlink)


def run_by_batch_and_be_killed(root, url):
    """Kill a run at every request and at every change of its folder, and let another one finish.

    Return for each its folder, how it was killed, and the texts at the end.
    """
    asyncio.run(import_client(url))
    ends = []
    for how in ("lost", "taken", "change"):
        for at in itertools.count():
            folder = shutil.copytree(Path(root, "begun"), Path(root, f"{how}-{at}"))
            headers = {} if how == "change" else {"X-Kill-At": str(at), "X-Kill-How": how}
            killed = in_child(run_by_batch, str(folder), url, headers, at if not headers else None)
            if killed:
                assert not in_child(run_by_batch, str(folder), url, {}, None)
            texts = {
                str(path.relative_to(folder)): path.read_text()
                for path in sorted(folder.glob("gens/*/[a-z]*/*.txt"))
            }
            left = [path.name for path in folder.glob("batches/[!.]*.json")]
            ends.append([folder.name, killed, texts, left])
            if not killed:
                break
    return ends


async def import_client(url):
    """Import here, once, what takes a second."""
    later = OpenAIBatches(OpenAILanguageModel(url))
    await later.find(("", "any"), "none", "none")
    await later.aclose()


def in_child(run, folder, url, headers, kill_at):
    """Return whether the run was killed."""
    child = os.fork()
    if child == 0:
        if kill_at is not None:
            kill_at_change(kill_at)
        run(folder, url, headers)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


SHARED = ("shared0", "shared1")


def work(root, role, number, until):
    """Do what one of many processes does to the store, and check what it sees; return how often."""
    store = UnsyncedFilesystemGensStore(root)
    choose = random.Random(number)
    rounds = 0
    while rounds < 10 or time.time() < until:
        rounds += 1
        shared = choose.choice(SHARED)
        ROLES[role](store, f"own{number}", shared, f"{number}.{rounds}")
    return rounds


def write_and_read(store, own, shared, mark):
    for gen_id in (own, shared):
        store.write_raw_metadata("draft", gen_id, {"mark": mark})
        store.write_raw("draft", gen_id, proving(mark))
    assert store.read_raw("draft", own) == proving(mark)
    assert store.read_raw_metadata("draft", own) == {"mark": mark}
    read_whole(store, shared)


def read_whole(store, gen_id):
    try:
        assert mark_of(store.read_raw("draft", gen_id)) != "torn"
        assert store.read_raw_metadata("draft", gen_id).keys() == {"mark"}
    except MissingArtifactError:
        pass


def look(store, _own, _shared, _mark):
    listed = store.list_generations("draft")
    assert listed == sorted(listed)
    assert {"kept0", "kept1"} <= set(listed), listed
    assert all(gen_id.startswith(("kept", "own", "shared")) for gen_id in listed), listed
    for gen_id in listed:
        read_whole(store, gen_id)


def delete(store, _own, shared, _mark):
    store.delete_generation("draft", shared)


def reserve(store, _own, shared, _mark):
    for _ in range(50):
        store.reserve_generation("draft", shared)


ROLES = {"write": write_and_read, "look": look, "delete": delete, "reserve": reserve}


def ask_within_limits(location, run_id, requests_per_minute, at_once):
    """Ask as long as the run's limits allow; return how often, and why it ended."""
    limits = ModelLimits(requests_per_minute=requests_per_minute)
    model = ModelEntry("m", "m-1", "lab", limits=limits)
    root = open_data_root(location)
    asking = compose_language_model(make_catalog(model), at_once, root)
    ledger = attrs.evolve(open_ledger(root, run_id), beat_seconds=0.2, lost_after_seconds=1.5)

    async def ask_all(budget):
        request, reason = ModelRequest("Why?", "m-1", "lab"), ""

        async def ask():
            nonlocal reason
            with contextlib.suppress(StoppedError):
                while True:
                    try:
                        reserved = await budget.reserve(request, CancellationToken())
                    except StoppedError as error:
                        reason = error.reason
                        raise
                    budget.settle(request, reserved, await asking.complete(request))

        await asyncio.gather(*(ask() for _ in range(at_once)))
        await asking.aclose()
        return reason

    with ledger.share() as share:
        budget = Budget.of_share([model], share)
        reason = asyncio.run(ask_all(budget))
    root.store.close()
    return budget.calls, reason


if __name__ == "__main__":
    _, function, arguments = sys.argv
    print(json.dumps(globals()[function](*json.loads(arguments))))  # noqa: T201  the result
