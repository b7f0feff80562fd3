"""What models are asked with: the columns of the model catalog, and schemas of answers."""

import json

import pytest

from adapters.cohort_store.catalog_files import read_catalog
from adapters.root_files.filesystem import FilesystemRootFiles
from daydreaming_dagster.domain.catalog import AnswerSchema
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import SamplingParameters

SCHEMA = {
    "type": "object",
    "properties": {"idea": {"type": "string"}},
    "required": ["idea"],
    "additionalProperties": False,
}


@pytest.fixture
def catalog(data_root):
    """Read the catalog after writing a model's columns or a template's schema."""

    def read(header="", cells="", schema=None):
        models = data_root / "1_raw/llm_models.csv"
        models.write_text(f"id,model,provider{header}\nbig,big-1,acme{cells}\n")
        if schema is not None:
            folder = data_root / "1_raw/schemas"
            folder.mkdir()
            text = schema if isinstance(schema, str) else json.dumps(schema)
            (folder / "idea.json").write_text(text)
        return read_catalog(FilesystemRootFiles(data_root), SHIPPED)

    return read


@pytest.fixture
def named(data_root):
    """Let the draft's template name a schema."""

    def name(schema):
        (data_root / "1_raw/draft_templates.csv").write_text(
            f"template_id,parser,generator,schema\nlinks,,llm,{schema}\n"
        )

    return name


def problem_of(read, *arguments, **settings):
    with pytest.raises(CatalogError) as caught:
        read(*arguments, **settings)
    (problem,) = caught.value.problems
    return problem


def test_a_models_row_says_what_it_is_asked_with(catalog):
    header = ",temperature,top_p,max_tokens,max_tokens_name,seed,reasoning_effort,extra_body"
    extra = '"{""top_k"": 5}"'

    model = catalog(header, f",0,0.9,50,max_completion_tokens,7,low,{extra}").models["big"]

    extra_body = {"reasoning_effort": "low", "top_k": 5}
    assert model.sampling == SamplingParameters(0.0, 0.9, 50, 7, extra_body)
    assert model.max_tokens_name == "max_completion_tokens"


def test_a_seed_that_no_float_holds_is_sent_as_it_is_written(catalog):
    assert catalog(",seed", f",{2**62 + 1}").models["big"].sampling.seed == 2**62 + 1


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("extra_body", "{", "column extra_body: not JSON"),
        ("extra_body", "[1]", "column extra_body: expected a JSON object, found '[1]'"),
        ("extra_body", '"{""a"": NaN}"', "column extra_body: not JSON: NaN is not a JSON value"),
        ("extra_body", '"{""n"": 2}"', "column extra_body: extra_body.n: it is set by the plan"),
        (
            "extra_body",
            '"{""seed"": 2}"',
            "extra_body.seed: write it beside extra_body: the column",
        ),
        (
            "extra_body",
            '"{""max_completion_tokens"": 2}"',
            "column extra_body: write the limit in max_tokens, and max_completion_tokens in",
        ),
        ("max_tokens", "0", "column max_tokens: expected a whole number of at least 1, found '0'"),
        ("max_tokens_name", "limit", "column max_tokens_name: expected max_tokens or max_comp"),
        ("temprature", "0", "unknown column 'temprature'; did you mean 'temperature'?"),
    ],
)
def test_a_setting_that_cannot_be_sent_is_a_problem_with_its_place(catalog, column, cell, expected):
    assert expected in problem_of(catalog, f",{column}", f",{cell}")


def test_a_template_names_a_schema_by_its_file(catalog, named):
    named("idea")

    entry = catalog(schema=SCHEMA).templates["draft", "links"]

    assert entry.schema == AnswerSchema("idea", SCHEMA)
    assert entry.schema.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "idea", "strict": True, "schema": SCHEMA},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"additionalProperties": True},
        {"required": []},
        {"properties": {"idea": {"anyOf": [{"type": "object", "properties": {}}]}}},
    ],
)
def test_a_schema_that_openai_would_refuse_as_strict_is_sent_as_one_that_is_not(change):
    sent = AnswerSchema("idea", {**SCHEMA, **change}).response_format["json_schema"]

    assert "strict" not in sent


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, "idea.json is missing"),
        ("{", "idea.json: not JSON: Expecting property name"),
        ("[]", "idea.json: expected a JSON object, found '[]'"),
        (
            {"type": "object", "properties": {"a": {"type": "text"}}},
            "idea.json: not a JSON schema: $.properties.a.type: 'text' is not valid under any",
        ),
        ({"$schema": 5, "type": "object"}, "idea.json: not a JSON schema: $['$schema']: 5 is not"),
        ({"type": "string"}, 'idea.json: the schema of an answer needs "type": "object"'),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "type": "objekt"},
            "idea.json: not a JSON schema: $.type: 'objekt' is not valid under any",
        ),
    ],
)
def test_a_schema_that_no_answer_could_be_held_to_is_found_before_any_call(
    catalog, named, schema, expected
):
    named("idea")

    problem = problem_of(catalog, schema=schema)

    assert "draft_templates.csv, line 2, column schema: " in problem
    assert expected in problem


def test_a_schemas_name_cannot_lead_out_of_its_folder(catalog, named, data_root):
    named("../idea")

    assert "column schema: invalid schema" in problem_of(catalog)
    named("idea")
    (data_root / "1_raw/schemas").mkdir()
    (data_root / "1_raw/schemas/idea.json").symlink_to(data_root / "1_raw/llm_models.csv")
    assert "idea.json cannot be read" in problem_of(catalog)
