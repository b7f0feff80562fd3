"""The researcher's files: read with every problem named by its place, written in one step."""

import json
import os
import sys
import textwrap

import pytest

from adapters import FilesystemGensStore
from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.root_files.filesystem import FilesystemRootFiles
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.catalog import ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.index import CohortIndex, Seen, write_pages
from daydreaming_dagster.domain.cohort.planning import make_plan
from daydreaming_dagster.domain.errors import CatalogError, CohortNotPlannedError, NoCatalogsError
from daydreaming_dagster.domain.parsing.registry import parsers_of
from daydreaming_dagster.domain.parsing.response import ParsedResponse
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.types import STAGES


@pytest.fixture
def paths(data_root):
    return Paths(data_root)


@pytest.fixture
def write(data_root):
    def write_file(name, text):
        path = data_root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


def problems_of(read, *arguments):
    with pytest.raises(CatalogError) as caught:
        read(*arguments)
    return list(caught.value.problems)


def plan(paths, cohort_id="c1"):
    store = FilesystemGensStore(paths.data_root)
    cohorts = FilesystemCohortStore(paths)
    return make_plan(
        store, cohort_id, cohorts.read_spec(cohort_id), cohorts.read_catalog(), allow_missing=True
    )


def write_plan(paths, planned):
    cohorts = FilesystemCohortStore(paths)
    cohorts.write_membership("c1", {stage: planned.gen_ids(stage) for stage in STAGES})
    cohorts.write_manifest("c1", planned.manifest)


# Catalogs


def test_a_data_root_is_read_as_it_stands(paths):
    catalog = read_catalog(FilesystemRootFiles(paths.data_root), SHIPPED)

    assert catalog.concepts["ant"] == ConceptEntry("ant", "Ant", {"sentence": "Ants build."})
    assert catalog.templates["essay", "copied"] == TemplateEntry("copied", generator="copy")
    assert catalog.templates["evaluation", "judge"] == TemplateEntry("judge", "in_last_line")
    assert catalog.models == {"big": ModelEntry("big", "big-1", "acme")}
    assert catalog.parsers == {stage: parsers_of(SHIPPED[stage]) for stage in SHIPPED}
    assert catalog.replicates == {}


def test_optional_columns_are_read_and_may_be_empty(paths, write):
    write(
        "1_raw/draft_templates.csv",
        "minimum_lines,template_id,parser,generator,score_maximum,score_minimum\n"
        "3,a,,LLM,,\n,b,,,10,1\n",
    )
    write(
        "1_raw/llm_models.csv",
        "id,model,provider,prompt_price,completion_price\nm,m-1,acme,0.15,0\nn,n-1,,,\n",
    )
    write("1_raw/replication_config.csv", "stage,replicates\nevaluation,2\n")

    catalog = read_catalog(FilesystemRootFiles(paths.data_root), SHIPPED)

    assert catalog.templates["draft", "a"] == TemplateEntry("a", minimum_lines=3)
    assert catalog.templates["draft", "b"] == TemplateEntry(
        "b", score_maximum=10.0, score_minimum=1.0
    )
    assert catalog.models["m"] == ModelEntry("m", "m-1", "acme", 0.15, 0.0)
    assert catalog.models["n"] == ModelEntry("n", "n-1")
    assert catalog.replicates == {"evaluation": 2}


def test_a_byte_order_mark_windows_newlines_and_blanks_do_no_harm(paths, write):
    write(
        "1_raw/concepts_metadata.csv",
        b'\xef\xbb\xbfconcept_id , name\r\n ant ,"The ""Ant"",\r\nan insect"\r\n\r\n',
    )
    write("1_raw/concepts/descriptions-article/ant.txt", b"\xef\xbb\xbfLong.\r\n\r\n")

    assert read_catalog(FilesystemRootFiles(paths.data_root), SHIPPED).concepts == {
        "ant": ConceptEntry(
            "ant", 'The "Ant",\nan insect', {"article": "Long.", "sentence": "Ants build."}
        )
    }


def test_a_folder_without_any_catalog_is_no_list_of_missing_files(tmp_path):
    with pytest.raises(NoCatalogsError, match="it has no catalogs"):
        read_catalog(FilesystemRootFiles(tmp_path), SHIPPED)


def test_all_problems_of_all_catalogs_are_named_by_file_line_and_column(paths, write):
    raw = paths.raw_dir
    (raw / "draft_templates.csv").unlink()
    write(
        "1_raw/essay_templates.csv",
        "template_id,parser,generator,minimum_lines,score_maximum,score_minimum\n"
        "a,,human,,,\nb,,llm,few,0.5,-1\n,,llm,,,\na,,llm,,,\nc,,llm,-1,nan,9\nd,,llm\n",
    )
    write("1_raw/evaluation_templates.csv", "template_id,generator\nv,llm\n")
    write("1_raw/concepts_metadata.csv", "concept_id,name\n../x,X\nant,Ant\nbee,Bee\n")
    write("1_raw/concepts/descriptions-sentence/ant.txt", b"\xff")
    write("1_raw/llm_models.csv", "id,model,provider,prompt_price\nm,m-1,acme,cheap\nn,,,inf\n")
    write("1_raw/replication_config.csv", "stage,replicates\ndrafts,2\nessay,0\n")

    found = problems_of(read_catalog, FilesystemRootFiles(paths.data_root), SHIPPED)

    essays, models = raw / "essay_templates.csv", raw / "llm_models.csv"
    expected = [
        f"{raw / 'draft_templates.csv'} is missing",
        f"{essays}, line 4, column template_id: empty",
        f"{essays}, line 5, column template_id: 'a' appears twice",
        f"{essays}, line 7: expected 6 cells, as in the header",
        f"{essays}, line 2, column generator: expected llm or copy, found 'human'",
        f"{essays}, line 3, column minimum_lines: expected a whole number of at least 0, found",
        f"{essays}, line 3, column score_maximum: expected a number of at least 1, found '0.5'",
        f"{essays}, line 3, column score_minimum: expected a number of at least 0, found '-1'",
        f"{essays}, line 6, column minimum_lines: expected a whole number of at least 0, found",
        f"{essays}, line 6, column score_maximum: expected a number of at least 1, found 'nan'",
        f"{essays}, line 6, column score_minimum: expected less than the maximum, 9",
        f"{raw / 'evaluation_templates.csv'}, line 1: no column parser",
        f"{raw / 'concepts_metadata.csv'}, line 2, column concept_id: invalid concept_id '../x'",
        "description of 'ant' at level 'sentence' is not UTF-8 (byte 0 is 0xff); save it as UTF-8",
        f"{models}, line 2, column prompt_price: expected a number of at least 0, found 'cheap'",
        f"{models}, line 3, column prompt_price: expected a number of at least 0, found 'inf'",
        f"{raw / 'replication_config.csv'}, line 2, column stage: invalid stage 'drafts'",
        f"{raw / 'replication_config.csv'}, line 3, column replicates: expected a whole number",
    ]
    assert len(found) == len(expected)
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff", "is not UTF-8"),
        (b'id,model,provider\n"m,m-1,acme\n', "line 2: a quotation mark is not closed"),
        (b"", "line 1: no column id, model, provider"),
        (b"id;model;provider\n", "no column id, model, provider; separate cells by commas"),
        (b"id\tmodel\tprovider\n", "no column id, model, provider; separate cells by commas"),
    ],
)
def test_a_file_that_is_no_catalog_is_named(paths, write, content, expected):
    path = write("1_raw/llm_models.csv", content)

    (problem,) = problems_of(read_catalog, FilesystemRootFiles(paths.data_root), SHIPPED)

    assert str(path) in problem
    assert expected in problem


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed distribution with parsers, one of which cannot be imported."""
    site = tmp_path / "site"
    info = site / "tea-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tea\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        textwrap.dedent("""\
            [daydreaming_dagster.parsers.draft]
            shout = tea_leaves:shout
            identity = tea_leaves:shout
            broken = tea_leaves:nothing
            """)
    )
    (site / "tea_leaves.py").write_text(
        textwrap.dedent("""\
            from daydreaming_dagster.domain.parsing.response import ParsedResponse

            def shout(response):
                return ParsedResponse(response.upper())
            """)
    )
    monkeypatch.syspath_prepend(site)
    yield
    sys.modules.pop("tea_leaves", None)


def test_parsers_of_other_packages_are_found_by_the_stage_they_are_for(paths, write, package):
    text = "template_id,parser,generator\na,shout,\nb,identity,\n"
    write("1_raw/draft_templates.csv", text)
    write("1_raw/essay_templates.csv", text)

    catalog = read_catalog(FilesystemRootFiles(paths.data_root), SHIPPED)

    assert catalog.reader("draft", "a")("tea").text == "TEA"
    assert catalog.reader("draft", "b")("tea") == ParsedResponse("tea")
    with pytest.raises(CatalogError, match="unknown parser 'shout'"):
        catalog.reader("essay", "a")


def test_a_parser_that_does_not_load_matters_where_it_is_named(paths, write, package):
    write("1_raw/draft_templates.csv", "template_id,parser,generator\na,broken,\n")

    (problem,) = problems_of(read_catalog, FilesystemRootFiles(paths.data_root), SHIPPED)

    assert problem.startswith(f"{paths.raw_dir / 'draft_templates.csv'}, line 2, column parser: ")
    assert "'broken' (tea_leaves:nothing) does not load: AttributeError" in problem


def test_a_parser_that_nobody_uses_may_be_unknown(paths, write):
    write("1_raw/draft_templates.csv", "template_id,parser,generator\nlinks,,\nx,unheard_of,\n")

    assert len(plan(paths).generations) == 3 + 6 + 12


# Specifications


def test_a_specification_with_files_is_read_and_planned(paths, write):
    write(
        "cohorts/c2/spec/config.yaml",
        """
axes:
  draft_template: [links]
  draft_llm: [big]
  essay_template: "@file:lists/essays.csv"
  essay_llm: [big]
  evaluation_template: [judge]
  evaluation_llm: [big]
tuples:
  - {axes: [combo, essay_template], rows: "@file:rows.csv"}
""",
    )
    write("cohorts/c2/spec/lists/essays.csv", "essay_template\nstory\ncopied\n")
    write("cohorts/c2/spec/rows.csv", "essay_template,x,combo\nstory,,ant+bee\ncopied,,cod\n")

    rows = list(plan(paths, "c2").rows())

    assert [(row["combo"], row["essay_template"]) for row in rows] == [
        ("ant+bee@paragraph", "story"),
        ("cod@paragraph", "copied"),
    ]


@pytest.mark.parametrize(
    "name",
    ["../secret.csv", "/etc/passwd", "lists/../../secret.csv", "link.csv", "folder/secret.csv", "",
     ".", "..", "~/secret.csv", "\\\\host\\share\\x.csv", "C:\\secret.csv"],
)  # fmt: skip
def test_no_file_outside_the_specifications_folder_is_read(paths, write, name, tmp_path):
    column = "draft_llm\nbig\n"
    write("cohorts/c1/secret.csv", column)
    outside = write("../outside/secret.csv", column)
    spec = write("cohorts/c1/spec/config.yaml", f"axes: {{draft_llm: '@file:{name}'}}")
    (spec.parent / "link.csv").symlink_to(outside)
    (spec.parent / "folder").symlink_to(outside.parent)

    found = FilesystemCohortStore(paths).read_spec("c1")

    assert found.axes.draft_llm == []
    (problem,) = found.problems
    assert problem.path == ("axes", "draft_llm")


def test_what_is_wrong_with_a_file_is_named_by_its_line_and_the_key_that_names_it(paths, write):
    write("cohorts/c1/spec/config.yaml", "axes: {draft_llm: '@file:m.csv', oops: 1}")
    file = write("cohorts/c1/spec/m.csv", "draft_llm,note\nbig,x\nsmall\n").resolve()

    assert [str(problem) for problem in FilesystemCohortStore(paths).read_spec("c1").problems] == [
        f"axes.draft_llm: {file}, line 3: expected 2 cells, as in the header",
        "axes.oops: unknown key",
    ]


def test_keys_that_are_there_twice_are_reported(paths, write):
    write(
        "cohorts/c1/spec/config.yaml",
        "axes:\n  draft_llm: [a]\n  essay_llm: [a]\n  draft_llm: [b]\naxes: {}\n",
    )

    found = [str(problem) for problem in FilesystemCohortStore(paths).read_spec("c1").problems]

    assert sorted(found) == ["axes: line 5: duplicate key", "draft_llm: line 4: duplicate key"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("axes: [", "not YAML: while parsing a flow node"),
        ("a: b: c", "not YAML: mapping values are not allowed here"),
        (b"\xff\xfe\xff", "not YAML: "),
        ("axes: !!python/object/apply:os.getcwd []", "not YAML: could not determine a constructor"),
        ("[" * 100_000, "not YAML: "),
        ("when: 2020-13-45", "not YAML: month must be in 1..12"),
        ("? [a, b]\n: 1", "not YAML: while constructing a mapping"),
        ("? {a: b}\n: 1", "not YAML: while constructing a mapping"),
    ],
)
def test_what_is_no_yaml_is_said(paths, write, content, expected):
    write("cohorts/c1/spec/config.yaml", content)

    (problem,) = problems_of(FilesystemCohortStore(paths).read_spec, "c1")

    assert problem.startswith(expected)


def test_a_cohort_without_a_specification_is_named(paths):
    (problem,) = problems_of(FilesystemCohortStore(paths).read_spec, "c9")

    assert problem == "there is no such file; write it, or name another one"
    with pytest.raises(InvalidIdError):
        FilesystemCohortStore(paths).read_spec("../c1")


def test_the_cohorts_are_those_with_a_specification(paths, write):
    write("cohorts/a9/spec/config.yaml", "")
    write("cohorts/draft/notes.txt", "")

    assert FilesystemCohortStore(paths).list_cohorts() == ["a9", "c1"]


# What planning writes


def test_a_membership_is_read_as_it_was_written(paths):
    planned = plan(paths)

    write_plan(paths, planned)

    assert FilesystemCohortStore(paths).read_membership("c1") == {
        stage: planned.gen_ids(stage) for stage in STAGES
    }
    assert paths.cohort_membership_csv("c1").read_text().startswith("stage,gen_id\ndraft,d_")


def test_a_row_that_is_there_twice_is_one_member(paths, write):
    write("cohorts/c1/membership.csv", "stage,gen_id\ndraft,d2\ndraft,d1\ndraft,d2\n")

    assert FilesystemCohortStore(paths).read_membership("c1")["draft"] == ["d2", "d1"]


def test_all_wrong_rows_of_a_membership_are_named(paths, write):
    path = write("cohorts/c1/membership.csv", "stage,gen_id\npoem,x\ndraft,../x\ndraft,d1\n")

    found = problems_of(FilesystemCohortStore(paths).read_membership, "c1")

    assert [problem.partition(": ")[0] for problem in found] == [
        f"{path}, line 2",
        f"{path}, line 3",
    ]


def test_a_cohort_that_was_not_planned_says_so(paths):
    with pytest.raises(CohortNotPlannedError, match="cohort 'c1' is not planned yet"):
        FilesystemCohortStore(paths).read_membership("c1")
    assert FilesystemCohortStore(paths).read_manifest("c1") is None


def test_a_manifest_is_read_as_it_was_written(paths, data_root):
    planned = plan(paths)

    write_plan(paths, planned)

    assert FilesystemCohortStore(paths).read_manifest("c1") == planned.manifest
    document = json.loads((data_root / "cohorts/c1/manifest.json").read_text())
    assert set(document["template"]) == {"draft/links", "essay/story", "evaluation/judge"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not JSON: "),
        (b"\xff", "not JSON: "),
        ("[]", "the document: expected a mapping"),
        ('{"templates": {}}', "templates: unknown key; did you mean 'template'?"),
        ('{"version": 2, "new": 1}', "version 2 is newer than 1; update this package"),
        ('{"spec": 1}', "spec: expected a string, found 1"),
    ],
)
def test_a_manifest_that_is_none_is_named(paths, write, content, expected):
    write("cohorts/c1/manifest.json", content)

    (problem,) = problems_of(FilesystemCohortStore(paths).read_manifest, "c1")

    assert problem.startswith(expected)


def test_an_index_reads_back(paths):
    assert FilesystemCohortStore(paths).read_index("c1") == CohortIndex()
    seen = Seen("e", "1", "draft/d", "", "Grüße\n", "", "")
    index = CohortIndex("0", {"draft": [], "essay": list(write_pages([seen]))})

    FilesystemCohortStore(paths).write_index("c1", index)

    assert FilesystemCohortStore(paths).read_index("c1") == index
    assert list(index.rows("essay")) == [seen]


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", '{"version": 0}', b"\xff"])
def test_an_index_that_is_none_counts_as_empty(paths, write, content):
    write("cohorts/c1/index.jsonl", content)

    assert FilesystemCohortStore(paths).read_index("c1") == CohortIndex()


def test_a_folder_in_the_place_of_an_index_counts_as_an_empty_one(paths, data_root):
    (data_root / "cohorts/c1/index.jsonl").mkdir()

    assert FilesystemCohortStore(paths).read_index("c1") == CohortIndex()


def test_an_index_is_that_of_a_cohort(paths):
    with pytest.raises(InvalidIdError):
        FilesystemCohortStore(paths).read_index("../c1")


def test_writing_what_is_there_already_touches_nothing(paths, data_root):
    planned = plan(paths)
    write_plan(paths, planned)
    files = [data_root / "cohorts/c1" / name for name in ("membership.csv", "manifest.json")]
    for file in files:
        os.utime(file, (1, 1))

    write_plan(paths, planned)

    assert [file.stat().st_mtime for file in files] == [1, 1]


def test_the_researchers_own_files_are_never_written(paths, data_root):
    def own_files():
        folders = [data_root / "1_raw", data_root / "cohorts/c1/spec"]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}

    before = own_files()
    planned = plan(paths)
    write_plan(paths, planned)
    write_plan(paths, planned)

    assert own_files() == before


def test_an_empty_description_describes_nothing(paths, write):
    write("1_raw/concepts/descriptions-sentence/ant.txt", " \n")

    assert (
        read_catalog(FilesystemRootFiles(paths.data_root), SHIPPED).concepts["ant"].descriptions
        == {}
    )
