"""Every command works on a data root in a bucket, as in a folder."""

import json
import os
import sys

import dagster as dg
import pytest

from adapters.language_model.scripted import ScriptedLanguageModel
from batch_endpoint import serving_batches
from builders import judge_or_echo
from calls import PATIENCE, hold, wait_for_calls
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.defs.build import build_definitions
from daydreaming_dagster.defs.launch import open_instance
from daydreaming_dagster.defs.partitions import register_partitions
from dreaming import LOOP, answer, make_loop
from in_dagster import resource

on_each_server = pytest.mark.parametrize("server", ["s3", "google"])


@pytest.fixture
def server():
    return "s3"


@pytest.fixture
def url(server, request):
    return request.getfixturevalue(f"{server}_url")


@pytest.fixture
def in_bucket(daydream, data_root, url):
    """Call the command on a copy of the data root in a bucket."""
    copied = daydream("copy", str(data_root), url)
    assert copied.returncode == 0, copied.stderr

    def call(*arguments, **more):
        return daydream(*arguments, **{"DAYDREAM_DATA_ROOT": url, **more})

    return call


def files_of(location):
    files = open_data_root(location).written_files()
    return {
        name: files.read(name)
        for folder in ("1_raw", "cohorts", "gens", "loops")
        for name in files.list_files(folder)
        if not name.endswith((".lock", "index.jsonl"))
    }


@on_each_server
def test_a_cohort_lives_in_a_bucket_as_in_a_folder(
    in_bucket, daydream, url, chat_endpoint, tmp_path
):
    assert "21 new" in in_bucket("plan", "c1").stdout
    ran = in_bucket("run", "c1")
    assert ran.returncode == 0, ran.stderr
    calls = len(chat_endpoint.bodies)
    assert in_bucket("run", "c1").returncode == 0
    assert len(chat_endpoint.bodies) == calls
    status = json.loads(in_bucket("status", "c1", "--json").stdout)
    assert [state["done"] for state in status.values()] == [3, 6, 12]
    results = json.loads(in_bucket("results", "c1", "--json").stdout)
    essay = results["essays"][0]["essay"]
    assert in_bucket("report", "c1").stdout == f"{url}/cohorts/c1/reports/report.html\n"
    assert json.loads(in_bucket("check", "--json").stdout)["findings"] == []
    assert f"{url}/gens/essay/{essay}" in in_bucket("show", "essay", essay, "--json").stdout
    evaluation = open_data_root(url).cohorts.read_membership("c1")["evaluation"][0]
    assert in_bucket("settle", evaluation, "5").returncode == 0
    assert "c1" in in_bucket("status").stdout
    assert "cohort c1" in in_bucket("tail", "c1").stdout
    assert in_bucket("rate", "c1").returncode == 0
    bundle = tmp_path / "c1.zip"
    assert in_bucket("bundle", "c1", "-o", str(bundle)).returncode == 0
    assert daydream("verify", str(bundle)).returncode == 0

    back = tmp_path / "back"
    assert daydream("copy", url, str(back)).returncode == 0
    assert files_of(back) == files_of(url)
    again = daydream("status", "c1", "--json", DAYDREAM_DATA_ROOT=str(back)).stdout
    assert json.loads(again) == json.loads(in_bucket("status", "c1", "--json").stdout)


def test_two_machines_do_not_run_a_cohort_of_a_bucket_at_once(
    in_bucket, start, s3_url, chat_endpoint, tmp_path
):
    in_bucket("plan", "c1")
    refused = hold(chat_endpoint)
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    one, other = (
        {"DAYDREAM_DATA_ROOT": s3_url, "DAGSTER_HOME": str(tmp_path / name), **keys}
        for name in ("one", "other")
    )
    first = start("run", "c1", "-j", "1", **one)
    wait_for_calls(chat_endpoint, 1)

    second = in_bucket("run", "c1", **other)
    refused.set()

    assert second.returncode == 2
    assert "another process runs the cohort 'c1'; wait until it ends" in second.stderr
    _, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, err
    assert in_bucket("run", "c1", **other).returncode == 0
    assert len(chat_endpoint.bodies) == 18
    with open_instance(tmp_path / "other") as instance:
        assert len(instance.get_materialized_partitions(dg.AssetKey("evaluation_parsed"))) == 12


@on_each_server
def test_a_cohort_leaves_a_bucket_and_comes_back(in_bucket, url, chat_endpoint, tmp_path):
    in_bucket("plan", "c1")
    in_bucket("run", "c1")
    before, archive = files_of(url), tmp_path / "c1.zip"
    assert in_bucket("archive", "c1", "-o", str(archive), "--yes").returncode == 0
    assert not [name for name in files_of(url) if name.startswith(("cohorts/", "gens/"))]

    assert in_bucket("restore", str(archive)).returncode == 0

    assert files_of(url) == before


def test_a_cohort_in_a_bucket_is_made_by_batch(daydream, data_root, s3_url):
    with serving_batches() as endpoint:
        (data_root / "1_raw/endpoints.csv").write_text(
            f"id,base_url,api_key_variable,batch_poll_seconds\nacme,{endpoint.url},BATCH_KEY,0.05\n"
        )
        (data_root / "1_raw/llm_models.csv").write_text("id,model,provider\nbig,big-1,acme\n")
        daydream("copy", str(data_root), s3_url)
        where = {"DAYDREAM_DATA_ROOT": s3_url, "BATCH_KEY": "sk"}
        daydream("plan", "c1", **where)

        ran = daydream("run", "c1", "--batch", **where)

        assert ran.returncode == 0, ran.stderr
        assert endpoint.calls.count("POST /batches") == 3
        assert not endpoint.chat.bodies
    assert open_data_root(s3_url).written_files().list_files("batches") == []


@on_each_server
def test_a_bucket_gets_the_examples_and_only_once(daydream, url):
    made = daydream("init", url)
    assert f"export DAYDREAM_DATA_ROOT={url}" in made.stdout
    assert "16 new" in daydream("plan", "demo", "-d", url).stdout
    refused = daydream("init", url)
    assert refused.returncode != 0
    assert "it is a data root already" in refused.stderr


def test_a_copy_is_resumed_verified_and_overwrites_nothing(daydream, data_root, s3_url):
    files = open_data_root(s3_url).written_files()
    template = "1_raw/templates/essay/story.txt"
    files.create(template, b"mine")
    files.create("1_raw/llm_models.csv", (data_root / "1_raw/llm_models.csv").read_bytes())
    total = len(files_of(data_root))

    copied = daydream("copy", str(data_root), s3_url)

    assert copied.returncode == 1
    assert f"copied {total - 2} files; {total - 1} files verified in {s3_url}" in copied.stdout
    assert f"{s3_url}/{template} differs from {data_root / template}" in copied.stderr
    assert files_of(s3_url) == files_of(data_root) | {template: b"mine"}
    (data_root / template).write_text("mine")
    assert "copied 0 files" in daydream("copy", str(data_root), s3_url).stdout


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("ROOT", "ROOT/"),
        ("ROOT", "ROOT/../link"),
        ("ROOT/../link", "ROOT/cohorts/x"),
        ("ROOT/cohorts/x", "ROOT"),
        ("file://ROOT", "ROOT/x"),
        ("s3://lab/ideas", "s3://lab/ideas/"),
        ("s3://lab", "s3a://lab/ideas"),
        ("az://lab/a/b", "abfs://lab/a"),
    ],
)
@pytest.mark.usefixtures("use_s3")
def test_a_data_root_is_not_copied_into_itself(daydream, data_root, source, target):
    (data_root.parent / "link").symlink_to(data_root)
    before = sorted(data_root.rglob("*"))
    places = [place.replace("ROOT", str(data_root)) for place in (source, target)]

    refused = daydream("copy", *places, AZURE_STORAGE_ACCOUNT_NAME="any")

    assert refused.returncode == 2
    assert "are the same place, or one lies in the other" in refused.stderr
    assert sorted(data_root.rglob("*")) == before


def test_what_is_not_a_data_root_is_not_copied(daydream, data_root):
    refused = daydream("copy", str(data_root / "gens"), str(data_root.parent / "x"))
    assert refused.returncode == 2
    assert "not a data root" in refused.stderr


def test_a_loop_runs_in_a_bucket(loop, daydream, data_root, s3_url, tmp_path):
    daydream("copy", str(data_root), s3_url)
    ran = daydream("dream", "l", "--rounds", "1", DAYDREAM_DATA_ROOT=s3_url)
    assert ran.returncode == 0, ran.stderr
    root = open_data_root(s3_url)
    assert len(root.loops.read_journal("l").rounds) >= 1
    assert "l" in daydream("status", DAYDREAM_DATA_ROOT=s3_url).stdout


def test_dagster_makes_assets_in_a_bucket(in_bucket, s3_url, tmp_path):
    in_bucket("plan", "c1")
    root = open_data_root(s3_url)
    members = root.cohorts.read_membership("c1")
    model = ScriptedLanguageModel(judge_or_echo)
    with open_instance(tmp_path / "home") as instance:
        register_partitions(instance, members)
        definitions = build_definitions(resource(s3_url, language_model=model))
        job = definitions.resolve_job_def("generate_drafts")
        draft = members["draft"][0]
        assert job.execute_in_process(instance=instance, partition_key=draft).success
    assert root.store.read_parsed("draft", draft)


def test_without_the_extra_it_is_named(daydream, monkeypatch):
    monkeypatch.setitem(sys.modules, "adapters.object_store.bucket", None)
    refused = daydream("status", "-d", "s3://lab/without-extra")
    assert refused.returncode == 2
    assert "daydreaming-dagster[s3]" in refused.stderr


def test_a_loop_dreams_in_a_bucket_as_in_a_folder(
    daydream, data_root, s3_url, chat_endpoint, tmp_path
):
    loop = make_loop(data_root)
    (loop / "spec.yaml").write_text(f"gate: {{embedding: big}}\n{LOOP}")
    chat_endpoint.answer = answer
    chat_endpoint.embed = lambda text: [float(ord(letter)) for letter in text[:20]]
    assert daydream("copy", str(data_root), s3_url).returncode == 0
    back = tmp_path / "back"

    ended = [daydream("dream", "l", DAYDREAM_DATA_ROOT=where) for where in (s3_url, str(data_root))]

    assert [each.returncode for each in ended] == [0, 0]
    assert ended[0].stdout == ended[1].stdout
    assert daydream("copy", s3_url, str(back)).returncode == 0
    for kind in ("rounds/*/*.json", "concepts/*/*.txt", "embeddings/*/*.json"):
        journals = [
            {path.relative_to(root): path.read_bytes() for path in root.glob(f"loops/l/{kind}")}
            for root in (data_root, back)
        ]
        assert journals[0]
        assert journals[0].keys() == journals[1].keys()
        if kind != "embeddings/*/*.json":  # each says when it was made
            assert journals[0] == journals[1]
    calls = len(chat_endpoint.bodies)
    text_id = next(path.stem for path in back.glob("loops/l/concepts/*/*.txt"))
    for command in (("status", "l"), ("tail", "l"), ("report", "l"), ("show", "essay", text_id)):
        shown = daydream(*command, DAYDREAM_DATA_ROOT=s3_url)
        assert (shown.returncode, shown.stderr) == (0, "")
    assert len(chat_endpoint.bodies) == calls


def test_a_check_of_a_bucket_that_does_not_answer_finds_nothing_and_says_so(daydream, s3_url):
    settings = {"DAYDREAM_DATA_ROOT": s3_url, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    checked = daydream("check", **settings)
    assert (checked.returncode, checked.stdout) == (2, "")
    assert checked.stderr.startswith(f"error: cannot read {s3_url}/1_raw/stages.yaml: no answer")
    assert checked.stderr.count("\n") == 1
