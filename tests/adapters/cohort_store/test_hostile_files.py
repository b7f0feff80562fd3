"""Files that would lead elsewhere, never end, or be taken for something else."""

import os
import shutil
import socket
import stat
import subprocess
import sys

import pytest

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem_inspection import FilesystemInspection
from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.bootstrap import dagster_home, open_data_root
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import UnreadableArtifactError, UnsafePathError

SPEC = "cohorts/c1/spec/config.yaml"


@pytest.fixture
def cohorts(data_root):
    return FilesystemCohortStore(data_root)


def link(data_root, name, tmp_path):
    """Put a link to a copy that lies elsewhere in the place of a file or folder."""
    path = data_root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    elsewhere = tmp_path / "elsewhere"
    if path.exists():
        path.rename(elsewhere)
    else:
        elsewhere.mkdir()
    path.symlink_to(elsewhere)


# Symbolic links


@pytest.mark.parametrize(
    "name",
    [
        "1_raw",
        "1_raw/concepts_metadata.csv",
        "1_raw/concepts",
        "1_raw/concepts/descriptions-sentence",
        "1_raw/concepts/descriptions-sentence/ant.txt",
        "1_raw/llm_models.csv",
        "cohorts",
        "cohorts/c1",
        "cohorts/c1/spec",
        SPEC,
    ],
)
def test_a_plan_reads_nothing_through_a_link(data_root, cohorts, tmp_path, name):
    link(data_root, name, tmp_path)

    with pytest.raises(DaydreamingError, match="a symbolic link may lead outside"):
        plan_cohort(FilesystemGensStore(data_root), cohorts, "c1")
    assert not (data_root / "gens").exists()


@pytest.mark.parametrize("name", ["membership.csv", "manifest.json", "index.jsonl", "run.lock"])
def test_a_cohorts_own_files_are_not_opened_through_a_link(data_root, cohorts, tmp_path, name):
    plan_cohort(FilesystemGensStore(data_root), cohorts, "c1")
    link(data_root, f"cohorts/c1/{name}", tmp_path)

    def use():
        cohorts.read_membership("c1")
        cohorts.read_manifest("c1")
        cohorts.write_index("c1", CohortIndex())
        with cohorts.hold("c1"):
            pass

    with pytest.raises(DaydreamingError, match="a symbolic link may lead outside"):
        use()


def test_reports_are_not_written_through_a_link(data_root, cohorts, tmp_path):
    link(data_root, "cohorts/c1/reports", tmp_path)

    with pytest.raises(UnsafePathError, match="a symbolic link may lead outside"):
        cohorts.write_report_files("c1", {"essays.csv": b"x"})
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_list_beside_a_specification_is_not_read_through_a_link(data_root, cohorts, tmp_path):
    spec = data_root / SPEC
    spec.write_text(spec.read_text().replace("[links]", "'@file:templates.csv'"))
    secret = tmp_path / "secret.csv"
    secret.write_text("draft_template\nlinks\n")
    (spec.parent / "templates.csv").symlink_to(secret)

    (problem, *_) = cohorts.read_spec("c1").problems
    assert "a symbolic link may lead outside" in str(problem)


def test_dagsters_databases_are_not_opened_through_a_link(data_root, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    root = open_data_root(data_root)
    assert dagster_home(root) == data_root / "dagster_home"
    link(data_root, "dagster_home", tmp_path)

    with pytest.raises(UnsafePathError, match="set DAGSTER_HOME"):
        dagster_home(root)


# What is no regular file


@pytest.fixture(params=["fifo", "socket", "folder", "device"])
def put(request, monkeypatch):
    """Put something that is not a regular file in the place of a file."""

    with socket.socket(socket.AF_UNIX) as listening:

        def put_there(path):
            path.unlink(missing_ok=True)
            if request.param == "fifo":
                os.mkfifo(path)
            elif request.param == "folder":
                path.mkdir()
            elif request.param == "socket":
                monkeypatch.chdir(path.parent)  # the path of a socket has to be short
                listening.bind(path.name)
            else:
                try:
                    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero never ends
                except PermissionError:
                    pytest.skip("only root makes devices")

        yield put_there


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("cohorts/c1/membership.csv", lambda cohorts: cohorts.read_membership("c1")),
        ("cohorts/c1/manifest.json", lambda cohorts: cohorts.read_manifest("c1")),
        (SPEC, lambda cohorts: cohorts.read_spec("c1")),
        ("1_raw/llm_models.csv", lambda cohorts: cohorts.read_catalog()),
        ("1_raw/concepts/descriptions-sentence/ant.txt", lambda cohorts: cohorts.read_catalog()),
    ],
)
def test_what_is_not_a_regular_file_is_named_and_not_waited_for(
    data_root, cohorts, put, name, read
):
    put(data_root / name)

    with pytest.raises(DaydreamingError) as caught:
        read(cohorts)
    assert str(data_root / name) in str(caught.value)


# YAML

YAMLS = {
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "alias within itself": "axes: &a [*a]",
    "date": "description_level: 2026-02-30",
    "timestamp": "description_level: !!timestamp never",
    "integer": "replicates: {draft: !!int ''}",
    "long integer": f"replicates: {{draft: {'9' * 5_000}}}",
    "float": "replicates: {draft: !!float abc}",
    "bool": "replicates: {draft: !!bool maybe}",
    "binary": "description_level: !!binary '='",
    "infinite key": ".inf: 1",
    "list as a key": "? [a]\n: b",
    "set": "axes: !!set {a, b}",
    "omap": "axes: !!omap [a: b]",
    "object": "axes: !!python/object/apply:os.system ['true']",
    "many replicates": "replicates: {draft: 1000000000}",
}


@pytest.mark.parametrize("document", YAMLS.values(), ids=YAMLS.keys())
def test_a_specification_that_no_plan_is_made_of_is_a_list_of_problems(
    data_root, cohorts, document
):
    (data_root / SPEC).write_text(document)

    with pytest.raises(CatalogError) as caught:
        plan_cohort(FilesystemGensStore(data_root), cohorts, "c1")
    assert all(caught.value.problems)


def test_aliases_that_end_are_read(data_root, cohorts):
    spec = data_root / SPEC
    text = spec.read_text().replace("draft_llm: [big]", "draft_llm: &models [big]")
    spec.write_text(text.replace("essay_llm: [big]", "essay_llm: *models"))

    assert cohorts.read_spec("c1").axes.essay_llm == ["big"]


# Columns


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("template_id,parser,generator,score_max", "'score_max'; did you mean 'score_maximum'?"),
        ("template_id,parser,generator,max_score", "'max_score'; did you mean 'score_maximum'?"),
        ("template_id,parser,generator,minimum_line", "did you mean 'minimum_lines'?"),
        ("template_id,parser,generator,Score_Maximum", "did you mean 'score_maximum'?"),
        ("template_id,parser,generator,parser", "2 columns are named 'parser'"),
    ],
)
def test_a_column_that_resembles_a_known_one_is_a_mistake(data_root, cohorts, header, expected):
    (data_root / "1_raw/evaluation_templates.csv").write_text(f"{header}\njudge,,llm,10\n")

    with pytest.raises(CatalogError) as caught:
        cohorts.read_catalog()
    assert expected in str(caught.value)


def test_columns_that_resemble_none_are_ignored(data_root, cohorts):
    path = data_root / "1_raw/evaluation_templates.csv"
    path.write_text("template_id,template_name,parser,generator,author,\njudge,Judge,,llm,me,\n")

    assert cohorts.read_catalog().templates["evaluation", "judge"].score_maximum == 9


# Artifacts


@pytest.mark.parametrize("artifact", ["raw.txt", "raw_metadata.json", "parsed.txt"])
def test_an_artifact_that_the_disk_does_not_give_is_named_by_a_check(
    data_root, cohorts, monkeypatch, artifact
):
    store = FilesystemGensStore(data_root)
    plan_cohort(store, cohorts, "c1")
    gen_id = store.list_generations("draft")[0]
    path = store.generation_dir("draft", gen_id) / artifact
    path.write_text("{}")
    real = os.open

    def failing(name, *arguments, **options):
        if str(name) == str(path):
            raise OSError(5, os.strerror(5), str(path))
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", failing)

    checked = check_data_root(store, cohorts, FilesystemInspection(store.paths))

    (finding,) = [finding for finding in checked.findings if finding.kind == "unreadable"]
    assert str(path) in finding.message
    assert "Input/output error; check the storage" in finding.message
    with pytest.raises(UnreadableArtifactError):
        {
            "raw.txt": store.read_raw,
            "raw_metadata.json": store.read_raw_metadata,
            "parsed.txt": store.read_parsed,
        }[artifact]("draft", gen_id)


def test_a_stage_that_cannot_be_listed_does_not_end_a_check(data_root, cohorts):
    store = FilesystemGensStore(data_root)
    plan_cohort(store, cohorts, "c1")
    shutil.rmtree(data_root / "gens/essay")
    (data_root / "gens/essay").write_text("not a folder")

    checked = check_data_root(store, cohorts, FilesystemInspection(store.paths))

    assert "unreadable" in {finding.kind for finding in checked.findings}
    assert checked.generations == 15


def test_leftovers_of_interrupted_plans_and_results_are_found(data_root, cohorts):
    reports = data_root / "cohorts/c1/reports"
    reports.mkdir()
    left = [data_root / "cohorts/c1/.tmp-1", reports / ".tmp-2"]
    for path in left:
        path.write_text("half")
        os.utime(path, (1, 1))

    found = list(FilesystemInspection(cohorts.paths).inspect_root())

    assert {finding.subject for finding in found if finding.kind == "leftover"} == {
        str(path) for path in left
    }


def test_a_file_name_that_is_not_utf_8_can_be_printed(data_root):
    (data_root / "gens/draft").mkdir(parents=True)
    name = os.fsencode(data_root / "gens/draft") + b"/\xff\x1b[2J"
    os.close(os.open(name, os.O_CREAT))

    for arguments in (["check"], ["check", "--json"]):
        ran = subprocess.run(
            [sys.executable, "-m", "daydreaming_dagster", *arguments, "-d", str(data_root)],
            capture_output=True,
            check=False,
        )

        assert ran.returncode == 1, ran.stderr
        assert b"\x1b" not in ran.stdout
        assert b"unknown" in ran.stdout
